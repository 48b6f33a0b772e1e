"""Token counts, the prompt cache, and the reason for a miss, by Anthropic's documented rules. Called by `server`.

A token is four characters of JSON. An entry is written at each breakpoint and read from any of the 20 blocks before
one; it belongs to a key and a model. There is no expiry and no minimum length.
Sources: https://platform.claude.com/docs/en/build-with-claude/prompt-caching and …/cache-diagnostics
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CHARACTERS_PER_TOKEN = 4
IMAGE_TOKENS = 1_600
LOOK_BACK = 20


@dataclass(frozen=True)
class _Position:
    """The length and digest of the prompt up to and including one block."""

    tokens: int
    digest: str
    breakpoint: bool


class PrefixCache:
    """The cached prefixes of each owner, for the lifetime of the process."""

    def __init__(self) -> None:
        self._written: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def usage(self, owner: str, body: Mapping[str, Any]) -> dict[str, int]:
        """The input part of `usage`; `owner` is a fingerprint of the API key. Caches the request's breakpoints."""
        positions = _positions(body)
        with self._lock:
            read, written = self._look_up(f"{owner}/{body['model']}", positions)
        return {
            "input_tokens": positions[-1].tokens - max(read, written),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": max(0, written - read),
        }

    def _look_up(self, owner: str, positions: list[_Position]) -> tuple[int, int]:
        breakpoints = [place for place, position in enumerate(positions) if position.breakpoint]
        reach = {place for end in breakpoints for place in range(max(0, end - LOOK_BACK), end + 1)}
        read = max((positions[p].tokens for p in reach if (owner, positions[p].digest) in self._written), default=0)
        self._written |= {(owner, positions[place].digest) for place in breakpoints}
        return read, max((positions[place].tokens for place in breakpoints), default=0)


def count_tokens(body: Mapping[str, Any]) -> int:
    """Tokens of the whole prompt."""
    return _positions(body)[-1].tokens


def tokens_in(value: Any) -> int:
    """Tokens of one JSON value, at least 1."""
    return max(1, len(json.dumps(value, ensure_ascii=False)) // CHARACTERS_PER_TOKEN)


def _positions(body: Mapping[str, Any]) -> list[_Position]:
    running = hashlib.sha256()
    tokens = 0
    positions = []
    for block in _prompt(body):
        plain = {key: value for key, value in block.items() if key != "cache_control"}
        running.update(json.dumps(plain, sort_keys=True).encode())
        tokens += IMAGE_TOKENS if plain.get("type") == "image" else tokens_in(plain)
        positions.append(_Position(tokens, running.hexdigest(), bool(block.get("cache_control"))))
    return positions


def _prompt(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All blocks in the order of the prompt: tools, system, messages (with their role)."""
    yield from body.get("tools", ())
    yield from as_blocks(body.get("system") or ())
    for message in body["messages"]:
        for block in as_blocks(message["content"]):
            yield {"role": message["role"]} | block


def as_blocks(content: Any) -> Any:
    """The blocks of a content, which may be a plain text."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


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
