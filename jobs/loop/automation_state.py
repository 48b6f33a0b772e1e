"""State of a repository's automations. Values only: stored by `jobs.store.automations`, changed by
`jobs.workflow.automations`."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from integrations.findings import ProposedFinding, Severity
from integrations.values import NO_COMMIT, Codec, CommitSha, RunId, TicketId, TicketRef, Usage, value
from jobs.loop.automation import Automation
from jobs.loop.automation_ids import automations_id as automations_id
from jobs.loop.automation_ids import is_automations as is_automations
from jobs.loop.policy import RepositoryPolicy

FindingStatus = Literal["open", "accepted", "rejected", "done"]
MOST_FINDINGS = 1_000
"""Known findings of a repository that are kept."""


@value
class KnownFinding:
    """A finding that was filed. Rejected ones are kept, so that they are not filed again unless `evidence` changes.

    `seen` counts the runs that found it; times are Unix seconds."""

    fingerprint: str
    evidence: str
    title: str
    automation: str
    severity: Severity = "normal"
    items: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    ticket: TicketRef | None = None
    status: FindingStatus = "open"
    reason: str = ""
    """Why a person rejected it."""
    seen: int = 1
    first_at: float = 0.0
    last_at: float = 0.0
    decided_at: float = 0.0
    """When its status changed last; 0 while it is open."""
    reopened: int = 0
    """How often its ticket was closed before, and a new one filed."""


@value
class RunRequest:
    """A run that does not come from the schedule. `key` identifies the event that asked for it, `by` is a person,
    `trigger` the kind of event."""

    key: str
    by: str = ""
    trigger: str = ""


@value
class AutomationRun:
    """A run that has not ended. `id` is made from the slot, so one slot has one run."""

    id: str
    automation: str
    cause: Literal["schedule", "manual", "event"]
    stage: Literal["reading", "finding", "matching", "filing"] = "reading"
    slot: float = 0.0
    by: str = ""
    started_at: float = 0.0
    base_sha: CommitSha = NO_COMMIT
    run_id: RunId = RunId("")
    items: int = 0
    found: tuple[ProposedFinding, ...] = ()
    pending: tuple[str, ...] = ()
    """Fingerprints of findings that are not filed yet."""
    duplicates: int = 0
    filed: int = 0
    rejected: int = 0
    """Findings that a person rejected before."""
    dropped: int = 0
    """Findings beyond the limits."""
    usage: Usage = Usage()
    counted: tuple[str, ...] = ()
    """Ids of the agent runs in `usage`, so that each one counts once."""
    problems: tuple[str, ...] = ()
    waits: str = ""
    """Why its agent is backing off."""
    incomplete: bool = False
    """Whether findings were left out, so that the next run has to read the same sources again."""


@value
class TriageTask:
    """The part of a run's input that a triage run or a matcher's run is about.

    `run` is the automation run, under whose id the source items are stored; `known` are findings to compare with,
    `found` those that a matcher compares; `since` is when the last run read its sources, Unix seconds."""

    run: str
    automation: Automation
    since: float = 0.0
    known: tuple[KnownFinding, ...] = ()
    found: tuple[ProposedFinding, ...] = ()


@value
class RunRecord:
    """One line of the history."""

    id: str
    automation: str
    cause: str
    started_at: float
    ended_at: float
    outcome: Literal["filed", "nothing", "failed", "skipped"]
    found: int = 0
    duplicates: int = 0
    filed: int = 0
    rejected: int = 0
    dropped: int = 0
    cost_usd: float = 0.0
    counted: tuple[str, ...] = ()
    """As in `AutomationRun`: an agent can end after its run."""
    note: str = ""


@value
class AutomationState:
    """All automations of one repository: what is declared, what runs, what was found."""

    repository: str
    earlier_names: tuple[str, ...] = ()
    """Before it was renamed: the ids of older tickets are made from them."""
    team: str = ""
    base_branch: str = ""
    base_sha: CommitSha = NO_COMMIT
    automations: tuple[Automation, ...] = ()
    problems: tuple[str, ...] = ()
    """Declarations that cannot be used, one sentence each."""
    policy: RepositoryPolicy = RepositoryPolicy()
    """`WORKFLOW.md` at `base_sha`: the environment of commands."""
    last_slots: dict[str, float] = field(default_factory=dict)
    """The last slot of each automation that was run or skipped, Unix seconds."""
    next_slots: dict[str, float] = field(default_factory=dict)
    """When each automation that has no run can start next, Unix seconds."""
    read_at: dict[str, float] = field(default_factory=dict)
    """When the last run of each automation that ended well read its sources, Unix seconds."""
    requested: dict[str, RunRequest] = field(default_factory=dict)
    """Runs that a person or an event asked for and that have not started, by automation."""
    failing: dict[str, int] = field(default_factory=dict)
    """Failed runs in a row, by automation."""
    runs: dict[str, AutomationRun] = field(default_factory=dict)
    """By the name of the automation: one run at a time of each."""
    findings: tuple[KnownFinding, ...] = ()
    history: tuple[RunRecord, ...] = ()
    """The newest last, bounded."""
    spent: dict[str, dict[str, float]] = field(default_factory=dict)
    """US dollars by automation and UTC day, of the last days."""
    memory_ticket: TicketRef | None = None

    @property
    def id(self) -> TicketId:
        """Of the mailbox."""
        return automations_id(self.repository)

    @property
    def due_at(self) -> float:
        """The next slot, Unix seconds; 0 without one."""
        return min(self.next_slots.values(), default=0.0)


AUTOMATION_STATE: Codec[AutomationState] = Codec(AutomationState)
