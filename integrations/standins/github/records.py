"""What the stand-in remembers: one dataclass per kind of thing. Written and read back by `store`; no behaviour here.

`repository` is 'owner/name', `author` a login, every time is ISO 8601 in UTC to the second, as GitHub writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Record:
    """Anything with an id. Ids grow over all kinds, so that a later record has the larger one."""

    id: int


@dataclass
class Pull(Record):
    """A pull request between two branches of one repository. `state` is 'open' or 'closed'."""

    repository: str
    number: int
    author: str
    title: str
    body: str | None
    branch: str
    base: str
    head_sha: str
    base_sha: str
    created_at: str
    updated_at: str
    state: str = "open"
    draft: bool = False
    closed_at: str | None = None
    merged_at: str | None = None
    merged_by: str | None = None
    merge_commit_sha: str | None = None


@dataclass
class IssueComment(Record):
    """A comment in the conversation of a pull request."""

    repository: str
    number: int
    author: str
    body: str
    created_at: str
    updated_at: str


@dataclass
class Review(Record):
    """`state` is PENDING, COMMENTED, APPROVED, CHANGES_REQUESTED or DISMISSED; `submitted_at` is '' while pending."""

    repository: str
    number: int
    author: str
    state: str
    body: str
    commit_id: str
    submitted_at: str = ""


@dataclass
class ReviewComment(Record):
    """A comment on a line of the diff. `position` counts the lines below the file's first hunk header."""

    repository: str
    number: int
    review_id: int | None
    author: str
    path: str
    body: str
    commit_id: str
    diff_hunk: str
    created_at: str
    updated_at: str
    line: int | None = None
    side: str = "RIGHT"
    start_line: int | None = None
    start_side: str | None = None
    position: int | None = None
    in_reply_to_id: int | None = None


@dataclass
class Status(Record):
    """A commit status; the newest one of a context counts."""

    repository: str
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    author: str
    created_at: str


@dataclass
class CheckSuite(Record):
    """All check runs of one App on one commit."""

    repository: str
    sha: str
    app_id: int
    branch: str | None
    created_at: str


@dataclass
class CheckRun(Record):
    """`output` has title, summary and text, each of them a string or None."""

    repository: str
    sha: str
    name: str
    app_id: int
    suite_id: int
    status: str
    conclusion: str | None
    external_id: str
    details_url: str | None
    started_at: str | None
    completed_at: str | None
    output: dict[str, Any] = field(default_factory=dict)


@dataclass
class Hook(Record):
    """A repository's webhook, made over the API. Those of the command line are made anew at every start."""

    repository: str
    url: str
    secret: str
    events: list[str]
    created_at: str
    active: bool = True


@dataclass
class Delivery(Record):
    """One sending of a payload to a hook; its body is the file `payloads/<guid>-<hook_id>.json`.

    `target` is 'integration' or 'repository', `target_id` the App's or the repository's id."""

    guid: str
    hook_id: int
    target: str
    target_id: int
    event: str
    action: str | None
    repository_id: int | None
    installation_id: int | None
    redelivery: bool
    request_headers: dict[str, str]
    delivered_at: str
    duration: float
    status: str
    status_code: int
    response_headers: dict[str, str]
    response_body: str


@dataclass
class Revocation(Record):
    """An installation token that was given back; `token_id` is the `jti` inside it."""

    token_id: str


KINDS: dict[str, type[Record]] = {
    kind.__name__: kind
    for kind in (
        *(Pull, IssueComment, Review, ReviewComment, Status),
        *(CheckSuite, CheckRun, Hook, Delivery, Revocation),
    )
}
