"""Rules for deadlines of a loop: the moments at which it is decided again without an event from outside.

The sub-states have the deadlines (`Loop.due_at` is the earliest one); the clock delivers `TimePassed`.
"""

from __future__ import annotations

from integrations.events import TimePassed
from jobs.loop.state import Loop
from jobs.workflow import merging, upstream
from jobs.workflow.decision import Decision, ServicePolicy


def is_due(deadline: float, event: TimePassed) -> bool:
    """Whether this deadline has passed. The event's own counts even if the clocks of two hosts differ."""
    return 0 < deadline <= max(event.at, event.due)


def on_time_passed(loop: Loop, event: TimePassed, policy: ServicePolicy) -> Decision:
    """Apply the rule of each deadline that has passed."""
    if is_due(loop.upstream.due_at, event):
        return upstream.on_due(loop, event)
    if is_due(loop.merging.due_at, event):
        return merging.on_time_passed(loop, event)
    return Decision(loop)
