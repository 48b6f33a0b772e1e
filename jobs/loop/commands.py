"""Commands that `decide` returns: every effect of Loopline, as a value.

`jobs.effects.perform` has one function for each, named like the command in snake case. Commands are queued in the
ticket's outbox as JSON, so a new field needs a default.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from integrations.ports.ci import CheckFailure
from integrations.ports.tracker import ColumnRole as Column
from integrations.results import Plan, RunRole
from integrations.values import (
    NO_COMMIT,
    Codec,
    CommitSha,
    MergeConflict,
    NewRelation,
    RunId,
    Ticket,
    TicketId,
    TicketImage,
    Usage,
    value,
)
from jobs.loop.automation_state import TriageTask
from jobs.loop.caps import Caps
from jobs.loop.comments import Guidance
from jobs.loop.foreign_state import ForeignPush
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.pull_request_commands import AnswerThread as AnswerThread
from jobs.loop.pull_request_commands import ApprovePullRequest as ApprovePullRequest
from jobs.loop.pull_request_commands import CancelMerge as CancelMerge
from jobs.loop.pull_request_commands import ClosePullRequest as ClosePullRequest
from jobs.loop.pull_request_commands import CommentOnPullRequest as CommentOnPullRequest
from jobs.loop.pull_request_commands import DescribePullRequest as DescribePullRequest
from jobs.loop.pull_request_commands import LinkAccount as LinkAccount
from jobs.loop.pull_request_commands import MarkReadyForReview as MarkReadyForReview
from jobs.loop.pull_request_commands import MergeBase as MergeBase
from jobs.loop.pull_request_commands import MergePullRequest as MergePullRequest
from jobs.loop.pull_request_commands import OpenPullRequest as OpenPullRequest
from jobs.loop.pull_request_commands import PublishBranch as PublishBranch
from jobs.loop.pull_request_commands import ReadChecks as ReadChecks
from jobs.loop.pull_request_commands import ReadFailures as ReadFailures
from jobs.loop.pull_request_commands import RerunChecks as RerunChecks
from jobs.loop.pull_request_commands import SetStatus as SetStatus
from jobs.loop.review_state import OpenThread
from jobs.loop.state import Attempt, Candidate, ClosedAttempt, Contract, Workspace
from jobs.loop.wait_state import ClaimPaths, CountMergedLines


@value
class RunSpec:
    """Input of a run, fixed when it is started: the parts of the loop that its brief is written from."""

    run_id: RunId
    ticket: Ticket
    generation: int
    role: RunRole
    workspace: Workspace
    start_sha: CommitSha
    """The commit that its worktree begins at."""
    contract: Contract
    """Without criteria for a planner, which proposes them."""
    attempt: Attempt
    policy: RepositoryPolicy = RepositoryPolicy()
    plan: Plan | None = None
    attempts: tuple[ClosedAttempt, ...] = ()
    candidate: Candidate = Candidate()
    guidance: tuple[Guidance, ...] = ()
    images: tuple[TicketImage, ...] = ()
    asked: Guidance | None = None
    """The comment that an answer's run is about."""
    threads: tuple[OpenThread, ...] = ()
    """The review comments that the round answers."""
    only_threads: bool = False
    """Whether nothing else was asked for, in this round's first iteration."""
    iterations: int = 1
    """Maximum per attempt."""
    model: str = ""
    model_setting: str = ""
    """Where the model is configured: a setting, or a key of WORKFLOW.md."""
    effort: str = ""
    caps: Caps = Caps()
    ticket_usage: Usage = Usage()
    """The ticket's usage when the run started, from which a lost ledger continues."""
    started_at: float = 0.0
    handed_over_at: float = 0.0
    """When the ticket was handed over, Unix seconds: its place among runs of the same priority."""
    pushed_sha: CommitSha = NO_COMMIT
    """The head of the ticket's branch on the code host."""
    pushes: tuple[ForeignPush, ...] = ()
    """Commits of other accounts on the branch."""
    blocked: dict[str, int] = Field(default_factory=dict)
    """Connections that the commands of the last iteration were refused, by host."""
    conflicts: tuple[MergeConflict, ...] = ()
    """Those of the merge that the work started from."""
    base_commits: tuple[str, ...] = ()
    """The base branch's commits that caused them, as 'abc1234 author: subject'."""
    failures: tuple[CheckFailure, ...] = ()
    """The failing checks of the code host that a maker has to fix."""
    resumes: bool = False
    """Whether `start_sha` is a checkpoint: the unfinished files of an interrupted maker."""
    databases: tuple[str, ...] = ()
    """Names of the databases that the run can query."""
    nonce: str = ""
    """Random, set when the run is stored: the mark of the fences in its prompts."""
    triage: TriageTask | None = None
    """Of a triage or matcher run, whose ticket is the mailbox of a repository's automations."""


RUN_SPEC: Codec[RunSpec] = Codec(RunSpec)


@value
class MoveTicket:
    """Put the ticket into the column that has this role in its team; with `only_from`, only from one of those.
    `back_to` is the id of another column, for a ticket that was moved without permission."""

    kind: Literal["MoveTicket"] = "MoveTicket"
    column: Column
    only_from: Column | tuple[Column, ...] | None = None
    back_to: str = ""

    @property
    def sources(self) -> tuple[Column, ...]:
        """The columns that it is moved from, empty for any; an older release stored one."""
        return (self.only_from,) if isinstance(self.only_from, str) else self.only_from or ()


@value
class PostComment:
    """Write a comment that notifies people. `once` is its idempotency key if a rebuild could post it again: the ticket
    gets one comment per key. `reply_to` is the comment in whose thread it is."""

    kind: Literal["PostComment"] = "PostComment"
    body: str
    once: str = ""
    reply_to: str = ""
    choices: tuple[str, ...] = ()
    """Answers that a person can click in an agent session."""
    failed: bool = False
    """The work cannot begin or continue: shown as an error in an agent session."""


@value
class OpenSession:
    """Acknowledge a new agent session and link the dashboard in it."""

    kind: Literal["OpenSession"] = "OpenSession"
    session_id: str


@value
class SendHeartbeat:
    """Show in the agent session that the work continues."""

    kind: Literal["SendHeartbeat"] = "SendHeartbeat"
    session_id: str
    body: str


@value
class CloseProgressComment:
    """Refer from a generation's progress comment to the agent session, which shows the progress from now on."""

    kind: Literal["CloseProgressComment"] = "CloseProgressComment"
    generation: int


@value
class SetDelegate:
    """Make Loopline the ticket's delegate, or remove it."""

    kind: Literal["SetDelegate"] = "SetDelegate"
    ours: bool


@value
class CreateTicket:
    """Create another ticket; returns `TicketCreated` with this `key`, which is unique among those of the ticket: the
    same one creates nothing again. `as_part`: a sub-issue, otherwise related to the ticket. `team` is that of the
    ticket if it is empty; a team without a column of this role has it in its first column."""

    kind: Literal["CreateTicket"] = "CreateTicket"
    key: str
    title: str
    body: str
    team: str = ""
    column: Column = "triage"
    as_part: bool = False
    relations: tuple[NewRelation, ...] = ()
    labels: tuple[str, ...] = ()


@value
class React:
    """Acknowledge a comment with an emoji."""

    kind: Literal["React"] = "React"
    comment_id: str
    emoji: str


@value
class SetNeedsHuman:
    """Add or remove the label `needs-human`."""

    kind: Literal["SetNeedsHuman"] = "SetNeedsHuman"
    needed: bool


@value
class LinkPullRequest:
    """Attach the pull request to the ticket."""

    kind: Literal["LinkPullRequest"] = "LinkPullRequest"
    url: str
    title: str
    subtitle: str


@value
class PrepareWorkspace:
    """Mirror the repository, read its policy and the head of `branch`, download `images`; returns `WorkspaceReady`.
    `base` is the base branch, empty for the repository's default."""

    kind: Literal["PrepareWorkspace"] = "PrepareWorkspace"
    generation: int
    repository: str
    branch: str = ""
    images: tuple[TicketImage, ...] = ()
    base: str = ""
    head_sha: CommitSha = NO_COMMIT
    """The commit that the work is at."""
    pushed_sha: CommitSha = NO_COMMIT
    """The branch's head after Loopline's last push; another one is a person's, and the work is at that."""
    base_sha: CommitSha = NO_COMMIT
    """The base commit that the work was compared with until now."""
    work: CommitSha = NO_COMMIT
    """Work that was not pushed, to put on top of the branch's head."""


@value
class WatchTickets:
    """Let the next move of each of these tickets be an event of this one."""

    kind: Literal["WatchTickets"] = "WatchTickets"
    tickets: tuple[TicketId, ...]


@value
class OrderRuns:
    """Set the place of the ticket's runs in the queue."""

    kind: Literal["OrderRuns"] = "OrderRuns"
    priority: int
    due_date: str = ""


@value
class StartRun:
    """Queue a run for the agent processes."""

    kind: Literal["StartRun"] = "StartRun"
    spec: RunSpec


@value
class StopRun:
    """Interrupt a run; it reports `RunFinished` as stopped."""

    kind: Literal["StopRun"] = "StopRun"
    run_id: RunId


@value
class Steer:
    """Deliver guidance to a run before its next model call."""

    kind: Literal["Steer"] = "Steer"
    run_id: RunId
    guidance: Guidance


@value
class AnswerRun:
    """Give a run the answer to its question, by which it continues."""

    kind: Literal["AnswerRun"] = "AnswerRun"
    run_id: RunId
    request_id: str
    guidance: Guidance


@value
class Unsteer:
    """Take back the guidance of a comment that the run has not read yet."""

    kind: Literal["Unsteer"] = "Unsteer"
    run_id: RunId
    comment_id: str


@value
class Freeze:
    """Freeze the whole service. `at` is the time of the request, Unix seconds."""

    kind: Literal["Freeze"] = "Freeze"
    by: str
    at: float
    reason: str = ""


@value
class Thaw:
    """End the freezes that began before `at`, so that a request that arrives late ends no later one."""

    kind: Literal["Thaw"] = "Thaw"
    by: str
    at: float


@value
class CleanUp:
    """Delete the ticket's worktrees and, if it is given, the loop's `branch`, while its head is a commit of Loopline or
    `merged`."""

    kind: Literal["CleanUp"] = "CleanUp"
    repository: str
    branch: str = ""
    merged: CommitSha = NO_COMMIT


Command = Annotated[
    MoveTicket | PostComment | React | SetNeedsHuman | LinkPullRequest | PrepareWorkspace | StartRun | StopRun
    | Steer | Unsteer | Freeze | Thaw | PublishBranch | OpenPullRequest | CommentOnPullRequest | SetStatus
    | MergePullRequest | CleanUp | WatchTickets | OrderRuns | ClosePullRequest | OpenSession | SendHeartbeat
    | CloseProgressComment | SetDelegate | MergeBase | ReadChecks | ReadFailures | RerunChecks | CancelMerge
    | AnswerThread | ApprovePullRequest | LinkAccount | DescribePullRequest | MarkReadyForReview
    | CreateTicket | ClaimPaths | CountMergedLines | AnswerRun,
    Field(discriminator="kind"),
]  # fmt: skip
COMMAND: Codec[Command] = Codec(Command)

Lane = Literal["inner", "outer"]
_INNER = (StartRun, StopRun, Steer, Unsteer, AnswerRun, Freeze, Thaw, WatchTickets, OrderRuns, ClaimPaths)


def lane_of(command: Command) -> Lane:
    """inner: only Redis is needed, so a stop never waits for an unavailable provider."""
    return "inner" if isinstance(command, _INNER) else "outer"
