"""Why a loop waits in stage `WAITING`, and the commands and parts that belong to it. Values only."""

from __future__ import annotations

from typing import Literal

from integrations.values import NO_COMMIT, CommitSha, TicketRef, value
from integrations.workload import OpenReview, Overlap

WaitKind = Literal["tickets", "parts", "reviews", "unreviewed", "files"]
"""tickets: blockers and sub-issues. parts: the tickets that this one was split into. reviews: too many verified pull
requests wait for people. unreviewed: too many lines were merged without a review. files: others edit the same ones."""


@value
class WaitState:
    """The cause of the wait; the tickets are in `Loop.waits_for`. `anyway`: a person wants the work started now."""

    kind: WaitKind = "tickets"
    overlaps: tuple[Overlap, ...] = ()
    reviews: tuple[OpenReview, ...] = ()
    lines: int = 0
    limit: int = 0
    anyway: bool = False


@value
class Part:
    """The part of a ticket for one repository. `key` is that of the command that creates its ticket, which is set once
    it exists."""

    repository: str
    base_branch: str = ""
    key: str = ""
    ticket: TicketRef | None = None


@value
class MergedLines:
    """The lines of the merged pull request; `reviewed`: a person approved it or commented on it."""

    lines: int = 0
    reviewed: bool = False


@value
class ClaimPaths:
    """Claim the files that the ticket edits, among all tickets of repository and base branch; returns `PathsClaimed`.

    `paths` are planned; with `sha` the claim is the candidate's changed files and has effect at once. `waits`: planned
    files that another ticket edits are not claimed, and the ticket gets its place behind those handed over earlier."""

    kind: Literal["ClaimPaths"] = "ClaimPaths"
    generation: int
    repository: str
    base_branch: str
    handed_over_at: float = 0.0
    paths: tuple[str, ...] = ()
    base_sha: CommitSha = NO_COMMIT
    sha: CommitSha = NO_COMMIT
    waits: bool = False
    ignore: tuple[str, ...] = ()


@value
class CountMergedLines:
    """Count the changed lines of a merged pull request for its repository; returns `LinesCounted`. `approved_by` is the
    person who approved this head or commented on the pull request, empty if that is not known."""

    kind: Literal["CountMergedLines"] = "CountMergedLines"
    repository: str
    number: int
    url: str = ""
    base_sha: CommitSha = NO_COMMIT
    sha: CommitSha = NO_COMMIT
    branch: str = ""
    approved_by: str = ""
