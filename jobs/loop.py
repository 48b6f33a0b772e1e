"""What Loopline remembers of one ticket. Values only; `jobs.store` keeps them, `jobs.workflow` changes them."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from integrations.events import Evidence, Ticket, Usage, Value, Verdict
from jobs.policy import RepositoryPolicy


class Stage(StrEnum):
    """Where a loop stands; ours, not the tracker's columns."""

    IDLE = "idle"
    PREPARING = "preparing"
    ASKING = "asking"
    MAKING = "making"
    GATING = "gating"
    CHECKING = "checking"
    PUBLISHING = "publishing"
    REVIEW = "review"
    MERGING = "merging"
    NEEDS_HUMAN = "needs_human"
    STOPPED = "stopped"
    DONE = "done"


RUNNING = frozenset({Stage.MAKING, Stage.GATING, Stage.CHECKING})
AT_WORK = RUNNING | {Stage.PREPARING, Stage.PUBLISHING}
OPEN = frozenset({Stage.REVIEW, Stage.MERGING})


class Criterion(Value):
    """One line of the contract. With a `command` Loopline runs it itself; without, the checker needs evidence."""

    id: str
    text: str
    command: str = ""


class Contract(Value):
    """What done means for this ticket, frozen when work starts."""

    criteria: tuple[Criterion, ...]

    @property
    def digest(self) -> str:
        """The first 12 hex digits of its SHA-256: shown to people, kept in the board memory."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


class Words(Value):
    """What a person said that the agent has to hear."""

    author: str
    text: str
    comment_id: str = ""


def joined(words: tuple[Words, ...]) -> Words:
    """Several people's words as one request."""
    authors = dict.fromkeys(w.author for w in words)
    return Words(author=" and ".join(authors), text="\n".join(w.text for w in words))


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
    answers: tuple[Words, ...] = ()
    """What people answered to our question; their lists count as criteria."""
    revision: int = 0
    """Raised by each request for changes; iterations start again with it."""
    iteration: int = 0
    run_id: str = ""
    head_sha: str = ""
    """The last candidate commit that Loopline made of an agent's work."""
    pushed_sha: str = ""
    summary: str = ""
    """What the maker says it did; shown in the pull request, never taken as evidence."""
    evidence: tuple[Evidence, ...] = ()
    verdict: Verdict | None = None
    tried: tuple[str, ...] = ()
    words: tuple[Words, ...] = ()
    """Guidance and requests of people that the next run's brief must hold."""
    unheard: tuple[Words, ...] = ()
    """Those among them that came when no maker was at work: done is not done before one has heard them."""
    heard: int = 0
    """How many comments of people the agent has taken up."""
    number: int = 0
    pull_request_url: str = ""
    approved_sha: str = ""
    approved_by: str = ""
    failing_checks: tuple[str, ...] = ()
    last_comment: str = ""
    """The newest comment that was read, so that a rebuild reads none twice."""
    last_comment_at: float = 0.0
    """When it was written, Unix seconds."""
    usage: Usage = Usage()
    reason: str = ""
    """Why the loop stopped or what it waits for, one sentence."""
    started_at: float = 0.0
    finished_at: float = 0.0

    @property
    def identifier(self) -> str:
        """The ticket's name for people, as 'ENG-123'."""
        return self.ticket.identifier
