"""Reads loops and runs from Redis for the dashboard. Called by its routes and by `service.operator`.

Raises `redis.exceptions.RedisError` while Redis is unavailable.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from redis import Redis

from integrations.ports.agent_runner import Entry
from integrations.values import QueuePlace, TicketId
from jobs.config.settings import Settings
from jobs.loop.caps import Caps
from jobs.loop.state import AT_WORK, RUNNING, Loop, Stage
from jobs.runtime import keys
from jobs.runtime.disk import find_problem
from jobs.runtime.freeze import find_freeze
from jobs.runtime.heartbeats import find_missing_agents, list_live_roles
from jobs.runtime.notices import list_notices
from jobs.runtime.queues import AGENTS
from jobs.store.automations import AutomationStore
from jobs.store.breaker import current_outage
from jobs.store.lessons import Lessons
from jobs.store.merged_lines import list_merged
from jobs.store.queue_places import read_place
from jobs.store.runs import Runs
from jobs.store.skill_outcomes import list_skill_outcomes
from jobs.store.tickets import Store
from jobs.workflow.decision import ServicePolicy
from jobs.workflow.run import STAGES
from service.dashboard import overview
from service.dashboard.entries import format_headline
from service.dashboard.overview import Row, ShownRun, ShownTicket
from service.dashboard.repositories import ShownRepository, list_repositories
from service.dashboard.skills import ShownSkills, list_skills

_ROLES = {stage: role for role, stage in STAGES.items()}


class Reader:
    """Reads one Redis. `settings` hold the limits for repositories that set none."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self.runs = Runs(redis)
        self._store = Store(redis)
        self._policy = ServicePolicy(
            teams={},
            max_iterations=settings.max_iterations,
            max_attempts=settings.max_attempts,
            caps=Caps(ticket_usd=settings.max_ticket_cost_usd),
        )
        self._ids: dict[str, TicketId] = {}
        self._settings = settings

    def rows(self, keep: Callable[[Loop], bool] = lambda _: True) -> list[Row]:
        """Return all loops, or those to `keep`: those that need a person first, then by latest activity."""
        return overview.in_order(self._rows([loop for loop in self._loops() if keep(loop)]))

    def repositories(self) -> list[ShownRepository]:
        """Return the repositories with pull requests that wait for people, or were merged lately."""
        loops, redis = self._loops(), self.runs.redis
        names = {loop.workspace.repository for loop in loops} - {""}
        return list_repositories(loops, {name: list_merged(redis, name) for name in names}, time.time())

    def skills(self) -> list[ShownSkills]:
        """Return the repositories with skills that agents read, or with lessons."""
        redis, book = self.runs.redis, Lessons(self.runs.redis)
        names = {*book.list_repositories(), *(loop.workspace.repository for loop in self._loops())} - {""}
        counted = {name: list_skill_outcomes(redis, name) for name in names}
        return list_skills(names, counted, {name: book.list(name) for name in names})

    def notices(self) -> list[str]:
        """Return notices about all loops: the service is frozen, the disk is full, the model provider is unavailable or
        rejects the credentials, a clock jumped, a declaration of an automation cannot be used."""
        outage, freeze = current_outage(self.runs.redis), find_freeze(self.runs.redis, self._settings.home)
        sentences = [
            freeze.sentence if freeze else "",
            self.disk_notice(),
            self._find_refusal(),
            outage.sentence if outage else "",
            *list_notices(self.runs.redis),
            *(problem for state in AutomationStore(self.runs.redis).states() for problem in state.problems),
        ]
        return [sentence for sentence in sentences if sentence]

    def _find_refusal(self) -> str:
        """Why no agent process runs, if the last one refused to start."""
        redis = self.runs.redis
        is_refused = redis.exists(keys.REFUSAL) and AGENTS not in list_live_roles(redis)
        return find_missing_agents(redis) if is_refused else ""

    def disk_notice(self) -> str:
        """Return why the disk pauses work, or an empty string."""
        return find_problem(self._settings, self.runs.redis)

    def ticket(self, identifier: str) -> ShownTicket | None:
        """Return one loop in full by the ticket's identifier, such as ENG-12; None when there is no such loop."""
        loop = self.find(identifier)
        if loop is None:
            return None
        (row,) = self._rows([loop])
        return overview.ticket(loop, row, self._runs_of(loop))

    def _rows(self, loops: list[Loop]) -> list[Row]:
        latest = self.runs.latest([loop.run_id for loop in loops if loop.run_id and loop.stage in AT_WORK])
        return [
            overview.row(
                self._add_usage(loop),
                self._policy,
                *_activity(loop, latest.get(loop.run_id, [])),
                self._find_place(loop),
                self.runs.running_check(loop.run_id) if loop.stage is Stage.GATING else None,
            )
            for loop in loops
        ]

    def _add_usage(self, loop: Loop) -> Loop:
        """The loop with the usage of its current run, which the ticket's total has once the run has ended."""
        if loop.stage not in RUNNING or not self.runs.is_unfinished(loop.run_id):
            return loop
        return replace(loop, spend=replace(loop.spend, usage=loop.spend.usage.plus(self.runs.usage(loop.run_id))))

    def _find_place(self, loop: Loop) -> QueuePlace | None:
        return read_place(self.runs.redis, loop.ticket.id, loop.run_id) if loop.stage in RUNNING else None

    def _loops(self) -> list[Loop]:
        loops = self._store.loops()
        self._ids = {loop.identifier: loop.ticket.id for loop in sorted(loops, key=lambda one: one.started_at)}
        return loops

    def find(self, identifier: str) -> Loop | None:
        """Look up a loop; identifiers change when a ticket moves to another team, so a cached one is verified."""
        loop = self._load(identifier)
        if loop is None or loop.identifier != identifier:
            self._loops()
            loop = self._load(identifier)
        return loop

    def _load(self, identifier: str) -> Loop | None:
        ticket_id = self._ids.get(identifier)
        return self._store.load(ticket_id) if ticket_id else None

    def _runs_of(self, loop: Loop) -> list[ShownRun]:
        runs = self.runs
        specs = filter(None, map(runs.spec, runs.list_runs(loop.ticket.id)))
        return [
            overview.run(
                spec,
                runs.usage(spec.run_id),
                runs.provenance(spec.run_id),
                unfinished=runs.is_unfinished(spec.run_id),
            )
            for spec in specs
        ]


def _activity(loop: Loop, newest: list[tuple[str, Entry]]) -> tuple[float, str]:
    """Return the time of the run's last entry (Unix seconds), and the agent's role with its step: the newest call or
    text, else the newest entry."""
    written_at = max((int(stream_id.partition("-")[0]) / 1000 for stream_id, _ in newest), default=0.0)
    entries = [entry for _, entry in newest if entry.kind not in {"turn", "mark"}]
    step = next((entry for entry in entries if entry.kind != "tool_result"), entries[0] if entries else None)
    role = _ROLES.get(loop.stage)
    return written_at, f"{role.capitalize()}: {format_headline(step)}" if role and step else ""
