"""The maker on the feature ticket of the demo repository: `--json`, or the flag that a person requests.

Registered in `playbooks/__init__.py`. The flag is read from the steering in each request, so late steering makes it
rewrite its changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from integrations.standins.model.playbook import Answer, Playbook, bash, create, play, view
from integrations.standins.model.playbooks.review import PEOPLE, review_script
from integrations.standins.model.request import Request

RUN_ALL = "python3 -m unittest discover -q"
_FLAG = re.compile(r"(?P<flag>--[a-z][a-z0-9-]*)(?:[ =](?P<value>json)\b)?")


@dataclass(frozen=True)
class Flag:
    """`--json`, or with a value `--format json`."""

    name: str
    value: str = ""

    @property
    def usage(self) -> str:
        return f"{self.name} {self.value}".strip()

    @property
    def argument(self) -> str:
        """The line for argparse."""
        if self.value:
            return (
                f'parser.add_argument("{self.name}", choices=["table", "{self.value}"], default="table", '
                'help="how to print the balances")'
            )
        return f'parser.add_argument("{self.name}", action="store_true", help="print the balances as JSON, in cents")'

    @property
    def condition(self) -> str:
        option = "options." + self.name.lstrip("-").replace("-", "_")
        return f'{option} == "{self.value}"' if self.value else option


def wanted_flag(request: Request) -> Flag:
    """The flag in the last message of a person that names one; `--json` without any."""
    for words in reversed((request.section(PEOPLE), *request.steering)):
        found = list(_FLAG.finditer(words))
        if found:
            return Flag(found[-1]["flag"], found[-1]["value"] or "")
    return Flag("--json")


def _export_module() -> str:
    return '''"""Balances for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping


def as_json(balance: Mapping[str, int]) -> str:
    """A JSON object of cents by name."""
    return json.dumps(balance, ensure_ascii=False)
'''


def _tests(flag: Flag) -> str:
    arguments = ", ".join(f'"{word}"' for word in flag.usage.split())
    return f'''"""The balances as JSON, through the command line."""

from __future__ import annotations

import contextlib
import io
import json
import unittest
from pathlib import Path

from tally.cli import main

TRIP = str(Path(__file__).parent.parent / "examples" / "trip.csv")


class Export(unittest.TestCase):
    """What a script reads."""

    def test_the_flag_prints_only_json(self) -> None:
        self.assertEqual(set(json.loads(self.output(TRIP, {arguments}))), {{"Ada", "Bo", "Cy"}})

    def test_balances_are_whole_cents_that_add_up_to_zero(self) -> None:
        self.assertEqual(sum(json.loads(self.output(TRIP, {arguments})).values()), 0)

    def test_without_the_flag_the_table_stays(self) -> None:
        self.assertNotIn("{{", self.output(TRIP))

    def output(self, *argv: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            self.assertEqual(main(argv), 0)
        return printed.getvalue()
'''


def _edit_cli(flag: Flag) -> str:
    """A command that starts from the committed file, so that it can be run again for another flag."""
    return f"""python3 - <<'END_OF_EDIT'
import re
from pathlib import Path

path = Path("tally/cli.py")
text = re.sub(r".*# for scripts\\n", "", path.read_text())
text = text.replace("from .export import as_json\\n", "").replace(
    "from .ledger import", "from .export import as_json\\nfrom .ledger import"
)
text = re.sub(r"(    parser\\.add_argument\\(\\"--settle\\".*\\n)", lambda found: found[1] + '''\\
    {flag.argument}  # for scripts
''', text)
text = text.replace("    if options.settle:\\n", '''\\
    if {flag.condition}:  # for scripts
        return as_json(balance)  # for scripts
    if options.settle:
''')
path.write_text(text)
END_OF_EDIT"""


def _edit_readme(flag: Flag) -> str:
    return f"""python3 - <<'END_OF_EDIT'
import re
from pathlib import Path

path = Path("README.md")
text = re.sub(r"\\n## For scripts\\n.*", "", path.read_text(), flags=re.DOTALL)
path.write_text(text + '''
## For scripts

```
$ python3 -m tally examples/trip.csv {flag.usage}
{{"Ada": 1900, "Bo": -500, "Cy": -1400}}
```
''')
END_OF_EDIT"""


def _script(flag: Flag, opening: str) -> tuple[Answer, ...]:
    try_it = f"python3 -m tally examples/trip.csv {flag.usage} && {RUN_ALL}"
    return (
        Answer(opening, (view("tally/cli.py"), view("tally/report.py"), view("tests/test_cli.py"))),
        Answer(
            f"`cli.py` decides what is printed; a new module turns balances into JSON. The flag is `{flag.usage}`.",
            (create("tally/export.py", _export_module()), bash(_edit_cli(flag))),
        ),
        Answer(
            "Now tests that call the command line as a script would, and the README.",
            (create("tests/test_export.py", _tests(flag)), bash(_edit_readme(flag))),
        ),
        Answer("I try it, and run the whole suite.", (bash(try_it),)),
        Answer(
            f"`python3 -m tally FILE {flag.usage}` prints the balances as JSON, cents by name. The tests call "
            "it through the command line, and README.md shows it. I did not check names that need escaping."
        ),
    )


def _answer(request: Request) -> Answer:
    flag = wanted_flag(request)
    opening = "I look at how the command line prints the balances today."
    if request.steering:
        opening = f"Understood, the flag will be `{flag.usage}`. I look at where the work stands."
    if request.is_revision and not _FLAG.search(request.section("Contract")):
        return play(review_script(request, RUN_ALL), request)
    return play(_script(flag, opening), request)


PLAYBOOK = Playbook(
    "feature", matches=lambda request: request.is_maker and "json" in request.title.lower(), answer=_answer
)
