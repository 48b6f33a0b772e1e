"""What happens to a ticket: every rule of Loopline, and nothing that acts.

    event + what we remember + what the operator allows  ->  what to remember now + commands

Called by `jobs.drive` and by nobody else. No clock, no randomness, no network, no provider's words: a rule that needs
the time takes it from the event.
"""

from __future__ import annotations

from typing import assert_never

from integrations.events import (
    BranchPublished,
    BranchPushed,
    ChecksReported,
    CommandFailed,
    EscalationUnanswered,
    Event,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestMerged,
    PullRequestOpened,
    PullRequestReopened,
    ReviewSubmitted,
    RunFinished,
    RunParked,
    SteeringTaken,
    TicketCommented,
    TicketEdited,
    TicketMoved,
    TicketReacted,
    TicketRemoved,
    WorkspaceReady,
)
from jobs.loop.state import Loop
from jobs.workflow.agreeing import on_ticket_edited
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalating import on_escalation_unanswered, on_ticket_reacted
from jobs.workflow.finished import on_run_finished
from jobs.workflow.hand_over import on_ticket_moved, on_ticket_removed, on_workspace_ready
from jobs.workflow.publish import on_branch_published, on_command_failed, on_pull_request_opened
from jobs.workflow.review import (
    on_branch_pushed,
    on_checks_reported,
    on_pull_request_closed,
    on_pull_request_merged,
    on_pull_request_reopened,
    on_review_submitted,
)
from jobs.workflow.run import on_run_parked
from jobs.workflow.steering import on_pull_request_commented, on_steering_taken, on_ticket_commented

__all__ = ["Decision", "ServicePolicy", "decide"]


def decide(loop: Loop, event: Event, policy: ServicePolicy) -> Decision:
    """The one decision function. It computes and does nothing else; the commands are performed by
    `jobs.effects.perform`."""
    match event:
        case TicketMoved():
            return on_ticket_moved(loop, event, policy)
        case TicketEdited():
            return on_ticket_edited(loop, event, policy)
        case TicketRemoved():
            return on_ticket_removed(loop, event)
        case TicketCommented():
            return on_ticket_commented(loop, event, policy)
        case TicketReacted():
            return on_ticket_reacted(loop, event)
        case EscalationUnanswered():
            return on_escalation_unanswered(loop, event, policy)
        case WorkspaceReady():
            return on_workspace_ready(loop, event, policy)
        case RunFinished():
            return on_run_finished(loop, event, policy)
        case RunParked():
            return on_run_parked(loop, event)
        case SteeringTaken():
            return on_steering_taken(loop, event)
        case BranchPublished():
            return on_branch_published(loop, event)
        case PullRequestOpened():
            return on_pull_request_opened(loop, event)
        case PullRequestMerged():
            return on_pull_request_merged(loop, event)
        case PullRequestClosed():
            return on_pull_request_closed(loop, event, policy)
        case PullRequestReopened():
            return on_pull_request_reopened(loop, event)
        case ReviewSubmitted():
            return on_review_submitted(loop, event)
        case PullRequestCommented():
            return on_pull_request_commented(loop, event, policy)
        case BranchPushed():
            return on_branch_pushed(loop, event, policy)
        case ChecksReported():
            return on_checks_reported(loop, event)
        case CommandFailed():
            return on_command_failed(loop, event)
        case _:
            assert_never(event)
