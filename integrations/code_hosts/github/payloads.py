"""Models of GitHub's JSON, with the fields that Loopline reads; REST responses and webhook payloads share them.

Lenient on purpose: a third of GitHub's own example payloads violate GitHub's own schemas, always in fields that are
not used here. Values only, no I/O.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from integrations.events import ReviewState
from integrations.values import NO_COMMIT, CommitSha

Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]
ShaText = Annotated[CommitSha, BeforeValidator(lambda value: "" if value is None else value)]


class Payload(BaseModel):
    """A part of GitHub's JSON; undeclared fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def describe_error(error: ValidationError) -> str:
    """The first error, e.g. 'pull_request.head.sha: Field required'; never contains a value."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"


class User(Payload):
    """An account; `type` is 'User', 'Bot' or 'Organization'. A deleted one can have no `login`."""

    login: Text = ""
    type: Text = ""


class RepositoryId(Payload):
    """A repository without its full name."""

    id: int


class Home(Payload):
    """The repository of one end of a pull request."""

    id: int
    full_name: Text = ""
    archived: bool | None = None


class Rights(Payload):
    """Of the token's owner in a repository."""

    push: bool | None = None


class Repository(RepositoryId):
    """`full_name` is 'owner/name'. The `permissions` of a token are those of its owner; those of an App are meaningless
    here (all false)."""

    full_name: str
    clone_url: Text = ""
    default_branch: Text = ""
    archived: bool | None = None
    permissions: Rights | None = None
    pushed_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None


class OldText(Payload):
    """The value before a change."""

    previous: Text = Field(default="", alias="from")


class RenamedRepository(Payload):
    name: OldText = OldText()


class OldOwner(Payload):
    user: User | None = None
    organization: User | None = None


class TransferredRepository(Payload):
    previous: OldOwner = Field(default=OldOwner(), alias="from")


class RepositoryChanges(Payload):
    """The values that a rename or transfer has replaced."""

    repository: RenamedRepository = RenamedRepository()
    owner: TransferredRepository = TransferredRepository()

    def find_old_name(self, full_name: str) -> str:
        """The full name before the change."""
        owner, _, name = full_name.partition("/")
        old = self.owner.previous.user or self.owner.previous.organization
        return f"{old.login if old and old.login else owner}/{self.repository.name.previous or name}"


class Side(Payload):
    """One end of a pull request. `repo` is null when a fork was deleted."""

    ref: str
    sha: CommitSha
    repo: Home | None = None


class PullRequest(Payload):
    """Lists of pull requests have no `merged`, only `merged_at`. API version 2026-03-10 drops `merge_commit_sha`."""

    number: int
    state: str
    head: Side
    base: Side
    html_url: Text = ""
    title: Text = ""
    body: Text = ""
    draft: bool | None = None
    locked: bool | None = None
    node_id: Text = ""
    user: User | None = None
    merged: bool | None = None
    merged_at: AwareDatetime | None = None
    merged_by: User | None = None
    merge_commit_sha: ShaText = NO_COMMIT
    mergeable: bool | None = None
    updated_at: AwareDatetime | None = None

    @property
    def branch(self) -> str:
        """The head branch; empty for a fork, which can have a branch of the same name."""
        same = self.head.repo is not None and self.base.repo is not None and self.head.repo.id == self.base.repo.id
        return self.head.ref if same else ""

    @property
    def is_merged(self) -> bool:
        """Whether it was merged, by the field that this payload has."""
        return bool(self.merged) or self.merged_at is not None


class Milestone(Payload):
    number: int
    title: Text = ""


class PullRequestOfCheck(Payload):
    number: int
    base: Side


PullRequestsOfCheck = Annotated[
    tuple[PullRequestOfCheck, ...], BeforeValidator(lambda value: () if value is None else value)
]


class Review(Payload):
    """A review; `state` is in lower case here; REST sends it in upper case. `user` is null for deleted accounts."""

    id: int
    state: Annotated[ReviewState | Literal["pending"], BeforeValidator(lambda value: str(value).lower())]
    user: User | None = None
    body: Text = ""
    commit_id: ShaText = NO_COMMIT
    submitted_at: AwareDatetime | None = None


class Comment(Payload):
    id: int
    body: Text = ""
    user: User | None = None
    created_at: AwareDatetime | None = None


class ReviewComment(Comment):
    """A comment on a line of the diff; `line` is null when outdated, both lines are for a whole file."""

    path: Text = ""
    line: int | None = None
    original_line: int | None = None
    pull_request_review_id: int | None = None

    @property
    def current_line(self) -> int:
        """The current line, else the original one; 0 for a comment on the whole file."""
        return self.line or self.original_line or 0


class Named(Payload):
    name: Text = ""


class AppOfCheck(Payload):
    slug: Text = ""
    name: Text = ""


class CheckOutput(Payload):
    title: Text = ""
    summary: Text = ""
    text: Text = ""


class SuiteOfRun(Payload):
    """A check run's suite: only an id in REST responses; `head_branch` is null for pushes to forks."""

    head_branch: Text = ""


class CheckSuite(SuiteOfRun):
    """All check runs of one App on one commit."""

    head_sha: CommitSha
    conclusion: Text = ""
    app: Named | None = None
    pull_requests: PullRequestsOfCheck = ()
    updated_at: AwareDatetime | None = None


class CheckRun(Payload):
    """One check; `conclusion` is set when `status` is 'completed'."""

    id: int
    name: str
    head_sha: CommitSha
    status: str
    conclusion: Text = ""
    external_id: Text = ""
    details_url: Text = ""
    output: CheckOutput = CheckOutput()
    app: AppOfCheck | None = None
    check_suite: SuiteOfRun | None = None
    pull_requests: PullRequestsOfCheck = ()
    started_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None


class WorkflowRun(Payload):
    id: int = 0
    name: Text = ""
    head_sha: CommitSha
    head_branch: Text = ""
    status: Text = ""
    conclusion: Text = ""
    html_url: Text = ""
    head_repository: RepositoryId | None = None
    pull_requests: PullRequestsOfCheck = ()
    updated_at: AwareDatetime | None = None
    event: Text = ""
    workflow_id: int = 0
    run_number: int = 0
    run_attempt: int = 1
    created_at: AwareDatetime | None = None


class JobStep(Payload):
    """A step of a job; its times are ISO 8601 in UTC to the second."""

    name: Text = ""
    conclusion: Text = ""
    started_at: Text = ""
    completed_at: Text = ""


class Job(Payload):
    """A job of a workflow run; its id is that of its check run."""

    id: int
    run_id: int
    name: Text = ""
    status: Text = ""
    conclusion: Text = ""
    html_url: Text = ""
    run_attempt: int = 1
    completed_at: AwareDatetime | None = None
    steps: tuple[JobStep, ...] = ()


class Annotation(Payload):
    """A remark of a check on a line of a file."""

    path: Text = ""
    start_line: int = 0
    annotation_level: Text = ""
    title: Text = ""
    message: Text = ""


class Status(Payload):
    """A commit status; `state` is 'pending', 'success', 'failure' or 'error'."""

    state: str
    context: str
    description: Text = ""
    target_url: Text = ""


class Permission(Payload):
    """An account's permission: 'admin', 'write', 'read' or 'none'."""

    permission: str
    user: User | None = None


class GitObject(Payload):
    sha: CommitSha


class Signature(Payload):
    email: Text = ""


class CommitText(Payload):
    author: Signature = Signature()


class CommitOfUser(Payload):
    """A commit with its author's account, null when the address belongs to none."""

    commit: CommitText
    author: User | None = None


class Ref(Payload):
    object: GitObject


class Merged(Payload):
    merged: Literal[True] = True
    sha: CommitSha


class RequiredCheck(Payload):
    context: str


class RuleParameters(Payload):
    """Parameters of the rules that a merge has to meet."""

    allowed_merge_methods: tuple[str, ...] | None = None
    required_approving_review_count: int = 0
    required_review_thread_resolution: bool = False
    required_status_checks: tuple[RequiredCheck, ...] = ()
    strict_required_status_checks_policy: bool = False


class BranchRule(Payload):
    """One rule of a branch, of any ruleset; most types have no parameters."""

    type: str
    parameters: RuleParameters | None = None


class IssueEvent(Payload):
    """An event of an issue or pull request; for 'merged', `commit_id` is the merge commit."""

    event: str
    commit_id: ShaText = NO_COMMIT


class Installation(Payload):
    """An App's installation, with its granted permissions ('read', 'write' or 'admin') by name."""

    id: int
    permissions: dict[str, str] = {}


class InstallationTime(Payload):
    """An installation in a webhook; the time is Unix seconds or ISO 8601."""

    updated_at: AwareDatetime | None = None


class InstallationToken(Payload):
    """A token for one hour. Opaque: about 40 or 520 characters, with dots since 2026."""

    token: str
    expires_at: AwareDatetime
