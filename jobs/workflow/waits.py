"""Rules for a loop in stage `WAITING`, by the cause of its wait: read again, and started anyway by a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from integrations.events import TicketMoved
from jobs.loop.commands import PostComment
from jobs.loop.comments import Guidance
from jobs.loop.state import Loop, Stage
from jobs.messages.routing import cycle_reason
from jobs.messages.waiting import anyway_message, starts_message
from jobs.workflow.bandwidth import on_reviews_read
from jobs.workflow.blockers import explain, find_open_blockers, wait, watch
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate
from jobs.workflow.overlap import claim_planned
from jobs.workflow.parts import on_parts_read
from jobs.workflow.routing import start_preparing


def on_wait_read(loop: Loop, event: TicketMoved, policy: ServicePolicy) -> Decision:
    """The ticket, or one that it waits for, has changed: decide the wait again."""
    if loop.stage is not Stage.WAITING:
        return Decision(loop)
    match loop.wait.kind:
        case "tickets":
            return _on_blockers_read(loop, event.cycle, event.at, policy)
        case "parts":
            return on_parts_read(loop, event.at)
        case "files":
            return Decision(loop, (claim_planned(loop),))
        case "reviews" | "unreviewed":
            return on_reviews_read(loop, event.load, event.at, policy)
        case _:
            assert_never(loop.wait.kind)


def _on_blockers_read(loop: Loop, cycle: Sequence[str], at: float, policy: ServicePolicy) -> Decision:
    """A ticket that waits for others was read again: start, wait on, or escalate tickets that wait for each other."""
    blockers = find_open_blockers(loop.ticket, part_of=loop.part_of)
    if cycle and blockers:
        return escalate(replace(loop, waits_for=()), "judgement", cycle_reason(cycle), at)
    if blockers:
        return Decision(explain(replace(loop, waits_for=blockers), at), watch(blockers))
    names = [one.identifier for one in loop.waits_for]
    return start_preparing(loop, policy, PostComment(body=starts_message(names)))


def resume_wait(loop: Loop, at: float) -> Decision:
    """Continue the wait of a loop that was rebuilt from the board."""
    match loop.wait.kind:
        case "parts":
            return on_parts_read(loop, at)
        case "files":
            return Decision(loop, (claim_planned(loop),))
        case _:
            return wait(loop, loop.waits_for, at)


def start_anyway(loop: Loop, guidance: Guidance, policy: ServicePolicy) -> Decision | None:
    """A person wants the work started now; None if the loop does not wait, or for its parts, which are at work."""
    if loop.stage is not Stage.WAITING or loop.wait.kind == "parts":
        return None
    loop = replace(loop, wait=replace(loop.wait, anyway=True))
    if guidance.text:
        loop = replace(loop, comments=loop.comments.add(guidance))
    comment = PostComment(body=anyway_message(guidance.author), reply_to=guidance.thread)
    if loop.wait.kind == "files":
        return Decision(loop, (comment, claim_planned(loop)))
    return start_preparing(loop, policy, comment)
