"""The judge: done, unless a command that Loopline ran has failed. One call.

Registered in `playbooks/__init__.py`; serves every ticket.
"""

from __future__ import annotations

from integrations.standins.model.playbook import Answer, Playbook
from integrations.standins.model.request import Call, Request


def _answer(request: Request) -> Answer:
    missing = [f"{name}: {line[:200]}" for name, (code, line) in request.exits().items() if code or "FLAKY" in line]
    reason = "a command of the contract failed" if missing else "every command of the contract ended with 0"
    judgement = {"done": not missing, "missing": missing, "reason": reason}
    return Answer("", (Call("submit_judgement", judgement),))


PLAYBOOK = Playbook("judge", matches=lambda request: request.is_judge, answer=_answer)
