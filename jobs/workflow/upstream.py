"""Rules for a base branch that moves: notice it, merge it into the ticket's branch, and decide again.

The merge is made in the mirror. After a clean one the gate runs again and the checker's verdict counts for the merge
commit; conflicts go to the maker. `Workspace.base_sha` becomes the merged commit, so that every comparison shows the
ticket's own change alone.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

from integrations.events import BaseMerged, BranchPushed, TimePassed, WorkspaceReady
from integrations.ports.pull_request import PullRequestFacts
from integrations.results import Evidence, Gated
from integrations.values import NO_COMMIT, CommitSha
from jobs.loop.commands import Command, MergeBase, MoveTicket, PostComment
from jobs.loop.state import AT_WORK, OPEN, Attempt, Candidate, Loop, Stage
from jobs.loop.upstream_state import UpdateCause
from jobs.messages import upstream as messages
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import close_attempt, escalate
from jobs.workflow.routing import prepare
from jobs.workflow.run import start_iteration, start_run

LOOK_AGAIN = (5.0, 20.0, 60.0)
"""Seconds until the next look while the code host computes whether there is a conflict."""
UPDATE_SECONDS = 600.0
"""Between two updates of one branch without a person's request: a busy base branch would cause one after the other."""


def on_base_pushed(loop: Loop, event: BranchPushed, policy: ServicePolicy) -> Decision:
    """Compare the pull request with its base branch after a quiet time; work without one when it is open."""
    if not event.head_sha or event.head_sha == loop.workspace.base_sha:
        return Decision(loop)
    if loop.stage in OPEN:
        return Decision(schedule(loop, event.at, policy))
    if loop.stage in AT_WORK:
        return Decision(replace(loop, upstream=replace(loop.upstream, has_moved=True)))
    return Decision(loop)


def schedule(loop: Loop, at: float, policy: ServicePolicy) -> Loop:
    """The loop that compares its base branch next after one to two quiet times. Further pushes do not move the time, so
    that they cannot postpone it without end; it differs between tickets, so that one push does not read all of them at
    once."""
    upstream = loop.upstream
    share = zlib.crc32(loop.ticket.id.encode()) % 100 / 100
    due = upstream.due_at or max(at + policy.checks_quiet_seconds * (1 + share), 1.0)
    return replace(loop, upstream=replace(upstream, due_at=due, has_moved=False))


def on_due(loop: Loop, event: TimePassed) -> Decision:
    """The time to compare has come: merge the base branch if the pull request needs it."""
    loop, facts = replace(loop, upstream=replace(loop.upstream, due_at=0.0)), event.facts
    if loop.stage not in OPEN or facts is None or facts.state != "open":
        return Decision(loop)
    return compare(loop, facts, event.at)


def compare(loop: Loop, facts: PullRequestFacts, at: float) -> Decision:
    """The rule for these facts of the open pull request."""
    upstream = loop.upstream
    if loop.stage not in {Stage.CI, Stage.REVIEW} or facts.head_sha != loop.pull_request.pushed_sha:
        return Decision(loop)
    if facts.mergeable == "unknown" and upstream.looks < len(LOOK_AGAIN):
        later = replace(upstream, due_at=at + LOOK_AGAIN[upstream.looks], looks=upstream.looks + 1)
        return Decision(replace(loop, upstream=later))
    upstream = replace(upstream, looks=0)
    cause = find_cause(loop, facts)
    if not cause:
        return Decision(replace(loop, upstream=replace(upstream, reported=NO_COMMIT)))
    if upstream.updated_at and at < upstream.updated_at + UPDATE_SECONDS:
        return Decision(replace(loop, upstream=replace(upstream, due_at=upstream.updated_at + UPDATE_SECONDS)))
    if loop.workflow.base.update == "never" or not _has_verdict(loop):
        is_reported = bool(upstream.reported)
        loop = replace(loop, upstream=replace(upstream, reported=upstream.reported or facts.base_sha))
        silent = is_reported or cause != "conflict"
        return Decision(loop, () if silent else (PostComment(body=messages.manual_conflict_message(loop)),))
    return start_update(replace(loop, upstream=replace(upstream, updated_at=at)), cause)


def _has_verdict(loop: Loop) -> bool:
    """Whether the branch's head is work that the checker accepted, and not a person's commit."""
    verdict = loop.candidate.verdict
    return verdict is not None and verdict.head_sha == loop.candidate.head_sha == loop.pull_request.pushed_sha


def find_cause(loop: Loop, facts: PullRequestFacts) -> UpdateCause:
    """Why the base branch has to be merged; empty if it does not."""
    if facts.mergeable == "conflict":
        return "conflict"
    wanted = facts.must_be_current or (facts.behind and loop.workflow.base.update == "always")
    return "behind" if wanted else ""


def start_update(loop: Loop, cause: UpdateCause, *commands: Command) -> Decision:
    """Read the base branch and its policy again, then merge it into the branch."""
    upstream = replace(loop.upstream, cause=cause, due_at=0.0, looks=0)
    preflight = replace(loop.preflight, restarts=0, reported="")
    loop = replace(loop, stage=Stage.PREPARING, reason="", upstream=upstream, preflight=preflight)
    return Decision(loop, (*commands, prepare(loop)))


def merge_base(loop: Loop, event: WorkspaceReady) -> MergeBase:
    """The command that merges the base branch's present commit into the pushed head: never into an earlier merge."""
    place = loop.workspace
    return MergeBase(
        generation=loop.generation,
        repository=place.repository,
        branch=place.branch,
        base_branch=place.base_branch,
        base_sha=event.base_sha,
        head_sha=loop.pull_request.pushed_sha,
        at=event.at,
    )


def on_base_merged(loop: Loop, event: BaseMerged, policy: ServicePolicy) -> Decision:
    """The mirror has the merge: check the environment on the new base commit, then gate or maker continue."""
    cause, before = loop.upstream.cause, loop.candidate
    if event.generation != loop.generation or loop.stage is not Stage.PREPARING or not cause:
        return Decision(loop)
    place = replace(loop.workspace, base_sha=event.base_sha)
    if not event.merge_sha:
        return _stay(replace(loop, workspace=place), event.at)
    if outside := [conflict for conflict in event.conflicts if conflict.is_outside]:
        loop = replace(loop, upstream=replace(loop.upstream, cause=""))
        return escalate(loop, "conflict", messages.outside_reason(outside, place.base_branch), event.at)
    loop = begin_attempt(loop) if event.conflicts else loop
    loop = replace(
        loop,
        workspace=place,
        attempt=replace(loop.attempt, failing=(), trees=()),
        candidate=before.at(event.merge_sha) if event.conflicts else _examine_again(before, event.merge_sha),
        pull_request=loop.pull_request.unapproved(),
        upstream=replace(
            loop.upstream,
            merges=loop.upstream.merges + 1,
            merge_sha=event.merge_sha,
            merged_into=event.head_sha,
            conflicts=event.conflicts,
            commits=event.commits,
            fork_sha=NO_COMMIT,
        ),
    )
    commands: tuple[Command, ...] = (PostComment(body=_describe_merge(loop, cause)),)
    if event.conflicts:
        commands = (*commands, MoveTicket(column="working"))
    return start_run(loop, "preflight", event.at, policy, *commands)


def begin_attempt(loop: Loop) -> Loop:
    """The first of a new series of attempts, after the accepted one."""
    accepted = loop.candidate.verdict is not None
    loop = close_attempt(loop, messages.closed_attempt_reason(loop), accepted=accepted)
    return replace(loop, attempt=Attempt(began_usd=loop.attempt.began_usd))


def _stay(loop: Loop, at: float) -> Decision:
    """The branch has the base branch's commit already: back to the review, or to the wait for the checks before it."""
    requested = loop.upstream.cause == "request"
    stage = Stage.REVIEW if loop.pull_request.announced else Stage.CI
    ci = replace(loop.ci, due_at=at)
    loop = replace(loop, stage=stage, ci=ci, upstream=replace(loop.upstream, cause=""))
    return Decision(loop, (PostComment(body=messages.up_to_date_message(loop)),) if requested else ())


def _examine_again(before: Candidate, merge_sha: CommitSha) -> Candidate:
    """The candidate at a merge without conflicts: the gate runs again, verdict and judgement are kept for later."""
    return replace(before, head_sha=merge_sha, gate=replace(before.gate, tree="", evidence=()))


def _describe_merge(loop: Loop, cause: UpdateCause) -> str:
    if loop.upstream.conflicts:
        return messages.base_conflict_message(loop)
    return messages.merged_base_message(loop, cause, is_carried=can_carry_verdict(loop))


def continue_work(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """The environment works on the new base commit: the gate runs on the merge, or the maker resolves the conflicts."""
    loop = replace(loop, upstream=replace(loop.upstream, cause=""))
    if not loop.upstream.conflicts:
        return start_run(loop, "gate", at, policy, *commands)
    loop = replace(loop, attempt=replace(loop.attempt, cause=messages.conflict_cause(loop)))
    return start_iteration(loop, at, policy, *commands)


def can_carry_verdict(loop: Loop) -> bool:
    """Whether the candidate is a merge without conflicts of a commit that the checker accepted: nothing of the ticket's
    own change is new."""
    upstream, verdict = loop.upstream, loop.candidate.verdict
    is_merge = loop.has_open_merge and not upstream.conflicts and loop.candidate.head_sha == upstream.merge_sha
    if not is_merge or verdict is None or loop.contract is None:
        return False
    judged = {result.criterion for result in verdict.results}
    is_complete = all(criterion.id in judged for criterion in loop.contract.required)
    return is_complete and verdict.head_sha == loop.pull_request.pushed_sha


def carry_verdict(loop: Loop, before: Gated) -> Loop:
    """The loop whose verdict counts for the merge commit, as does a person's acceptance of changes that need approval.
    Further ones need their own; `before` is the gate's result of the examined commit."""
    candidate = loop.candidate
    assert candidate.verdict
    examined = candidate.verdict.head_sha
    known = {(t.kind, t.path, t.text) for t in before.tampering}
    kept = candidate.accepted_sha == examined and all((t.kind, t.path, t.text) in known for t in candidate.tampering)
    candidate = replace(
        candidate,
        verdict=replace(candidate.verdict, head_sha=candidate.head_sha),
        accepted_sha=candidate.head_sha if kept else candidate.accepted_sha,
    )
    upstream = replace(loop.upstream, carried_from=examined, carried_to=candidate.head_sha)
    return replace(loop, candidate=candidate, upstream=upstream)


def is_accepted(candidate: Candidate, proof: Evidence) -> bool:
    """Whether a person has accepted that this command passes only with the change's own tests and configuration."""
    return proof.needs_approval and bool(candidate.accepted_sha)


def at_start_of_attempt(loop: Loop) -> Loop:
    """The loop at the commit from which each attempt begins: the merge commit, else the pushed head, else the base."""
    start = loop.upstream.merge_sha if loop.has_open_merge else loop.pull_request.pushed_sha
    base_sha = loop.upstream.fork_sha or loop.workspace.base_sha
    fresh = replace(loop.candidate, head_sha=start, judgement=None, verdict=None)
    upstream = replace(loop.upstream, fork_sha=NO_COMMIT)
    place = replace(loop.workspace, base_sha=base_sha)
    return replace(loop, candidate=fresh, workspace=place, upstream=upstream, checkpoint=NO_COMMIT)


def settle(loop: Loop) -> Loop:
    """The loop whose pushed head has everything that was merged."""
    upstream = replace(loop.upstream, cause="", merge_sha=NO_COMMIT, conflicts=(), commits=(), fork_sha=NO_COMMIT)
    return without_result(replace(loop, upstream=upstream))


def without_result(loop: Loop) -> Loop:
    """The loop without a merge result that is examined or known."""
    upstream = replace(loop.upstream, result_sha=NO_COMMIT, result_base=NO_COMMIT, rounds=0)
    return replace(loop, upstream=upstream)


def list_known_bases(loop: Loop) -> tuple[CommitSha, ...]:
    """The base commits with which the pushed commit is known to pass: that of the verdict, and of the merge result."""
    upstream = loop.upstream
    judged = NO_COMMIT if loop.has_open_merge else loop.workspace.base_sha
    result = NO_COMMIT if upstream.result_sha else upstream.result_base
    return tuple(sha for sha in (judged, result) if sha)
