"""The values that every rule shares: the operator's policy, and the decision that a rule returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pydantic import Field

from integrations.ports.tracker import ColumnRole as Column
from integrations.values import Person, value
from jobs.loop.caps import Caps
from jobs.loop.commands import (
    CleanUp,
    Command,
    MergePullRequest,
    MoveTicket,
    OpenPullRequest,
    PrepareWorkspace,
    PublishBranch,
)
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage


@value
class TeamPolicy:
    """One team's repository, and the name of the column for each role."""

    repository: str
    columns: dict[Column, str]

    @property
    def active_columns(self) -> list[str]:
        """The columns except done, which grows without end."""
        return [name for role, name in self.columns.items() if role != "done"]


@value
class ServicePolicy:
    """The operator's part of the rules, from the settings. `models` by role; `strong` is for a maker whose earlier
    attempts were spinning. `runner_models` has the models of each further runner that WORKFLOW.md can choose."""

    teams: dict[str, TeamPolicy]
    max_iterations: int = 3
    max_attempts: int = 3
    caps: Caps = Caps()
    models: dict[str, str] = Field(default_factory=dict)
    runner_models: dict[str, dict[str, str]] = Field(default_factory=dict)
    approvers: tuple[str, ...] = ()
    dashboard_url: str = ""

    def column_role(self, team: str, column: str) -> Column | None:
        """The role of the column in its team; None for a column without one."""
        columns = self.teams[team].columns if team in self.teams else {}
        return next((role for role, name in columns.items() if name == column), None)

    def iterations(self, loop: Loop) -> int:
        return loop.workflow.iterations or self.max_iterations

    def attempts(self, loop: Loop) -> int:
        return loop.workflow.attempts or self.max_attempts

    def caps_of(self, loop: Loop) -> Caps:
        """Limits of a run: the repository can tighten the operator's caps, people can add to the budget."""
        own, caps = loop.workflow, self.caps
        ticket = caps.ticket_usd if own.ticket_budget_usd is None else min(own.ticket_budget_usd, caps.ticket_usd)
        wall = caps.wall_seconds if own.wall_minutes is None else min(int(own.wall_minutes * 60), caps.wall_seconds)
        return replace(
            caps,
            run_usd=caps.run_usd if own.budget_usd is None else min(own.budget_usd, caps.run_usd),
            ticket_usd=ticket + loop.spend.extra_usd,
            turns=min(loop.policy.agent.max_turns or caps.turns, caps.turns),
            wall_seconds=wall,
        )

    def may_approve(self, person: Person) -> bool:
        """Whether this person has permission to approve and merge from the ticket."""
        return person.may_steer and (not self.approvers or person.email.lower() in self.approvers)


@dataclass(frozen=True)
class Decision:
    """The new state, and the commands in the order in which they are performed."""

    loop: Loop
    commands: Sequence[Command] = field(default_factory=tuple)


_STAGE_OF: dict[type, Stage] = {
    PrepareWorkspace: Stage.PREPARING,
    PublishBranch: Stage.PUBLISHING,
    OpenPullRequest: Stage.PUBLISHING,
    MergePullRequest: Stage.MERGING,
}


_STAGES_OF_COLUMN: dict[Column, frozenset[Stage]] = {
    "agent": frozenset(),
    "triage": frozenset({Stage.NEEDS_HUMAN}),
    "working": AT_WORK,
    "review": OPEN,
    "needs_human": frozenset({Stage.ASKING, Stage.NEEDS_HUMAN}),
    "done": frozenset({Stage.DONE}),
}


def is_still_wanted(loop: Loop, command: Command) -> bool:
    """Whether a command that waited for its provider still applies; a stop, for example, revokes it."""
    if isinstance(command, CleanUp):
        return loop.workspace.branch != command.branch or loop.stage not in AT_WORK | OPEN
    if isinstance(command, MoveTicket) and command.only_from:
        return loop.stage is Stage.STOPPED
    if isinstance(command, MoveTicket):
        return loop.stage in _STAGES_OF_COLUMN[command.column]
    stage = _STAGE_OF.get(type(command))
    if isinstance(command, PublishBranch) and command.as_is:
        stage = Stage.STOPPED
    return stage is None or (loop.stage is stage and getattr(command, "generation", None) == loop.generation)
