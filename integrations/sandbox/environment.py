"""What the commands of a repository see besides its work tree: root file system, dependencies, services, network.

Values only. Built by `jobs.roles`, mounted by `profile`. The paths are those inside the sandbox: the same in every run,
so that a virtual environment built in one work tree works in all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

TREE = Path("/workspace")
"""The work tree."""
HOME = Path("/home/agent")
GIT_DIR = Path("/run/git")
"""The run's private git directory."""
EGRESS_SOCKET = Path("/run/egress.sock")
"""The unix socket of the egress proxy, where network access is allowed."""


@dataclass(frozen=True)
class Service:
    """A program that runs beside the commands. `setup` runs once before `run`; `ready` is repeated until it exits with
    0, at most `seconds`."""

    name: str
    run: str
    ready: str = ""
    setup: str = ""
    seconds: float = 60.0


@dataclass(frozen=True)
class Environment:
    """Dependencies and services of a repository.

    `image` is a root file system in place of the host's /usr. `layer` is a folder with `tree` and `home`: files that
    setup created in the work tree and in the home folder, shared read-only by all runs. `network` is the egress proxy's
    socket for these commands; without it they are offline. `digest` identifies all of it.
    """

    image: Path | None = None
    layer: Path | None = None
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    services: tuple[Service, ...] = ()
    network: Path | None = None
    digest: str = ""


BARE = Environment()
"""The host's tools, nothing installed, offline."""
