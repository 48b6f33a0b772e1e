"""The planner: confirms a list of the ticket's own; else looks at the tree and proposes a small, checkable reading.

Registered in `playbooks/__init__.py`; serves every ticket. It finds the program by its `__main__.py`; without
one it can only name kinds of evidence.
"""

from __future__ import annotations

import re
from typing import Any

from integrations.standins.model.playbook import Answer, Playbook, bash, play
from integrations.standins.model.request import Call, Request

LOOK = bash("ls; ls */__main__.py tests/__init__.py 2>/dev/null; head -20 README.md 2>/dev/null")
_PROGRAM = re.compile(r"^(?P<name>[A-Za-z_]\w*)/__main__\.py$", re.MULTILINE)


def _answer(request: Request) -> Answer:
    if request.section("The ticket's own list"):
        confirmed = {"summary": "Each item of the ticket's list can be checked.", "confidence": "high"}
        return play((Answer("The list can be checked as it stands.", (_submit(confirmed),)),), request)
    look = Answer("I look at what there is before I say what done could mean.", (LOOK,))
    seen = request.shown(LOOK)
    program = _PROGRAM.search(seen)
    if not seen or not program:
        return play((look, Answer("My proposal.", (_submit(_unknown(request)),))), request)
    show = bash(f"python3 -m {program['name']} --help")
    tried = Answer("I try the program as somebody would who does not know it.", (show,))
    proposal = _submit(_known(request, program["name"], "tests/__init__.py" in seen))
    return play((look, tried, Answer("My proposal: the smallest reading that helps.", (proposal,))), request)


def _submit(proposal: dict[str, Any]) -> Call:
    return Call("submit_proposal", proposal)


def _known(request: Request, program: str, tests: bool) -> dict[str, Any]:
    shown = f"`python3 -m {program} --help` shows an example of a call"
    criteria = [{"text": shown, "command": f"python3 -m {program} --help | grep -qi example"}]
    if tests:
        test = "a new test calls the help and looks for the example"
        criteria.append({"text": test, "command": "python3 -m unittest tests.test_help -q"})
    criteria.append({"text": "README.md shows the same example", "evidence": "file and line"})
    return {
        "summary": f"Smallest reading of “{request.title[:80]}”: the help of {program} says how it is used.",
        "criteria": criteria,
        "confidence": "low",
        "questions": [
            {
                "text": "What should be better for somebody who uses it?",
                "options": ["the help on the command line", "the messages for wrong input", "the layout of the output"],
            }
        ],
    }


def _unknown(request: Request) -> dict[str, Any]:
    return {
        "summary": f"“{request.title[:80]}”, as the ticket says it.",
        "criteria": [
            {"text": f"what the ticket asks for is there: {request.title[:200]}", "evidence": "file and line"},
            {"text": "a new test fails without the change and passes with it", "evidence": "test"},
        ],
        "confidence": "low",
        "questions": [],
    }


PLAYBOOK = Playbook("planner", matches=lambda request: request.is_planner, answer=_answer)
