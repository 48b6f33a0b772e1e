"""Filters of the dashboard's templates: times, durations, sums, and `code` in somebody's text. Pure.

Whatever comes in is escaped; only the tags made here are markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from markupsafe import Markup, escape

from integrations.values import Usage

_CODE = re.compile(r"`([^`\n]+)`")


def iso(seconds: float) -> str:
    """Unix seconds as an ISO time in UTC; the page's script turns it into 'x min ago'."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """A length of time as a person says it."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def code(text: str) -> Markup:
    """The text with what stands between back-ticks set as code."""
    parts = _CODE.split(text)
    marked = (Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts))
    return Markup("").join(marked)


def money(usage: Usage) -> str:
    """What something cost, short."""
    calls = f"{usage.model_calls} {'call' if usage.model_calls == 1 else 'calls'}"
    return f"${usage.cost_usd:.2f} · {calls}"


def cache(usage: Usage) -> str:
    """How much of the prompts the provider's cache served, and which calls it did not serve at all."""
    if not usage.input_tokens:
        return ""
    misses = f"{usage.cache_misses} {'miss' if usage.cache_misses == 1 else 'misses'}" if usage.cache_misses else ""
    reason = f" ({usage.cache_miss_reason})" if misses and usage.cache_miss_reason else ""
    # Rounded down: 100 % would say that nothing was paid for anew.
    return f"cache {100 * usage.cached_tokens // usage.input_tokens} %" + (f", {misses}{reason}" if misses else "")


FILTERS: dict[str, Callable[..., str]] = {
    "iso": iso,
    "duration": duration,
    "code": code,
    "money": money,
    "cache": cache,
}
