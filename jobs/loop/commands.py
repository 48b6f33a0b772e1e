"""What `decide` may ask for: every effect of Loopline, as a value.

`jobs.effects.perform` has one function for each, named like the command in snake case. Commands wait in the ticket's
outbox as JSON, so a field that a newer release adds needs a default.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from integrations.ports.tracker import ColumnRole as Column
from integrations.results import Evidence, Plan, RunRole, Tampering, Verdict
from integrations.values import Ticket, Usage, Value
from jobs.loop.caps import Caps
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Attempt, Contract, Guidance


class RunSpec(Value):
    """What a run needs to know, fixed when it is started. `start_sha` is the commit that its worktree begins at."""

    run_id: str
    ticket_id: str
    identifier: str
    generation: int
    role: RunRole
    repository: str
    base_sha: str
    start_sha: str
    contract: Contract
    """Without criteria for a planner, which proposes them."""
    ticket: Ticket
    policy: RepositoryPolicy = RepositoryPolicy()
    iteration: int = 1
    iterations: int = 1
    attempt: int = 1
    attempts: tuple[Attempt, ...] = ()
    plan: Plan | None = None
    summary: str = ""
    """What the last maker says it did: a claim."""
    tampering: tuple[Tampering, ...] = ()
    tried: tuple[str, ...] = ()
    words: tuple[Guidance, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    verdict: Verdict | None = None
    model: str = ""
    effort: str = ""
    caps: Caps = Caps()
    ticket_usage: Usage = Usage()
    """What the ticket had spent when the run was started, so that a ledger that was lost begins there."""
    started_at: float = 0.0

    @model_validator(mode="before")
    @classmethod
    def _of_the_last_release(cls, given: Any) -> Any:
        """The release before this one wrote two of the caps by themselves."""
        if not isinstance(given, dict) or "caps" in given or not given.get("max_turns"):
            return given
        return {**given, "caps": {"turns": given["max_turns"], "run_usd": given["max_cost_usd"]}}


class MoveTicket(Value):
    """Put the ticket into the column that has this role in its team; with `only_from`, if it is in that one now."""

    kind: Literal["MoveTicket"] = "MoveTicket"
    column: Column
    only_from: Column | None = None


class PostComment(Value):
    """Write a comment that deserves a notification. `once` names it where a rebuild could make another command of it:
    the ticket gets one comment of a name."""

    kind: Literal["PostComment"] = "PostComment"
    body: str
    once: str = ""


class React(Value):
    """Acknowledge a comment with an emoji."""

    kind: Literal["React"] = "React"
    comment_id: str
    emoji: str


class SetNeedsHuman(Value):
    """Add or remove the label that says a person is needed."""

    kind: Literal["SetNeedsHuman"] = "SetNeedsHuman"
    needed: bool


class LinkPullRequest(Value):
    """Attach the pull request to the ticket."""

    kind: Literal["LinkPullRequest"] = "LinkPullRequest"
    url: str
    title: str
    subtitle: str


class PrepareWorkspace(Value):
    """Mirror the repository, read its policy and look where `branch` is; answers `WorkspaceReady`."""

    kind: Literal["PrepareWorkspace"] = "PrepareWorkspace"
    generation: int
    repository: str
    branch: str = ""


class StartRun(Value):
    """Hand a run to the agent processes."""

    kind: Literal["StartRun"] = "StartRun"
    spec: RunSpec


class StopRun(Value):
    """Interrupt a run; it reports `RunFinished` as stopped."""

    kind: Literal["StopRun"] = "StopRun"
    run_id: str


class Steer(Value):
    """Hand a person's words to a run before its next model call."""

    kind: Literal["Steer"] = "Steer"
    run_id: str
    words: Guidance


class PublishBranch(Value):
    """Push `sha`; the branch must be at `expected` ('' for new); answers `BranchPublished`. `as_is`: it is not proven,
    a person takes the work over."""

    kind: Literal["PublishBranch"] = "PublishBranch"
    generation: int
    repository: str
    branch: str
    base_branch: str
    sha: str
    expected: str
    as_is: bool = False


class OpenPullRequest(Value):
    """Find or open the pull request and set its words; answers `PullRequestOpened`."""

    kind: Literal["OpenPullRequest"] = "OpenPullRequest"
    generation: int
    repository: str
    branch: str
    base: str
    title: str
    body: str


class CommentOnPullRequest(Value):
    """Write into the pull request's conversation, once."""

    kind: Literal["CommentOnPullRequest"] = "CommentOnPullRequest"
    repository: str
    number: int
    body: str


class SetStatus(Value):
    """Publish Loopline's verdict on a commit."""

    kind: Literal["SetStatus"] = "SetStatus"
    repository: str
    sha: str
    state: Literal["pending", "success", "failure"]
    description: str


class MergePullRequest(Value):
    """Merge while the head is still `sha`; answers `PullRequestMerged`."""

    kind: Literal["MergePullRequest"] = "MergePullRequest"
    generation: int
    repository: str
    number: int
    sha: str
    title: str


class CleanUp(Value):
    """Remove the ticket's worktrees and, when `branch` is named, the branch of ours."""

    kind: Literal["CleanUp"] = "CleanUp"
    repository: str
    branch: str = ""


Command = Annotated[
    MoveTicket
    | PostComment
    | React
    | SetNeedsHuman
    | LinkPullRequest
    | PrepareWorkspace
    | StartRun
    | StopRun
    | Steer
    | PublishBranch
    | OpenPullRequest
    | CommentOnPullRequest
    | SetStatus
    | MergePullRequest
    | CleanUp,
    Field(discriminator="kind"),
]
COMMAND: TypeAdapter[Command] = TypeAdapter(Command)

Lane = Literal["inner", "outer"]


def lane_of(command: Command) -> Lane:
    """inner: only Redis is touched, so a stop never waits behind a provider that is away."""
    return "inner" if isinstance(command, StartRun | StopRun | Steer) else "outer"
