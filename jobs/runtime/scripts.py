"""The Lua scripts of `jobs/runtime/lua/`, loaded once per Redis client. Called by `jobs.store.tickets`,
`jobs.store.runs`, `jobs.store.ledger`, `jobs.store.breaker` and `jobs.runtime.lease`.

Every script that writes under a lease begins with `fence.lua`, so a process that lost its lease can change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from integrations.failpoints import fail

_FOLDER = Path(__file__).parent / "lua"
_UNFENCED = frozenset(
    {
        "take_lease",
        "renew_lease",
        "drop_lease",
        "acknowledge",
        "forget",
        "deliver",
        "start_run",
        "steer",
        "intake",
        "restore",
        "redrive",
        "admit",
        "call_failed",
        "probe_ended",
    }
)
_ON_THE_BOOKS = frozenset({"reserve", "settle"})


class LeaseLost(Exception):
    """Another process took over; whatever this one still wants to write is refused."""


@cache
def source(name: str) -> str:
    """The text of a script, the fence in front of it where it writes under a lease, then what it shares."""
    fence = "" if name in _UNFENCED else (_FOLDER / "fence.lua").read_text()
    shared = (_FOLDER / "ledger.lua").read_text() if name in _ON_THE_BOOKS else ""
    return fence + shared + (_FOLDER / f"{name}.lua").read_text()


def run_script(redis: Redis, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> Any:
    """Run a script by name. Raises `LeaseLost` when its fence refuses."""
    fail(f"{name}.lua", "before")
    try:
        reply = redis.register_script(source(name))(keys=list(keys), args=list(args))
    except ResponseError as error:
        if "LEASELOST" in str(error):
            raise LeaseLost(str(error)) from error
        raise
    fail(f"{name}.lua", "done")
    return reply


def decode(raw: bytes | str) -> str:
    """Redis answers bytes; its annotations allow text as well."""
    return raw.decode() if isinstance(raw, bytes) else raw
