"""Finds what the automations of repositories missed: declarations that changed, deadlines, triggers. Called by the
sweep.

A repository costs one request per half hour, and those that declare a trigger of the code host a few per ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from integrations.automation_events import AutomationEvent, DeclarationsOutdated
from integrations.errors import IntegrationError
from integrations.events import TimePassed
from integrations.ports.source_items import SourceQuery
from integrations.values import NO_COMMIT, CommitSha
from jobs.effects.automations.declarations import digest_operator_files
from jobs.effects.world import World
from jobs.inbox.automations import deliver, has_trigger, report_red_base, report_release
from jobs.loop.automation import Trigger
from jobs.loop.automation_state import AutomationState, automations_id
from jobs.runtime import keys
from jobs.store.automations import AutomationStore

DECLARED_SECONDS, TRIGGER_SECONDS = 1_800.0, 600.0
_TRIGGERS: tuple[Trigger, ...] = ("ci_red", "release")
_log = structlog.get_logger(__name__)


def find_missed(world: World) -> None:
    """Deliver the missed events of all repositories; one that cannot be read does not stop the others."""
    states = {state.repository.lower(): state for state in AutomationStore(world.redis).states()}
    served = {name.lower(): name for team in world.policy.teams.values() for name in team.repositories}
    operator = digest_operator_files(world.settings)
    for key in sorted(states.keys() | served.keys()):
        state = states.get(key) or AutomationState(repository=served[key])
        try:
            deliver(world.redis, _find_events(state, operator, world, is_served=key in served))
        except IntegrationError as error:
            _log.warning("sweep of automations failed", repository=state.repository, reason=str(error))


def _find_events(state: AutomationState, operator: str, world: World, *, is_served: bool) -> Iterator[AutomationEvent]:
    now, mailbox = world.now(), automations_id(state.repository)
    if not is_served:
        if state.automations:
            yield DeclarationsOutdated(event_id=f"sweep:unserved:{now}", ticket_id=mailbox, at=now)
        return
    if 0 < state.due_at <= now:
        name = f"sweep:due:{state.due_at}:{int(now // 60)}"
        yield TimePassed(event_id=name, ticket_id=mailbox, at=now, due=state.due_at)
    if _take_turn(f"declared:{state.repository}", DECLARED_SECONDS, world) is not None or not state.base_sha:
        head = _read_head(state, world)
        attempt = "" if head and head == state.base_sha else int(now // DECLARED_SECONDS)
        name = f"sweep:declarations:{head}:{operator}:{attempt}"
        yield DeclarationsOutdated(event_id=name, ticket_id=mailbox, at=now)
    yield from _find_triggers(state, world)


def _find_triggers(state: AutomationState, world: World) -> Iterator[AutomationEvent]:
    """Failed checks of the base branch's head, and releases since the last look."""
    now, repository = world.now(), state.repository
    wanted = [name for name in _TRIGGERS if any(has_trigger(one, name) for one in state.automations)]
    turns = {name: _take_turn(f"{name}:{repository}", TRIGGER_SECONDS, world) for name in wanted}
    if turns.get("ci_red") is not None and (head := _read_head(state, world)):
        checks = world.code_host.fetch_checks(repository, head)
        if any(check.conclusion == "failure" for check in checks):
            yield from report_red_base(state, head, now)
    if since := turns.get("release"):
        query = SourceQuery("releases", repository, state.base_branch, since, now)
        for item in world.code_host.read_source(query).items:
            yield from report_release(state, item.key, now)


def _read_head(state: AutomationState, world: World) -> CommitSha:
    """The head of the base branch; none while that is not known."""
    head = world.code_host.branch_head(state.repository, state.base_branch) if state.base_branch else None
    return head or NO_COMMIT


def _take_turn(name: str, seconds: float, world: World) -> float | None:
    """The time of the last turn, 0 without one, which was at least so many seconds ago; this one is noted. None if it
    is too early."""
    now, last = world.now(), float(world.redis.hget(keys.SWEPT, name) or 0)
    if last <= now < last + seconds:
        return None
    world.redis.hset(keys.SWEPT, name, now)
    return last
