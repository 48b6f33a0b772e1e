"""Events about pull requests: hints of the code host, and results of Loopline's reads and writes there.

`integrations.events` documents events and is the module to import them from."""

from __future__ import annotations

from typing import Literal, TypeAlias

from integrations.event_base import BaseEvent
from integrations.ports.ci import CheckFailure
from integrations.ports.merge_rules import MissingPart, WaitingWay
from integrations.ports.pull_request import HostCheck, ReviewDecision
from integrations.values import NO_COMMIT, CommitSha, MergeConflict, Person, value

ReviewState = Literal["approved", "changes_requested", "commented", "dismissed"]
Conclusion = Literal["success", "failure", "pending"]


@value
class CodeHostEvent(BaseEvent):
    """`ticket_id` is empty when it leaves the adapter; the dispatcher looks it up by pull request, branch or head."""

    repository: str
    number: int = 0
    branch: str = ""
    head_sha: CommitSha = NO_COMMIT


@value
class PullRequestMerged(CodeHostEvent):
    """The pull request was merged, by Loopline or by a person."""

    kind: Literal["PullRequestMerged"] = "PullRequestMerged"
    merge_sha: CommitSha = NO_COMMIT
    by: str = ""


@value
class PullRequestClosed(CodeHostEvent):
    """The pull request was closed without a merge. `lost_base` is its base branch if that is gone, which closes it."""

    kind: Literal["PullRequestClosed"] = "PullRequestClosed"
    by: str = ""
    lost_base: str = ""


@value
class PullRequestReopened(CodeHostEvent):
    """A closed pull request is open again."""

    kind: Literal["PullRequestReopened"] = "PullRequestReopened"
    by: str = ""


@value
class PullRequestChanged(CodeHostEvent):
    """Title, base, draft state or lock may have changed. `jobs.effects.gather` fills in the present values."""

    kind: Literal["PullRequestChanged"] = "PullRequestChanged"
    by: str = ""
    title: str = ""
    base: str = ""
    is_base_renamed: bool = False
    """Whether the base branch that the loop knows is gone."""
    is_draft: bool = False
    is_locked: bool = False


@value
class RepositoryChanged(CodeHostEvent):
    """The repository, by the name that the loops know, may have another name or state. `jobs.effects.gather` fills in
    the present `name`, empty when Loopline has no access, and `is_archived`."""

    kind: Literal["RepositoryChanged"] = "RepositoryChanged"
    by: str = ""
    name: str = ""
    is_archived: bool = False


@value
class ReviewSubmitted(CodeHostEvent):
    """A person finished a review. `comments` are 'path:line: text' lines of its inline comments."""

    kind: Literal["ReviewSubmitted"] = "ReviewSubmitted"
    review_id: str
    state: ReviewState
    body: str = ""
    comments: tuple[str, ...] = ()
    author: Person | None = None


@value
class PullRequestCommented(CodeHostEvent):
    """A comment on the pull request, or on a line of its diff (`path` and `line` set)."""

    kind: Literal["PullRequestCommented"] = "PullRequestCommented"
    comment_id: str
    body: str = ""
    path: str = ""
    line: int = 0
    author: Person | None = None


@value
class BranchPushed(CodeHostEvent):
    """Commits arrived on a branch. `head_sha` is the new head, empty when the branch was deleted."""

    kind: Literal["BranchPushed"] = "BranchPushed"
    before: CommitSha = NO_COMMIT
    by: str = ""
    is_forced: bool = False


@value
class PullRequestDequeued(CodeHostEvent):
    """The pull request left the merge queue, or its auto-merge was disabled, without a merge. `reason` is the code
    host's, in lower case, as 'ci_failure'; empty if it gives none."""

    kind: Literal["PullRequestDequeued"] = "PullRequestDequeued"
    reason: str = ""


@value
class MergeGroupRequested(CodeHostEvent):
    """The merge queue asks for the checks of a merge group. `head_sha` is the group's head."""

    kind: Literal["MergeGroupRequested"] = "MergeGroupRequested"


@value
class ChecksReported(CodeHostEvent):
    """A check, status or workflow of the code host reported on `head_sha`."""

    kind: Literal["ChecksReported"] = "ChecksReported"
    name: str
    conclusion: Conclusion
    url: str = ""


AnyCodeHostEvent: TypeAlias = (
    PullRequestMerged
    | PullRequestClosed
    | PullRequestReopened
    | PullRequestChanged
    | RepositoryChanged
    | ReviewSubmitted
    | PullRequestCommented
    | BranchPushed
    | PullRequestDequeued
    | MergeGroupRequested
    | ChecksReported
)


@value
class CodeHostResult(BaseEvent):
    """The result of a command about branch or pull request."""


@value
class BaseMerged(CodeHostResult):
    """The mirror has a merge of the base branch's commit `base_sha` into `head_sha`; nothing is pushed. `merge_sha` is
    empty if the head has the commit already; with `conflicts` its tree has conflict markers, and `commits` are the base
    branch's that caused them."""

    kind: Literal["BaseMerged"] = "BaseMerged"
    generation: int
    head_sha: CommitSha
    base_sha: CommitSha
    merge_sha: CommitSha = NO_COMMIT
    conflicts: tuple[MergeConflict, ...] = ()
    commits: tuple[str, ...] = ()


@value
class BranchMoved(CodeHostResult):
    """Nothing was pushed: the branch is at `head_sha`, a commit of another account by `by`; empty when it is gone."""

    kind: Literal["BranchMoved"] = "BranchMoved"
    generation: int
    head_sha: CommitSha
    by: str = ""


@value
class ChecksRead(CodeHostResult):
    """The checks of the pull request's head, of each name the newest, and all attempts of the checks of base commits,
    the newest first. `required` are the names that rules of the base branch ask for."""

    kind: Literal["ChecksRead"] = "ChecksRead"
    generation: int
    head_sha: CommitSha
    checks: tuple[HostCheck, ...] = ()
    base_checks: tuple[tuple[HostCheck, ...], ...] = ()
    required: tuple[str, ...] = ()


@value
class FailuresRead(CodeHostResult):
    """The details of failing checks of `head_sha`, and all attempts of the checks of the base commits."""

    kind: Literal["FailuresRead"] = "FailuresRead"
    generation: int
    head_sha: CommitSha
    failures: tuple[CheckFailure, ...]
    base_checks: tuple[tuple[HostCheck, ...], ...] = ()


@value
class ChecksRerun(CodeHostResult):
    """Failing checks of `head_sha` have a further attempt: their ids and names."""

    kind: Literal["ChecksRerun"] = "ChecksRerun"
    generation: int
    head_sha: CommitSha
    ids: tuple[str, ...]
    names: tuple[str, ...]


@value
class MergeHeld(CodeHostResult):
    """A merge was asked for and not begun: `missing` are the requirements that are not met."""

    kind: Literal["MergeHeld"] = "MergeHeld"
    generation: int
    missing: tuple[MissingPart, ...] = ()


@value
class MergeWaits(CodeHostResult):
    """The code host merges the pull request later by itself. `pending` are the names of the checks that it
    waits for."""

    kind: Literal["MergeWaits"] = "MergeWaits"
    generation: int
    way: WaitingWay
    pending: tuple[str, ...] = ()


@value
class ApprovalPublished(CodeHostResult):
    """An approval from the ticket is on the pull request, as a review if `is_review`. `decision` is the code host's;
    `reason` is why there is no review."""

    kind: Literal["ApprovalPublished"] = "ApprovalPublished"
    generation: int
    head_sha: CommitSha
    is_review: bool
    decision: ReviewDecision = ""
    url: str = ""
    reason: str = ""


@value
class AccountLinked(CodeHostResult):
    """A person asked to be connected with an account on the code host; `problem` is why that was refused."""

    kind: Literal["AccountLinked"] = "AccountLinked"
    name: str
    login: str
    problem: str = ""


AnyCodeHostResult: TypeAlias = (
    BaseMerged
    | BranchMoved
    | ChecksRead
    | FailuresRead
    | ChecksRerun
    | MergeHeld
    | MergeWaits
    | ApprovalPublished
    | AccountLinked
)
