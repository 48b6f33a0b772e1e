"""Events of a ticket. Providers translate their webhooks into them (`Source.translate`), the jobs report their results
with them, and `jobs.workflow.decide` has one rule for each. Values only.

Events are delivered at least once: `event_id` deduplicates them. `at` is Unix seconds. Tracker and code-host events are
hints: `jobs.effects.gather` reads the ticket, comment or pull request again and fills in the current values.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from integrations.agent_events import PersonAsked, TicketProposed
from integrations.event_base import BaseEvent
from integrations.ports.pull_request import PullRequestFacts
from integrations.pull_request_events import AccountLinked as AccountLinked
from integrations.pull_request_events import AnyCodeHostEvent as AnyCodeHostEvent
from integrations.pull_request_events import AnyCodeHostResult as AnyCodeHostResult
from integrations.pull_request_events import ApprovalPublished as ApprovalPublished
from integrations.pull_request_events import BaseMerged as BaseMerged
from integrations.pull_request_events import BranchMoved as BranchMoved
from integrations.pull_request_events import BranchPushed as BranchPushed
from integrations.pull_request_events import ChecksRead as ChecksRead
from integrations.pull_request_events import ChecksReported as ChecksReported
from integrations.pull_request_events import ChecksRerun as ChecksRerun
from integrations.pull_request_events import CodeHostEvent as CodeHostEvent
from integrations.pull_request_events import CodeHostResult as CodeHostResult
from integrations.pull_request_events import Conclusion as Conclusion
from integrations.pull_request_events import FailuresRead as FailuresRead
from integrations.pull_request_events import MergeGroupRequested as MergeGroupRequested
from integrations.pull_request_events import MergeHeld as MergeHeld
from integrations.pull_request_events import MergeWaits as MergeWaits
from integrations.pull_request_events import PullRequestChanged as PullRequestChanged
from integrations.pull_request_events import PullRequestClosed as PullRequestClosed
from integrations.pull_request_events import PullRequestCommented as PullRequestCommented
from integrations.pull_request_events import PullRequestDequeued as PullRequestDequeued
from integrations.pull_request_events import PullRequestMerged as PullRequestMerged
from integrations.pull_request_events import PullRequestReopened as PullRequestReopened
from integrations.pull_request_events import RepositoryChanged as RepositoryChanged
from integrations.pull_request_events import ReviewState as ReviewState
from integrations.pull_request_events import ReviewSubmitted as ReviewSubmitted
from integrations.results import Provenance, Result, RunOutcome, RunRole
from integrations.values import (
    NO_COMMIT,
    Codec,
    CommitSha,
    Person,
    QueuePlace,
    RunId,
    Ticket,
    TicketImage,
    Usage,
    value,
)
from integrations.workload import ReviewLoad
from integrations.workload_events import LinesCounted, OverlapFound, PathsClaimed, TicketCreated

UNTIL_RESOLVED = 10_000_000_000.0  # Unix seconds, in the year 2286: the end is unknown


@value
class TicketMoved(BaseEvent):
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
    part_of: str = ""
    """The identifier of the ticket that Loopline created this one for."""
    load: ReviewLoad | None = None
    """The repository's reviews, for a ticket that waits for them."""


@value
class TicketEdited(BaseEvent):
    """The ticket's title, description, labels, project, priority or due date changed. `order_only`: not its title or
    description. `by` is the author, looked up by `gather`; None if unknown."""

    kind: Literal["TicketEdited"] = "TicketEdited"
    order_only: bool = False
    by: Person | None = None
    ticket: Ticket | None = None
    new_labels: tuple[str, ...] = ()
    """Labels that it has got, and its `team`: hints, for the triggers of automations."""
    team: str = ""


@value
class TicketRemoved(BaseEvent):
    """The ticket was deleted, trashed or archived."""

    kind: Literal["TicketRemoved"] = "TicketRemoved"


@value
class TicketCommented(BaseEvent):
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
    images: tuple[TicketImage, ...] = ()
    """Those in the text, downloaded by `jobs.effects.gather` while agents are at work."""
    queued: QueuePlace | None = None
    """The place of the ticket's run that waits for an agent, from `jobs.effects.gather`."""
    through: str = ""
    """The client, such as MCP, in which the person wrote it: Loopline posts it on the ticket. `author` has only the
    address until `jobs.effects.gather` looks the person up; None then if the person cannot comment there."""
    command: str = ""
    """With `through`: the command whose text is `body`. Without one the body is a sentence, whatever it looks like."""
    commit: str = ""
    """With `through`: the beginning of the head that the person has read and approves or merges."""


@value
class TicketCommentRemoved(BaseEvent):
    """A comment on the ticket was deleted."""

    kind: Literal["TicketCommentRemoved"] = "TicketCommentRemoved"
    comment_id: str


@value
class TicketDelegated(BaseEvent):
    """A person delegated or assigned the ticket to Loopline. `jobs.effects.gather` fills in `ticket`, `author` and
    the root comment of the session's thread, and the session of a delegation that was reported without one."""

    kind: Literal["TicketDelegated"] = "TicketDelegated"
    session_id: str = ""
    identifier: str = ""
    ticket: Ticket | None = None
    author: Person | None = None
    root_id: str = ""


@value
class TicketMentioned(BaseEvent):
    """A person mentioned Loopline in a comment of the ticket, which opened a session. The comment is an event too."""

    kind: Literal["TicketMentioned"] = "TicketMentioned"
    session_id: str
    comment_id: str
    identifier: str = ""
    ticket: Ticket | None = None
    author: Person | None = None
    body: str = ""
    root_id: str = ""
    """The comment's text, and the root of the session's thread, like `ticket` from `jobs.effects.gather`."""


@value
class TicketUndelegated(BaseEvent):
    """The ticket's delegate was removed or replaced. `jobs.effects.gather` fills in `ticket`."""

    kind: Literal["TicketUndelegated"] = "TicketUndelegated"
    by: str = ""
    ticket: Ticket | None = None


@value
class SessionQuiet(BaseEvent):
    """The session of a ticket that is worked on had no activity for some minutes; reported by the sweep."""

    kind: Literal["SessionQuiet"] = "SessionQuiet"
    session_id: str


@value
class TicketReacted(BaseEvent):
    """An emoji on a comment of the ticket. `author` is looked up by `jobs.effects.gather`."""

    kind: Literal["TicketReacted"] = "TicketReacted"
    comment_id: str
    emoji: str = ""
    author: Person | None = None


@value
class EscalationUnanswered(BaseEvent):
    """An escalation was not acknowledged within its timeout; reported by the sweep. `shared`: other tickets have the
    same cause, which the triage inbox shows once."""

    kind: Literal["EscalationUnanswered"] = "EscalationUnanswered"
    generation: int
    shared: bool = False


@value
class TimePassed(BaseEvent):
    """A deadline of the loop, `due` in Unix seconds, has passed; delivered by the clock. `jobs.effects.gather` fills in
    the `facts` of an open pull request, and its `people` by their login there."""

    kind: Literal["TimePassed"] = "TimePassed"
    due: float = 0.0
    facts: PullRequestFacts | None = None
    people: dict[str, Person] = Field(default_factory=dict)


@value
class WorkspaceReady(BaseEvent):
    """The repository is mirrored and its policy read at `base_sha`. `policy` is `WORKFLOW.md` as `jobs.loop.policy`
    read it, as JSON; `branch_sha` is the head of the loop's branch, empty without a branch, None if it was not read.
    `images` are those of the ticket."""

    kind: Literal["WorkspaceReady"] = "WorkspaceReady"
    generation: int
    repository: str
    base_branch: str
    base_sha: CommitSha
    policy: str
    branch_sha: CommitSha | None = None
    branch_by: str = ""
    """The author of the branch's head, if that is not a commit that Loopline pushed for this ticket."""
    carried: CommitSha = NO_COMMIT
    """The work that was not pushed, as a commit on top of the branch's head."""
    carried_conflicts: tuple[str, ...] = ()
    """The paths of `carried` that have conflict markers."""
    images: tuple[TicketImage, ...] = ()
    fork_sha: CommitSha = NO_COMMIT
    """The newest commit of the base branch that the work has, empty without work."""
    load: ReviewLoad | None = None
    """The repository's reviews, for a ticket without a pull request."""


@value
class RunFinished(BaseEvent):
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
class RunParked(BaseEvent):
    """A run is backing off. `until` is Unix seconds, `UNTIL_RESOLVED` for a cause without a time; 0 means that it
    continues."""

    kind: Literal["RunParked"] = "RunParked"
    run_id: RunId
    generation: int
    until: float
    reason: str = ""


@value
class SteeringTaken(BaseEvent):
    """These comments were delivered to the agent before its next model call."""

    kind: Literal["SteeringTaken"] = "SteeringTaken"
    run_id: RunId
    comment_ids: tuple[str, ...]


@value
class BranchPublished(BaseEvent):
    """The push succeeded: the branch's head is `head_sha`."""

    kind: Literal["BranchPublished"] = "BranchPublished"
    generation: int
    head_sha: CommitSha


@value
class PullRequestOpened(BaseEvent):
    """The pull request exists, found or created. `base` is its base branch, empty if that is the expected one."""

    kind: Literal["PullRequestOpened"] = "PullRequestOpened"
    base: str = ""
    draft: bool = False
    generation: int
    number: int
    url: str


@value
class CommandFailed(BaseEvent):
    """A command cannot be performed and a retry would not help.

    `put_aside`: after an unexpected error; the command, or an event that `command` names, is a dead letter. `problem`:
    a setting is wrong, of this class of escalation."""

    kind: Literal["CommandFailed"] = "CommandFailed"
    generation: int
    command: str
    reason: str
    put_aside: bool = False
    problem: Literal["", "credentials", "infrastructure"] = ""
    run: str = ""
    """Of a repository's automations: the run that the command belongs to, the `fingerprint` of its finding, and the
    `usage` of an agent whose result is a dead letter."""
    fingerprint: str = ""
    usage: Usage = Usage()


Event = Annotated[
    TicketMoved | TicketEdited | TicketRemoved | TicketCommented | TicketCommentRemoved | TicketReacted
    | EscalationUnanswered | TicketDelegated | TicketMentioned | TicketUndelegated | SessionQuiet | AnyCodeHostEvent
    | AnyCodeHostResult | WorkspaceReady | RunFinished | RunParked | SteeringTaken | BranchPublished
    | PullRequestOpened | CommandFailed | TimePassed | TicketCreated | PathsClaimed | OverlapFound | LinesCounted
    | PersonAsked | TicketProposed,
    Field(discriminator="kind"),
]  # fmt: skip
EVENT: Codec[Event] = Codec(Event)
