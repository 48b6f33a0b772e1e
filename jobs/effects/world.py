"""The dependencies of all jobs: built once per process by `jobs.effects.build`, available through `current_world`.

A worker's world has tracker and code host; an agent's world has model and sandbox and none of their tokens. Access to a
part that the role does not have raises at once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from redis import Redis

from integrations.disk import DiskMonitor, compute_allowance
from integrations.environments.store import EnvironmentStore
from integrations.errors import Misconfigured
from integrations.git.mirror import Mirror
from integrations.images.store import Images
from integrations.outward import guard_outward
from integrations.ports.agent_runner import AgentRunner
from integrations.ports.code_host import CodeHost, GitCredentials
from integrations.ports.tracker import Tracker
from integrations.request_budget import RequestBudget, share_budget
from integrations.sandbox.bubblewrap import Sandbox
from integrations.server_time import server_clock
from integrations.values import QueuePlace, RunId, TicketId
from jobs.config.settings import Settings
from jobs.runtime.audit import AuditJournal
from jobs.runtime.buckets import RedisBuckets
from jobs.runtime.disk import compute_room
from jobs.runtime.freeze import FreezeMonitor
from jobs.store.dead_letters import DeadLetters
from jobs.store.lessons import Lessons
from jobs.store.people import People
from jobs.store.queue_places import read_place
from jobs.store.runs import Runs
from jobs.store.tickets import Store
from jobs.workflow import ServicePolicy

T = TypeVar("T")


@dataclass
class World:
    """`stopping` is set when the process shuts down. `raise_faults`: tests raise unexpected errors instead.
    `tests_sandbox`: each run begins with the sandbox's self-test."""

    settings: Settings
    redis: Redis
    policy: ServicePolicy
    _tracker: Tracker | None = None
    _code_host: CodeHost | None = None
    _runners: Mapping[str, AgentRunner] = field(default_factory=dict)
    _sandbox: Sandbox | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    raise_faults: bool = False
    tests_sandbox: bool = False
    compared: set[TicketId] = field(default_factory=set)
    """Tickets whose loop this process has compared with the board memory."""

    def now(self) -> float:
        """Unix seconds, by the tracker's clock where this host's is wrong: comments are compared with them."""
        return server_clock(self.settings.tracker).now()

    @cached_property
    def disk(self) -> DiskMonitor:
        """The disk of the home folder."""
        return DiskMonitor(self.settings.home)

    @cached_property
    def freeze(self) -> FreezeMonitor:
        """The freeze switch."""
        return FreezeMonitor(self.redis, self.settings.home)

    @cached_property
    def audit(self) -> AuditJournal:
        """The audit journal of this machine."""
        return AuditJournal(self.settings.home, self.redis)

    @cached_property
    def people(self) -> People:
        """The people whose account on the code host is known."""
        return People(self.redis, self.settings.home, self.settings.people)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """All dead letters."""
        return DeadLetters(self.redis)

    @property
    def store(self) -> Store:
        return Store(self.redis)

    @property
    def lessons(self) -> Lessons:
        return Lessons(self.redis)

    @property
    def runs(self) -> Runs:
        return Runs(self.redis)

    @property
    def tracker(self) -> Tracker:
        return _require(self._tracker, "the tracker")

    @property
    def code_host(self) -> CodeHost:
        return _require(self._code_host, "the code host")

    def runner(self, name: str = "") -> AgentRunner:
        """The agent runner of this name, without a name the default one. Raises `Misconfigured` if it is not set up."""
        if name and name not in self.settings.runner_names():
            raise Misconfigured(
                f"WORKFLOW.md chooses the runner {name!r}, which is no longer set up: choose another one, or add it to "
                "LOOPLINE_MORE_RUNNERS"
            )
        return _require(self._runners.get(name or self.settings.runner), "the model")

    @property
    def sandbox(self) -> Sandbox:
        return _require(self._sandbox, "the sandbox")

    @cached_property
    def environments(self) -> EnvironmentStore:
        """The dependencies of all repositories."""
        return EnvironmentStore(self.settings.home / "environments")

    @cached_property
    def images(self) -> Images:
        """The operator's root file systems, unpacked below the home folder."""
        sources = {name: Path(path) for name, path in self.settings.images.items()}
        return Images(self.settings.home / "images", sources, int(self.settings.image_gigabytes * 1e9))

    def mirror(
        self,
        repository: str,
        url: str = "",
        credentials: GitCredentials | None = None,
        submodules: bool = False,
        lfs: bool = False,
    ) -> Mirror:
        """The repository's host-owned mirror; without a URL it works offline (RFC 2606: .invalid)."""
        name, key = repository.replace("/", "__"), self.settings.signing_key_file
        folder, trees = self.settings.home / "repos" / f"{name}.git", self.settings.home / "trees" / name
        if not url:
            url = f"https://offline.invalid/{repository}.git"
            return Mirror(folder, url, trees=trees, signing_key=key, submodules=submodules, lfs=lfs)
        room = min(compute_room(self.settings, self.redis), compute_allowance(self.settings.home))
        return Mirror(folder, url, credentials, max(room, 1), trees, key, submodules, lfs)

    def run_folder(self, identifier: str, run_id: str = "") -> Path:
        """The folder of a ticket's runs, or of one of them."""
        return self.settings.home / "runs" / identifier / run_id

    def find_queue_place(self, ticket_id: TicketId, run_id: RunId) -> QueuePlace | None:
        """The place of a run that waits for an agent."""
        return read_place(self.redis, ticket_id, run_id)

    def upload_folder(self, identifier: str) -> Path:
        """The folder of a ticket's downloaded images."""
        return self.settings.home / "uploads" / identifier


def _require(part: T | None, name: str) -> T:
    if part is None:
        raise RuntimeError(f"this process has no access to {name}: the job belongs to another role")
    return part


_current: World | None = None


def install(world: World) -> None:
    """Set the world of the process, close its gate while the service is frozen, and share its request budget; called
    once by the entry point."""
    global _current
    _current = world
    guard_outward(world.freeze.check)
    share_budget(RequestBudget(RedisBuckets(world.redis)))


def current_world() -> World:
    """The world of the process. Global, because RQ calls jobs by name."""
    if _current is None:
        raise RuntimeError("no world: a job was called outside of `python -m jobs`")
    return _current
