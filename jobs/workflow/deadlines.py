"""Rules for deadlines of a loop: the moments at which it is decided again without an event from outside.

The sub-states have the deadlines (`Loop.due_at` is the earliest one); the clock delivers `TimePassed`.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.events import TimePassed
from jobs.loop.commands import Command
from jobs.loop.state import Loop
from jobs.workflow import ci, merging, reviews, upstream
from jobs.workflow.decision import Decision, ServicePolicy


def is_due(deadline: float, event: TimePassed) -> bool:
    """Whether this deadline has passed. The event's own counts even if the clocks of two hosts differ."""
    return 0 < deadline <= max(event.at, event.due)


def on_time_passed(loop: Loop, event: TimePassed, policy: ServicePolicy) -> Decision:
    """Apply the rule of each deadline that has passed, each to the state that the one before it leaves."""
    rules: tuple[tuple[Callable[[Loop], float], Callable[[Loop], Decision]], ...] = (
        (lambda loop: loop.review.due_at, lambda loop: reviews.on_review_due(loop, event, policy)),
        (lambda loop: loop.ci.due_at, lambda loop: ci.on_time_passed(loop, event, policy)),
        (lambda loop: loop.upstream.due_at, lambda loop: upstream.on_due(loop, event)),
        (lambda loop: loop.merging.due_at, lambda loop: merging.on_time_passed(loop, event)),
    )
    commands: list[Command] = []
    for read_deadline, rule in rules:
        if is_due(read_deadline(loop), event):
            decision = rule(loop)
            loop = decision.loop
            commands += decision.commands
    return Decision(loop, commands)
