"""Rules of the goal loop: make, gate, check, and again with the evidence, until a verdict or a named exit."""

from __future__ import annotations

from typing import Literal

from integrations.events import RunFinished
from integrations.results import CriterionResult
from jobs.commands import Command, MoveTicket, PostComment, PublishBranch, RunSpec, SetNeedsHuman, StartRun
from jobs.loop import RUNNING, Contract, Criterion, Loop, Stage, Words, joined
from jobs.messages import (
    escalation_message,
    gate_failed_line,
    iteration_line,
    money_message,
    no_change_reason,
    said_more_line,
    verdict_failed_line,
)
from jobs.workflow.decision import Decision, ServicePolicy, told, told_first

_STAGES = {"maker": Stage.MAKING, "gate": Stage.GATING, "checker": Stage.CHECKING}


def start_iteration(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """The next maker run."""
    loop = loop.model_copy(update={"iteration": loop.iteration + 1, "reason": "", "unheard": ()})
    return start_run(loop, "maker", at, policy, *commands)


def asked_for(loop: Loop, words: Words) -> Loop:
    """Somebody's words become a further criterion, and the iterations start again."""
    revision = loop.revision + 1
    contract = loop.contract or Contract(criteria=())
    criterion = Criterion(id=f"r{revision}", text=f"as {words.author} asked: {' '.join(words.text.split())[:500]}")
    return loop.model_copy(
        update={
            "revision": revision,
            "iteration": 0,
            "contract": Contract(criteria=(*contract.criteria, criterion)),
            "words": loop.words if words in loop.words else (*loop.words, words),
        }
    )


def start_run(
    loop: Loop, role: Literal["maker", "gate", "checker"], at: float, policy: ServicePolicy, *commands: Command
) -> Decision:
    """Hand a run of this role to the agents, if the ticket still has the money; a gate costs none."""
    budget = policy.caps_of(loop).ticket_usd
    if role != "gate" and loop.usage.cost_usd >= budget:
        return escalate(loop, f"the ticket's budget of ${budget:.2f} is used up.", policy)
    run_id = f"{loop.identifier}-g{loop.generation}-r{loop.revision}-i{loop.iteration}-{role}"
    loop = loop.model_copy(update={"stage": _STAGES[role], "run_id": run_id})
    return told(loop, policy, *commands, StartRun(spec=_spec(loop, role, at, policy)))


def _spec(loop: Loop, role: Literal["maker", "gate", "checker"], at: float, policy: ServicePolicy) -> RunSpec:
    assert loop.contract
    own = loop.policy.loop.roles.checker if role == "checker" else loop.policy.loop.roles.maker
    return RunSpec(
        run_id=loop.run_id,
        ticket_id=loop.ticket.id,
        identifier=loop.identifier,
        generation=loop.generation,
        role=role,
        repository=loop.repository,
        base_sha=loop.base_sha,
        start_sha=loop.head_sha or loop.pushed_sha or loop.base_sha,
        contract=loop.contract,
        ticket=loop.ticket,
        policy=loop.policy,
        iteration=loop.iteration,
        iterations=policy.iterations(loop),
        tried=loop.tried,
        words=loop.words,
        evidence=loop.evidence,
        verdict=loop.verdict,
        model=own.model or policy.models.get(role, ""),
        effort=own.effort,
        caps=policy.caps_of(loop),
        ticket_usage=loop.usage,
        started_at=at,
    )


def on_run_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    """A maker, gate or checker is through. A run that is no longer the current one only leaves its bill."""
    loop = loop.model_copy(update={"usage": loop.usage.plus(event.usage)})
    current = event.run_id == loop.run_id and event.generation == loop.generation and loop.stage in RUNNING
    if not current:
        return Decision(loop)
    if event.outcome == "budget":
        return escalate(loop, f"a run's budget is used up ({money_message(loop)}).", policy)
    if event.role == "maker":
        return _maker_finished(loop, event, policy)
    if event.outcome != "done":
        return escalate(loop, f"the {event.role} could not work: {event.summary}", policy)
    return _gate_finished(loop, event, policy) if event.role == "gate" else _checker_finished(loop, event, policy)


def _maker_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    if event.outcome in {"done", "no_change"}:
        made = {"head_sha": event.head_sha, "summary": event.summary}
        void = {"evidence": (), "verdict": None, "approved_sha": ""}
        return start_run(loop.model_copy(update=made | void), "gate", event.at, policy)
    return _again(loop, f"the maker ended without a result: {event.outcome}. {event.summary}".strip(), event.at, policy)


def _gate_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    loop = loop.model_copy(update={"evidence": event.evidence})
    failing = [e for e in event.evidence if not e.passed]
    if failing:
        return _again(loop, gate_failed_line(failing), event.at, policy)
    return start_run(loop, "checker", event.at, policy)


def _checker_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    loop = loop.model_copy(update={"verdict": event.verdict})
    missing = open_results(loop)
    if missing:
        return _again(loop, verdict_failed_line(missing), event.at, policy)
    if loop.unheard:
        loop = loop.model_copy(update={"tried": (*loop.tried, iteration_line(loop, said_more_line()))})
        return start_iteration(asked_for(loop, joined(loop.unheard)), event.at, policy)
    if loop.head_sha == loop.base_sha:
        return escalate(loop, no_change_reason(), policy)
    loop = loop.model_copy(update={"stage": Stage.PUBLISHING, "tried": (*loop.tried, iteration_line(loop, "done"))})
    return told_first(loop, policy, publish(loop))


def publish(loop: Loop) -> PublishBranch:
    """Push the candidate to our branch."""
    return PublishBranch(
        generation=loop.generation,
        repository=loop.repository,
        branch=loop.branch,
        base_branch=loop.base_branch,
        sha=loop.head_sha,
        expected=loop.pushed_sha,
    )


def open_results(loop: Loop) -> list[CriterionResult]:
    """The criteria that the verdict leaves open. No verdict, another commit's, none for a criterion, or a pass without
    evidence: not met."""
    assert loop.contract
    judged = (
        {r.criterion: r for r in loop.verdict.results}
        if loop.verdict and loop.verdict.head_sha == loop.head_sha
        else {}
    )
    nothing = {c.id: CriterionResult(criterion=c.id, result="unsure") for c in loop.contract.criteria}
    return [r for r in (nothing | judged).values() if r.result != "pass" or not r.evidence.strip()]


def _again(loop: Loop, outcome: str, at: float, policy: ServicePolicy) -> Decision:
    loop = loop.model_copy(update={"tried": (*loop.tried, iteration_line(loop, outcome))})
    if loop.iteration >= policy.iterations(loop):
        return escalate(loop, f"{loop.iteration} iterations did not meet the contract.", policy)
    return start_iteration(loop, at, policy)


def escalate(loop: Loop, reason: str, policy: ServicePolicy) -> Decision:
    """The loop stops and asks a person, with what was tried."""
    loop = loop.model_copy(update={"stage": Stage.NEEDS_HUMAN, "reason": reason})
    ask = PostComment(body=escalation_message(loop))
    return told(loop, policy, ask, SetNeedsHuman(needed=True), MoveTicket(column="needs_human"))
