"""The maker on the proposal of the stand-in's planner: the program's help shows an example from the tree."""

from __future__ import annotations

import re

from integrations.standins.model.playbook import (
    RUN_ALL,
    Answer,
    Playbook,
    bash,
    create,
    play,
    read_file,
    review_script,
    run_python,
    view,
)
from integrations.standins.model.request import Request

_WANTED = re.compile(r"python3 -m (?P<program>\w+) --help \| grep -qi example")


def _program(request: Request) -> str:
    found = filter(None, map(_WANTED.search, request.commands().values()))
    return next((match["program"] for match in found), "")


def _answer(request: Request) -> Answer:
    program = _program(request)
    if request.is_revision:
        return play(review_script(request), request)
    script = (
        Answer("I look at how the command line describes itself.", (view(f"{program}/cli.py"), view("README.md"))),
        Answer(
            "First the test, then the example.",
            (create("tests/test_help.py", read_file("test_help.py", PROGRAM=program)),),
        ),
        Answer(
            "The example goes below the help, and into the README.",
            (run_python(read_file("edit_help.py", PROGRAM=program)),),
        ),
        Answer("I try it, and run the whole suite.", (bash(f"python3 -m {program} --help && {RUN_ALL}"),)),
        Answer("`--help` ends with an example that can be copied, README.md shows the same one, and a test holds it."),
    )
    return play(script, request)


PLAYBOOK = Playbook("help", matches=lambda request: request.role == "maker" and bool(_program(request)), answer=_answer)
