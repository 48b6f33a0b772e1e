"""Parts of a ticket's state and commands that are about automations: the finding that it was filed for, requested runs.
Values only."""

from __future__ import annotations

from typing import Literal

from integrations.values import TicketRef, value
from jobs.loop.automation_state import FindingStatus


@value
class FindingLink:
    """The part of a loop that refers to the finding of its ticket.

    `status` is the one that was reported to the repository's automations; `ignored`: a person rejected it with /ignore.
    `asks`: its ticket asks whether to start, `starts`: the automation's start policy starts it."""

    repository: str
    fingerprint: str
    automation: str = ""
    column: str = ""
    """That it was filed in."""
    status: FindingStatus = "open"
    ignored: bool = False
    asks: bool = False
    starts: bool = False


@value
class ReportFinding:
    """Report the status of a finding to the automations of its repository, as `FindingDecided`. `filed` is its
    ticket."""

    kind: Literal["ReportFinding"] = "ReportFinding"
    repository: str
    filed: TicketRef
    status: FindingStatus
    reason: str = ""
    by: str = ""


@value
class RequestAutomation:
    """Start a run of the automation `name`, of the ticket's repository or another one of its team; the answer is a
    comment in the thread `reply_to`."""

    kind: Literal["RequestAutomation"] = "RequestAutomation"
    name: str
    by: str
    repository: str = ""
    reply_to: str = ""
