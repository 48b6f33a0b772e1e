"""The maker on the proposal of the stand-in's planner: the program's help shows an example.

Registered in `playbooks/__init__.py`. Program and example are read from the contract and the tree.
"""

from __future__ import annotations

import re

from integrations.standins.model.playbook import Answer, Playbook, bash, create, play, view
from integrations.standins.model.playbooks.review import review_script
from integrations.standins.model.request import Request

RUN_ALL = "python3 -m unittest discover -q"
_WANTED = re.compile(r"python3 -m (?P<program>\w+) --help \| grep -qi example")


def _program(request: Request) -> str:
    found = filter(None, map(_WANTED.search, request.commands().values()))
    return next((match["program"] for match in found), "")


def _tests(program: str) -> str:
    return f'''"""What somebody sees who asks for help."""

from __future__ import annotations

import contextlib
import io
import unittest

from {program}.cli import main


class Help(unittest.TestCase):
    """The text of --help."""

    def test_the_help_shows_an_example(self) -> None:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), self.assertRaises(SystemExit):
            main(["--help"])
        self.assertIn("Example: python3 -m {program} ", printed.getvalue())
'''


def _edit(program: str) -> str:
    return f"""python3 - <<'END_OF_EDIT'
from pathlib import Path

example = next((str(path) for path in sorted(Path("examples").glob("*"))), "FILE")
call = f"python3 -m {program} {{example}}"
path = Path("{program}/cli.py")
text = path.read_text()
if "epilog=" not in text:
    path.write_text(text.replace("ArgumentParser(", f'ArgumentParser(epilog="Example: {{call}}", ', 1))
readme = Path("README.md")
if "## Help" not in readme.read_text():
    readme.write_text(readme.read_text().rstrip() + f"\\n\\n## Help\\n\\n`--help` ends with an example: `{{call}}`\\n")
END_OF_EDIT"""


def _answer(request: Request) -> Answer:
    program = _program(request)
    if request.is_revision:
        return play(review_script(request, RUN_ALL), request)
    script = (
        Answer("I look at how the command line describes itself.", (view(f"{program}/cli.py"), view("README.md"))),
        Answer("First the test, then the example.", (create("tests/test_help.py", _tests(program)),)),
        Answer("The example goes below the help, and into the README.", (bash(_edit(program)),)),
        Answer("I try it, and run the whole suite.", (bash(f"python3 -m {program} --help && {RUN_ALL}"),)),
        Answer("`--help` ends with an example that can be copied, README.md shows the same one, and a test holds it."),
    )
    return play(script, request)


PLAYBOOK = Playbook("help", matches=lambda request: request.is_maker and bool(_program(request)), answer=_answer)
