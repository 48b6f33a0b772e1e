"""Events about approvals and accounts. Part of `integrations.events.Event`."""

from __future__ import annotations

from typing import Literal

from integrations.event_base import BaseEvent
from integrations.ports.pull_request import ReviewDecision
from integrations.values import CommitSha, value


@value
class ApprovalPublished(BaseEvent):
    """An approval from the ticket is on the pull request, as a review if `created`. `decision` is the code host's own;
    `reason` is why there is no review."""

    kind: Literal["ApprovalPublished"] = "ApprovalPublished"
    generation: int
    head_sha: CommitSha
    created: bool
    decision: ReviewDecision = ""
    url: str = ""
    reason: str = ""


@value
class AccountLinked(BaseEvent):
    """A person asked to be connected with an account on the code host; `problem` is why that was refused."""

    kind: Literal["AccountLinked"] = "AccountLinked"
    name: str
    login: str
    problem: str = ""
