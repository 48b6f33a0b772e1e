"""What Loopline remembers of one ticket. Values only; `jobs.store.tickets` keeps them, `jobs.workflow` changes them."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal

from integrations.results import Evidence, Judgement, Plan, Proposal, Tampering, Verdict
from integrations.values import Ticket, Usage, Value
from jobs.loop.policy import RepositoryPolicy


class Stage(StrEnum):
    """Where a loop stands; ours, not the tracker's columns."""

    IDLE = "idle"
    PREPARING = "preparing"
    PLANNING = "planning"
    ASKING = "asking"
    SCOUTING = "scouting"
    MAKING = "making"
    GATING = "gating"
    JUDGING = "judging"
    CHECKING = "checking"
    PUBLISHING = "publishing"
    REVIEW = "review"
    MERGING = "merging"
    NEEDS_HUMAN = "needs_human"
    STOPPED = "stopped"
    DONE = "done"


RUNNING = frozenset({Stage.PLANNING, Stage.SCOUTING, Stage.MAKING, Stage.GATING, Stage.JUDGING, Stage.CHECKING})
AT_WORK = RUNNING | {Stage.PREPARING, Stage.PUBLISHING}
OPEN = frozenset({Stage.REVIEW, Stage.MERGING})


class Criterion(Value):
    """One line of the contract. With a `command` Loopline runs it itself; without, the checker needs evidence, of the
    kind that `evidence` names where somebody said so (as 'a file and line', 'the output of a command')."""

    id: str
    text: str
    command: str = ""
    evidence: str = ""


class Contract(Value):
    """What done means for this ticket, frozen when work starts; a changed ticket makes another `version` of it."""

    criteria: tuple[Criterion, ...]
    version: int = 1

    @property
    def digest(self) -> str:
        """The first 12 hex digits of its SHA-256: shown to people, kept in the board memory."""
        frozen = self.model_dump_json(exclude={"version"})
        return hashlib.sha256(frozen.encode()).hexdigest()[:12]


class Guidance(Value):
    """What a person said that the agent has to hear."""

    author: str
    text: str
    comment_id: str = ""


class Attempt(Value):
    """One fresh try at the contract that has ended: what was tried, what came of it, why that was not enough.

    `approach` says how it differed from the one before; `cost_usd` is what it spent."""

    number: int
    approach: str = ""
    tried: tuple[str, ...] = ()
    summary: str = ""
    rejected: str = ""
    head_sha: str = ""
    cost_usd: float = 0.0


EscalationClass = Literal["judgement", "credentials", "infrastructure", "budget", "conflict", "spinning", "tamper"]


class Escalation(Value):
    """A call for a person that has not been settled. `at` is when it was last raised, Unix seconds; `raised` how
    often; `acknowledged`: somebody has seen it, so it is not raised again."""

    kind: EscalationClass
    at: float
    raised: int = 1
    acknowledged: bool = False


def join_guidance(words: tuple[Guidance, ...]) -> Guidance:
    """Several people's words as one request."""
    authors = dict.fromkeys(w.author for w in words)
    return Guidance(author=" and ".join(authors), text="\n".join(w.text for w in words))


class Loop(Value):
    """Everything Loopline does for one ticket, from hand-over to done."""

    ticket: Ticket
    generation: int = 0
    stage: Stage = Stage.IDLE
    repository: str = ""
    base_branch: str = ""
    base_sha: str = ""
    branch: str = ""
    policy: RepositoryPolicy = RepositoryPolicy()
    contract: Contract | None = None
    answers: tuple[Guidance, ...] = ()
    """What people answered to our question; their lists count as criteria."""
    proposal: Proposal | None = None
    """The planner's contract, until it or something better is agreed."""
    proposals: int = 0
    """How often the planner was asked."""
    plan: Plan | None = None
    """What the scout found; makers start from it."""
    revision: int = 0
    """Raised by each request for changes; iterations start again with it."""
    attempt: int = 1
    """Which fresh try this is; each has iterations of its own."""
    approach: str = ""
    """The strategy that the maker named in this attempt."""
    attempts: tuple[Attempt, ...] = ()
    """The tries before this one."""
    iteration: int = 0
    run_id: str = ""
    head_sha: str = ""
    """The last candidate commit that Loopline made of an agent's work."""
    pushed_sha: str = ""
    summary: str = ""
    """What the maker says it did; shown in the pull request, never taken as evidence."""
    evidence: tuple[Evidence, ...] = ()
    tampering: tuple[Tampering, ...] = ()
    """What in the candidate could make a check pass without the work."""
    tampering_accepted: str = ""
    """The candidate whose tampering a person has accepted."""
    judgement: Judgement | None = None
    verdict: Verdict | None = None
    failing: tuple[str, ...] = ()
    """Fingerprints of what failed, one for each iteration of this attempt."""
    trees: tuple[str, ...] = ()
    """The candidates' git trees in this attempt."""
    tried: tuple[str, ...] = ()
    """One line for each iteration of this attempt that has ended; those of earlier attempts are in `attempts`."""
    words: tuple[Guidance, ...] = ()
    """Guidance and requests of people that the next run's brief must hold."""
    unheard: tuple[Guidance, ...] = ()
    """Those among them that came when no maker was at work: done is not done before one has heard them."""
    heard: int = 0
    """How many comments of people the agent has taken up."""
    number: int = 0
    pull_request_url: str = ""
    approved_sha: str = ""
    approved_by: str = ""
    shown_at: float = 0.0
    """Since when people can see the commit under review, Unix seconds."""
    failing_checks: tuple[str, ...] = ()
    last_comment: str = ""
    """The newest comment that was read, so that a rebuild reads none twice."""
    last_comment_at: float = 0.0
    """When it was written, Unix seconds."""
    usage: Usage = Usage()
    attempt_began_usd: float = 0.0
    """What had been spent when this attempt began."""
    extra_usd: float = 0.0
    """What people have added to the ticket's budget."""
    escalation: Escalation | None = None
    reason: str = ""
    """Why the loop stopped or what it waits for, one sentence."""
    parked_until: float = 0.0
    """Until when a run waits for its provider, Unix seconds; 0 when it does not."""
    started_at: float = 0.0
    finished_at: float = 0.0

    @property
    def all_tried(self) -> tuple[str, ...]:
        """The lines of every attempt, the oldest first."""
        return (*(line for attempt in self.attempts for line in attempt.tried), *self.tried)

    @property
    def identifier(self) -> str:
        """The ticket's name for people, as 'ENG-123'."""
        return self.ticket.identifier
