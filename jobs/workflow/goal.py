"""Rules of the goal loop: scout, then make, gate, judge, check, and again with the evidence, until a verdict or a named
exit. An attempt that goes nowhere is followed by a fresh one that knows only the contract, the evidence and the record.
"""

from __future__ import annotations

import hashlib

from integrations.events import RunFinished
from integrations.results import CriterionResult, Evidence
from jobs.evidence.verdicts import contradictions
from jobs.loop.commands import CleanUp, Command, MoveTicket, PostComment, PublishBranch, SetNeedsHuman
from jobs.loop.state import Loop, Stage, join_guidance
from jobs.messages.escalations import gate_could_not_run_reason, iterations_reason, spinning_reason, tamper_reason
from jobs.messages.lines import (
    blockers_line,
    changed_checks_line,
    contradiction_line,
    gate_failed_line,
    iteration_line,
    judge_line,
    new_guidance_line,
    no_result_line,
    not_confirmed_line,
    reverted_line,
    same_failures_line,
    stray_line,
    verdict_failed_line,
)
from jobs.messages.verdict import no_change_message
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalating import close_attempt, escalate
from jobs.workflow.run import add_requested_criterion, start_iteration, start_run


def start_work(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """The contract is agreed: a scout looks around, once, then the first maker starts."""
    if loop.policy.loop.scout and loop.plan is None and not loop.iteration:
        return start_run(loop.model_copy(update={"reason": ""}), "scout", at, policy, *commands)
    return start_iteration(loop, at, policy, *commands)


def on_goal_run_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    """A run of one of the roles behind the contract is through."""
    if event.outcome == "budget":
        line = iteration_line(loop, event.summary)
        kept = {"head_sha": event.head_sha or loop.head_sha, "tried": (*loop.tried, line) if loop.iteration else ()}
        spent = close_attempt(loop.model_copy(update=kept), event.summary)
        return escalate(spent, "budget", event.summary, event.at)
    match event.role:
        case "scout":
            return start_iteration(loop.model_copy(update={"plan": event.plan}), event.at, policy)
        case "maker":
            return _maker_finished(loop, event, policy)
        case "judge":
            return _judge_finished(loop, event, policy)
    if event.outcome != "done":
        reason = gate_could_not_run_reason(event.role, event.summary)
        return escalate(loop, "infrastructure", reason, event.at)
    return _gate_finished(loop, event, policy) if event.role == "gate" else _checker_finished(loop, event, policy)


def _maker_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    loop = loop.model_copy(update={"approach": event.approach or loop.approach})
    if event.outcome == "spinning":
        return _next_attempt(loop, spinning_reason(event.summary), event.at, policy, spun=True)
    if event.outcome in {"done", "no_change"}:
        made = {"head_sha": event.head_sha, "summary": event.summary}
        void = {"evidence": (), "tampering": (), "judgement": None, "verdict": None, "approved_sha": ""}
        return start_run(loop.model_copy(update=made | void), "gate", event.at, policy)
    loop = loop.model_copy(update={"head_sha": event.head_sha or loop.head_sha})
    return _again(loop, no_result_line(event.outcome, event.summary), event.at, policy)


def _gate_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    failing = [e for e in event.evidence if not e.passed]
    insists = _fingerprint(failing) in loop.failing and all(e.needs_a_yes for e in failing)
    reverted = event.tree in loop.trees[:-1] and event.tree != loop.trees[-1]
    found = {
        "evidence": event.evidence,
        "tampering": event.tampering,
        "failing": (*loop.failing, _fingerprint(failing)),
        "trees": (*loop.trees, event.tree) if event.tree else loop.trees,
    }
    loop = loop.model_copy(update=found)
    if reverted:
        return _next_attempt(loop, reverted_line(), event.at, policy, spun=True)
    if failing and insists:
        return start_run(loop, "judge", event.at, policy)  # it has been told, so a person has to decide
    if failing and _same_failures(loop):
        line = same_failures_line(failing, loop.policy.loop.spinning.same_failures)
        return _next_attempt(loop, line, event.at, policy, spun=True)
    if failing:
        return _again(loop, gate_failed_line(failing), event.at, policy)
    if event.stray:
        return _again(loop, stray_line(event.stray), event.at, policy)
    return start_run(loop, "judge", event.at, policy)


def _fingerprint(failing: list[Evidence]) -> str:
    """The same for the same commands that fail in the same way; empty where nothing fails."""
    plain = "\n".join(f"{e.name} {e.command} {e.exit_code}" for e in failing)
    return hashlib.sha256(plain.encode()).hexdigest()[:12] if failing else ""


def _same_failures(loop: Loop) -> bool:
    rounds = loop.policy.loop.spinning.same_failures
    return len(loop.failing) >= rounds and len(set(loop.failing[-rounds:])) == 1


def _judge_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    """The judge saves the checker's time and decides nothing in favour: a judge that cannot work is passed over."""
    loop = loop.model_copy(update={"judgement": event.judgement})
    judged = event.judgement
    if event.outcome == "done" and judged and (judged.missing or not judged.done):
        return _again(loop, judge_line(judged), event.at, policy)
    return start_run(loop, "checker", event.at, policy)


def _checker_finished(loop: Loop, event: RunFinished, policy: ServicePolicy) -> Decision:
    loop = loop.model_copy(update={"verdict": event.verdict})
    if objection := objection_to(loop):
        return _again(loop, objection, event.at, policy)
    if loop.unheard:
        loop = loop.model_copy(update={"tried": (*loop.tried, iteration_line(loop, new_guidance_line()))})
        return start_iteration(add_requested_criterion(loop, join_guidance(loop.unheard)), event.at, policy)
    if loop.tampering and loop.tampering_accepted != loop.head_sha:
        loop = loop.model_copy(update={"tried": (*loop.tried, iteration_line(loop, changed_checks_line()))})
        return escalate(loop, "tamper", tamper_reason(loop.tampering), event.at)
    return finish(loop, event.at)


def objection_to(loop: Loop) -> str:
    """Why the verdict does not mean done; empty when it does."""
    missing = open_results(loop)
    if missing:
        return verdict_failed_line(missing)
    assert loop.verdict
    blockers = [finding for finding in loop.verdict.findings if finding.severity == "blocker"]
    if blockers:
        return blockers_line(blockers)
    changed = loop.head_sha != loop.base_sha
    if clauses := contradictions(loop.verdict, loop.evidence, changed=changed):
        return contradiction_line(clauses)
    if not changed and not loop.verdict.no_change_needed:
        return not_confirmed_line()
    return ""


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


def finish(loop: Loop, at: float, *commands: Command) -> Decision:
    """The verdict is done: publish the candidate, or, where nothing had to change, say so and end."""
    loop = loop.model_copy(update={"tried": (*loop.tried, iteration_line(loop, "done")), "escalation": None})
    if loop.head_sha != loop.base_sha:
        return Decision(loop.model_copy(update={"stage": Stage.PUBLISHING}), (*commands, publish(loop)))
    done = loop.model_copy(update={"stage": Stage.DONE, "reason": "", "finished_at": at})
    say = PostComment(body=no_change_message(done), once=f"{done.started_at}/no-change")
    clean_up = CleanUp(repository=loop.repository, branch=loop.branch)
    return Decision(done, (say, SetNeedsHuman(needed=False), MoveTicket(column="done"), clean_up))


def publish(loop: Loop, *, as_is: bool = False) -> PublishBranch:
    """Push the candidate to our branch; `as_is` for a person who takes it over."""
    return PublishBranch(
        generation=loop.generation,
        repository=loop.repository,
        branch=loop.branch,
        base_branch=loop.base_branch,
        sha=loop.head_sha,
        expected=loop.pushed_sha,
        as_is=as_is,
    )


def _again(loop: Loop, outcome: str, at: float, policy: ServicePolicy) -> Decision:
    """Not done: another iteration with what is missing, or, when this attempt has had its share, another attempt."""
    if loop.iteration >= policy.iterations(loop):
        return _next_attempt(loop, outcome, at, policy, spun=False)
    loop = loop.model_copy(update={"tried": (*loop.tried, iteration_line(loop, outcome))})
    return start_iteration(loop, at, policy)


def _next_attempt(loop: Loop, outcome: str, at: float, policy: ServicePolicy, *, spun: bool) -> Decision:
    """A fresh context that knows only the contract, the evidence and what was tried; then a stronger model; then a
    person."""
    loop = loop.model_copy(update={"tried": (*loop.tried, iteration_line(loop, outcome))})
    if loop.attempt >= policy.attempts(loop):
        reason = outcome if spun else iterations_reason(policy.attempts(loop), policy.iterations(loop))
        return escalate(close_attempt(loop, outcome), "spinning" if spun else "judgement", reason, at)
    fresh = {"attempt": loop.attempt + 1, "head_sha": loop.pushed_sha, "judgement": None, "verdict": None}
    return start_iteration(close_attempt(loop, outcome).model_copy(update=fresh), at, policy)
