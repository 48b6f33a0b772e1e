"""Rules for the answers to review comments: taken from the maker, posted once the head is pushed."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import RunFinished
from integrations.results import Made
from integrations.values import NO_COMMIT
from jobs.loop.commands import AnswerThread, MoveTicket, PostComment, SetNeedsHuman
from jobs.loop.state import Loop, Stage
from jobs.messages import reviews as messages
from jobs.workflow.decision import Decision


def take_answers(loop: Loop, result: Made) -> Loop:
    """The loop with a maker's answers to the threads of the round."""
    given = {one.thread: one for one in result.answers}
    threads = tuple(
        replace(
            one,
            answer=given[one.id].kind if one.id in given else one.answer,
            note=given[one.id].note if one.id in given else one.note,
            is_applied=one.id in result.applied or one.is_applied,
        )
        for one in loop.review.threads
    )
    return replace(loop, review=replace(loop.review, threads=threads))


def needs_no_commit(loop: Loop, event: RunFinished, result: Made) -> bool:
    """Whether a round of remarks ends without a change: each has an answer, and none claims to be done."""
    verdict, head = loop.candidate.verdict, loop.pull_request.pushed_sha
    return (
        loop.review.round == "remarks"
        and event.outcome == "no_change"
        and not result.question
        and result.head_sha == head
        and verdict is not None
        and verdict.head_sha == head
        and not loop.comments.pending
        and all(
            one.answer in {"disagree", "need detail"} or one.is_advice or one.is_applied for one in loop.review.threads
        )
    )


def return_to_review(loop: Loop) -> Decision:
    """Post the answers; the verdict of the head, and an approval of it, hold."""
    threads, sha = loop.review.threads, loop.pull_request.pushed_sha
    commands = answer_threads(loop)
    contract = loop.contract
    if contract:
        own = f"r{loop.revision}"
        contract = replace(contract, criteria=tuple(c for c in contract.criteria if c.id != own))
    shown, by = loop.pull_request, loop.review.approved_by
    if by:
        shown = replace(shown, approved_sha=sha, approved_by=by)
    loop = replace(end_round(loop), stage=Stage.REVIEW, reason="", contract=contract, pull_request=shown)
    answered = PostComment(body=messages.answered_message(threads, sha))
    return Decision(loop, (*commands, answered, SetNeedsHuman(needed=False), MoveTicket(column="review")))


def answer_threads(loop: Loop) -> tuple[AnswerThread, ...]:
    """A reply in each thread of the round, once the head is pushed."""
    return tuple(
        AnswerThread(
            repository=loop.workspace.repository,
            number=loop.pull_request.number,
            thread=one,
            sha=loop.pull_request.pushed_sha,
            before=loop.review.from_sha,
        )
        for one in loop.review.threads
    )


def end_round(loop: Loop) -> Loop:
    """Its threads have their answers."""
    return replace(loop, review=replace(loop.review, round="", threads=(), from_sha=NO_COMMIT, approved_by=""))
