"""Everything that can happen to a ticket, in our words.

Providers translate their webhooks into these (`Source.translate`), the jobs report their own results with them, and
`jobs.workflow.decide` has one rule for each. Values only: nothing here acts, reads a clock or knows a provider.

`event_id` makes an event recognisable when it arrives twice; `at` is Unix seconds. Tracker and code-host events are
hints: `jobs.effects.gather` reads the ticket, the comment or the pull request again and fills in what is true now.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from integrations.results import Evidence, Judgement, Plan, Proposal, RunOutcome, RunRole, Tampering, Verdict
from integrations.values import Person, Ticket, Usage, Value


class _Event(Value):
    event_id: str
    ticket_id: str = ""
    at: float = 0.0


class TicketMoved(_Event):
    """The ticket's column changed, or may have. `jobs.effects.gather` fills in `ticket`, and `moving`: a move of ours
    waits."""

    kind: Literal["TicketMoved"] = "TicketMoved"
    column: str = ""
    ticket: Ticket | None = None
    moving: bool = False


class TicketEdited(_Event):
    """The ticket's title or description changed."""

    kind: Literal["TicketEdited"] = "TicketEdited"
    ticket: Ticket | None = None


class TicketRemoved(_Event):
    """The ticket was deleted, trashed or archived."""

    kind: Literal["TicketRemoved"] = "TicketRemoved"


class TicketCommented(_Event):
    """Somebody wrote a comment on the ticket."""

    kind: Literal["TicketCommented"] = "TicketCommented"
    comment_id: str
    body: str = ""
    author: Person | None = None


class TicketReacted(_Event):
    """Somebody put an emoji on a comment of the ticket. `author` is looked up by `jobs.effects.gather`."""

    kind: Literal["TicketReacted"] = "TicketReacted"
    comment_id: str
    emoji: str = ""
    author: Person | None = None


class EscalationUnanswered(_Event):
    """Nobody has answered or acknowledged our call for a person; the sweep says so when the wait is over."""

    kind: Literal["EscalationUnanswered"] = "EscalationUnanswered"
    generation: int


class _CodeHostEvent(_Event):
    """`ticket_id` is empty when it leaves the adapter; the dispatcher finds it by pull request, branch or head."""

    repository: str
    number: int = 0
    branch: str = ""
    head_sha: str = ""


class PullRequestMerged(_CodeHostEvent):
    """The pull request was merged, by us or by a person."""

    kind: Literal["PullRequestMerged"] = "PullRequestMerged"
    merge_sha: str = ""
    by: str = ""


class PullRequestClosed(_CodeHostEvent):
    """The pull request was closed without a merge."""

    kind: Literal["PullRequestClosed"] = "PullRequestClosed"
    by: str = ""


class PullRequestReopened(_CodeHostEvent):
    """A closed pull request is open again."""

    kind: Literal["PullRequestReopened"] = "PullRequestReopened"


class ReviewSubmitted(_CodeHostEvent):
    """A person finished a review. `comments` are 'path:line: text' lines of its inline comments."""

    kind: Literal["ReviewSubmitted"] = "ReviewSubmitted"
    review_id: str
    state: Literal["approved", "changes_requested", "commented", "dismissed"]
    body: str = ""
    comments: tuple[str, ...] = ()
    author: Person | None = None


class PullRequestCommented(_CodeHostEvent):
    """Somebody wrote in the pull request's conversation, or under a line of its diff (`path` and `line` set)."""

    kind: Literal["PullRequestCommented"] = "PullRequestCommented"
    comment_id: str
    body: str = ""
    path: str = ""
    line: int = 0
    author: Person | None = None


class BranchPushed(_CodeHostEvent):
    """Commits arrived on a branch. `head_sha` is the new head, empty when the branch was deleted."""

    kind: Literal["BranchPushed"] = "BranchPushed"
    before: str = ""
    by: str = ""


class ChecksReported(_CodeHostEvent):
    """A check, status or workflow of the code host reported on `head_sha`."""

    kind: Literal["ChecksReported"] = "ChecksReported"
    name: str
    conclusion: Literal["success", "failure", "pending"]
    url: str = ""


class WorkspaceReady(_Event):
    """The repository is mirrored and its policy read at `base_sha`. `policy` is `WORKFLOW.md` as `jobs.loop.policy`
    read it, as JSON; `branch_sha` is our branch's head, empty where there is none, None where nobody looked."""

    kind: Literal["WorkspaceReady"] = "WorkspaceReady"
    generation: int
    repository: str
    base_branch: str
    base_sha: str
    policy: str
    branch_sha: str | None = None


class RunFinished(_Event):
    """A run ended. `outcome` says how; the other fields depend on the role.

    `approach` is the strategy that a maker named. `tree` is the candidate's git tree, by which an edit and its reversal
    are recognised; `stray` are files that the change adds and that look left behind."""

    kind: Literal["RunFinished"] = "RunFinished"
    run_id: str
    generation: int
    role: RunRole
    outcome: RunOutcome
    summary: str = ""
    approach: str = ""
    head_sha: str = ""
    tree: str = ""
    evidence: tuple[Evidence, ...] = ()
    tampering: tuple[Tampering, ...] = ()
    stray: tuple[str, ...] = ()
    verdict: Verdict | None = None
    proposal: Proposal | None = None
    plan: Plan | None = None
    judgement: Judgement | None = None
    usage: Usage = Usage()


class RunParked(_Event):
    """A run waits for something that is not its ticket's fault. `until` is Unix seconds; 0 means that it goes on."""

    kind: Literal["RunParked"] = "RunParked"
    run_id: str
    generation: int
    until: float
    reason: str = ""


class SteeringTaken(_Event):
    """The agent was handed these comments before its next model call."""

    kind: Literal["SteeringTaken"] = "SteeringTaken"
    run_id: str
    comment_ids: tuple[str, ...]


class BranchPublished(_Event):
    """Our push arrived: the branch's head is `head_sha`."""

    kind: Literal["BranchPublished"] = "BranchPublished"
    generation: int
    head_sha: str


class PullRequestOpened(_Event):
    """Our pull request exists (found or made)."""

    kind: Literal["PullRequestOpened"] = "PullRequestOpened"
    generation: int
    number: int
    url: str


class CommandFailed(_Event):
    """An effect cannot be performed and a retry would not help.

    `put_aside`: the fault is ours; the command, or an event if `command` names one, waits as a dead letter."""

    kind: Literal["CommandFailed"] = "CommandFailed"
    generation: int
    command: str
    reason: str
    put_aside: bool = False


Event = Annotated[
    TicketMoved
    | TicketEdited
    | TicketRemoved
    | TicketCommented
    | TicketReacted
    | EscalationUnanswered
    | PullRequestMerged
    | PullRequestClosed
    | PullRequestReopened
    | ReviewSubmitted
    | PullRequestCommented
    | BranchPushed
    | ChecksReported
    | WorkspaceReady
    | RunFinished
    | RunParked
    | SteeringTaken
    | BranchPublished
    | PullRequestOpened
    | CommandFailed,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
