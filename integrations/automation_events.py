"""Events of a repository's automations; `integrations.events` documents events. Their `ticket_id` is that of the
repository's mailbox."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from integrations.event_base import BaseEvent
from integrations.events import CommandFailed, RunFinished, RunParked, TimePassed
from integrations.values import NO_COMMIT, Codec, CommitSha, TicketRef, value


@value
class AutomationsDeclared(BaseEvent):
    """The declarations were read from the base branch at `base_sha`: `automations` in their JSON form, and sentences
    about those that cannot be used. `policy` is `WORKFLOW.md` in the form that `jobs.loop.policy` encodes, empty for an
    unusable one."""

    kind: Literal["AutomationsDeclared"] = "AutomationsDeclared"
    repository: str
    team: str
    base_branch: str
    base_sha: CommitSha
    automations: tuple[dict[str, Any], ...] = ()
    problems: tuple[str, ...] = ()
    policy: str = ""


@value
class DeclarationsOutdated(BaseEvent):
    """The base branch of the repository has another commit than the one its declarations were read at, or they were
    never read."""

    kind: Literal["DeclarationsOutdated"] = "DeclarationsOutdated"


@value
class AutomationRequested(BaseEvent):
    """A person asked for a run of the automation `name`, or the event `trigger` happened, which starts all automations
    that are declared for it. `label` is that of the trigger of this kind."""

    kind: Literal["AutomationRequested"] = "AutomationRequested"
    name: str = ""
    label: str = ""
    by: str = ""
    trigger: str = ""


@value
class ScheduleAdvanced(BaseEvent):
    """A person rehearses the schedule: the slots until `until` (Unix seconds) count as passed."""

    kind: Literal["ScheduleAdvanced"] = "ScheduleAdvanced"
    until: float


@value
class SourcesRead(BaseEvent):
    """The sources of a run were read: `items` of them are stored under the run's id."""

    kind: Literal["SourcesRead"] = "SourcesRead"
    run: str
    base_sha: CommitSha = NO_COMMIT
    items: int = 0
    commands: int = 0
    """Command sources, which the triage run itself runs."""
    problems: tuple[str, ...] = ()
    complete: bool = True
    """False: a source was unavailable, so the next run reads from the same time."""


@value
class FindingFiled(BaseEvent):
    """The ticket of a finding exists. `problem`: it lacks something, one sentence."""

    kind: Literal["FindingFiled"] = "FindingFiled"
    run: str
    fingerprint: str
    ticket: TicketRef
    problem: str = ""


@value
class FindingDecided(BaseEvent):
    """A person accepted or rejected a finding, by moving its ticket or with /ignore; `reason` is that of a rejection.
    open: its ticket was reopened; done: its work is merged."""

    kind: Literal["FindingDecided"] = "FindingDecided"
    ticket: TicketRef
    status: Literal["open", "accepted", "rejected", "done"]
    reason: str = ""
    by: str = ""


@value
class LessonKept(BaseEvent):
    """A lesson was drafted from a rejected finding of the repository."""

    kind: Literal["LessonKept"] = "LessonKept"


@value
class MemoryWritten(BaseEvent):
    """The repository's memory on the board has the state of this run."""

    kind: Literal["MemoryWritten"] = "MemoryWritten"
    run: str
    ticket: TicketRef


AutomationEvent = Annotated[
    DeclarationsOutdated | AutomationsDeclared | AutomationRequested | ScheduleAdvanced | SourcesRead | FindingFiled
    | FindingDecided | LessonKept | MemoryWritten | RunFinished | RunParked | CommandFailed | TimePassed,
    Field(discriminator="kind"),
]  # fmt: skip
AUTOMATION_EVENT: Codec[AutomationEvent] = Codec(AutomationEvent)
