"""The agents of an automation's run: triage, which finds, and the matcher, which compares."""

from __future__ import annotations

from dataclasses import replace

from integrations.results import RunRole
from integrations.values import Identifier, Ticket
from jobs.loop.automation import Automation
from jobs.loop.automation_state import AutomationRun, AutomationState, KnownFinding, TriageTask
from jobs.loop.caps import Caps
from jobs.loop.commands import RunSpec, StartRun
from jobs.loop.policy import Role
from jobs.loop.state import Attempt, Contract, Workspace
from jobs.workflow.automations.decision import AutomationDecision, day_of, name_agent, put_run
from jobs.workflow.automations.slots import find_since
from jobs.workflow.decision import ServicePolicy
from jobs.workflow.run import INSTEAD, name_model_setting

UNLIMITED_USD = 1_000_000.0
"""A repository's automations have limits per run and day, and none in all, unlike a ticket."""


def start_agent(
    state: AutomationState, run: AutomationRun, automation: Automation, at: float, policy: ServicePolicy
) -> AutomationDecision:
    """Start the agent of the run's stage."""
    role: RunRole = "triage" if run.stage == "finding" else "matcher"
    run = replace(run, run_id=name_agent(run.id, role))
    own: Role = getattr(state.policy.loop.roles, role, Role())
    models = policy.runner_models.get(own.runner, policy.models)
    spec = RunSpec(
        run_id=run.run_id,
        ticket=Ticket(
            id=state.id,
            identifier=Identifier(state.repository.replace("/", "__")),
            title=f"Automation {automation.name} of {state.repository}",
            team=state.team,
        ),
        generation=1,
        role=role,
        workspace=Workspace(repository=state.repository, base_branch=state.base_branch, base_sha=run.base_sha),
        start_sha=run.base_sha,
        contract=Contract(criteria=()),
        attempt=Attempt(),
        policy=state.policy,
        model=own.model or models.get(role, "") or models.get(INSTEAD[role], ""),
        model_setting=name_model_setting(role, own),
        effort=own.effort,
        caps=_limit_caps(state, run, automation, at, policy.caps),
        started_at=at,
        handed_over_at=at,
        triage=TriageTask(
            run=run.id,
            automation=automation,
            since=find_since(state, run.automation, run.started_at),
            known=list_known(state),
            found=run.found,
        ),
        databases=policy.list_databases(state.repository, "triage"),
    )
    return AutomationDecision(put_run(state, run), (StartRun(spec=spec),))


def _limit_caps(state: AutomationState, run: AutomationRun, automation: Automation, at: float, caps: Caps) -> Caps:
    """The operator's caps, tightened to the rest of the automation's money for this run and day."""
    limits, spent = automation.limits, state.spent.get(run.automation, {}).get(day_of(at), 0.0)
    rest = min(limits.run_usd - run.usage.cost_usd, limits.day_usd - spent)
    return replace(caps, run_usd=max(min(caps.run_usd, rest), 0.0), ticket_usd=UNLIMITED_USD)


def list_known(state: AutomationState) -> tuple[KnownFinding, ...]:
    """The findings with a ticket, and those that a run is filing now. One that could not be filed is found again."""
    pending = {fingerprint for run in state.runs.values() for fingerprint in run.pending}
    return tuple(one for one in state.findings if one.ticket or one.fingerprint in pending)
