"""The threads of a pull request's diff: a comment on a line with its replies. They are outdated, or resolved.

Source: https://docs.github.com/en/rest/pulls/comments and `PullRequestReviewThread` of GitHub's GraphQL schema.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path

from integrations.standins.github.bare import BareRepository
from integrations.standins.github.hub import Hub, Repository
from integrations.standins.github.records import Pull, Review, ReviewComment, Store


@dataclass(frozen=True)
class Thread:
    """A thread by its first comment. `line` is the current one, None when the thread is outdated."""

    root: ReviewComment
    comments: tuple[ReviewComment, ...]
    line: int | None

    @property
    def is_resolved(self) -> bool:
        return bool(self.root.resolved_by)


def list_threads(hub: Hub, pull: Pull) -> list[Thread]:
    """The threads of submitted reviews, oldest first."""
    repository = hub.repository(pull.repository)
    found: dict[int, list[ReviewComment]] = {}
    for one in hub.store.all(ReviewComment, repository=pull.repository, number=pull.number):
        review = hub.store.get(Review, one.review_id)
        if review and review.state != "PENDING":
            found.setdefault(one.in_reply_to or one.id, []).append(one)
    return [
        Thread(comments[0], tuple(comments), find_current_line(repository, pull, comments[0]))
        for comments in found.values()
    ]


def find_root(store: Store, comment: ReviewComment) -> ReviewComment:
    """The first comment of the thread."""
    return store.get(ReviewComment, comment.in_reply_to or comment.id) or comment


def set_resolved(hub: Hub, root: ReviewComment, login: str) -> None:
    """Resolve the thread as this account; open it again without one."""
    hub.store.put(replace(root, resolved_by=login))


def find_current_line(repository: Repository, pull: Pull, comment: ReviewComment) -> int | None:
    """The line at the head of the pull request, None when one of the comment's lines has changed since."""
    first = comment.start_line or comment.line
    return _move(repository.git.path, comment.commit_id, pull.head_sha, comment.path, first, comment.line)


@lru_cache(maxsize=1024)
def _move(path: Path, before: str, after: str, file: str, first: int, last: int) -> int | None:
    if before == after:
        return last
    old, new = (_read_lines(BareRepository(path), sha, file) for sha in (before, after))
    for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks():
        if block.a < first and last <= block.a + block.size:
            return last - block.a + block.b
    return None


def _read_lines(git: BareRepository, sha: str, file: str) -> list[bytes]:
    blob = git.blob_of(sha, file)
    return git.read_blob(blob).splitlines() if blob else []
