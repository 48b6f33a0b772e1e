"""The reason for a miss of the prompt cache, as in Anthropic's cache diagnostics. Called by `server`.

Compares a request with the one whose answer it names; keeps hashes only.
Source: https://platform.claude.com/docs/en/build-with-claude/cache-diagnostics
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.standins.model.cache import count_tokens


@dataclass(frozen=True)
class _Fingerprint:
    parts: Mapping[str, str]
    messages: tuple[str, ...]
    tokens: int


class Diagnoses:
    """The fingerprints of answered requests with diagnostics, for the lifetime of the process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Fingerprint] = {}
        self._lock = threading.Lock()

    def of(self, owner: str, body: Mapping[str, Any], message_id: str) -> dict[str, Any] | None:
        """`diagnostics` of the answer `message_id`: None if not requested or without a change."""
        if body.get("diagnostics") is None:
            return None
        before, mine = body["diagnostics"].get("previous_message_id"), _fingerprint(body)
        with self._lock:
            self._known[owner, message_id] = mine
            last = self._known.get((owner, before)) if before else None
        if before and last is None:
            return {"cache_miss_reason": {"type": "previous_message_not_found"}}
        return _difference(last, mine) if last else None


def _difference(last: _Fingerprint, mine: _Fingerprint) -> dict[str, Any] | None:
    changed = next((part for part in last.parts if last.parts[part] != mine.parts[part]), None)
    if not changed and mine.messages[: len(last.messages)] != last.messages:
        changed = "messages"
    if not changed:
        return None
    return {"cache_miss_reason": {"type": f"{changed}_changed", "cache_missed_input_tokens": last.tokens}}


def _fingerprint(body: Mapping[str, Any]) -> _Fingerprint:
    parts = {part: _hash(body.get(part)) for part in ("model", "system", "tools")}
    return _Fingerprint(parts, tuple(map(_hash, body["messages"])), count_tokens(body))


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(_plain(value), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Without the breakpoints, which move."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items() if key != "cache_control"}
    return [_plain(part) for part in value] if isinstance(value, list) else value
