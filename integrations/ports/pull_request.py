"""The facts of a pull request as the code host shows them at one moment. Values only; texts are from other people."""

from __future__ import annotations

from typing import Literal

from integrations.values import NO_COMMIT, CommitSha, value

CheckKind = Literal["check_run", "job", "status"]
CheckConclusion = Literal["success", "failure", "pending", "neutral", "skipped", "cancelled", "timed_out", "action"]
"""'action': a person has to act on the code host before the check goes on."""
CombinedChecks = Literal["", "success", "pending", "failure"]
"""All checks of a commit together; empty without any."""
Mergeable = Literal["yes", "conflict", "unknown"]
ReviewDecision = Literal["", "approved", "changes_requested", "review_required"]
"""Of all reviews by the rules of the base branch; empty where no rule asks for reviews."""


@value
class HostCheck:
    """One check of a commit, the newest of its name. `id` is the code host's, of a check run or an Actions job; `group`
    is its workflow or app; `required`: a rule of the base branch asks for it."""

    name: str
    conclusion: CheckConclusion
    required: bool = False
    kind: CheckKind = "check_run"
    id: str = ""
    url: str = ""
    group: str = ""
    summary: str = ""


@value
class HostReview:
    """The latest review of one person that counts. `may_write`: that person has write permission; `is_bot`: an app."""

    id: str
    author: str
    state: Literal["approved", "changes_requested", "commented", "dismissed"]
    head_sha: CommitSha = NO_COMMIT
    at: float = 0.0
    body: str = ""
    url: str = ""
    may_write: bool = False
    is_bot: bool = False


@value
class ThreadComment:
    """A comment in a review thread. `at` is Unix seconds."""

    id: str
    author: str
    body: str
    at: float = 0.0
    is_own: bool = False
    """Whether Loopline wrote it."""
    may_write: bool = False
    is_bot: bool = False
    review_id: str = ""
    url: str = ""


@value
class ReviewThread:
    """A conversation about a line of the diff, the oldest comment first. `line` is in the head's file, 0 for the whole
    file; `start_line` is the first one of several."""

    id: str
    path: str
    line: int = 0
    start_line: int = 0
    resolved: bool = False
    outdated: bool = False
    comments: tuple[ThreadComment, ...] = ()


@value
class PullRequestFacts:
    """A pull request with its checks, reviews and threads, from one request. `behind`: commits of the base branch are
    missing in the head. `queued`: it is in the merge queue; `auto_merge`: it is merged once its requirements are met.
    `cut` names the lists that are not complete, as 'threads'."""

    number: int
    url: str
    state: Literal["open", "closed"]
    merged: bool
    draft: bool
    branch: str
    head_sha: CommitSha
    base: str
    base_sha: CommitSha
    title: str = ""
    body: str = ""
    author: str = ""
    mergeable: Mergeable = "unknown"
    blocked: bool = False
    """The code host refuses a merge by a rule of the base branch."""
    behind: bool = False
    must_be_current: bool = False
    """The code host refuses the merge because the head is behind."""
    review_decision: ReviewDecision = ""
    checks: tuple[HostCheck, ...] = ()
    all_checks: CombinedChecks = ""
    """Of all checks together, also of those that are not in `checks`."""
    reviews: tuple[HostReview, ...] = ()
    threads: tuple[ReviewThread, ...] = ()
    queued: bool = False
    auto_merge: bool = False
    cut: tuple[str, ...] = ()
