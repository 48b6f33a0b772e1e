"""The shapes of settings that only Loopline's own settings have: teams and the names of providers.

Used by `jobs.config.settings`; reads nothing.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from integrations.errors import Rejected
from integrations.ports.provider import CodeHostProvider, Provider, RunnerProvider, TrackerProvider
from integrations.ports.tracker import ColumnRole
from integrations.registry import find
from integrations.settings import matching, split

COLUMN_ROLES: tuple[ColumnRole, ...] = get_args(ColumnRole)

FAILPOINT_FORM = (
    r"|trace"
    r"|[A-Za-z_][\w.-]*:(before|sent|done):[1-9]\d*:(kill(=[a-z0-9-]+)?|raise|enospc|(stop|sleep)=\d+(\.\d+)?)"
)
"""A regular expression of the setting; empty is off."""


def _parse_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('it has to be JSON like {"ENG": {"repository": "acme/shop"}}') from None


def one_of(kind: type[Provider[Any, Any]]) -> AfterValidator:
    """A validator for the name of a registered provider of this kind."""

    def check(name: str) -> str:
        try:
            return find(kind, name).name
        except Rejected as error:
            raise ValueError(str(error)) from None

    return AfterValidator(check)


_REPOSITORY = matching(r"[\w.-]+/[\w.-]+", "write owner/name, such as acme/shop")

TrackerName = Annotated[str, one_of(TrackerProvider)]
CodeHostName = Annotated[str, one_of(CodeHostProvider)]
RunnerName = Annotated[str, one_of(RunnerProvider)]
RunnerNames = Annotated[tuple[RunnerName, ...], BeforeValidator(split)]


class Columns(BaseModel):
    """The names of a team's workflow states, by the role that each has in the loop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: str = "Agent"
    working: str = "In Progress"
    review: str = "In Review"
    done: str = "Done"
    needs_human: str = "Needs Human"
    triage: str = ""
    """Where a call for a person goes that nobody answers; empty where the team has no such state."""

    @model_validator(mode="after")
    def _differ(self) -> Columns:
        names = list(self.roles().values())
        if len(set(names)) < len(names):
            raise ValueError("each role needs a column of its own")
        return self

    def roles(self) -> dict[ColumnRole, str]:
        """The column of each role that has one."""
        return {role: name for role in COLUMN_ROLES if (name := getattr(self, role))}

    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(self.roles().values())


class Team(BaseModel):
    """Where a team's tickets are worked on: 'owner/name' of the repository, and the board's columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: Annotated[str, _REPOSITORY]
    columns: Columns = Columns()


Teams = Annotated[dict[str, Team], BeforeValidator(_parse_json)]
