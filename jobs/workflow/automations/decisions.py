"""Rules about the tickets of findings: filed, accepted, rejected or done; and about the memory."""

from __future__ import annotations

from dataclasses import replace

from integrations.automation_events import FindingDecided, FindingFiled, MemoryWritten
from jobs.loop.automation_commands import WriteMemory
from jobs.loop.automation_state import AutomationState
from jobs.workflow.automations.decision import AutomationDecision, find_run
from jobs.workflow.automations.runs import finish_filing, note_on_record


def on_finding_filed(state: AutomationState, event: FindingFiled) -> AutomationDecision:
    """Note the ticket of the finding. One that is filed after its run, by a retry of its dead letter, counts too."""
    known = tuple(
        replace(one, ticket=event.ticket) if one.fingerprint == event.fingerprint else one for one in state.findings
    )
    state, run = replace(state, findings=known), find_run(state, event.run)
    if run is None or event.fingerprint not in run.pending:
        state = note_on_record(state, event.run, event.problem)
        return AutomationDecision(state, (WriteMemory(run=event.run),))
    problems = tuple(dict.fromkeys(filter(None, (*run.problems, event.problem))))
    run = replace(run, filed=run.filed + 1, problems=problems)
    return finish_filing(state, run, event.fingerprint, event.at)


def on_finding_decided(state: AutomationState, event: FindingDecided) -> AutomationDecision:
    """Note a person's decision about a finding, and keep it in the memory."""
    found = next((one for one in state.findings if one.ticket and one.ticket.id == event.ticket.id), None)
    if found is None or (found.status, found.reason) == (event.status, event.reason or found.reason):
        return AutomationDecision(state)
    reason = event.reason or (found.reason if event.status == "rejected" else "")
    decided = replace(found, status=event.status, reason=reason, decided_at=event.at if event.status != "open" else 0.0)
    known = tuple(decided if one.fingerprint == found.fingerprint else one for one in state.findings)
    return AutomationDecision(replace(state, findings=known), (WriteMemory(run=""),))


def on_memory_written(state: AutomationState, event: MemoryWritten) -> AutomationDecision:
    """Note the ticket of the memory."""
    return AutomationDecision(replace(state, memory_ticket=event.ticket))
