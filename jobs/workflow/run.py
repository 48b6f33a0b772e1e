"""Rules that every run shares: how one is started, and who looks at its result.

The roles' own rules are in `agreeing` (planner), `goal` (scout, maker, gate, judge, checker).
"""

from __future__ import annotations

from integrations.events import RunParked
from integrations.results import RunRole
from jobs.loop.commands import Command, RunSpec, StartRun
from jobs.loop.policy import Role
from jobs.loop.state import RUNNING, Contract, Criterion, Guidance, Loop, Stage
from jobs.messages.escalations import budget_reason, parked_reason
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalating import escalate

STAGES: dict[RunRole, Stage] = {
    "planner": Stage.PLANNING,
    "scout": Stage.SCOUTING,
    "maker": Stage.MAKING,
    "gate": Stage.GATING,
    "judge": Stage.JUDGING,
    "checker": Stage.CHECKING,
}
STRONG_FROM = 3
"""The attempt from which the maker is a stronger model: one new strategy with the usual one comes first."""


def start_run(loop: Loop, role: RunRole, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """Hand a run of this role to the agents, if the ticket still has the money; a gate costs none."""
    cap = policy.caps_of(loop).ticket_usd
    if role != "gate" and loop.usage.cost_usd >= cap:
        return escalate(loop, "budget", budget_reason(cap), at, *commands)
    loop = loop.model_copy(update={"stage": STAGES[role], "parked_until": 0.0})
    loop = loop.model_copy(update={"run_id": run_id_of(loop, role)})
    return Decision(loop, (*commands, StartRun(spec=_spec(loop, role, at, policy))))


def start_iteration(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """The next maker run."""
    loop = loop.model_copy(update={"iteration": loop.iteration + 1, "reason": "", "unheard": ()})
    return start_run(loop, "maker", at, policy, *commands)


def run_id_of(loop: Loop, role: RunRole) -> str:
    """The same for the same step of a loop, so that a rule that is asked twice starts one run; never used again."""
    turn = loop.proposals if role == "planner" else loop.iteration
    version = loop.contract.version if loop.contract else 1
    parts = [f"g{loop.generation}", f"r{loop.revision}"]
    parts += [f"v{version}"] if version > 1 else []
    parts += [f"a{loop.attempt}"] if loop.attempt > 1 else []
    return "-".join([loop.identifier, *parts, f"i{turn}", role])


def _spec(loop: Loop, role: RunRole, at: float, policy: ServicePolicy) -> RunSpec:
    own: Role = getattr(loop.policy.loop.roles, role, Role())
    strong = policy.strong_model if role == "maker" and loop.attempt >= STRONG_FROM else ""
    return RunSpec(
        run_id=loop.run_id,
        ticket_id=loop.ticket.id,
        identifier=loop.identifier,
        generation=loop.generation,
        role=role,
        repository=loop.repository,
        base_sha=loop.base_sha,
        start_sha=loop.head_sha or loop.pushed_sha or loop.base_sha,
        contract=loop.contract or Contract(criteria=()),
        ticket=loop.ticket,
        policy=loop.policy,
        iteration=loop.iteration,
        iterations=policy.iterations(loop),
        attempt=loop.attempt,
        attempts=loop.attempts,
        plan=loop.plan,
        summary=loop.summary,
        tampering=loop.tampering,
        tried=loop.tried,
        words=loop.words,
        evidence=loop.evidence,
        verdict=loop.verdict,
        model=strong or own.model or policy.models.get(role, ""),
        effort="high" if strong else own.effort,
        caps=policy.caps_of(loop),
        ticket_usage=loop.usage,
        started_at=at,
    )


def add_requested_criterion(loop: Loop, words: Guidance) -> Loop:
    """Somebody's words become a further criterion, and attempts and iterations start again."""
    revision = loop.revision + 1
    contract = loop.contract or Contract(criteria=())
    criterion = Criterion(id=f"r{revision}", text=f"as {words.author} asked: {' '.join(words.text.split())[:500]}")
    return loop.model_copy(
        update={
            "revision": revision,
            "attempt": 1,
            "iteration": 0,
            "failing": (),
            "trees": (),
            "contract": contract.model_copy(update={"criteria": (*contract.criteria, criterion)}),
            "words": loop.words if words in loop.words else (*loop.words, words),
        }
    )


def is_current(loop: Loop, run_id: str, generation: int) -> bool:
    """Whether this is the run that the loop waits for."""
    return run_id == loop.run_id and generation == loop.generation and loop.stage in RUNNING


def on_run_parked(loop: Loop, event: RunParked) -> Decision:
    """The run waits for what is not its fault: the ticket says for what, and for how long."""
    if not is_current(loop, event.run_id, event.generation):
        return Decision(loop)
    reason = parked_reason(event.reason, event.until) if event.until else ""
    return Decision(loop.model_copy(update={"parked_until": event.until, "reason": reason}))
