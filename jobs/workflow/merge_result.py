"""Rules for the merge result: before a merge by Loopline, the gate runs on it if the base branch has moved since the
verdict.

`jobs.effects.upstream` compares the base branch just before the merge. The run of the gate belongs to the stage
`MERGING`: the end of the merge voids its result.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.events import BaseMerged, RunFinished
from integrations.results import Gated
from integrations.values import NO_COMMIT
from jobs.loop.commands import Command, PostComment, RunSpec, StartRun
from jobs.loop.comments import join_guidance
from jobs.loop.state import Loop, Stage
from jobs.loop.upstream_state import UpdateCause
from jobs.messages import upstream as messages
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.hand_over import revise
from jobs.workflow.run import build_spec, run_id_of
from jobs.workflow.steering import merge
from jobs.workflow.upstream import is_accepted, start_update, without_result

MAX_ROUNDS = 3


def on_base_moved(loop: Loop, event: BaseMerged, policy: ServicePolicy) -> Decision:
    """The base branch has moved since the verdict: run the gate on the merge result. At most `MAX_ROUNDS` times for one
    request to merge."""
    upstream = loop.upstream
    if event.generation != loop.generation or event.head_sha != loop.pull_request.pushed_sha:
        return Decision(loop)
    if event.conflicts:
        message = messages.result_conflict_message(loop, event.conflicts, event.base_sha)
        return _update(loop, "conflict", PostComment(body=message))
    if upstream.rounds >= MAX_ROUNDS:
        return _return_to_review(loop, messages.moving_base_reason(loop, upstream.rounds))
    upstream = replace(
        upstream,
        merges=upstream.merges + 1,
        rounds=upstream.rounds + 1,
        result_sha=event.merge_sha,
        result_base=event.base_sha,
    )
    loop = replace(loop, upstream=upstream)
    loop = replace(loop, run_id=run_id_of(loop, "gate"))
    message = messages.checking_result_message(loop)
    return Decision(loop, (PostComment(body=message), StartRun(spec=_build_gate(loop, event.at, policy))))


def _build_gate(loop: Loop, at: float, policy: ServicePolicy) -> RunSpec:
    """The gate's input for the merge result, which is compared with the base commit that it has."""
    spec = build_spec(loop, "gate", loop.run_id, at, policy)
    place = replace(spec.workspace, base_sha=loop.upstream.result_base)
    return replace(spec, workspace=place, start_sha=loop.upstream.result_sha)


def on_result_gated(loop: Loop, event: RunFinished, result: Gated, policy: ServicePolicy) -> Decision:
    """Merge if the gate is green on the merge result; else update the branch, where the failure is the maker's work."""
    if event.outcome != "done":
        return _return_to_review(loop, messages.result_unknown_reason(loop, event.summary or event.outcome))
    failing = [proof for proof in result.evidence if proof.failed and not is_accepted(loop.candidate, proof)]
    if failing:
        return _update(loop, "result", PostComment(body=messages.result_failed_message(loop, failing)))
    if loop.comments.pending:
        review = _clear(loop)
        return revise(review, join_guidance(loop.comments.pending), event.at)
    if loop.pull_request.approved_sha != loop.pull_request.pushed_sha:
        return _return_to_review(loop, messages.APPROVAL_WITHDRAWN_REASON)
    return merge(replace(loop, upstream=replace(loop.upstream, result_sha=NO_COMMIT)))


def _update(loop: Loop, cause: UpdateCause, message: Command) -> Decision:
    """Merge the base branch into the branch, unless the policy leaves that to a person."""
    if loop.workflow.base.update == "never" and cause == "conflict":
        return Decision(_clear(loop), (message, PostComment(body=messages.manual_conflict_message(loop))))
    return start_update(_clear(loop), cause, message)


def _return_to_review(loop: Loop, reason: str) -> Decision:
    loop = replace(_clear(loop), reason=reason)
    return Decision(loop, (PostComment(body=reason),))


def _clear(loop: Loop) -> Loop:
    """The loop in review, without a merge result."""
    return replace(without_result(loop), stage=Stage.REVIEW)
