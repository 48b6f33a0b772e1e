"""Reads loops and runs for the dashboard. Called by its routes; it writes nothing and decides nothing.

Raises `redis.exceptions.RedisError` while Redis is away.
"""

from __future__ import annotations

from redis import Redis

from integrations.ports.agent_runner import Entry
from jobs.config.settings import Settings
from jobs.loop.caps import Caps
from jobs.loop.state import AT_WORK, Loop
from jobs.store.breaker import current_outage
from jobs.store.runs import Runs
from jobs.store.tickets import Store
from jobs.workflow.decision import ServicePolicy
from jobs.workflow.run import STAGES
from service.dashboard import overview
from service.dashboard.entries import headline
from service.dashboard.overview import Row, ShownRun, ShownTicket

_ROLES = {stage: role for role, stage in STAGES.items()}


class Reader:
    """Everything there is to see in one Redis. `settings` hold the limits where a repository sets none."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self.runs = Runs(redis)
        self._store = Store(redis)
        self._policy = ServicePolicy(
            teams={},
            max_iterations=settings.max_iterations,
            max_attempts=settings.max_attempts,
            caps=Caps(ticket_usd=settings.max_ticket_cost_usd),
        )
        self._ids: dict[str, str] = {}

    def rows(self) -> list[Row]:
        """All loops, those that need a person first, then the newest activity."""
        return overview.in_order(self._rows(self._loops()))

    def notices(self) -> list[str]:
        """What concerns all loops at once, one sentence each: the model is away, or refuses our credentials."""
        away = current_outage(self.runs.redis)
        return [away.sentence] if away else []

    def ticket(self, identifier: str) -> ShownTicket | None:
        """One loop in full, by the ticket's name for people; None when there is no such loop."""
        loop = self._find(identifier)
        if loop is None:
            return None
        (row,) = self._rows([loop])
        return overview.ticket(loop, row, self._runs_of(loop))

    def _rows(self, loops: list[Loop]) -> list[Row]:
        latest = self.runs.latest([loop.run_id for loop in loops if loop.run_id and loop.stage in AT_WORK])
        return [overview.row(loop, self._policy, *_activity(loop, latest.get(loop.run_id, []))) for loop in loops]

    def _loops(self) -> list[Loop]:
        loops = self._store.loops()
        self._ids = {loop.identifier: loop.ticket.id for loop in sorted(loops, key=lambda one: one.started_at)}
        return loops

    def _find(self, identifier: str) -> Loop | None:
        """Names change when a ticket moves to another team, so a remembered one is checked."""
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
        specs = filter(None, map(runs.spec, runs.of(loop.ticket.id)))
        return [
            overview.run(spec, runs.usage(spec.run_id), unfinished=runs.is_unfinished(spec.run_id)) for spec in specs
        ]


def _activity(loop: Loop, newest: list[tuple[str, Entry]]) -> tuple[float, str]:
    """When the loop's run wrote last (Unix seconds), and the agent's role with its step: its newest call or text, or
    else its newest entry."""
    written_at = max((int(stream_id.partition("-")[0]) / 1000 for stream_id, _ in newest), default=0.0)
    entries = [entry for _, entry in newest if entry.kind not in {"turn", "mark"}]
    step = next((entry for entry in entries if entry.kind != "tool_result"), entries[0] if entries else None)
    role = _ROLES.get(loop.stage)
    return written_at, f"{role.capitalize()}: {headline(step)}" if role and step else ""
