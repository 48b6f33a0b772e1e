"""Types of Loopline's own settings: teams and provider names. Used by `jobs.config.settings`."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from integrations.errors import Rejected
from integrations.ports.provider import CodeHostProvider, Provider, RunnerProvider, TrackerProvider
from integrations.ports.tracker import ColumnRole
from integrations.registry import find_provider
from integrations.settings import match_pattern, split_list

COLUMN_ROLES: tuple[ColumnRole, ...] = get_args(ColumnRole)

FAILPOINT_FORM = (
    r"|trace"
    r"|[A-Za-z_][\w.-]*:(before|sent|done):[1-9]\d*:(kill(=[a-z0-9-]+)?|raise|enospc|(stop|sleep)=\d+(\.\d+)?)"
)
"""Regular expression of the failpoint setting; empty is off."""


def _parse_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('it has to be JSON like {"ENG": {"repository": "acme/shop"}}') from None


def match_provider(kind: type[Provider[Any, Any]]) -> AfterValidator:
    """Return a validator for the name of a registered provider of this kind."""

    def check(name: str) -> str:
        try:
            return find_provider(kind, name).name
        except Rejected as error:
            raise ValueError(str(error)) from None

    return AfterValidator(check)


_REPOSITORY = match_pattern(r"[\w.-]+/[\w.-]+", "write owner/name, such as acme/shop")

TrackerName = Annotated[str, match_provider(TrackerProvider)]
CodeHostName = Annotated[str, match_provider(CodeHostProvider)]
RunnerName = Annotated[str, match_provider(RunnerProvider)]
RunnerNames = Annotated[tuple[RunnerName, ...], BeforeValidator(split_list)]


class Columns(BaseModel):
    """Names of a team's columns (Linear's workflow states), by their role in the loop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: str = "Agent"
    working: str = "In Progress"
    review: str = "In Review"
    done: str = "Done"
    needs_human: str = "Needs Human"
    triage: str = ""
    """Column for unanswered escalations; empty if the team has none."""

    @model_validator(mode="after")
    def _check_names_differ(self) -> Columns:
        names = list(self.roles().values())
        if len(set(names)) < len(names):
            raise ValueError("each role needs its own column")
        return self

    def roles(self) -> dict[ColumnRole, str]:
        """Return the column of each role that has one."""
        return {role: name for role in COLUMN_ROLES if (name := getattr(self, role))}

    def names(self) -> tuple[str, ...]:
        """Return the columns' names."""
        return tuple(self.roles().values())


class Team(BaseModel):
    """A team's repository ('owner/name') and columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: Annotated[str, _REPOSITORY]
    columns: Columns = Columns()


Teams = Annotated[dict[str, Team], BeforeValidator(_parse_json)]
