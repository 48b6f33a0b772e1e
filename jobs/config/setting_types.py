"""The shapes of settings that are more than a text or a number. Used by `jobs.config.settings` only; reads nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, model_validator
from pydantic_settings import NoDecode

from integrations.ports.tracker import ColumnRole

COLUMN_ROLES: tuple[ColumnRole, ...] = get_args(ColumnRole)

FAILPOINT_FORM = (
    r"|trace"
    r"|[A-Za-z_][\w.-]*:(before|sent|done):[1-9]\d*:(kill(=[a-z0-9-]+)?|raise|enospc|(stop|sleep)=\d+(\.\d+)?)"
)
"""A regular expression of the setting; empty is off."""


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _parse_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError('it has to be JSON like {"ENG": {"repository": "acme/shop"}}') from None


def _absolute(value: object) -> object:
    return Path(value).expanduser().absolute() if isinstance(value, str | Path) else value


def _without_slash(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value


def _text(pattern: str, hint: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(hint)
        return value

    return AfterValidator(check)


_ADDRESS = _text(r"(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}", "write host:port, such as 127.0.0.1:8700")
_URL = _text(r"https?://[^\s/]+\S*", "write an address that begins with https:// or http://")
_URL_OR_NOTHING = _text(r"(https?://[^\s/]+\S*)?", "write an address that begins with https:// or http://")
_REPOSITORY = _text(r"[\w.-]+/[\w.-]+", "write owner/name, such as acme/shop")

Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)]
OptionalFile = Annotated[str, AfterValidator(lambda value: value and str(_absolute(value)))]
Folder = Annotated[Path, BeforeValidator(_absolute)]
Address = Annotated[str, _ADDRESS]
Url = Annotated[str, BeforeValidator(_without_slash), _URL]
OptionalUrl = Annotated[str, BeforeValidator(_without_slash), _URL_OR_NOTHING]


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


Teams = Annotated[dict[str, Team], NoDecode, BeforeValidator(_parse_json)]
