"""Sentences about hosts that a command could not connect to."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.egress.hosts import parse_host
from jobs.messages.text import inline

_MOST = 6


def blocked_hosts_line(blocked: Mapping[str, int], key: str = "loop.environment.network") -> str:
    """The blocked hosts with their counts, most frequent first, and the line to add to `WORKFLOW.md` under `key`.

    Empty without blocked hosts."""
    if not blocked:
        return ""
    ordered = sorted(blocked.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{inline(host)}, {count} time{'' if count == 1 else 's'}" for host, count in ordered[:_MOST]]
    more = [f"and {len(ordered) - _MOST} more hosts"] if len(ordered) > _MOST else []
    line = f"blocked: {'; '.join([*shown, *more])}."
    hosts = [host for host, _ in ordered[:_MOST] if parse_host(host)]
    if not hosts:
        return line
    them = "it" if len(hosts) == 1 else "them"
    wanted = f"`[registries, {', '.join(hosts)}]`"
    return f"{line} If the repository needs {them}, add this to `{key}` in `WORKFLOW.md`: {wanted}"
