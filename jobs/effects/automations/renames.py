"""Finds the state of a repository's automations under its earlier name, after it was renamed on the code host and in
LOOPLINE_TEAMS. Called by `jobs.automate`."""

from __future__ import annotations

from dataclasses import replace

from integrations.errors import Rejected, Unauthorized
from integrations.values import NO_COMMIT
from jobs.effects.world import World
from jobs.loop.automation_state import AutomationState
from jobs.store.automations import AutomationStore


def find_earlier_state(repository: str, world: World) -> AutomationState | None:
    """The state to continue with, None if the repository had no other name. The earlier one keeps its runs."""
    for state in AutomationStore(world.redis).states():
        is_served = bool(world.policy.team_of_repository(state.repository))
        if state.findings and not is_served and _find_present_name(state.repository, world) == repository.lower():
            return replace(
                state,
                repository=repository,
                earlier_names=(*state.earlier_names, state.repository),
                base_sha=NO_COMMIT,
                automations=(),
                problems=(),
                next_slots={},
                requested={},
                runs={},
                memory_ticket=None,
            )
    return None


def _find_present_name(repository: str, world: World) -> str:
    """In lower case; empty for one that cannot be read any more."""
    try:
        return world.code_host.repository(repository).name.lower()
    except Unauthorized:
        raise
    except Rejected:
        return ""
