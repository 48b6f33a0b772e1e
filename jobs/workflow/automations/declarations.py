"""Rules about declarations: they are read when the base branch has changed, and an unusable
WORKFLOW.md keeps its last ones."""

from __future__ import annotations

from dataclasses import replace

from integrations.automation_events import AutomationsDeclared
from integrations.values import NO_COMMIT
from jobs.loop.automation import AUTOMATION
from jobs.loop.automation_commands import ReadDeclarations
from jobs.loop.automation_state import AutomationState
from jobs.loop.policy import POLICY
from jobs.workflow.automations.decision import AutomationDecision


def on_declarations_outdated(state: AutomationState) -> AutomationDecision:
    """Read the declarations of a repository that a team works in; without a team none of them is used any more, until
    it is served again."""
    if not state.team:
        return AutomationDecision(replace(state, base_sha=NO_COMMIT, automations=(), problems=(), requested={}))
    return AutomationDecision(state, (ReadDeclarations(repository=state.repository),))


def on_automations_declared(state: AutomationState, event: AutomationsDeclared) -> AutomationDecision:
    """Use the new declarations. The slots of a new automation begin now; a run of a removed one ends by itself."""
    automations = tuple(AUTOMATION.from_builtins(one) for one in event.automations)
    names = {one.name for one in automations}
    before = {one.name: one.schedule for one in state.automations}
    kept = {one.name: state.last_slots[one.name] for one in automations if one.name in state.last_slots}
    for one in automations:
        if one.name not in kept or (one.name in before and before[one.name] != one.schedule):
            kept[one.name] = max(event.at, kept.get(one.name, 0.0))
    state = replace(
        state,
        base_branch=event.base_branch,
        base_sha=event.base_sha,
        automations=automations,
        problems=event.problems,
        policy=POLICY.decode(event.policy) if event.policy else state.policy,
        last_slots=kept,
        requested={name: one for name, one in state.requested.items() if name in names},
        failing={name: count for name, count in state.failing.items() if name in names},
    )
    return AutomationDecision(state)
