"""The records of the stand-in: one dataclass per kind. And the store that keeps them.

`repository` is 'owner/name', `author` a login, every time is ISO 8601 in UTC to the second, as in GitHub's answers.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from integrations.standins.wire import cut_torn_line, read_json_lines

Kind = TypeVar("Kind", bound="Record")


@dataclass
class Record:
    """Anything with an id. Ids grow over all kinds, so a later record has the larger one."""

    id: int


@dataclass
class OnPull(Record):
    """A pull request, or something that a person wrote on it."""

    repository: str
    number: int
    author: str


@dataclass
class Pull(OnPull):
    """A pull request between two branches of one repository. `state` is 'open' or 'closed'."""

    title: str
    body: str | None
    branch: str
    base: str
    head_sha: str
    base_sha: str
    created_at: str
    updated_at: str
    state: str = "open"
    closed_at: str | None = None
    merged_at: str | None = None
    merged_by: str | None = None
    merge_commit_sha: str | None = None
    draft: bool = False
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    milestone: int = 0
    """The number of one, 0 without."""
    pushed_by: str = ""
    auto_merge: dict[str, str] | None = None
    """enabled_by, enabled_at, merge_method, commit_title and commit_message; None while auto-merge is off."""
    locked: bool = False
    lock_reason: str | None = None


@dataclass
class IssueComment(OnPull):
    """A comment in the conversation of a pull request."""

    body: str
    created_at: str


@dataclass
class Review(OnPull):
    """`state` is PENDING, COMMENTED, APPROVED, CHANGES_REQUESTED or DISMISSED; `submitted_at` is '' while pending."""

    state: str
    body: str
    commit_id: str
    submitted_at: str = ""


@dataclass
class ReviewComment(Record):
    """A comment on lines of the diff, `start_line` to `line`. `position` counts the lines below the file's first hunk
    header."""

    repository: str
    number: int
    review_id: int
    author: str
    path: str
    body: str
    commit_id: str
    diff_hunk: str
    line: int
    position: int
    created_at: str
    in_reply_to: int = 0
    """The first comment of its thread; 0 for the first one, whose `resolved_by` is a login once it is resolved."""
    resolved_by: str = ""
    start_line: int | None = None


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
    """The check runs of one App on one commit."""

    repository: str
    sha: str
    branch: str
    app_id: int
    created_at: str


@dataclass
class WorkflowRun(Record):
    """A run of an Actions workflow on one commit; its jobs are check runs with this `run_id`."""

    repository: str
    sha: str
    branch: str
    name: str
    number: int
    suite_id: int
    created_at: str
    attempt: int = 1


@dataclass
class CheckRun(Record):
    """A check run, or a job of Actions where `run_id` is set. `output` has title and summary.

    `log` is the output of the last step, `padding_megabytes` the length of the output before it."""

    repository: str
    sha: str
    name: str
    app_id: int
    status: str
    conclusion: str | None
    external_id: str
    details_url: str | None
    started_at: str | None
    completed_at: str | None
    output: dict[str, Any] = field(default_factory=dict)
    suite_id: int = 0
    run_id: int = 0
    attempt: int = 1
    step: str = ""
    log: str = ""
    padding_megabytes: int = 0
    annotations: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Delivery(Record):
    """One attempt to deliver a payload to a hook; the body is the file `payloads/<guid>-<hook_id>.json`."""

    guid: str
    hook_id: int
    event: str
    action: str | None
    repository_id: int
    installation_id: int | None
    redelivery: bool
    delivered_at: str
    duration: float
    status: str
    status_code: int


@dataclass
class QueueEntry(Record):
    """A pull request in the merge queue. `group_sha` is the merge commit on which its checks have to pass, at
    `group_ref`. `outcome` is GitHub's reason for its removal, '' while it is in the queue."""

    repository: str
    number: int
    head_sha: str
    enqueuer: str
    enqueued_at: str
    base_sha: str = ""
    group_sha: str = ""
    outcome: str = ""

    @property
    def group_branch(self) -> str:
        """The branch of the merge group, below gh-readonly-queue."""
        return f"pr-{self.number}-{self.base_sha}"


@dataclass
class Milestone(Record):
    """An open milestone."""

    repository: str
    number: int
    title: str
    author: str
    created_at: str


@dataclass
class Issue(OnPull):
    """An open issue; its number is none of a pull request."""

    title: str
    body: str
    labels: list[str]
    created_at: str
    updated_at: str


@dataclass
class Release(Record):
    """A published release."""

    repository: str
    tag: str
    body: str
    author: str
    prerelease: bool
    published_at: str


@dataclass
class Alert(Record):
    """An open alert of Dependabot. `fixed_in` is empty without a fixed version."""

    repository: str
    number: int
    advisory: str
    summary: str
    severity: str
    ecosystem: str
    package: str
    manifest: str
    scope: str
    affected: str
    fixed_in: str
    created_at: str


@dataclass
class Hook(Record):
    """A repository's webhook that was created over the API. `events` has '*' for all."""

    repository: str
    url: str
    secret: str
    events: list[str]
    active: bool


@dataclass
class Place(Record):
    """Name and state of a repository that has changed since the seed. `former` are its old names, `branches` the new
    names of renamed branches, `removed` the people whose access was taken away."""

    repository_id: int
    name: str
    archived: bool
    default_branch: str
    former: list[str] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)


KINDS: dict[str, type[Record]] = {
    kind.__name__: kind
    for kind in (
        *(Pull, IssueComment, Review, ReviewComment, Status),
        *(CheckSuite, WorkflowRun, CheckRun, Delivery, Hook, QueueEntry, Place, Milestone),
        *(Issue, Release, Alert),
    )
}


class Store:
    """Keeps records in memory, and in an append-only file that a restart reads back; the last line of a record wins.

    `version` grows with every write; pages use it to see that something is new."""

    def __init__(self, path: Path) -> None:
        self.version = 0
        self._path = path
        self._lock = threading.RLock()
        self._tables: dict[type[Record], dict[int, Record]] = {kind: {} for kind in KINDS.values()}
        self._last_id = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        cut_torn_line(path)
        for line in read_json_lines(path):
            self._keep(KINDS[line["kind"]](**line["record"]))

    def new_id(self) -> int:
        """An id that no record has."""
        with self._lock:
            self._last_id += 1
            return self._last_id

    def put(self, record: Record) -> None:
        """Add the record, or replace the one with its id."""
        line = json.dumps({"kind": type(record).__name__, "record": asdict(record)}, ensure_ascii=False)
        with self._lock, self._path.open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")
            self._keep(record)

    def kinds(self) -> list[type[Record]]:
        """All kinds of records."""
        return list(self._tables)

    def get(self, kind: type[Kind], id: int) -> Kind | None:
        """The record with this id, None where there is none."""
        return cast("Kind | None", self._tables[kind].get(id))

    def all(self, kind: type[Kind], **same: object) -> list[Kind]:
        """The records whose fields equal `same`, oldest first."""
        with self._lock:
            records = cast("list[Kind]", list(self._tables[kind].values()))
        return [one for one in records if all(getattr(one, name) == value for name, value in same.items())]

    def next_number(self, repository: str) -> int:
        """The number of the next issue or pull request, which share them."""
        known = [*self.all(Pull, repository=repository), *self.all(Issue, repository=repository)]
        return 1 + max((one.number for one in known), default=0)

    def _keep(self, record: Record) -> None:
        self.version += 1
        self._tables[type(record)][record.id] = record
        self._last_id = max(self._last_id, record.id)
