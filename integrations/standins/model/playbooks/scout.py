"""The scout: lists the files, searches them for terms of the ticket, and submits a plan.

Registered in `playbooks/__init__.py`; serves every ticket.
"""

from __future__ import annotations

import re

from integrations.standins.model.playbook import Answer, Playbook, bash, play
from integrations.standins.model.request import Call, Request

FILES = bash("git ls-files | head -100")
MOST_PATHS = 8
_WORD = re.compile(r"[a-z]{4,}")
_PATH = re.compile(r"^\.?/?(?P<path>[\w./-]+\.\w+)$", re.MULTILINE)
_NOT_TELLING = frozenset({"when", "does", "that", "with", "from", "this", "have", "make", "into", "their", "they"})


def _answer(request: Request) -> Answer:
    words = [word for word in dict.fromkeys(_WORD.findall(request.title.lower())) if word not in _NOT_TELLING]
    find = bash(f"grep -rlicE '{'|'.join(words) or 'main'}' --include=*.py --include=*.md . | sort | head -20")
    look = Answer("I see what is here, and where the ticket's words come up.", (FILES, find))
    return play((look, Answer("What I found.", (_plan(request, find),))), request)


def _plan(request: Request, find: Call) -> Call:
    found = [match["path"] for match in _PATH.finditer(request.shown(find))]
    paths = [path for path in found if path.endswith(".py")] or found
    code = [path for path in paths if not path.startswith("tests/")]
    tests = [path for path in paths if path.startswith("tests/")]
    steps = [f"read {path}, where the ticket's words come up" for path in code[:3]]
    steps += [f"write the tests first, beside {tests[0]}" if tests else "write a test that fails without the change"]
    steps += ["make the smallest change that meets the contract", "run the contract's commands"]
    first = ", ".join(code[:2]) or "none of them code"
    return Call(
        "submit_plan",
        {
            "summary": f"{request.title}: {len(found)} files speak of it, {first}.",
            "steps": steps,
            "paths": (code + tests)[:MOST_PATHS],
            "commands": list(dict.fromkeys(request.commands().values()))[:10],
        },
    )


PLAYBOOK = Playbook("scout", matches=lambda request: request.is_scout, answer=_answer)
