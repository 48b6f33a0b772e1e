"""State of one ticket's loop. Values only: stored by `jobs.store.tickets`, changed by `jobs.workflow`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Literal

from pydantic import Field

from integrations.results import (
    Evidence,
    Gated,
    Judgement,
    Plan,
    Preflighted,
    Proposal,
    Provenance,
    RunRole,
    Tampering,
    Verdict,
)
from integrations.values import (
    NO_COMMIT,
    Codec,
    CommitSha,
    Identifier,
    RunId,
    Ticket,
    TicketImage,
    TicketRef,
    Usage,
    value,
)
from jobs.loop.ci_state import CiState
from jobs.loop.comments import Comments, Guidance
from jobs.loop.contract_state import Contract as Contract
from jobs.loop.contract_state import Criterion as Criterion
from jobs.loop.finding_state import FindingLink
from jobs.loop.foreign_state import ForeignState
from jobs.loop.lesson_state import LearningState
from jobs.loop.merge_state import MergeState
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.pull_request_state import PullRequestState as PullRequestState
from jobs.loop.review_state import ReviewState
from jobs.loop.upstream_state import UpstreamState
from jobs.loop.wait_state import MergedLines, Part, WaitState


class Stage(StrEnum):
    """State of a loop; not the tracker's columns."""

    IDLE = "idle"
    WAITING = "waiting"
    PREPARING = "preparing"
    PREFLIGHT = "preflight"
    PLANNING = "planning"
    ASKING = "asking"
    SCOUTING = "scouting"
    MAKING = "making"
    GATING = "gating"
    JUDGING = "judging"
    CHECKING = "checking"
    PUBLISHING = "publishing"
    CI = "ci"
    REVIEW = "review"
    MERGING = "merging"
    NEEDS_HUMAN = "needs_human"
    STOPPED = "stopped"
    DONE = "done"


RUNNING = frozenset(
    {Stage.PREFLIGHT, Stage.PLANNING, Stage.SCOUTING, Stage.MAKING, Stage.GATING, Stage.JUDGING, Stage.CHECKING}
)
AT_WORK = RUNNING | {Stage.WAITING, Stage.PREPARING, Stage.PUBLISHING}
OPEN = frozenset({Stage.CI, Stage.REVIEW, Stage.MERGING})
"""The pull request is open, and people can review it."""


EscalationClass = Literal[
    "judgement", "credentials", "infrastructure", "environment", "policy", "budget", "turns", "conflict", "spinning",
    "tamper", "ci",
]  # fmt: skip


@value
class Escalation:
    """An open escalation. `at` is when it was last raised, Unix seconds; `raised` how often; one that is `acknowledged`
    is not raised again. `question` is the agent's, with answers to choose from in `choices`: an answer continues the
    run `run_id` in `stage` as the answer to its request, or starts the next attempt if no run waits.
    `listed`: after its reminders the triage inbox shows its cause in a ticket of its own."""

    kind: EscalationClass
    at: float
    raised: int = 1
    acknowledged: bool = False
    question: str = ""
    choices: tuple[str, ...] = ()
    run_id: RunId = RunId("")
    request_id: str = ""
    stage: Stage = Stage.MAKING
    listed: bool = False
    since: float = 0.0
    """When it was first raised, Unix seconds; 0 in the state of an older release."""


@value
class Workspace:
    """Where the ticket is worked on: repository, base commit and the ticket's branch. `repository` is empty until it is
    known.

    `chosen_base` is the base branch that a person named, empty for the repository's default; `taken_over_by` the person
    whom `/takeover` left the branch to."""

    repository: str = ""
    base_branch: str = ""
    base_sha: CommitSha = NO_COMMIT
    branch: str = ""
    chosen_base: str = ""
    taken_over_by: str = ""
    """The person to whom the branch was handed: Loopline never deletes it or pushes to it again."""

    @property
    def own_branch(self) -> str:
        """The branch to delete at the end, empty for one that a person has taken over."""
        return "" if self.taken_over_by else self.branch


@value
class Preflight:
    """The repository's setup and checks on the base commit, before any model call.

    `tried` is the base branch's head when it began; `restarts` the number of repeated preflights in this generation and
    revision; `reported` the environment problem that the ticket already shows, `protected` its protected paths."""

    result: Preflighted = Preflighted()
    tried: CommitSha = NO_COMMIT
    restarts: int = 0
    reported: str = ""
    protected: tuple[str, ...] = ()


@value
class Planning:
    """Origin of contract and plan. Kept across generations."""

    answers: tuple[Guidance, ...] = ()
    """Answers of people to Loopline's question; their lists count as criteria."""
    proposal: Proposal | None = None
    """The planner's contract, until it or something better is agreed."""
    proposals: int = 0
    """Number of planner runs."""
    plan: Plan | None = None
    """The scout's plan, from which makers start."""


@value
class Attempt:
    """The current try at the contract, in a fresh context. Its iterations are make, gate, judge, check."""

    number: int = 1
    iteration: int = 0
    approach: str = ""
    """The strategy that the maker named."""
    failing: tuple[str, ...] = ()
    """Fingerprints of the failures, one for each iteration."""
    trees: tuple[str, ...] = ()
    """The candidates' git trees."""
    tried: tuple[str, ...] = ()
    """One line for each iteration that has ended."""
    began_usd: float = 0.0
    """The ticket's cost when the attempt began."""
    cause: str = ""
    """Why accepted work is continued, for the maker's brief: failing checks of the code host, a conflict, remarks."""
    skills: tuple[str, ...] = ()
    """The repository's skills that agents read since the last count."""


@value
class ClosedAttempt:
    """Record of an attempt. `approach` is how it differed from the previous one, `rejected` why it ended, `cost_usd` is
    its cost. `accepted`: the checker accepted it, and a person asked for changes."""

    number: int
    approach: str = ""
    tried: tuple[str, ...] = ()
    summary: str = ""
    rejected: str = ""
    head_sha: CommitSha = NO_COMMIT
    cost_usd: float = 0.0
    accepted: bool = False


@value
class Candidate:
    """The last commit of an agent's work, and the results of the roles that examined it."""

    head_sha: CommitSha = NO_COMMIT
    summary: str = ""
    """The maker's claim; shown in the pull request, never taken as evidence."""
    gate: Gated = Gated()
    judgement: Judgement | None = None
    verdict: Verdict | None = None
    accepted_sha: CommitSha = NO_COMMIT
    """The commit whose changes that need approval a person has accepted, all of them."""
    accepted_by: str = ""
    """That person's name."""
    provenance: tuple[Provenance, ...] = ()
    """That of the last run of each role, the newest last. Not in the board memory, which is not trusted."""

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The commands that the gate ran."""
        return self.gate.evidence

    @property
    def tampering(self) -> tuple[Tampering, ...]:
        """Changes that need a person's approval."""
        return self.gate.tampering

    def find_provenance(self, role: RunRole) -> Provenance | None:
        """That of the run of this role which made or examined the candidate's commit."""
        return next((p for p in self.provenance if p.role == role and p.head_sha == self.head_sha), None)

    def add_provenance(self, added: Provenance | None) -> Candidate:
        """With the provenance of a run that has finished; None, of an older release, is left out."""
        kept = tuple(p for p in self.provenance if added and p.role != added.role)
        return replace(self, provenance=(*kept, added)) if added else self

    def at(self, head_sha: CommitSha) -> Candidate:
        """The candidate at another commit, without results."""
        return replace(self, head_sha=head_sha, gate=Gated(), judgement=None, verdict=None)


@value
class Spend:
    """The ticket's money."""

    usage: Usage = Usage()
    extra_usd: float = 0.0
    """Added to the ticket's budget by people."""
    calls: int = 0
    """Model calls of the work since the last decision of a person, or since work was accepted."""


@value
class Loop:
    """The whole state of one ticket's loop, from hand-over to done."""

    ticket: Ticket
    generation: int = 0
    revision: int = 0
    """Raised by each request for changes; attempts start again with it."""
    stage: Stage = Stage.IDLE
    reason: str = ""
    """Why the loop stopped or waits, one sentence."""
    run_id: RunId = RunId("")
    waits_for: tuple[TicketRef, ...] = ()
    """The open tickets that this one waits for, in stage `WAITING`."""
    wait: WaitState = WaitState()
    """The cause of that wait."""
    parts: tuple[Part, ...] = ()
    """The tickets for the repositories that this one names, in the order in which they are merged."""
    part_of: str = ""
    """Identifier of the ticket that this one is a part of."""
    finding: FindingLink | None = None
    """The finding of an automation that the ticket was filed for."""
    merged: MergedLines | None = None
    parked_until: float = 0.0
    """End of a run's backoff, Unix seconds; 0 without one."""
    policy: RepositoryPolicy = RepositoryPolicy()
    workspace: Workspace = Workspace()
    images: tuple[TicketImage, ...] = ()
    """Those of the ticket, as of the last preparation."""
    preflight: Preflight = Preflight()
    contract: Contract | None = None
    planning: Planning = Planning()
    attempt: Attempt = Attempt()
    attempts: tuple[ClosedAttempt, ...] = ()
    """The attempts before the current one."""
    candidate: Candidate = Candidate()
    checkpoint: CommitSha = NO_COMMIT
    """The files of a maker that was interrupted, from which the next one starts. Never pushed."""
    comments: Comments = Comments()
    pull_request: PullRequestState = PullRequestState()
    ci: CiState = CiState()
    review: ReviewState = ReviewState()
    upstream: UpstreamState = UpstreamState()
    merging: MergeState = MergeState()
    foreign: ForeignState = ForeignState()
    """What other accounts changed on branch, pull request and repository."""
    learning: LearningState = LearningState()
    """Corrections by people, and the lessons that were drafted from them."""
    spend: Spend = Spend()
    blocked: dict[str, int] = Field(default_factory=dict)
    """Connections that commands were refused since the last maker began, by host."""
    escalation: Escalation | None = None
    proposed: tuple[str, ...] = ()
    """Keys of the tickets that agents proposed."""
    session_id: str = ""
    """The tracker's agent session in which the loop is shown; empty where progress is a comment."""
    session_root: str = ""
    """The root comment of the session's thread, empty if it is not known."""
    handed_over: tuple[float, ...] = ()
    """Times of the last hour's hand-overs, Unix seconds."""
    started_at: float = 0.0
    finished_at: float = 0.0

    @property
    def due_at(self) -> float:
        """The earliest deadline of the loop, Unix seconds; 0 without one."""
        if self.stage in {Stage.IDLE, Stage.DONE}:
            return 0.0
        deadlines = (self.ci.due_at, self.review.due_at, self.upstream.due_at, self.merging.due_at)
        return min(filter(None, deadlines), default=0.0)

    @property
    def unpushed(self) -> CommitSha:
        """The newest work that is only in the mirror: a checkpoint, or a candidate; empty without any."""
        on_code_host = {NO_COMMIT, self.workspace.base_sha, self.pull_request.pushed_sha, self.foreign.head}
        head = self.candidate.head_sha
        return self.checkpoint or (NO_COMMIT if head in on_code_host else head)

    @property
    def has_open_merge(self) -> bool:
        """Whether the work continues from a merge of the base branch that is not pushed."""
        return bool(self.upstream.merge_sha) and self.upstream.merged_into == self.pull_request.pushed_sha

    @property
    def all_tried(self) -> tuple[str, ...]:
        """The lines of every attempt, the oldest first."""
        return (*(line for closed in self.attempts for line in closed.tried), *self.attempt.tried)

    def add_blocked(self, role: RunRole, blocked: Mapping[str, int]) -> Loop:
        """With the refused connections of a run that has finished; preflight and maker begin a new count."""
        kept = {} if role in ("preflight", "maker") else self.blocked
        return replace(self, blocked={host: kept.get(host, 0) + blocked.get(host, 0) for host in {**kept, **blocked}})

    @property
    def identifier(self) -> Identifier:
        """The ticket's name for people, as 'ENG-123'."""
        return self.ticket.identifier

    @property
    def workflow(self) -> LoopPolicy:
        """Loopline's own section of the repository's WORKFLOW.md."""
        return self.policy.loop


LOOP: Codec[Loop] = Codec(Loop)
