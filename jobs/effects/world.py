"""Everything that a job may touch: built once per process by `jobs.effects.build`, found by jobs through `current`.

A worker's world has tracker and code host; an agent's world has model and sandbox and none of their tokens. What a role
does not have raises at once, so a mistake shows in the first run and not as a missing credential later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from redis import Redis

from integrations.errors import Rejected
from integrations.git.mirror import Mirror
from integrations.ports.agent_runner import AgentRunner
from integrations.ports.code_host import CodeHost, GitCredentials
from integrations.ports.tracker import Tracker
from integrations.sandbox.bubblewrap import Sandbox
from jobs.config.settings import Settings
from jobs.store.runs import Runs
from jobs.store.tickets import Store
from jobs.workflow import ServicePolicy

T = TypeVar("T")


@dataclass
class World:
    """One process's hands. `stopping` is set when the process shuts down."""

    settings: Settings
    redis: Redis
    policy: ServicePolicy
    _tracker: Tracker | None = None
    _code_host: CodeHost | None = None
    _runners: Mapping[str, AgentRunner] = field(default_factory=dict)
    _sandbox: Sandbox | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    raise_faults: bool = False
    """Under test a fault of ours is not kept for later but raised."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    @property
    def store(self) -> Store:
        """The tickets' memory."""
        return Store(self.redis)

    @property
    def runs(self) -> Runs:
        """The runs' memory."""
        return Runs(self.redis)

    @property
    def tracker(self) -> Tracker:
        """The board."""
        return _given(self._tracker, "the tracker")

    @property
    def code_host(self) -> CodeHost:
        """Where the code lives."""
        return _given(self._code_host, "the code host")

    def runner(self, name: str = "") -> AgentRunner:
        """The agent runner of this name; the default one without a name. Raises `Rejected` where it is not set up."""
        if name and name not in self.settings.runner_names():
            raise Rejected(f"the runner {name!r} that WORKFLOW.md chooses is no longer set up")
        return _given(self._runners.get(name or self.settings.runner), "the model")

    @property
    def sandbox(self) -> Sandbox:
        """Where agents' files are touched."""
        return _given(self._sandbox, "the sandbox")

    def mirror(self, repository: str, url: str = "", credentials: GitCredentials | None = None) -> Mirror:
        """The repository's host-owned mirror; without a URL only what is on disk can be used (RFC 2606: .invalid)."""
        folder = self.settings.home / "repos" / f"{repository.replace('/', '__')}.git"
        return Mirror(folder, url or f"https://offline.invalid/{repository}.git", credentials)

    def run_folder(self, identifier: str, run_id: str = "") -> Path:
        """Where a ticket's runs live, or one of them."""
        return self.settings.home / "runs" / identifier / run_id


def _given(part: T | None, name: str) -> T:
    if part is None:
        raise RuntimeError(f"this process has no access to {name}: the job belongs to another role")
    return part


_current: World | None = None


def install(world: World) -> None:
    """Make this the world of the process; the entry point calls it once."""
    global _current
    _current = world


def current() -> World:
    """The process's world. RQ calls jobs by name, so they cannot be given it."""
    if _current is None:
        raise RuntimeError("no world: a job was called outside of `python -m jobs`")
    return _current
