"""The rule for a loop that was rebuilt from the board: go on where it stood, ask nothing twice, do nothing twice.

Called by `jobs.recovery.rebuild`. What waited for a person waits on without a word; what an agent had under way starts
again in a new generation on the same branch and commit, since late output of the old one may still come.
"""

from __future__ import annotations

from dataclasses import replace

from jobs.loop.commands import CleanUp, MoveTicket, SetNeedsHuman
from jobs.loop.state import AT_WORK, Loop, Stage
from jobs.messages.escalations import approve_again_reason, rebuilt_reason
from jobs.messages.replies import moved_reason
from jobs.workflow.agreeing import agree_or_ask
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.goal import publish, start_work
from jobs.workflow.hand_over import left_our_columns, stop
from jobs.workflow.run import start_run
from jobs.workflow.steering import merge


def resume(loop: Loop, at: float, policy: ServicePolicy) -> Decision:
    """The loop as it goes on, and what that takes; `at` is Unix seconds."""
    if loop.stage is Stage.MERGING:
        return _merge_again(loop)
    if loop.stage is Stage.DONE:
        return Decision(loop, (CleanUp(repository=loop.workspace.repository, branch=loop.workspace.branch),))
    if loop.stage not in AT_WORK:
        return Decision(loop)
    role = policy.column_role(loop.ticket.team, loop.ticket.column)
    if role == "needs_human":
        return Decision(_waiting(loop))
    if left_our_columns(loop, role):
        return stop(_again(loop), moved_reason(loop.ticket.column), at, policy)
    return _take_up(loop, at, policy)


def _merge_again(loop: Loop) -> Decision:
    if loop.pull_request.approved_sha:
        return merge(loop)
    return Decision(replace(loop, stage=Stage.REVIEW, reason=approve_again_reason()))


def _waiting(loop: Loop) -> Loop:
    """Only we or a person move a working ticket to this column: the question or the cry for help is on the ticket."""
    stage = Stage.NEEDS_HUMAN if loop.contract else Stage.ASKING
    return replace(loop, stage=stage, reason=loop.reason or rebuilt_reason())


def _again(loop: Loop) -> Loop:
    return replace(loop, stage=Stage.PREPARING, generation=loop.generation + 1, reason="")


def _take_up(loop: Loop, at: float, policy: ServicePolicy) -> Decision:
    """The same iteration, from the last step whose result is known: verdict, candidate, or the maker once more."""
    stage, loop = loop.stage, _again(loop)
    here = (MoveTicket(column="working"), SetNeedsHuman(needed=False))
    if loop.contract is None:
        return agree_or_ask(loop, at, policy, *here)
    candidate = loop.candidate
    if stage is Stage.PUBLISHING and candidate.verdict and candidate.verdict.head_sha == candidate.head_sha:
        return Decision(replace(loop, stage=stage), (*here, publish(loop)))
    if stage in {Stage.GATING, Stage.JUDGING, Stage.CHECKING, Stage.PUBLISHING} and candidate.head_sha:
        return start_run(replace(loop, candidate=candidate.at(candidate.head_sha)), "gate", at, policy, *here)
    begun = 1 if stage is not Stage.PREPARING else 0
    attempt = replace(loop.attempt, iteration=max(loop.attempt.iteration - begun, 0))
    return start_work(replace(loop, attempt=attempt), at, policy, *here)
