"""Template filters of the dashboard: times, durations, costs, and code in user text. Pure.

All input is escaped; only the tags added here are markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from markupsafe import Markup, escape

from integrations.values import Usage

_CODE = re.compile(r"`([^`\n]+)`")


def iso(seconds: float) -> str:
    """Format Unix seconds as an ISO time in UTC; the page's script replaces it with the age."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """Format seconds as a short duration."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{minutes} min"


def code(text: str) -> Markup:
    """Escape the text and mark up parts in backticks as code."""
    parts = _CODE.split(text)
    marked = (Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts))
    return Markup("").join(marked)


def money(usage: Usage) -> str:
    """Format the cost and the number of model calls."""
    calls = f"{usage.model_calls} {'call' if usage.model_calls == 1 else 'calls'}"
    return f"${usage.cost_usd:.2f} · {calls}"


def cache(usage: Usage) -> str:
    """Format the share of prompt tokens read from the provider's cache, and the number of cache misses."""
    if not usage.input_tokens:
        return ""
    misses = f"{usage.cache_misses} {'miss' if usage.cache_misses == 1 else 'misses'}" if usage.cache_misses else ""
    reason = f" ({usage.cache_miss_reason})" if misses and usage.cache_miss_reason else ""
    # Rounded down: 100 % means that all tokens were cached.
    return f"cache {100 * usage.cached_tokens // usage.input_tokens} %" + (f", {misses}{reason}" if misses else "")


FILTERS: dict[str, Callable[..., str]] = {
    "iso": iso,
    "duration": duration,
    "code": code,
    "money": money,
    "cache": cache,
}
