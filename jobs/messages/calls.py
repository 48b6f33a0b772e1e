"""Messages about requests of people from outside of the tracker."""

from __future__ import annotations

from jobs.messages.text import code, inline


def relayed_message(author: str, through: str, command: str, body: str) -> str:
    """A person's comment as Loopline posts it, with its command as code, since it was applied already."""
    text = f"{code(f'/{command}')} {body}".strip() if command else body
    return f"**{inline(author)} (through {through}):**\n\n{text}"


def no_access_message(identifier: str) -> str:
    """Why a person's request was not decided."""
    return f"Your account on the board has no access to {identifier}: ask an administrator of the board for it."
