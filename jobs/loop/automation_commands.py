"""Commands of `jobs.workflow.automations`; `jobs.effects.automations` has one function for each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from integrations.findings import ProposedFinding
from integrations.values import Codec, CommitSha, TicketRef, value
from jobs.loop.automation import Automation
from jobs.loop.commands import Lane, StartRun


@value
class ReadDeclarations:
    """Read the declarations of the repository's base branch and the operator's; returns `AutomationsDeclared`."""

    kind: Literal["ReadDeclarations"] = "ReadDeclarations"
    repository: str


@value
class ReadSources:
    """Read the sources of a run since `since` (Unix seconds) and the present tickets of `known` findings; returns
    `SourcesRead`, and `FindingDecided` for each finding whose ticket was accepted, rejected or closed."""

    kind: Literal["ReadSources"] = "ReadSources"
    run: str
    repository: str
    base_branch: str
    automation: Automation
    since: float
    known: tuple[TicketRef, ...] = ()


@value
class FileFinding:
    """Create the ticket of a finding, idempotent by repository and fingerprint; returns `FindingFiled`."""

    kind: Literal["FileFinding"] = "FileFinding"
    run: str
    repository: str
    automation: Automation
    finding: ProposedFinding
    base_sha: CommitSha
    related: tuple[TicketRef, ...] = ()
    previous: TicketRef | None = None
    """The closed ticket of the same finding."""
    returns: Literal["", "rejected", "done"] = ""
    """The status of `previous`: its evidence has changed since, or it came back."""
    reopened: int = 0


@value
class NoteFinding:
    """Note on the ticket of a known finding that it was found again, `seen` times in all. `raised`: it is urgent now
    and was not before, which notifies people."""

    kind: Literal["NoteFinding"] = "NoteFinding"
    ticket: TicketRef
    seen: int
    run: str
    repository: str = ""
    fingerprint: str = ""
    automation: str = ""
    at: float = 0.0
    """When it was found, Unix seconds."""
    raised: bool = False


@value
class WriteMemory:
    """Write the state to the repository's memory on the board; returns `MemoryWritten`. `run` ended just now."""

    kind: Literal["WriteMemory"] = "WriteMemory"
    run: str


AutomationCommand = Annotated[
    ReadDeclarations | ReadSources | FileFinding | NoteFinding | WriteMemory | StartRun, Field(discriminator="kind")
]
AUTOMATION_COMMAND: Codec[AutomationCommand] = Codec(AutomationCommand)


def lane_of_automation(command: AutomationCommand) -> Lane:
    """inner: only Redis is needed."""
    return "inner" if isinstance(command, StartRun) else "outer"
