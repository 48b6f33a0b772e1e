"""When two actions, or two results, count as the same: what differs at every run is taken out. Pure.

Called by `spinning`. Numbers stay where they have a meaning (how many tests failed); times, addresses, process ids and
places in files go.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

_Rules = tuple[tuple[re.Pattern[str], str], ...]


def _rules(*pairs: tuple[str, str]) -> _Rules:
    return tuple((re.compile(pattern), instead) for pattern, instead in pairs)


_DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_YEAR = r"(?:\d{4} +)?"
_AFTER = r"(?: [A-Z]{2,4})*(?: \d{4})?"
_MOMENTS = _rules(
    (r"\d{4}-\d\d-\d\d[T _]\d\d[:.-]?\d\d[:.-]?\d\d(?:[.,]\d+)?(?:Z|\s?[+-]\d\d:?\d\d)?", "<time>"),
    (rf"\b(?:{_DAYS},? +)?(?:\d{{1,2}} +)?{_MONTHS} +{_YEAR}(?:\d{{1,2}} +)?{_YEAR}{_CLOCK}{_AFTER}", "<time>"),
    (rf"\b{_CLOCK}\b", "<time>"),
    (r"\b1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9}|\.\d+)?\b", "<time>"),
    (r"\b0x[0-9a-fA-F]{4,}\b", "<address>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
    (r"(/(?:var/)?tmp/(?:[\w-]*[._-])?)tmp[\w.-]{6,}", r"\1<temp>"),
    (r"/tmp/(?:pytest-of-\w+/pytest-\d+|tmp[\w.-]{6,})", "/tmp/<temp>"),
)  # fmt: skip
_PLACES = _rules(
    (r"(?m)^ *\d+\t", ""),  # a view's line numbers
    (r"(?:/var)?/tmp/[^\s'\":,;()<>\[\]]*", "<temp>"),
    (r"(?i)\b(pid|process|port)([ =:#]+)\d+", r"\1\2<n>"),
    (r"(?m)^\[\d+\][+-]? +\d+", "<job>"),
    (r"\b(localhost|127\.0\.0\.1):\d+", r"\1:<n>"),
    (r"(?i)\bline \d+", "line <n>"),
    (r"(\.[A-Za-z]\w{0,9}):\d+(?::\d+)?", r"\1:<n>"),
    (r"\b\d+m ?\d+(?:\.\d+)?s\b", "<duration>"),
    (r"(?i)\b\d+(?:[.,]\d+)? ?(?:ns|us|µs|ms|s|secs?|seconds?|min|mins|minutes?|hours?)\b", "<duration>"),
    (r"\d+(?:[.,]\d+)? ?%", "<percentage>"),
)


def action(name: str, arguments: Mapping[str, Any]) -> str:
    """What was asked for. Places in files stay: reading the next lines is another action."""
    asked = json.dumps([name, _each(arguments)], sort_keys=True, ensure_ascii=False)
    return _digest(asked)


@lru_cache(maxsize=256)  # a transcript is looked through after each turn
def result(text: str, *, is_error: bool) -> str:
    """What came of it."""
    plain = "\n".join(line.strip() for line in _without(_without(text, _MOMENTS), _PLACES).splitlines() if line.strip())
    return _digest(f"{is_error}\n{plain}")


def together(parts: Iterable[str]) -> str:
    """Several fingerprints as one; their order does not matter."""
    return _digest(" ".join(sorted(parts)))


def _each(value: Any) -> Any:
    """The value with every text in it made comparable."""
    if isinstance(value, str):
        return _without(value, _MOMENTS).strip()
    if isinstance(value, Mapping):
        return {str(key): _each(part) for key, part in value.items()}
    return [_each(part) for part in value] if isinstance(value, list) else value


def _without(text: str, rules: _Rules) -> str:
    for pattern, instead in rules:
        text = pattern.sub(instead, text)
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
