"""The port of the code host.

Every method raises only `Unavailable` (retryable) or `Rejected` (not). All methods are idempotent: after a crash they
are called again with the same arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from integrations.events import ReviewState
from integrations.ports.ci import CheckFailure
from integrations.ports.merge_rules import MergeMethod, MergeRules, WaitingWay
from integrations.ports.pull_request import HostCheck, PullRequestFacts
from integrations.values import NO_COMMIT, CommitSha


@dataclass(frozen=True)
class GitCredentials:
    """Credentials for git over HTTP."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Repository:
    """A repository. `name` is 'owner/name', the new one after a rename; an archived one is read-only. `can_push`: None
    where the code host does not show it."""

    name: str
    clone_url: str
    default_branch: str
    archived: bool = False
    can_push: bool | None = None


@dataclass(frozen=True)
class PullRequest:
    """The current state of a pull request. `state` is 'open' or 'closed'. `repository` is the present name of its
    repository, 'owner/name', empty where the code host does not show it."""

    number: int
    url: str
    state: str
    merged: bool
    branch: str
    base: str
    head_sha: CommitSha
    title: str = ""
    body: str = ""
    draft: bool = False
    mergeable: bool | None = None
    locked: bool = False
    repository: str = ""
    archived: bool = False
    author: str = ""


@dataclass(frozen=True)
class PullRequestDetails:
    """What is added to a new pull request. `reviewers` are logins, `teams` slugs, `milestone` a title."""

    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    milestone: str = ""


@dataclass(frozen=True)
class Review:
    """A submitted review with its inline comments as 'path:line: text'."""

    id: str
    state: ReviewState
    body: str
    author: str
    head_sha: CommitSha = NO_COMMIT
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class CodeMatch:
    """A file of a repository's default branch that a search found."""

    repository: str
    path: str


COMMENT_MARK = "<!-- loopline:"  # start of the hidden last line of Loopline's comments


class CodeHost(Protocol):
    """The host of the repositories. `repository` is always 'owner/name'; shas are 40 hex digits."""

    def repository(self, name: str) -> Repository:
        """The repository. Raises `NotFound`."""

    def find_missing_permissions(self, repository: Repository) -> list[str]:
        """The permissions that Loopline needs for this repository and does not have, as 'contents: write'; empty where
        the code host does not show them. Raises `Forbidden` without any access."""

    def page_url(self, repository: str) -> str:
        """URL of the repository's page, below which all its pages are. Sends no request."""

    def git_credentials(self, repository: str) -> GitCredentials | None:
        """Credentials for fetch and push, limited to this repository where possible; None where none are needed."""

    def branch_head(self, repository: str, branch: str) -> CommitSha | None:
        """The branch's head, None for a missing branch."""

    def find_pull_request(self, repository: str, branch: str) -> PullRequest | None:
        """The newest pull request from `branch`, open ones first."""

    def fetch_pull_request(self, repository: str, number: int) -> PullRequest:
        """The current pull request."""

    def fetch_facts(self, repository: str, number: int) -> PullRequestFacts:
        """The pull request with its checks, reviews and threads, in one request. Raises `NotFound`."""

    def open_pull_request(
        self, repository: str, branch: str, base: str, title: str, body: str, *, draft: bool = False
    ) -> PullRequest:
        """Return the open pull request from `branch`, or open one; as a draft where the code host has drafts."""

    def describe_pull_request(self, repository: str, number: int, details: PullRequestDetails) -> list[str]:
        """Add labels, reviewers without the author, and a milestone; returns what cannot be added, one sentence each
        without a full stop. Idempotent."""

    def mark_ready_for_review(self, repository: str, number: int) -> None:
        """Make a draft an ordinary pull request. Idempotent."""

    def update_pull_request(self, repository: str, number: int, title: str, body: str) -> None:
        """Set title and body."""

    def close_pull_request(self, repository: str, number: int) -> None:
        """Close the pull request without a merge. Idempotent."""

    def set_status(
        self,
        repository: str,
        sha: CommitSha,
        context: str,
        state: Literal["pending", "success", "failure"],
        description: str,
        url: str,
    ) -> None:
        """Set the commit status or check run `context` on `sha`; last write wins."""

    def search_code(self, repositories: Sequence[str], text: str, most: int) -> list[CodeMatch]:
        """Files with this text in the code host's index, at most `most` of each repository."""

    def fetch_checks(self, repository: str, sha: CommitSha) -> tuple[HostCheck, ...]:
        """All attempts of all checks of a commit, the newest first, `required` unknown."""

    def fetch_required_checks(self, repository: str, branch: str) -> tuple[str, ...]:
        """The names of the checks that rules of this branch require before a merge."""

    def fetch_failures(self, repository: str, checks: Sequence[HostCheck]) -> tuple[CheckFailure, ...]:
        """The details of these checks that did not pass: step, annotations, the end of the log. Details that cannot be
        read are named in `note`."""

    def rerun_checks(self, repository: str, checks: Sequence[HostCheck]) -> tuple[str, ...]:
        """Start a further attempt of each check; returns the names of those that have one. Idempotent by the ids of the
        checks. Raises `Forbidden` without the permission."""

    def reviews(self, repository: str, number: int) -> Iterable[Review]:
        """All submitted reviews, oldest first, with their inline comments."""

    def comment(self, repository: str, number: int, body: str, marker: str) -> None:
        """Comment once per `marker`, which is hidden in the body and searched for first."""

    def reply_in_thread(self, repository: str, number: int, comment_id: str, body: str, marker: str) -> None:
        """Reply once per `marker` in the review thread whose first comment is `comment_id`."""

    def resolve_thread(self, repository: str, thread_id: str) -> None:
        """Resolve a review thread. Idempotent."""

    def find_reviewer_problem(self) -> str:
        """Why there is no second identity to review the pull requests of the first one, with the fix; empty if there
        is one. Sends no request."""

    def email_of(self, login: str) -> str:
        """The address by which the code host shows this account as a commit's co-author. Sends no request."""

    def approve(self, repository: str, number: int, sha: CommitSha, body: str, marker: str) -> None:
        """Approve this commit as the reviewer identity, once per `marker`. Raises `Rejected` when that is refused."""

    def find_login(self, repository: str, email: str) -> str:
        """The account that this address belongs to, by the repository's commits or a public profile; empty if that is
        not known."""

    def fetch_merge_rules(self, repository: str, number: int, base: str) -> MergeRules:
        """The rules of the branch `base` and the merges that the repository allows."""

    def merge_when_ready(
        self,
        repository: str,
        number: int,
        sha: CommitSha,
        way: WaitingWay,
        title: str,
        message: str = "",
        method: MergeMethod | None = None,
    ) -> bool:
        """Put the pull request into the merge queue, or let the code host merge it once its requirements are met.
        False: they are met, so `merge` has to be called. Raises `Conflict` when the head is not `sha`. Idempotent."""

    def cancel_merge(self, repository: str, number: int) -> None:
        """Revoke `merge_when_ready`. Idempotent."""

    def merge(
        self,
        repository: str,
        number: int,
        sha: CommitSha,
        title: str,
        message: str = "",
        method: MergeMethod | None = None,
    ) -> CommitSha:
        """Merge if the head is still `sha`; returns the merge commit. Without a `message` the code host writes its own,
        without a `method` the operator's counts.

        Raises `Conflict` when the head moved, `Rejected` when it is not mergeable. Idempotent."""

    def delete_branch(self, repository: str, branch: str) -> None:
        """Delete the branch. Idempotent."""

    def redeliver(self, repository: str, since: float) -> int:
        """Request redelivery of all failed webhook deliveries of this repository since `since` (Unix seconds); returns
        their number. Successful ones are skipped."""

    def may_steer(self, repository: str, login: str) -> bool:
        """Whether this account has write permission for the repository."""
