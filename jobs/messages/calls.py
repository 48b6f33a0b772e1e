"""Messages about requests of people from outside of the tracker."""

from __future__ import annotations

from integrations.values import Identifier
from jobs.messages.text import code, inline, quoted


def relayed_message(author: str, through: str, command: str, text: str) -> str:
    """A person's comment as Loopline posts it: the command as code, since it was applied already, the text quoted."""
    parts = [f"**{inline(author)} (through {inline(through)}):**"]
    parts += [code(f"/{command}")] if command else []
    parts += [quoted(text)] if text else []
    return "\n\n".join(parts)


def moved_head_message(identifier: Identifier, head: str) -> str:
    """Why a person's approval or merge was not decided: it is for another commit. `head` is empty without one."""
    place = f"at commit {code(head)} now" if head else "without a commit now"
    return f"The pull request of {identifier} is {place}, not at the one that you have read: read the evidence again."


def no_access_message(identifier: Identifier) -> str:
    """Why a person's request was not decided."""
    return f"Your account on the board has no access to {identifier}: ask an administrator of the board for it."
