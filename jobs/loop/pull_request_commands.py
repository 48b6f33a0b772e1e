"""Commands about branch and pull request. Part of `jobs.loop.commands.Command`, the module to import them from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from integrations.ports.pull_request import HostCheck
from integrations.values import NO_COMMIT, CommitSha, value
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.review_state import OpenThread


@value
class MergeBase:
    """Merge `base_sha`, a commit of the base branch, into `head_sha` in the mirror; returns `BaseMerged`. `at` is the
    merge commit's time, Unix seconds."""

    kind: Literal["MergeBase"] = "MergeBase"
    generation: int
    repository: str
    branch: str
    base_branch: str
    base_sha: CommitSha
    head_sha: CommitSha
    at: float


@value
class PublishBranch:
    """Push `sha`; the branch must be at `expected` ('' for new); returns `BranchPublished`, or `BranchMoved` when it is
    at another commit. `as_is`: without a verdict,
    for a person who takes over; only if nothing in it needs approval, or `accepted`."""

    kind: Literal["PublishBranch"] = "PublishBranch"
    generation: int
    repository: str
    branch: str
    base_branch: str
    sha: CommitSha
    expected: CommitSha
    as_is: bool = False
    accepted: bool = False
    protected: tuple[str, ...] = ()
    """The policy's globs of protected paths."""


@value
class OpenPullRequest:
    """Upsert the pull request; returns `PullRequestOpened`. A `base` that is gone is replaced by the repository's
    default branch, unless it was `chosen` by a person.

    `base_sha` has the repository's templates, of which `template` names one; `proofs` is the evidence that ticks a
    template's boxes, by topic."""

    kind: Literal["OpenPullRequest"] = "OpenPullRequest"
    chosen: bool = False
    generation: int
    repository: str
    branch: str
    base: str
    title: str
    body: str
    base_sha: CommitSha = NO_COMMIT
    template: str = ""
    proofs: dict[str, str] = Field(default_factory=dict)
    draft: bool = False


@value
class DescribePullRequest:
    """Add labels, reviewers and milestone to a new pull request. Rejected with what cannot be added, and for a new one
    (`is_first`) with a problem of the repository's templates."""

    kind: Literal["DescribePullRequest"] = "DescribePullRequest"
    repository: str
    number: int
    base_sha: CommitSha
    head_sha: CommitSha
    wanted: PullRequestPolicy = PullRequestPolicy()
    is_first: bool = False


@value
class MarkReadyForReview:
    """Make a draft an ordinary pull request. Idempotent."""

    kind: Literal["MarkReadyForReview"] = "MarkReadyForReview"
    repository: str
    number: int


@value
class CommentOnPullRequest:
    """Comment on the pull request, idempotently."""

    kind: Literal["CommentOnPullRequest"] = "CommentOnPullRequest"
    repository: str
    number: int
    body: str


@value
class ClosePullRequest:
    """Comment on the pull request, and close it."""

    kind: Literal["ClosePullRequest"] = "ClosePullRequest"
    repository: str
    number: int
    body: str


@value
class SetStatus:
    """Publish Loopline's verdict on a commit."""

    kind: Literal["SetStatus"] = "SetStatus"
    repository: str
    sha: CommitSha
    state: Literal["pending", "success", "failure"]
    description: str


@value
class MergePullRequest:
    """Read the facts of the pull request and the rules of its base branch, then merge while the head is still `sha`, or
    let the code host merge it. Returns `PullRequestMerged`, `MergeWaits`, `MergeHeld` when something is missing, or
    `BaseMerged` without a merge if the head of `base_branch` is none of `known_bases`, with which the merge result is
    known to pass."""

    kind: Literal["MergePullRequest"] = "MergePullRequest"
    generation: int
    repository: str
    number: int
    sha: CommitSha
    title: str
    body: str = ""
    """Text of the merge commit; empty is the code host's own."""
    branch: str = ""
    base_branch: str = ""
    known_bases: tuple[CommitSha, ...] = ()


@value
class ReadChecks:
    """Read the checks of the pull request's head `sha`, and of the base commit; returns `ChecksRead`."""

    kind: Literal["ReadChecks"] = "ReadChecks"
    generation: int
    repository: str
    number: int
    sha: CommitSha
    base_branch: str
    base_sha: CommitSha


@value
class ReadFailures:
    """Read the details of failing checks of `sha`, and the checks of the base commit once more; returns
    `FailuresRead`."""

    kind: Literal["ReadFailures"] = "ReadFailures"
    generation: int
    repository: str
    sha: CommitSha
    base_branch: str
    base_sha: CommitSha
    checks: tuple[HostCheck, ...]


@value
class RerunChecks:
    """Start a further attempt of failing checks of `sha`; returns `ChecksRerun`."""

    kind: Literal["RerunChecks"] = "RerunChecks"
    generation: int
    repository: str
    sha: CommitSha
    checks: tuple[HostCheck, ...]


@value
class CancelMerge:
    """Take the pull request out of the merge queue, and disable its auto-merge."""

    kind: Literal["CancelMerge"] = "CancelMerge"
    repository: str
    number: int


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
