"""The checker: looks at the tree with read-only commands, then judges each criterion by Loopline's evidence.

Registered in `playbooks/__init__.py`; serves every ticket. What it runs itself can only make a result worse.
"""

from __future__ import annotations

from typing import Any

from integrations.standins.model.playbook import Answer, Playbook, bash, play
from integrations.standins.model.request import Call, Request

LOOK = bash("ls -la && git log --oneline -3 2>/dev/null; git status --short 2>/dev/null | head -20")


def _answer(request: Request) -> Answer:
    own = [bash(command) for command in list(request.commands().values())[:1]]
    look = Answer("I look at the tree, and run the first command of the contract myself.", (LOOK, *own))
    return play((look, Answer("My verdict, criterion by criterion.", (_verdict(request, own),))), request)


def _verdict(request: Request, own: list[Call]) -> Call:
    results = [_result(name, request, own) for name in request.criteria()]
    failed = [result["criterion"] for result in results if result["result"] != "pass"]
    summary = f"Not done: {', '.join(failed)}." if failed else "Every criterion is met by the evidence."
    return Call(
        "submit_verdict",
        {
            "results": results,
            "summary": summary,
            "findings": [
                f"{result['criterion']}: {result['evidence']}" for result in results if result["result"] == "fail"
            ],
            "not_checked": ["behaviour that no command of the contract covers"],
        },
    )


def _result(name: str, request: Request, own: list[Call]) -> dict[str, Any]:
    exits = request.exits()
    if name in exits:
        code, line = exits[name]
        return {"criterion": name, "result": "fail" if code else "pass", "evidence": line[:300]}
    if not exits:
        return {"criterion": name, "result": "unsure", "evidence": "no command of the contract was run"}
    red = [other for other, (code, _) in exits.items() if code]
    if red:
        return {"criterion": name, "result": "fail", "evidence": f"rests on {', '.join(red)}, which failed"}
    ran = ", ".join(f"`{call.input['command']}`" for call in own) or "nothing"
    return {
        "criterion": name,
        "result": "pass",
        "evidence": f"{', '.join(exits)} exit 0; I read the tree and ran {ran}",
    }


PLAYBOOK = Playbook("checker", matches=lambda request: request.is_checker, answer=_answer)
