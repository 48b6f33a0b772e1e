"""Misbehaviour on request, in the words of `POST /_faults`. Called by the server; the keeping is in `standins.wire`.

    {"operation": "commentCreate" | "Comment" | "*", "kind": …, "times": 1, "seconds": 0}

`operation` is a root field or the client's own name for its operation, or for webhooks also the type of the entity.
Kinds: lost_reply (done, then the connection is cut), timeout (done, but the answer comes after `seconds`), ratelimited
and 500 (not done), webhook_drop (never sent), webhook_duplicate (sent twice), webhook_delay (sent after `seconds`,
later ones overtake it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.standins.wire import Fault, FaultKind

KINDS: dict[str, FaultKind] = {
    "lost_reply": "lost_reply",
    "timeout": "timeout",
    "ratelimited": "rate_limit",
    "500": "502",
    "webhook_drop": "webhook_drop",
    "webhook_duplicate": "webhook_duplicate",
    "webhook_delay": "webhook_delay",
}


def read_fault(wanted: Mapping[str, Any]) -> Fault:
    """A fault from JSON. Raises `ValueError` with a sentence for the person who asked."""
    kind = str(wanted.get("kind"))
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; it has to be one of {', '.join(KINDS)}")
    return Fault.read({**wanted, "kind": KINDS[kind]})
