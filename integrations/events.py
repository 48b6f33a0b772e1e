"""Events of a ticket. Providers translate their webhooks into them (`Source.translate`), the jobs report their results
with them, and `jobs.workflow.decide` has one rule for each. Values only.

Events are delivered at least once: `event_id` deduplicates them. `at` is Unix seconds. Tracker and code-host events are
hints: `jobs.effects.gather` reads the ticket, comment or pull request again and fills in the current values.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from integrations.ports.merge_rules import MissingPart, WaitingWay
from integrations.ports.pull_request import PullRequestFacts
from integrations.results import Provenance, Result, RunOutcome, RunRole

from integrations.values import (  # isort: skip
    NO_COMMIT, Codec, CommitSha, MergeConflict, Person, RunId, Ticket, TicketId, TicketImage, Usage, value,
)  # fmt: skip

UNTIL_RESOLVED = 10_000_000_000.0  # Unix seconds, in the year 2286: the end is unknown
ReviewState = Literal["approved", "changes_requested", "commented", "dismissed"]
Conclusion = Literal["success", "failure", "pending"]


@value
class _Event:
    event_id: str
    ticket_id: TicketId = TicketId("")
    at: float = 0.0


@value
class TicketMoved(_Event):
    """The ticket's column or team may have changed. `jobs.effects.gather` fills in `ticket`, and `moving`: a move of
    Loopline is queued.

    `by` is the author of the move, looked up by `gather`: None if unknown, without an id for an automation. `column_id`
    is the column that the move led to, `before_id` the one that it started from."""

    kind: Literal["TicketMoved"] = "TicketMoved"
    column: str = ""
    column_id: str = ""
    before_id: str = ""
    by: Person | None = None
    ticket: Ticket | None = None
    moving: bool = False
    cycle: tuple[str, ...] = ()
    """The chain of tickets that wait for each other, by identifier, if the ticket is part of one."""


@value
class TicketEdited(_Event):
    """The ticket's title, description, labels, project, priority or due date changed. `order_only`: not its title or
    description. `by` is the author, looked up by `gather`; None if unknown."""

    kind: Literal["TicketEdited"] = "TicketEdited"
    order_only: bool = False
    by: Person | None = None
    ticket: Ticket | None = None


@value
class TicketRemoved(_Event):
    """The ticket was deleted, trashed or archived."""

    kind: Literal["TicketRemoved"] = "TicketRemoved"


@value
class TicketCommented(_Event):
    """A comment on the ticket, new or `edited`, or with a `session_id` a person's message in an agent session: then
    `prompt_id` is that message's own id. `at` is the time of the edit, `written_at` that of the comment.

    `parent_id` is the root of its thread. `names` are Loopline's own on the board, from `jobs.effects.gather`."""

    kind: Literal["TicketCommented"] = "TicketCommented"
    comment_id: str
    body: str = ""
    author: Person | None = None
    session_id: str = ""
    prompt_id: str = ""
    parent_id: str = ""
    edited: bool = False
    written_at: float = 0.0
    names: tuple[str, ...] = ()


@value
class TicketCommentRemoved(_Event):
    """A comment on the ticket was deleted."""

    kind: Literal["TicketCommentRemoved"] = "TicketCommentRemoved"
    comment_id: str


@value
class TicketDelegated(_Event):
    """A person delegated or assigned the ticket to Loopline. `jobs.effects.gather` fills in `ticket` and `author`, and
    the session of a delegation that was reported without one."""

    kind: Literal["TicketDelegated"] = "TicketDelegated"
    session_id: str = ""
    identifier: str = ""
    ticket: Ticket | None = None
    author: Person | None = None


@value
class TicketMentioned(_Event):
    """A person mentioned Loopline in a comment of the ticket, which opened a session. The comment is an event too."""

    kind: Literal["TicketMentioned"] = "TicketMentioned"
    session_id: str
    comment_id: str
    identifier: str = ""
    ticket: Ticket | None = None
    author: Person | None = None


@value
class TicketUndelegated(_Event):
    """The ticket's delegate was removed or replaced. `jobs.effects.gather` fills in `ticket`."""

    kind: Literal["TicketUndelegated"] = "TicketUndelegated"
    by: str = ""
    ticket: Ticket | None = None


@value
class SessionQuiet(_Event):
    """The session of a ticket that is worked on had no activity for some minutes; reported by the sweep."""

    kind: Literal["SessionQuiet"] = "SessionQuiet"
    session_id: str


@value
class TicketReacted(_Event):
    """An emoji on a comment of the ticket. `author` is looked up by `jobs.effects.gather`."""

    kind: Literal["TicketReacted"] = "TicketReacted"
    comment_id: str
    emoji: str = ""
    author: Person | None = None


@value
class EscalationUnanswered(_Event):
    """An escalation was not acknowledged within its timeout; reported by the sweep."""

    kind: Literal["EscalationUnanswered"] = "EscalationUnanswered"
    generation: int


@value
class CodeHostEvent(_Event):
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
    """The pull request was closed without a merge."""

    kind: Literal["PullRequestClosed"] = "PullRequestClosed"
    by: str = ""


@value
class PullRequestReopened(CodeHostEvent):
    """A closed pull request is open again."""

    kind: Literal["PullRequestReopened"] = "PullRequestReopened"


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
    PullRequestMerged | PullRequestClosed | PullRequestReopened | ReviewSubmitted | PullRequestCommented
    | BranchPushed | PullRequestDequeued | MergeGroupRequested | ChecksReported
)  # fmt: skip


@value
class TimePassed(_Event):
    """A deadline of the loop, `due` in Unix seconds, has passed; delivered by the clock. `jobs.effects.gather` fills in
    the `facts` of an open pull request."""

    kind: Literal["TimePassed"] = "TimePassed"
    due: float = 0.0
    facts: PullRequestFacts | None = None


@value
class WorkspaceReady(_Event):
    """The repository is mirrored and its policy read at `base_sha`. `policy` is `WORKFLOW.md` as `jobs.loop.policy`
    read it, as JSON; `branch_sha` is the head of the loop's branch, empty without a branch, None if it was not read.
    `images` are those of the ticket, `fork_sha` is the newest commit of the base branch that the work has."""

    kind: Literal["WorkspaceReady"] = "WorkspaceReady"
    generation: int
    repository: str
    base_branch: str
    base_sha: CommitSha
    policy: str
    branch_sha: CommitSha | None = None
    images: tuple[TicketImage, ...] = ()
    fork_sha: CommitSha = NO_COMMIT


@value
class BaseMerged(_Event):
    """A merge of the base branch's commit `base_sha` into `head_sha`, not pushed. `merge_sha` is empty if
    the head has that commit; with `conflicts` its tree has markers, and `commits` of the base branch caused them."""

    kind: Literal["BaseMerged"] = "BaseMerged"
    generation: int
    head_sha: CommitSha
    base_sha: CommitSha
    merge_sha: CommitSha = NO_COMMIT
    conflicts: tuple[MergeConflict, ...] = ()
    commits: tuple[str, ...] = ()


@value
class RunFinished(_Event):
    """A run ended. `result` is the role's own."""

    kind: Literal["RunFinished"] = "RunFinished"
    run_id: RunId
    generation: int
    outcome: RunOutcome
    summary: str = ""
    result: Result
    usage: Usage = Usage()
    provenance: Provenance | None = None
    """None in events of an older release."""
    blocked: dict[str, int] = Field(default_factory=dict)
    """Connections of the run's commands that the network policy refused, by host."""

    @property
    def role(self) -> RunRole:
        return self.result.kind


@value
class RunParked(_Event):
    """A run is backing off. `until` is Unix seconds, `UNTIL_RESOLVED` for a cause without a time; 0 means that it
    continues."""

    kind: Literal["RunParked"] = "RunParked"
    run_id: RunId
    generation: int
    until: float
    reason: str = ""


@value
class SteeringTaken(_Event):
    """These comments were delivered to the agent before its next model call."""

    kind: Literal["SteeringTaken"] = "SteeringTaken"
    run_id: RunId
    comment_ids: tuple[str, ...]


@value
class BranchPublished(_Event):
    """The push succeeded: the branch's head is `head_sha`."""

    kind: Literal["BranchPublished"] = "BranchPublished"
    generation: int
    head_sha: CommitSha


@value
class PullRequestOpened(_Event):
    """The pull request exists, found or created. `base` is its base branch, empty if that is the expected one."""

    kind: Literal["PullRequestOpened"] = "PullRequestOpened"
    base: str = ""
    generation: int
    number: int
    url: str


@value
class MergeHeld(_Event):
    """A merge was asked for and not begun: `missing` are the requirements that are not met."""

    kind: Literal["MergeHeld"] = "MergeHeld"
    generation: int
    missing: tuple[MissingPart, ...] = ()


@value
class MergeWaits(_Event):
    """The code host merges the pull request later by itself. `checks` are the names of those that it waits for."""

    kind: Literal["MergeWaits"] = "MergeWaits"
    generation: int
    way: WaitingWay
    checks: tuple[str, ...] = ()


@value
class CommandFailed(_Event):
    """A command cannot be performed and a retry would not help.

    `put_aside`: after an unexpected error; the command, or an event that `command` names, is a dead letter. `problem`:
    a setting is wrong, of this class of escalation."""

    kind: Literal["CommandFailed"] = "CommandFailed"
    generation: int
    command: str
    reason: str
    put_aside: bool = False
    problem: Literal["", "credentials", "infrastructure"] = ""


Event = Annotated[
    TicketMoved | TicketEdited | TicketRemoved | TicketCommented | TicketCommentRemoved | TicketReacted
    | EscalationUnanswered | TicketDelegated | TicketMentioned | TicketUndelegated | SessionQuiet
    | AnyCodeHostEvent | WorkspaceReady | RunFinished | RunParked | SteeringTaken | BranchPublished | PullRequestOpened
    | MergeHeld | MergeWaits | CommandFailed | TimePassed | BaseMerged,
    Field(discriminator="kind"),
]  # fmt: skip
EVENT: Codec[Event] = Codec(Event)
