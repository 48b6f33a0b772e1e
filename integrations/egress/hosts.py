"""Host names that the egress proxy accepts, and patterns of them. Pure.

One strict grammar for both, so that no other parser can read a name differently: lower-case ASCII labels, at least two,
the last one beginning with a letter. IP addresses in every notation, a trailing dot, an underscore and a NUL are no
names of this grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z]){_LABEL}", re.ASCII)
_PRINTABLE = re.compile(r"[^!-~]")
LONGEST_SHOWN = 80


def parse_host(text: str) -> str | None:
    """The name in lower case; None if it is not a host name."""
    name = text.lower() if text.isascii() else ""
    return name if _HOST.fullmatch(name) else None


def parse_pattern(text: str) -> str | None:
    """A host name, or `*.` in front of one for all names below it; None for anything else."""
    below = text.startswith("*.")
    host = parse_host(text.removeprefix("*.") if below else text)
    return f"*.{host}" if host and below else host


def matches(host: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern permits the host. `*.acme.test` permits names below acme.test, but not acme.test itself."""
    return any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in patterns)


def show_host(text: str) -> str:
    """The host of a refused request for messages and logs: printable ASCII, at most 80 characters."""
    shown = _PRINTABLE.sub("?", text)
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 3]}..."
