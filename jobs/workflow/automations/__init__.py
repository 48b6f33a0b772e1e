"""The rules of automations: every decision about those of one repository, and none of the effects.

    event + state of the repository's automations + policy of the service  ->  new state + commands

Called by `jobs.automate` alone; pure, as `jobs.workflow`. After each event the slots that are due are started.
"""

from __future__ import annotations

from typing import assert_never

from integrations import automation_events as e
from integrations.events import CommandFailed, RunFinished, RunParked, TimePassed
from jobs.loop.automation_commands import WriteMemory
from jobs.loop.automation_state import AutomationState
from jobs.workflow.automations import decisions, declarations, runs, slots
from jobs.workflow.automations.decision import AutomationDecision as AutomationDecision
from jobs.workflow.decision import ServicePolicy

__all__ = ["AutomationDecision", "decide"]
LONGEST_DIFFERENCE_SECONDS = 60.0


def decide(state: AutomationState, event: e.AutomationEvent, policy: ServicePolicy) -> AutomationDecision:
    """The rule for this event, applied; then the runs that are due. Pure."""
    decision = _apply_rule(state, event, policy)
    return slots.start_due(decision, _read_time(event))


def _read_time(event: e.AutomationEvent) -> float:
    """The time of the event. A deadline counts even if the clocks of two hosts differ a little; one that a clock far
    ahead has delivered does not."""
    if isinstance(event, e.ScheduleAdvanced):
        return event.until
    if isinstance(event, TimePassed) and event.due <= event.at + LONGEST_DIFFERENCE_SECONDS:
        return max(event.at, event.due)
    return event.at


def _apply_rule(state: AutomationState, event: e.AutomationEvent, policy: ServicePolicy) -> AutomationDecision:
    match event:
        case e.DeclarationsOutdated():
            return declarations.on_declarations_outdated(state)
        case e.AutomationsDeclared():
            return declarations.on_automations_declared(state, event)
        case e.AutomationRequested():
            return slots.on_automation_requested(state, event)
        case e.SourcesRead():
            return runs.on_sources_read(state, event, policy)
        case RunFinished():
            return runs.on_run_finished(state, event, policy)
        case RunParked():
            return runs.on_run_parked(state, event)
        case e.FindingFiled():
            return decisions.on_finding_filed(state, event)
        case e.FindingDecided():
            return decisions.on_finding_decided(state, event)
        case e.LessonKept():
            return AutomationDecision(state, (WriteMemory(run=""),))
        case e.MemoryWritten():
            return decisions.on_memory_written(state, event)
        case CommandFailed():
            return runs.on_command_failed(state, event)
        case TimePassed() | e.ScheduleAdvanced():
            return AutomationDecision(state)
        case _:
            assert_never(event)
