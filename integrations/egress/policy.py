"""Values of the egress proxy: the rules of one command, the proxy's limits, and the report about a command. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from integrations.egress.hosts import parse_host, parse_pattern
from integrations.errors import Rejected
from integrations.explain import show_name

REGISTRIES = "registries"
"""The entry of `network` in WORKFLOW.md that stands for the operator's list."""
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class EgressPolicy:
    """The hosts that a command can connect to, as host names and `*.` suffixes. `run` and `command` are for the log."""

    hosts: tuple[str, ...]
    run: str = ""
    command: str = ""

    def __post_init__(self) -> None:
        if wrong := next((host for host in self.hosts if parse_pattern(host) != host), None):
            raise Rejected(f"{show_name(wrong)!r} is not a host name: write a name such as npm.acme.test")


@dataclass(frozen=True)
class EgressLimits:
    """Limits of one gateway: `connections` at the same time, `upload` and `download` in bytes over all connections; the
    rest in seconds. A connection ends after `idle` seconds without a byte, at most after `connection`."""

    connections: int = 100
    upload: int = 10 * MEGABYTE
    download: int = 10_000 * MEGABYTE
    head: float = 10.0
    dial: float = 15.0
    idle: float = 120.0
    connection: float = 3600.0


@dataclass(frozen=True)
class EgressReport:
    """Connections that were not made: `blocked` counts those to hosts that the policy does not name, `problems` are
    sentences about all others."""

    blocked: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def expand_hosts(network: tuple[str, ...], registries: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts of a `network` list in WORKFLOW.md; only the operator's list can have `*.` suffixes.

    Raises `Rejected` for an entry that is neither `registries` nor a host name."""
    hosts: list[str] = []
    for entry in network:
        if entry == REGISTRIES:
            hosts += registries
        elif host := parse_host(entry):
            hosts.append(host)
        else:
            raise Rejected(
                f"{show_name(entry)!r} is not a host name: write {REGISTRIES} or a complete name such as npm.acme.test"
            )
    return tuple(dict.fromkeys(hosts))
