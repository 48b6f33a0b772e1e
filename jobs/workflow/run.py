"""Rules that all runs share. The rules of the roles are in `agreement` (planner) and `run_results` (the others)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from integrations.events import RunFinished, RunParked
from integrations.results import Made, RunRole
from integrations.values import NO_COMMIT, CommitSha, RunId
from jobs.loop.caps import Caps
from jobs.loop.commands import Command, RunSpec, StartRun
from jobs.loop.comments import Guidance
from jobs.loop.policy import Role
from jobs.loop.state import AT_WORK, RUNNING, Contract, Criterion, Loop, Stage
from jobs.messages.escalations import budget_reason, calls_reason, parked_reason
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate

STAGES: dict[RunRole, Stage] = {
    "preflight": Stage.PREFLIGHT,
    "planner": Stage.PLANNING,
    "scout": Stage.SCOUTING,
    "maker": Stage.MAKING,
    "gate": Stage.GATING,
    "judge": Stage.JUDGING,
    "checker": Stage.CHECKING,
}
FREE: frozenset[RunRole] = frozenset({"preflight", "gate"})
"""Roles without model calls."""
TREELESS: frozenset[RunRole] = frozenset({"judge", "matcher", "lesson"})
"""Roles without a work tree, which get only their rules."""
INSTEAD: Mapping[RunRole, RunRole] = {"answer": "judge", "triage": "scout", "matcher": "judge", "lesson": "judge"}
"""The role whose model is used if a runner has none for the first."""
WORKING: frozenset[RunRole] = frozenset({"planner", "scout", "maker"})
"""Roles that begin something; the judge and the checker examine what is there."""
LEAST_CALLS = 5
"""Model calls with which a run can do something useful."""
EXAMINING_CALLS = 20
"""Model calls that judge and checker have in any case."""
STRONG_FROM = 3
"""The attempt from which the maker uses a stronger model: one new strategy with the usual model comes first."""


def start_run(loop: Loop, role: RunRole, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """Start a run of this role if the ticket's budget allows it."""
    cap = policy.caps_of(loop).ticket_usd
    if role not in FREE and loop.spend.usage.cost_usd >= cap:
        return escalate(loop, "budget", budget_reason(cap), at, *commands)
    if role in WORKING and policy.calls_left(loop) < LEAST_CALLS:
        return escalate(loop, "turns", calls_reason(loop, policy.caps.calls), at, *commands)
    loop = replace(loop, stage=STAGES[role], run_id=run_id_of(loop, role), parked_until=0.0)
    return Decision(loop, (*commands, StartRun(spec=build_spec(loop, role, loop.run_id, at, policy))))


def start_iteration(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    attempt = replace(loop.attempt, iteration=loop.attempt.iteration + 1)
    loop = replace(loop, reason="", attempt=attempt, comments=replace(loop.comments, pending=()))
    return start_run(loop, "maker", at, policy, *commands)


def count_calls(loop: Loop, event: RunFinished) -> Loop:
    """Count the model calls of a run of the present work."""
    if event.role not in STAGES or not is_current(loop, event.run_id, event.generation):
        return loop
    return replace(loop, spend=replace(loop.spend, calls=loop.spend.calls + event.usage.model_calls))


def restart_calls(loop: Loop) -> Loop:
    """The loop with all of its model calls again: a person has decided, or the work is accepted."""
    return replace(loop, spend=replace(loop.spend, calls=0))


def run_id_of(loop: Loop, role: RunRole) -> RunId:
    """Equal for the same step of a loop, which makes the start of a run idempotent; never reused."""
    turn = loop.planning.proposals if role == "planner" else loop.attempt.iteration
    version = loop.contract.version if loop.contract else 1
    parts = [f"g{loop.generation}", f"r{loop.revision}"]
    parts += [f"v{version}"] if version > 1 else []
    parts += [f"a{loop.attempt.number}"] if loop.attempt.number > 1 else []
    parts += [f"p{loop.preflight.restarts}"] if loop.preflight.restarts else []
    parts += [f"b{loop.upstream.merges}"] if loop.upstream.merges else []
    parts += [f"c{loop.ci.rounds}"] if loop.ci.rounds else []
    return RunId("-".join([loop.identifier, *parts, f"i{turn}", role]))


def build_spec(loop: Loop, role: RunRole, run_id: RunId, at: float, policy: ServicePolicy) -> RunSpec:
    """The input of a run of this role, from the loop's present state."""
    own: Role = getattr(loop.workflow.roles, role, Role())
    models = policy.runner_models.get(own.runner, policy.models)
    checkpoint = loop.checkpoint if role == "maker" else NO_COMMIT
    strong = models.get("strong", "") if role == "maker" and loop.attempt.number >= STRONG_FROM else ""
    return RunSpec(
        run_id=run_id,
        ticket=loop.ticket,
        generation=loop.generation,
        role=role,
        workspace=loop.workspace,
        start_sha=checkpoint or loop.candidate.head_sha or loop.pull_request.pushed_sha or loop.workspace.base_sha,
        contract=loop.contract or Contract(criteria=()),
        policy=loop.policy,
        plan=loop.planning.plan,
        failures=loop.ci.failures if role == "maker" else (),
        attempt=loop.attempt,
        attempts=loop.attempts,
        candidate=loop.candidate,
        guidance=loop.comments.guidance,
        images=loop.images,
        databases=policy.list_databases(loop.workspace.repository, role),
        iterations=policy.iterations(loop),
        model=strong or own.model or models.get(role, "") or models.get(INSTEAD.get(role, role), ""),
        model_setting=name_model_setting(role, own, is_strong=bool(strong)),
        effort="high" if strong else own.effort,
        caps=_limit_turns(loop, role, policy),
        ticket_usage=loop.spend.usage,
        started_at=at,
        handed_over_at=loop.started_at,
        pushed_sha=loop.pull_request.pushed_sha,
        pushes=loop.foreign.pushes,
        blocked=loop.blocked,
        conflicts=loop.upstream.conflicts if loop.has_open_merge else (),
        base_commits=loop.upstream.commits if loop.has_open_merge else (),
        resumes=bool(checkpoint),
        threads=loop.review.threads,
        only_threads=loop.review.round == "remarks" and loop.attempt.iteration == 1 and not loop.comments.pending,
    )


def _limit_turns(loop: Loop, role: RunRole, policy: ServicePolicy) -> Caps:
    """The caps of a run, whose turns are at most the model calls that are left."""
    caps, left = policy.caps_of(loop), policy.calls_left(loop)
    if role not in STAGES:
        return caps
    return replace(caps, turns=min(caps.turns, left if role in WORKING else max(left, EXAMINING_CALLS)))


def name_model_setting(role: RunRole, own: Role, *, is_strong: bool = False) -> str:
    """Where the model of the role is configured."""
    if is_strong and not own.runner:
        return "LOOPLINE_STRONG_MODEL"
    if own.model or own.runner:
        return f"loop.roles.{role}.model in WORKFLOW.md"
    return f"LOOPLINE_{'JUDGE' if role == 'lesson' else role.upper()}_MODEL"


def add_requested_criterion(loop: Loop, request: Guidance) -> Loop:
    """Add a person's request as a criterion, and reset attempts and iterations."""
    revision = loop.revision + 1
    contract = loop.contract or Contract(criteria=())
    text = f"as {request.author} asked: {' '.join(request.text.split())[:500]}"
    since = loop.candidate.head_sha or loop.pull_request.pushed_sha or loop.workspace.base_sha
    criteria = (*contract.criteria, Criterion(id=f"r{revision}", text=text, since=since))
    comments = loop.comments
    if request not in comments.guidance:
        comments = comments.add(request)
    return replace(
        loop,
        revision=revision,
        contract=replace(contract, criteria=criteria),
        attempt=replace(loop.attempt, number=1, iteration=0, failing=(), trees=()),
        comments=comments,
        spend=replace(loop.spend, calls=0),
    )


def is_current(loop: Loop, run_id: RunId, generation: int) -> bool:
    """Whether this is the run that the loop waits for."""
    return run_id == loop.run_id and generation == loop.generation and is_running(loop)


def is_running(loop: Loop) -> bool:
    """Whether a run has not ended: that of the stage, one that waits for an answer, or the gate on a merge result."""
    is_gating_result = loop.stage is Stage.MERGING and bool(loop.upstream.result_sha)
    return loop.stage in RUNNING or is_gating_result or awaits_answer(loop)


def awaits_answer(loop: Loop) -> bool:
    """Whether a run waits for a person's answer to its question."""
    return loop.stage is Stage.NEEDS_HUMAN and loop.escalation is not None and bool(loop.escalation.run_id)


def keep_checkpoint(loop: Loop, event: RunFinished) -> Loop:
    """Keep the files of a maker that was interrupted; those of an earlier one are part of this maker's work.

    They are reported after the stop, or even after the `/retry`: until the next maker has begun, on the same base."""
    if not isinstance(event.result, Made):
        return loop
    made, current = event.result, is_current(loop, event.run_id, event.generation)
    work = made.checkpoint or made.head_sha  # a commit that was ready when the work was paused
    ended_work = made.head_sha or event.outcome == "spinning"
    if current:
        loop = at_newer_base(loop, made.base_sha) if made.checkpoint else loop
        return replace(loop, checkpoint=made.checkpoint or (NO_COMMIT if ended_work else loop.checkpoint))
    base_sha = event.provenance.base_sha if event.provenance else NO_COMMIT
    stopped = loop.stage is Stage.STOPPED and loop.generation == event.generation
    retried = (
        loop.generation == event.generation + 1
        and loop.stage in AT_WORK | {Stage.ASKING, Stage.STOPPED}
        and not loop.attempt.iteration
    )
    if work and (stopped or retried) and loop.workspace.branch and base_sha == loop.workspace.base_sha:
        return replace(loop, checkpoint=work)
    return loop


def at_newer_base(loop: Loop, base_sha: CommitSha) -> Loop:
    """The loop whose maker itself has merged this commit of the base branch; the same loop without one."""
    if not base_sha or base_sha == loop.workspace.base_sha:
        return loop
    upstream = replace(loop.upstream, fork_sha=loop.upstream.fork_sha or loop.workspace.base_sha)
    return replace(loop, workspace=replace(loop.workspace, base_sha=base_sha), upstream=upstream)


def on_run_parked(loop: Loop, event: RunParked) -> Decision:
    """Record why a run is backing off, and until when; `until` 0 means that it continues."""
    if not is_current(loop, event.run_id, event.generation):
        return Decision(loop)
    reason = parked_reason(event.reason, event.until) if event.until else ""
    return Decision(replace(loop, parked_until=event.until, reason=reason))
