"""The values that every rule shares: the operator's policy, and the decision that a rule returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pydantic import Field

from integrations.ports.tracker import ColumnRole as Column
from integrations.values import NO_COMMIT, CommitSha, Person, Ticket, value
from jobs.loop.caps import Caps
from jobs.loop.commands import (
    CleanUp,
    Command,
    DraftLesson,
    MergeBase,
    MergePullRequest,
    MoveTicket,
    OpenPullRequest,
    PrepareWorkspace,
    PublishBranch,
    ReadChecks,
    ReadFailures,
    RerunChecks,
    SendHeartbeat,
    SetDelegate,
)
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage


@value
class Route:
    """A repository that tickets with one of these labels, or in one of these projects, are worked on in."""

    repository: str
    labels: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()


@value
class TeamPolicy:
    """One team's repositories, and the name of the column for each role.

    `repository` is the default one, empty if a ticket has to determine it; `routes` are the rules. `column_ids` are the
    board's ids of the columns once they are known: they stay when a column is renamed."""

    repository: str
    columns: dict[Column, str]
    routes: tuple[Route, ...] = ()
    column_ids: dict[Column, str] = Field(default_factory=dict)

    @property
    def repositories(self) -> tuple[str, ...]:
        """All repositories, the default one first."""
        names = (self.repository, *(route.repository for route in self.routes))
        return tuple(dict.fromkeys(filter(None, names)))

    def board_columns(self) -> dict[Column, str]:
        """The id of each role's column, or its name while the id is not known. A role whose id is empty has no column
        on the board and is left out."""
        found = {role: self.column_ids.get(role, name) for role, name in self.columns.items()}
        return {role: column for role, column in found.items() if column}

    @property
    def active_columns(self) -> list[str]:
        """The board's columns except done, which grows without end."""
        return [column for role, column in self.board_columns().items() if role != "done"]


@value
class DatabaseAccess:
    """Permission to query a database; no `repositories` or `roles` means all of them."""

    name: str
    repositories: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    def permits(self, repository: str, role: str) -> bool:
        return repository in (self.repositories or (repository,)) and role in (self.roles or (role,))


@value
class ServicePolicy:
    """The operator's part of the rules, from the settings. `models` by role; `strong` is for a maker whose earlier
    attempts were spinning. `runner_models` has the models of each further runner that WORKFLOW.md can choose."""

    teams: dict[str, TeamPolicy]
    max_iterations: int = 3
    max_attempts: int = 3
    checks_quiet_seconds: float = 30.0
    review_limit: int = 5
    review_quiet_seconds: float = 60.0
    caps: Caps = Caps()
    models: dict[str, str] = Field(default_factory=dict)
    runner_models: dict[str, dict[str, str]] = Field(default_factory=dict)
    databases: tuple[DatabaseAccess, ...] = ()
    starters: tuple[str, ...] = ()
    approvers: tuple[str, ...] = ()
    dashboard_url: str = ""

    def list_databases(self, repository: str, role: str) -> tuple[str, ...]:
        """Names of the databases that a run of this role can query."""
        return tuple(one.name for one in self.databases if one.permits(repository, role))

    def column_role(self, team: str, column: str, column_id: str = "") -> Column | None:
        """The role of the column in its team, by its id where that is known; None for a column without one."""
        if team not in self.teams:
            return None
        known = self.teams[team].board_columns()
        return next((role for role, one in known.items() if one in {column, column_id or column}), None)

    def team_of_repository(self, repository: str) -> str:
        """The first team that works in the repository, empty without one."""
        names = {key: {name.lower() for name in team.repositories} for key, team in self.teams.items()}
        return next((key for key, known in names.items() if repository.lower() in known), "")

    def role_of(self, ticket: Ticket) -> Column | None:
        """The role of the ticket's column."""
        return self.column_role(ticket.team, ticket.column, ticket.column_id)

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

    def calls_left(self, loop: Loop) -> int:
        """Model calls until a person is asked."""
        return max(self.caps.calls - loop.spend.calls, 0)

    def may_start(self, person: Person) -> bool:
        """Whether this person has permission to start, stop and steer work, by a comment or by moving a ticket."""
        named = {*self.starters, *self.approvers}
        return person.may_steer and (not self.starters or person.email.lower() in named)

    def may_approve(self, person: Person) -> bool:
        """Whether this person has permission to approve and merge from the ticket."""
        return person.may_steer and (not self.approvers or person.email.lower() in self.approvers)


@dataclass(frozen=True)
class Decision:
    """The new state, and the commands in the order in which they are performed."""

    loop: Loop
    commands: Sequence[Command] = field(default_factory=tuple)


def build_clean_up(loop: Loop, merged: CommitSha = NO_COMMIT) -> CleanUp:
    """The command that deletes worktrees and branch; a branch that was left to a person stays, and so does one with
    commits of other accounts unless it is merged. `merged` is the head of the merged pull request."""
    place = loop.workspace
    branch = place.own_branch if merged or not loop.foreign.pushes else ""
    return CleanUp(repository=place.repository, branch=branch, merged=merged)


_STAGE_OF: dict[type, Stage] = {
    PrepareWorkspace: Stage.PREPARING,
    MergeBase: Stage.PREPARING,
    PublishBranch: Stage.PUBLISHING,
    OpenPullRequest: Stage.PUBLISHING,
    MergePullRequest: Stage.MERGING,
}


_STAGES_OF_COLUMN: dict[Column, frozenset[Stage]] = {
    "agent": frozenset(),
    "triage": frozenset({Stage.NEEDS_HUMAN}),
    "working": AT_WORK | {Stage.CI},
    "review": OPEN - {Stage.CI},
    "needs_human": frozenset({Stage.ASKING, Stage.NEEDS_HUMAN}),
    "done": frozenset({Stage.DONE}),
}


def is_still_wanted(loop: Loop, command: Command) -> bool:
    """Whether a command that waited for its provider still applies; a stop, for example, revokes it."""
    if isinstance(command, CleanUp):
        return loop.workspace.branch != command.branch or loop.stage not in AT_WORK | OPEN
    if isinstance(command, PrepareWorkspace) and loop.stage is Stage.IDLE:
        return bool(loop.comments.answering.open)  # it is read for a question
    if isinstance(command, MoveTicket) and command.back_to:
        return loop.stage not in AT_WORK | OPEN
    if isinstance(command, SendHeartbeat):
        return loop.stage in AT_WORK | {Stage.CI}
    if isinstance(command, ReadChecks | ReadFailures | RerunChecks):
        is_current = (command.generation, command.sha) == (loop.generation, loop.pull_request.pushed_sha)
        return is_current and loop.stage in {Stage.CI, Stage.REVIEW, Stage.NEEDS_HUMAN}
    if isinstance(command, DraftLesson):
        return command.spec.run_id == loop.learning.run_id
    if isinstance(command, SetDelegate):
        return command.ours is (loop.stage is not Stage.STOPPED)
    if isinstance(command, MoveTicket) and command.only_from:
        return loop.stage is Stage.STOPPED
    if isinstance(command, MoveTicket):
        return loop.stage in _STAGES_OF_COLUMN[command.column]
    stage = _STAGE_OF.get(type(command))
    if isinstance(command, PublishBranch) and command.as_is:
        stage = Stage.STOPPED
    return stage is None or (loop.stage is stage and getattr(command, "generation", None) == loop.generation)
