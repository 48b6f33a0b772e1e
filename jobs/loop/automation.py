"""Automations: work that a repository starts by itself, on a schedule or after an event. Values only.

Declared as `.loopline/automations/<name>.md` or below `loop.automations` in `WORKFLOW.md`, both read from the base
branch, or in the operator's folder. `jobs.loop.automation_file` reads them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from integrations.values import Codec, value
from jobs.loop.policy_fields import Line, Lines, Name

SourceKind = Literal[
    "checks", "flaky", "issues", "pull_requests", "commits", "releases", "tickets", "advisories", "command", "tool"
]
Trigger = Literal["ci_red", "release", "label"]
StartPolicy = Literal["never", "ask", "auto"]


@value
class SourceSpec:
    """A source of an automation. `filter` narrows it (labels of issues, a query of tickets), `run` is the command of a
    command source, `name` its name or that of a tool, `limit` the most items of one run."""

    kind: SourceKind
    name: Line | Literal[""] = ""
    run: str = Field(default="", max_length=10_000)
    filter: dict[str, str] = Field(default_factory=dict)
    limit: int = Field(default=50, ge=1, le=500)


@value
class Schedule:
    """When an automation runs. `cron` has five fields in `timezone`; `weekdays` (mon to sun) are those on which it
    runs, all without any; `holidays` are dates (2026-12-25) on which it does not run, `quiet_hours` a range
    (22:00-07:00) in which it does not start."""

    cron: Line | Literal[""] = ""
    timezone: Line = "UTC"
    weekdays: Lines = ()
    holidays: Lines = ()
    quiet_hours: Line | Literal[""] = ""


@value
class AutomationLimits:
    """Bounds of an automation. Urgent findings are filed beyond `findings` and `open_findings`."""

    findings: int = Field(default=3, ge=0, le=50)
    """New tickets of one run."""
    open_findings: int = Field(default=10, ge=0, le=500)
    """Open tickets of this automation that nobody has accepted or rejected."""
    run_usd: float = Field(default=1.0, ge=0, le=1_000)
    day_usd: float = Field(default=5.0, ge=0, le=10_000)


@value
class Destination:
    """Where findings are filed: the column of a role, or the name of a column. `team` is empty for the repository's."""

    team: Name = ""
    column: Line = "triage"


@value
class StartRule:
    """What happens to a filed finding. never: a person moves it; ask: the ticket asks whether to start; auto: findings
    of at most this risk, `severities`, go to the agent column at once."""

    policy: StartPolicy = "never"
    severities: tuple[Literal["urgent", "high", "normal", "low"], ...] = ()


@value
class Automation:
    """One automation of a repository. `prompt` is the body of its file; `origin` the file or key that declares it."""

    name: str = Field(pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$", max_length=64)
    description: str = ""
    schedule: Schedule | None = None
    on: tuple[Trigger, ...] = ()
    label: Line | Literal[""] = ""
    """The label of the trigger of that kind."""
    skill: Name = ""
    sources: tuple[SourceSpec, ...] = ()
    limits: AutomationLimits = AutomationLimits()
    into: Destination = Destination()
    start: StartRule = StartRule()
    enabled: bool = True
    prompt: str = Field(default="", max_length=65_536)
    origin: str = ""


AUTOMATION: Codec[Automation] = Codec(Automation)
