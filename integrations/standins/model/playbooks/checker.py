"""The checker: inspects the tree with read-only commands, then judges each criterion by Loopline's evidence.

Registered in `playbooks/__init__.py`; serves every ticket. It cites existing evidence only: Loopline's by name, its
own commands, files of the diff.
"""

from __future__ import annotations

import re
from typing import Any

from integrations.standins.model.playbook import Answer, Playbook, bash, play
from integrations.standins.model.request import Call, Request

LOOK = bash("ls -la && git log --oneline -3 2>/dev/null; git status --short 2>/dev/null | head -20")
_CHANGED = re.compile(r"^\+\+\+ b/(?P<path>\S+)$", re.MULTILINE)


def _answer(request: Request) -> Answer:
    own = [bash(command) for command in list(request.commands().values())[:1]]
    look = Answer("I look at the tree, and run the first command of the contract myself.", (LOOK, *own))
    return play((look, Answer("My verdict, criterion by criterion.", (_verdict(request, own),))), request)


def _verdict(request: Request, own: list[Call]) -> Call:
    results = [_result(name, text, request, own) for name, text in request.criteria().items()]
    failed = [result["criterion"] for result in results if result["result"] != "pass"]
    summary = f"Not done: {', '.join(failed)}." if failed else "Every criterion is met by the evidence."
    return Call(
        "submit_verdict",
        {
            "results": results,
            "summary": summary,
            "findings": [
                {"text": f"{result['criterion']}: {result['reason']}"[:500], "severity": "major"}
                for result in results
                if result["result"] == "fail"
            ],
            "not_checked": ["behaviour that no command of the contract covers"],
            "confidence": "medium" if failed else "high",
            "no_change_needed": not failed and "(empty)" in request.section("Diff"),
        },
    )


def _result(name: str, text: str, request: Request, own: list[Call]) -> dict[str, Any]:
    exits = request.exits()
    if name in exits:
        code, line = exits[name]
        result = "unsure" if "FLAKY" in line else "fail" if code else "pass"
        return _said(name, result, line[:300], [_gate(name)])
    if not exits:
        return _said(name, "unsure", "no command of the contract was run", [])
    red = [other for other, (code, _) in exits.items() if code]
    if red:
        return _said(name, "fail", f"rests on {', '.join(red)}, which failed", [_gate(other) for other in red])
    named = [path for path in _CHANGED.findall(request.section("Diff")) if path in text]
    files = [{"source": "file", "name": path, "shows": "is part of the change"} for path in named[:3]]
    ran = [{"source": "command", "name": call.input["command"], "shows": "I ran it too"} for call in own]
    return _said(name, "pass", "I read the tree", [*files, *(_gate(other) for other in list(exits)[:3]), *ran])


def _said(name: str, result: str, reason: str, evidence: list[dict[str, Any]]) -> dict[str, Any]:
    return {"criterion": name, "result": result, "evidence": evidence, "reason": reason}


def _gate(name: str) -> dict[str, Any]:
    return {"source": "gate", "name": name, "shows": "Loopline's own run"}


PLAYBOOK = Playbook("checker", matches=lambda request: request.is_checker, answer=_answer)
