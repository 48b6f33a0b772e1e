"""Rules for the results of runs: scout, then make, gate, judge, check, repeated with the evidence until a verdict or an
escalation. A failed attempt is followed by one in a fresh context: contract, evidence and the record of attempts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from integrations.events import RunFinished
from integrations.results import Checked, CriterionResult, Evidence, Gated, Judged, Made, RunOutcome, Scouted
from integrations.values import NO_COMMIT, CommitSha
from jobs.contract.checks import mark_checks
from jobs.evidence.environment_problems import find_gate_problem
from jobs.evidence.verdicts import NO_NEW_COMMIT, find_contradictions, keep_required, reject_unproven
from jobs.loop.commands import Command, MoveTicket, PostComment, PublishBranch, SetNeedsHuman
from jobs.loop.comments import join_guidance
from jobs.loop.state import EscalationClass, Loop, Stage
from jobs.messages import lines
from jobs.messages.approvals import tamper_reason
from jobs.messages.environment import environment_reason
from jobs.messages.escalations import (
    agent_question_reason,
    iterations_reason,
    no_commit_reason,
    run_blocked_reason,
    spinning_reason,
    turns_reason,
)
from jobs.messages.pull_request import size_message
from jobs.messages.upstream import merged_cause
from jobs.messages.verdict import no_change_message
from jobs.workflow.decision import Decision, ServicePolicy, build_clean_up
from jobs.workflow.escalation import close_attempt, escalate, escalate_environment
from jobs.workflow.overlap import claim_changed, start_first_iteration
from jobs.workflow.review_answers import needs_no_commit, return_to_review, take_answers
from jobs.workflow.run import add_requested_criterion, at_newer_base, restart_calls, start_iteration, start_run
from jobs.workflow.upstream import (
    at_start_of_attempt,
    begin_attempt,
    can_carry_verdict,
    carry_verdict,
    is_accepted,
)

BLOCKED: Mapping[RunOutcome, EscalationClass] = {
    "credentials": "credentials",
    "infrastructure": "infrastructure",
    "environment": "environment",
    "policy": "policy",
}
"""Outcomes for which a person has to change something, and the class of their escalation."""
WITHOUT_RESULT: Mapping[RunOutcome, EscalationClass] = {
    "turns": "turns",
    "spinning": "spinning",
    "failed": "infrastructure",
}
"""Outcomes of an agent without a result, and the class of the escalation when it is the last one."""
_REFUSED = "the change is refused"
"""Begins what `integrations.git` says of a commit that it does not take: the maker can make another one."""


def mark_contract(loop: Loop) -> Loop:
    """The loop whose contract has the state of the repository's checks on the base commit."""
    if loop.contract is None:
        return loop
    found, branch = loop.preflight.result.checks, loop.workspace.base_branch
    return replace(loop, contract=mark_checks(loop.contract, found, branch))


def start_work(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """The contract is agreed: start the scout, once per loop, or the first maker."""
    loop = mark_contract(loop)
    if loop.workflow.scout and loop.planning.plan is None and not loop.attempt.iteration:
        return start_run(replace(loop, reason=""), "scout", at, policy, *commands)
    return start_first_iteration(loop, at, policy, *commands)


def on_run_blocked(loop: Loop, event: RunFinished) -> Decision:
    """A wrong setting, unusable replies, the environment or the policy ended the run. A maker's iteration does not
    count."""
    loop, kind = _keep_work(loop, event), BLOCKED[event.outcome]
    if event.role == "maker":
        loop = replace(loop, attempt=replace(loop.attempt, iteration=max(loop.attempt.iteration - 1, 0)))
    if kind == "environment":
        return escalate_environment(loop, event.summary, event.at)
    reason = event.summary if kind == "policy" else run_blocked_reason(event.role, event.summary)
    return escalate(loop, kind, reason, event.at)


def _keep_work(loop: Loop, event: RunFinished) -> Loop:
    """Keep the commit of a maker that did not end its work."""
    made = event.result.head_sha if isinstance(event.result, Made) else NO_COMMIT
    if isinstance(event.result, Made):
        loop = at_newer_base(loop, event.result.base_sha)
    return replace(loop, candidate=replace(loop.candidate, head_sha=made or loop.candidate.head_sha))


def on_budget_used_up(loop: Loop, event: RunFinished) -> Decision:
    """A run ended at its budget. A maker's work so far is kept."""
    loop = _keep_work(loop, event)
    if loop.attempt.iteration:
        loop = _note_iteration(loop, event.summary)
    return escalate(close_attempt(loop, event.summary), "budget", event.summary, event.at)


def on_scout_finished(loop: Loop, result: Scouted, at: float, policy: ServicePolicy) -> Decision:
    """Start the maker, with the plan if there is one."""
    return start_first_iteration(replace(loop, planning=replace(loop.planning, plan=result.plan)), at, policy)


def on_maker_finished(loop: Loop, event: RunFinished, result: Made, policy: ServicePolicy) -> Decision:
    """Run the gate on the candidate; without one start another iteration."""
    loop = replace(loop, attempt=replace(loop.attempt, approach=result.approach or loop.attempt.approach))
    loop = take_answers(loop, result)
    if needs_no_commit(loop, event, result):
        return return_to_review(loop)
    if result.question and event.outcome in {"done", "no_change"}:
        return _ask_person(loop, event, result)
    if event.outcome == "spinning":
        return _next_attempt(loop, spinning_reason(event.summary), event.at, policy, "spinning")
    if event.outcome == "no_change" and (refused := _find_refused_requests(loop, result.head_sha)):
        return escalate(close_attempt(loop, refused), "judgement", refused, event.at)
    loop = at_newer_base(loop, result.base_sha)
    if event.outcome in {"done", "no_change"}:
        candidate = replace(loop.candidate.at(result.head_sha), summary=event.summary)
        made = replace(loop, candidate=candidate, pull_request=loop.pull_request.unapproved())
        return start_run(made, "gate", event.at, policy, *claim_changed(made))
    loop = replace(loop, candidate=replace(loop.candidate, head_sha=result.head_sha or loop.candidate.head_sha))
    line = lines.no_result_line(event.outcome, event.summary)
    is_refused = event.summary.startswith(_REFUSED)
    kind = "judgement" if is_refused else WITHOUT_RESULT.get(event.outcome, "judgement")
    return _retry(loop, line, event.at, policy, kind)


def _find_refused_requests(loop: Loop, head_sha: CommitSha) -> str:
    """Why a person decides: the maker makes no commit for a request again, after the checker rejected that."""
    verdict = loop.candidate.verdict
    failed = {r.criterion for r in verdict.results if r.evidence == NO_NEW_COMMIT} if verdict else set()
    unchanged = loop.contract.list_unchanged(head_sha) if loop.contract else ()
    requests = [criterion.text for criterion in unchanged if criterion.id in failed]
    return no_commit_reason(requests) if requests else ""


def _ask_person(loop: Loop, event: RunFinished, result: Made) -> Decision:
    """Put the maker's question to a person at once. Its iteration does not count."""
    candidate = replace(loop.candidate.at(result.head_sha or loop.candidate.head_sha), summary=event.summary)
    attempt = replace(loop.attempt, iteration=max(loop.attempt.iteration - 1, 0))
    loop = replace(loop, attempt=attempt, candidate=candidate)
    return escalate(loop, "judgement", agent_question_reason(result.question), event.at, question=result.question)


def on_gate_finished(loop: Loop, event: RunFinished, result: Gated, policy: ServicePolicy) -> Decision:
    """Return failures to the maker, unless it is spinning or insists on its change. A merge of the base branch without
    conflicts that fails begins a new attempt."""
    if not can_carry_verdict(loop):
        return _decide_by_gate(loop, event, result, policy)
    decision = _decide_by_gate(loop, event, result, policy)
    if decision.loop.stage is not Stage.MAKING:
        return decision
    fresh = begin_attempt(loop)
    fresh = replace(fresh, attempt=replace(fresh.attempt, cause=merged_cause(loop)))
    decision = _decide_by_gate(fresh, event, result, policy)
    return replace(decision, commands=(MoveTicket(column="working"), *decision.commands))


def _decide_by_gate(loop: Loop, event: RunFinished, result: Gated, policy: ServicePolicy) -> Decision:
    if event.outcome != "done":
        return _escalate_failed_run(loop, event)
    before, is_carried = loop.candidate.gate, can_carry_verdict(loop)
    if result.unresolved:
        loop = replace(loop, candidate=replace(loop.candidate, gate=result))
        return _retry(loop, lines.unresolved_line(result.unresolved), event.at, policy)
    if problem := find_gate_problem(result.evidence, loop.preflight.result.checks):
        known = replace(loop, candidate=replace(loop.candidate, gate=result))
        decision = escalate_environment(known, environment_reason(problem), event.at)
        again = decision.loop.candidate.at(loop.candidate.head_sha)  # a restart repeats the gate
        if is_carried:  # or the merge of the base branch
            again = loop.candidate
            decision = replace(decision, loop=replace(decision.loop, upstream=replace(loop.upstream, cause="behind")))
        return replace(decision, loop=replace(decision.loop, candidate=again))
    attempt, failing = loop.attempt, [e for e in result.evidence if e.failed]
    failing = [e for e in failing if not (is_carried and is_accepted(loop.candidate, e))]
    insists = _fingerprint(failing) in attempt.failing and all(e.needs_approval for e in failing)
    reverted = result.tree in attempt.trees[:-1] and result.tree != attempt.trees[-1]
    trees = (*attempt.trees, result.tree) if result.tree else attempt.trees
    attempt = replace(attempt, failing=(*attempt.failing, _fingerprint(failing)), trees=trees)
    loop = replace(loop, attempt=attempt, candidate=replace(loop.candidate, gate=result))
    if reverted:
        return _next_attempt(loop, lines.REVERTED_LINE, event.at, policy, "spinning")
    if failing and insists:
        return start_run(loop, "judge", event.at, policy)  # the maker has read the failure, so a person decides
    rounds = loop.workflow.spinning.same_failures
    if failing and len(attempt.failing) >= rounds and len(set(attempt.failing[-rounds:])) == 1:
        line = lines.same_failures_line(failing, rounds)
        return _next_attempt(loop, line, event.at, policy, "spinning")
    if failing:
        return _retry(loop, lines.gate_failed_line(failing), event.at, policy)
    leaks = [found for found in result.tampering if found.kind == "secret"]
    if leaks and not any(lines.leak_line(leaks) in line for line in attempt.tried):
        return _retry(loop, lines.leak_line(leaks), event.at, policy)  # unchanged: a person decides after the checker
    if result.stray:
        return _retry(loop, lines.stray_line(result.stray), event.at, policy)
    if is_carried:
        return _conclude(carry_verdict(loop, before), event.at, policy)
    loop, comments = _report_size(loop)
    return start_run(loop, "judge", event.at, policy, *comments)


def _report_size(loop: Loop) -> tuple[Loop, list[PostComment]]:
    """Propose a split, once per ticket, of a change that exceeds the size budget."""
    most, pull_request = loop.workflow.pull_request.size_lines, loop.pull_request
    if not most or loop.candidate.gate.size.lines <= most or pull_request.size_reported:
        return loop, []
    comment = PostComment(body=size_message(loop), once=f"{loop.started_at}/size")
    return replace(loop, pull_request=replace(pull_request, size_reported=True)), [comment]


def _escalate_failed_run(loop: Loop, event: RunFinished) -> Decision:
    kind = WITHOUT_RESULT.get(event.outcome, "infrastructure")
    return escalate(loop, kind, run_blocked_reason(event.role, event.summary, kind), event.at)


def _fingerprint(failing: list[Evidence]) -> str:
    """Identifies a set of failures: equal for the same commands, exit codes and refutations; empty without failures."""
    plain = "\n".join(f"{e.name} {e.command} {e.exit_code}{e.refuted}" for e in failing)
    return hashlib.sha256(plain.encode()).hexdigest()[:12] if failing else ""


def on_judge_finished(loop: Loop, event: RunFinished, result: Judged, policy: ServicePolicy) -> Decision:
    """The judge can only reject, which saves a checker's run; a judge that failed is skipped."""
    judgement = result.judgement
    loop = replace(loop, candidate=replace(loop.candidate, judgement=judgement))
    if event.outcome == "done" and judgement and (judgement.missing or not judgement.done):
        return _retry(loop, lines.judge_line(judgement), event.at, policy)
    return start_run(loop, "checker", event.at, policy)


def on_checker_finished(loop: Loop, event: RunFinished, result: Checked, policy: ServicePolicy) -> Decision:
    """Publish a verdict of done, unless new guidance has arrived or a person has to accept changed checks."""
    if event.outcome != "done":
        return _escalate_failed_run(loop, event)
    assert loop.contract
    verdict = reject_unproven(result.verdict, loop.contract) if result.verdict else None
    return _conclude(replace(loop, candidate=replace(loop.candidate, verdict=verdict)), event.at, policy)


def _conclude(loop: Loop, at: float, policy: ServicePolicy) -> Decision:
    """Act on the verdict."""
    candidate, pending = loop.candidate, loop.comments.pending
    if objection := objection_to(loop):
        return _retry(loop, objection, at, policy)
    if pending:
        loop = _note_iteration(loop, lines.NEW_GUIDANCE_LINE)
        return start_iteration(add_requested_criterion(loop, join_guidance(pending)), at, policy)
    if candidate.tampering and candidate.accepted_sha != candidate.head_sha:
        loop = _note_iteration(loop, lines.NEEDS_APPROVAL_LINE)
        return escalate(loop, "tamper", tamper_reason(candidate.tampering), at)
    return finish(loop, at)


def objection_to(loop: Loop) -> str:
    """Why the verdict does not mean done; empty when it does."""
    candidate, verdict = loop.candidate, loop.candidate.verdict
    missing = open_results(loop)
    if missing:
        return lines.verdict_failed_line(missing, verdict.examples if verdict else ())
    assert verdict and loop.contract
    verdict = keep_required(verdict, loop.contract)
    blockers = [finding for finding in verdict.findings if finding.severity == "blocker"]
    if blockers:
        return lines.blockers_line(blockers)
    changed = candidate.head_sha != loop.workspace.base_sha
    if clauses := find_contradictions(verdict, candidate.evidence, changed=changed):
        return lines.contradiction_line(clauses)
    if not changed and not verdict.no_change_needed:
        return lines.NOT_CONFIRMED_LINE
    return ""


def open_results(loop: Loop) -> list[CriterionResult]:
    """The criteria that are not met: no verdict or another commit's, no result, or a pass without evidence."""
    assert loop.contract
    verdict = loop.candidate.verdict
    given = verdict.results if verdict and verdict.head_sha == loop.candidate.head_sha else ()
    judged = {r.criterion: r for r in given}
    nothing = {c.id: CriterionResult(criterion=c.id, result="unsure") for c in loop.contract.criteria}
    optional = {c.id for c in loop.contract.criteria} - {c.id for c in loop.contract.required}
    found = [r for r in (nothing | judged).values() if r.criterion not in optional]
    return [r for r in found if r.result != "pass" or not r.evidence.strip()]


def finish(loop: Loop, at: float, *commands: Command) -> Decision:
    """The verdict is done: publish the candidate, or end the loop when no change was needed."""
    loop = replace(restart_calls(_note_iteration(loop, "done")), escalation=None)
    if loop.candidate.head_sha != loop.workspace.base_sha:
        return Decision(replace(loop, stage=Stage.PUBLISHING), (*commands, publish(loop)))
    done = replace(loop, stage=Stage.DONE, reason="", finished_at=at)
    comment = PostComment(body=no_change_message(done), once=f"{done.started_at}/no-change")
    return Decision(done, (comment, SetNeedsHuman(needed=False), MoveTicket(column="done"), build_clean_up(loop)))


def publish(loop: Loop, *, as_is: bool = False, accepted: bool = False) -> PublishBranch:
    """Push the candidate to the loop's branch; `as_is`: without a verdict, for a person who takes it over, with the
    changes that need approval only if they are `accepted`."""
    return PublishBranch(
        generation=loop.generation,
        repository=loop.workspace.repository,
        branch=loop.workspace.branch,
        base_branch=loop.workspace.base_branch,
        sha=loop.candidate.head_sha,
        expected=loop.pull_request.pushed_sha,
        as_is=as_is,
        accepted=accepted,
        protected=loop.workflow.protected,
    )


def _retry(loop: Loop, outcome: str, at: float, policy: ServicePolicy, kind: EscalationClass = "judgement") -> Decision:
    """Start another iteration, or another attempt when this one has used all its iterations. `kind` is the class of the
    escalation after the last one."""
    if loop.attempt.iteration >= policy.iterations(loop):
        return _next_attempt(loop, outcome, at, policy, kind)
    return start_iteration(_note_iteration(loop, outcome), at, policy)


def _next_attempt(loop: Loop, outcome: str, at: float, policy: ServicePolicy, kind: EscalationClass) -> Decision:
    """Start an attempt in a fresh context, a later one with a stronger model; escalate after the last."""
    loop = _note_iteration(loop, outcome)
    if loop.attempt.number >= policy.attempts(loop):
        reasons = {
            "judgement": iterations_reason(policy.attempts(loop), policy.iterations(loop)),
            "turns": turns_reason(loop),
        }
        return escalate(close_attempt(loop, outcome), kind, reasons.get(kind, outcome), at)
    loop = close_attempt(loop, outcome)
    attempt = replace(loop.attempt, number=loop.attempt.number + 1)
    return start_iteration(replace(at_start_of_attempt(loop), attempt=attempt), at, policy)


def _note_iteration(loop: Loop, outcome: str) -> Loop:
    """Add the current iteration to the attempt's record."""
    tried = (*loop.attempt.tried, lines.iteration_line(loop, outcome))
    return replace(loop, attempt=replace(loop.attempt, tried=tried))
