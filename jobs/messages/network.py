"""Sentences about hosts that a command could not connect to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from integrations.egress.hosts import parse_host
from integrations.egress.policy import REGISTRIES
from jobs.messages.text import inline

SETUP_KEY, AGENTS_KEY = "loop.environment.network", "loop.network"
_MOST = 6


def blocked_hosts_line(blocked: Mapping[str, int], key: str = SETUP_KEY, known: Sequence[str] = (REGISTRIES,)) -> str:
    """The blocked hosts with their counts, most frequent first, and the line to add to `WORKFLOW.md` under `key`, which
    has the hosts `known`.

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
    wanted = f"`[{', '.join(dict.fromkeys([*known, *hosts]))}]`"
    return f"{line} If the repository needs {them}, add this to `{key}` in `WORKFLOW.md`: {wanted}"


def blocked_commands_line(blocked: Mapping[str, int], known: Sequence[str]) -> str:
    """The same for commands of agents and gate, whose policy has the hosts `known`; empty without blocked hosts."""
    line = blocked_hosts_line(blocked, AGENTS_KEY, known)
    if not line:
        return ""
    operator = ", as far as the operator's LOOPLINE_AGENT_NETWORK allows it" if line.endswith("`") else ""
    return f"Connections of commands were {line.removesuffix('.')}{operator}."
