"""The primary rate limit: counted per caller and hour and reported, but enforced only by a fault."""

from __future__ import annotations

import time

from integrations.standins.github.auth import Actor
from integrations.standins.github.hub import Hub

LIMIT = 5_000
WINDOW_S = 3_600


def count(hub: Hub, actor: Actor) -> None:
    """One more request of this caller."""
    with hub.lock:
        key = _window(actor)
        hub.used = {other: used for other, used in hub.used.items() if other.endswith(key.rpartition("@")[2])}
        hub.used[key] = hub.used.get(key, 0) + 1


def rate(hub: Hub, actor: Actor) -> dict[str, int]:
    """`rate-limit` of this caller; `reset` is in Unix seconds."""
    used = hub.used.get(_window(actor), 0)
    reset = (int(time.time()) // WINDOW_S + 1) * WINDOW_S
    return {"limit": LIMIT, "used": used, "remaining": max(0, LIMIT - used), "reset": reset}


def _window(actor: Actor) -> str:
    return f"{actor.kind}:{actor.login}@{int(time.time()) // WINDOW_S}"
