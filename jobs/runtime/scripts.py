"""Runs the Lua scripts of `jobs/runtime/lua/`. Called by `jobs.store`, `jobs.runtime.lease` and `service.web.intake`.

`fence.lua` is put before each script that does not begin with `-- Unfenced.`, so a process that lost its lease cannot
write.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from integrations.failpoints import fail

# Read at the import: later a process can be out of file descriptors.
_TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in (Path(__file__).parent / "lua").glob("*.lua")}
_LEDGER_SCRIPTS = frozenset({"reserve", "settle"})


class LeaseLost(Exception):
    """The lease expired and another process took over; the fence rejects all further writes of this one."""


@cache
def load_script(name: str) -> str:
    """Return the text of a script, after the fence (if it writes under a lease) and its shared functions."""
    script = _TEXTS[name]
    fence = "" if script.startswith("-- Unfenced.") else _TEXTS["fence"]
    shared = _TEXTS["ledger"] if name in _LEDGER_SCRIPTS else ""
    return fence + shared + script


def run_script(redis: Redis, name: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> Any:
    """Run a script by name. Raises `LeaseLost` when the fence rejects the token."""
    fail(f"{name}.lua", "before")
    try:
        reply = redis.register_script(load_script(name))(keys=list(keys), args=list(args))
    except ResponseError as error:
        if "LEASELOST" in str(error):
            raise LeaseLost(str(error)) from error
        raise
    fail(f"{name}.lua", "done")
    return reply


def decode(raw: bytes | str) -> str:
    """Return the text of a reply. The client returns bytes, but its annotations include `str`."""
    return raw.decode() if isinstance(raw, bytes) else raw
