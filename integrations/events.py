"""Everything that can happen to a ticket, in our words.

Providers translate their webhooks into these (`Source.translate`), the jobs report their own results with them, and
`jobs.workflow.decide` has one rule for each. Values only: nothing here acts, reads a clock or knows a provider.

`event_id` makes an event recognisable when it arrives twice; `at` is Unix seconds. Tracker and code-host events are
hints: `jobs.gather` reads the ticket, the comment or the pull request again and fills in what is true now.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Value(BaseModel):
    """A frozen value that survives a deployment: unknown keys of a newer release are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Person(Value):
    """Somebody who acts on a ticket or a pull request. `may_steer` is looked up, never taken from a payload."""

    id: str
    name: str = ""
    email: str = ""
    may_steer: bool = False
    is_us: bool = False


class Ticket(Value):
    """A ticket as the tracker shows it now. `column` is the workflow state's name, `cancelled` whether that state means
    it; `branch_name` is the tracker's suggestion."""

    id: str
    identifier: str
    title: str
    description: str = ""
    url: str = ""
    team: str = ""
    column: str = ""
    labels: tuple[str, ...] = ()
    branch_name: str = ""
    trashed: bool = False
    cancelled: bool = False


class _Event(Value):
    event_id: str
    ticket_id: str = ""
    at: float = 0.0


class TicketMoved(_Event):
    """The ticket's column changed, or may have. `ticket` is filled by `jobs.gather`."""

    kind: Literal["TicketMoved"] = "TicketMoved"
    column: str = ""
    ticket: Ticket | None = None


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


class Usage(Value):
    """What model calls cost so far. Money in US dollars by `integrations.agents.prices`."""

    model_calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def plus(self, other: Usage) -> Usage:
        """The sum of both."""
        return Usage(
            model_calls=self.model_calls + other.model_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=round(self.cost_usd + other.cost_usd, 6),
        )


class Evidence(Value):
    """One command that Loopline ran. `output` is its bounded head and tail; `digest` the SHA-256 of all of it."""

    name: str
    command: str
    exit_code: int
    output: str = ""
    digest: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Exit code 0."""
        return self.exit_code == 0


class CriterionResult(Value):
    """The checker's word on one criterion. `evidence` names what it rests on; without any it counts as not met."""

    criterion: str
    result: Literal["pass", "fail", "unsure"]
    evidence: str = ""


class Verdict(Value):
    """The checker's whole answer, tied to one commit."""

    head_sha: str
    results: tuple[CriterionResult, ...]
    summary: str = ""
    findings: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()


class WorkspaceReady(_Event):
    """The repository is mirrored and its policy read at `base_sha`. `policy` is `WORKFLOW.md` as `jobs.policy` read it,
    as JSON."""

    kind: Literal["WorkspaceReady"] = "WorkspaceReady"
    generation: int
    repository: str
    base_branch: str
    base_sha: str
    policy: str


class RunFinished(_Event):
    """A run ended. `outcome` says how; the other fields depend on the role."""

    kind: Literal["RunFinished"] = "RunFinished"
    run_id: str
    generation: int
    role: Literal["maker", "gate", "checker"]
    outcome: Literal["done", "no_change", "stopped", "budget", "turns", "refused", "failed"]
    summary: str = ""
    head_sha: str = ""
    evidence: tuple[Evidence, ...] = ()
    verdict: Verdict | None = None
    usage: Usage = Usage()


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
    | PullRequestMerged
    | PullRequestClosed
    | PullRequestReopened
    | ReviewSubmitted
    | PullRequestCommented
    | BranchPushed
    | ChecksReported
    | WorkspaceReady
    | RunFinished
    | SteeringTaken
    | BranchPublished
    | PullRequestOpened
    | CommandFailed,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
