"""Commands about reviews of a pull request. Part of `jobs.loop.commands.Command`."""

from __future__ import annotations

from typing import Literal

from integrations.values import CommitSha, value
from jobs.loop.review_state import OpenThread


@value
class AnswerThread:
    """Reply in a review thread, idempotently, and resolve it if its request is `done`. `sha` is the pushed head,
    `before` the one that the round started from."""

    kind: Literal["AnswerThread"] = "AnswerThread"
    repository: str
    number: int
    thread: OpenThread
    sha: CommitSha
    before: CommitSha


@value
class ApprovePullRequest:
    """Put a person's approval of `sha` on the pull request: as a review by Loopline's reviewer identity if the person's
    account `login` can write, else as a comment. Returns `ApprovalPublished`."""

    kind: Literal["ApprovePullRequest"] = "ApprovePullRequest"
    generation: int
    repository: str
    number: int
    sha: CommitSha
    body: str
    login: str = ""


@value
class LinkAccount:
    """Connect a person on the board with an account on the code host; returns `AccountLinked`."""

    kind: Literal["LinkAccount"] = "LinkAccount"
    person_id: str
    name: str
    email: str = ""
    login: str
