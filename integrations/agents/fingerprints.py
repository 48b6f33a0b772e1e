"""Fingerprints of actions and results; equal ones count as the same step. Pure.

Called by `spinning`. Times, addresses, process ids and line numbers differ between runs and are removed; other numbers
(such as the count of failed tests) are kept.
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
    return tuple((re.compile(pattern), replacement) for pattern, replacement in pairs)


_DAYS = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_YEAR = r"(?:\d{4} +)?"
_AFTER = r"(?: [A-Z]{2,4})*(?: \d{4})?"
_TIMES = _rules(
    (r"\d{4}-\d\d-\d\d[T _]\d\d[:.-]?\d\d[:.-]?\d\d(?:[.,]\d+)?(?:Z|\s?[+-]\d\d:?\d\d)?", "<time>"),
    (rf"\b(?:{_DAYS},? +)?(?:\d{{1,2}} +)?{_MONTHS} +{_YEAR}(?:\d{{1,2}} +)?{_YEAR}{_CLOCK}{_AFTER}", "<time>"),
    (rf"\b{_CLOCK}\b", "<time>"),
    (r"\b1[5-9]\d{8}(?:\d{3}|\d{6}|\d{9}|\.\d+)?\b", "<time>"),
    (r"\b0x[0-9a-fA-F]{4,}\b", "<address>"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
    (r"(/(?:var/)?tmp/(?:[\w-]*[._-])?)tmp[\w.-]{6,}", r"\1<temp>"),
    (r"/tmp/(?:pytest-of-\w+/pytest-\d+|tmp[\w.-]{6,})", "/tmp/<temp>"),
)  # fmt: skip
_LOCATIONS = _rules(
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


def fingerprint_action(name: str, arguments: Mapping[str, Any]) -> str:
    """Fingerprint a tool call. Line numbers are kept: reading the next lines is another action."""
    return _digest(json.dumps([name, _normalize(arguments)], sort_keys=True, ensure_ascii=False))


@lru_cache(maxsize=256)  # the transcript is compared again after each turn
def fingerprint_result(text: str, *, is_error: bool) -> str:
    """Fingerprint the result of a tool call."""
    plain = "\n".join(line.strip() for line in _apply(_apply(text, _TIMES), _LOCATIONS).splitlines() if line.strip())
    return _digest(f"{is_error}\n{plain}")


def replace_times(text: str) -> str:
    """The text with names in place of times, addresses, ids and temporary paths."""
    return _apply(text, _TIMES)


def fingerprint_text(text: str) -> str:
    """Fingerprint a text that is normalized already."""
    return _digest(text)


def combine_fingerprints(parts: Iterable[str]) -> str:
    """Combine fingerprints into one; their order does not matter."""
    return _digest(" ".join(sorted(parts)))


def _normalize(value: Any) -> Any:
    """Replace times and addresses in every text of the value."""
    if isinstance(value, str):
        return _apply(value, _TIMES).strip()
    if isinstance(value, Mapping):
        return {str(key): _normalize(part) for key, part in value.items()}
    return [_normalize(part) for part in value] if isinstance(value, list) else value


def _apply(text: str, rules: _Rules) -> str:
    for pattern, replacement in rules:
        text = pattern.sub(replacement, text)
    return text


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
