"""The rule for a loop that was rebuilt from the board: continue where it stood, idempotently.

Called by `jobs.recovery.rebuild`. A loop that waited for a person waits on without a comment; work in progress starts
again in a new generation on the same branch and commit, since late results of the old one can still arrive.
"""

from __future__ import annotations

from dataclasses import replace

from jobs.loop.commands import Command, MoveTicket, SetNeedsHuman
from jobs.loop.state import AT_WORK, Loop, Stage
from jobs.messages import escalations
from jobs.messages.replies import moved_reason
from jobs.workflow.answers import continue_answering, requeue
from jobs.workflow.decision import Decision, ServicePolicy, build_clean_up
from jobs.workflow.hand_over import has_left_loop, stop
from jobs.workflow.preflight import start_preflight
from jobs.workflow.run import start_run
from jobs.workflow.run_results import publish, start_work
from jobs.workflow.steering import merge
from jobs.workflow.waits import resume_wait


def resume(loop: Loop, at: float, policy: ServicePolicy) -> Decision:
    """The loop that continues, and the commands for it; `at` is Unix seconds. Comments without an answer are asked
    again."""
    return continue_answering(_continue_stage(requeue(loop), at, policy), at, policy)


def _continue_stage(loop: Loop, at: float, policy: ServicePolicy) -> Decision:
    if loop.stage is Stage.MERGING:
        if loop.pull_request.approved_sha:
            return merge(loop)
        return Decision(replace(loop, stage=Stage.REVIEW, reason=escalations.APPROVE_AGAIN_REASON))
    if loop.stage is Stage.DONE:
        return Decision(loop, (build_clean_up(loop),))
    if loop.stage is Stage.CI:
        return Decision(replace(loop, ci=replace(loop.ci, due_at=at)))
    if loop.stage not in AT_WORK:
        return Decision(loop)
    role = policy.role_of(loop.ticket)
    if role == "needs_human":  # only Loopline or a person moves a working ticket there: the question is on the ticket
        stage = Stage.NEEDS_HUMAN if loop.contract else Stage.ASKING
        return Decision(replace(loop, stage=stage, reason=loop.reason or escalations.REBUILT_REASON))
    if loop.stage is Stage.WAITING and not has_left_loop(loop, role):
        return resume_wait(loop, at)
    again = replace(loop, stage=Stage.PREPARING, generation=loop.generation + 1, reason="")
    if has_left_loop(loop, role):
        return stop(again, moved_reason(loop.ticket.column), at, policy, moves=False)
    here = (MoveTicket(column="working"), SetNeedsHuman(needed=False))
    if loop.contract is None or loop.stage in {Stage.PREPARING, Stage.PREFLIGHT}:
        return start_preflight(again, at, policy, *here)
    return _repeat_step(again, loop.stage, at, policy, *here)


def _repeat_step(loop: Loop, stage: Stage, at: float, policy: ServicePolicy, *here: Command) -> Decision:
    """Repeat the iteration from the last step whose result is known: verdict, candidate, or the maker's start."""
    candidate = loop.candidate
    if stage is Stage.PUBLISHING and candidate.verdict and candidate.verdict.head_sha == candidate.head_sha:
        return Decision(replace(loop, stage=stage), (*here, publish(loop)))
    if stage in {Stage.GATING, Stage.JUDGING, Stage.CHECKING, Stage.PUBLISHING} and candidate.head_sha:
        return start_run(replace(loop, candidate=candidate.at(candidate.head_sha)), "gate", at, policy, *here)
    attempt = replace(loop.attempt, iteration=max(loop.attempt.iteration - 1, 0))
    return start_work(replace(loop, attempt=attempt), at, policy, *here)
