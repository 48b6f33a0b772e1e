"""The code host's port.

Every method raises `Unavailable` (worth a retry) or `Rejected` (not) and nothing else. All methods may be called twice
with the same arguments after a crash: the second call must change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True)
class GitCredentials:
    """What git sends to the code host over HTTP."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Repository:
    """A repository as the code host names it: `name` is 'owner/name'."""

    name: str
    clone_url: str
    default_branch: str


@dataclass(frozen=True)
class PullRequest:
    """A pull request as the code host shows it now. `state` is 'open' or 'closed'."""

    number: int
    url: str
    state: str
    merged: bool
    branch: str
    base: str
    head_sha: str
    title: str = ""
    body: str = ""
    draft: bool = False
    mergeable: bool | None = None


@dataclass(frozen=True)
class Review:
    """A submitted review with its inline comments as 'path:line: text'."""

    id: str
    state: str
    body: str
    author: str
    head_sha: str = ""
    comments: tuple[str, ...] = ()


OUR_MARK = "<!-- loopline:"  # how the hidden last line of our comments on a code host begins


class CodeHost(Protocol):
    """Where the code lives. `repository` is always 'owner/name'; shas are 40 hex digits."""

    def repository(self, name: str) -> Repository:
        """The repository. Raises `NotFound`."""

    def git_credentials(self, repository: str) -> GitCredentials | None:
        """Credentials for fetch and push, narrowed to this repository where the provider can; None where none."""

    def branch_head(self, repository: str, branch: str) -> str | None:
        """The branch's head, None when there is no such branch."""

    def find_pull_request(self, repository: str, branch: str) -> PullRequest | None:
        """The newest pull request from `branch`, open ones first."""

    def fetch_pull_request(self, repository: str, number: int) -> PullRequest:
        """The pull request now."""

    def open_pull_request(self, repository: str, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Find the open pull request from `branch`, or open one."""

    def update_pull_request(self, repository: str, number: int, title: str, body: str) -> None:
        """Set title and body."""

    def set_status(
        self,
        repository: str,
        sha: str,
        context: str,
        state: Literal["pending", "success", "failure"],
        description: str,
        url: str,
    ) -> None:
        """Commit status or check run `context` on `sha`; the newest one counts."""

    def reviews(self, repository: str, number: int) -> Iterable[Review]:
        """All submitted reviews, oldest first, with their inline comments."""

    def comment(self, repository: str, number: int, body: str, marker: str) -> None:
        """Write into the conversation once: `marker` is hidden in the body and looked for first."""

    def merge(self, repository: str, number: int, sha: str, title: str) -> str:
        """Merge if the head is still `sha`; returns the merge commit. Raises `Conflict` when it moved, `Rejected`
        when it is not mergeable. Merged already counts as success."""

    def delete_branch(self, repository: str, branch: str) -> None:
        """Delete the branch; gone already is success."""

    def redeliver(self, repository: str, since: float) -> int:
        """Ask for every webhook delivery about this repository that never arrived since `since` (Unix seconds); returns
        how many. Those that did arrive are left alone, so asking twice is harmless."""

    def may_steer(self, repository: str, login: str) -> bool:
        """Whether this account may write to the repository, looked up."""
