"""Types of settings that are more than a text or a number: teams and their columns, images, names of providers.

Used by `settings`.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from integrations.errors import Rejected
from integrations.explain import CONTROLS, classify, show_name
from integrations.failpoints import FAILPOINT_FORM
from integrations.ports.provider import CodeHostProvider, Provider, RunnerProvider, TrackerProvider
from integrations.ports.tracker import ColumnRole
from integrations.registry import find_provider
from integrations.settings import MOST_ENTRIES, check_redis_url, match_pattern, split_list

COLUMN_ROLES: tuple[ColumnRole, ...] = get_args(ColumnRole)


_TEAMS_EXAMPLE = 'write JSON like {"ENG": {"repository": "acme/shop"}}'
_IMAGES_EXAMPLE = 'write JSON like {"node22": "/srv/images/node22.tar"}'


class _DuplicateKey(ValueError):
    """A key that occurs twice in one object; JSON itself permits it."""


def parse_json(example: str, value: object) -> object:
    """Parse a JSON object without its text in an error; a validator."""
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value, object_pairs_hook=_parse_object)
    except _DuplicateKey:
        raise
    except (ValueError, RecursionError):
        raise ValueError(f"it is {classify(value)} that is not JSON; {example}") from None
    if not isinstance(parsed, dict):
        raise ValueError(f"it is {classify(parsed)}; {example}")
    return parsed


def _parse_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise _DuplicateKey(f"it has the key {show_name(duplicate)!r} twice in one object; remove one of them")
    return dict(pairs)


def match_provider(kind: type[Provider[Any, Any]]) -> AfterValidator:
    """Return a validator for the name of a registered provider of this kind."""

    def check(name: str) -> str:
        try:
            return find_provider(kind, show_name(name)).name
        except Rejected as error:
            raise ValueError(str(error)) from None

    return AfterValidator(check)


_REPOSITORY = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}/(?!\.\.?$|.*\.[gG][iI][tT]$)[A-Za-z0-9_.][A-Za-z0-9_.-]{0,99}"
)
"""owner/name with the characters of GitHub: both become folders. GitHub drops `.git` at the end of a name."""


def _check_repository(value: str) -> str:
    if not _REPOSITORY.fullmatch(value):
        raise ValueError(f"it is {classify(value)} that is not a repository; write owner/name, such as acme/shop")
    return value


def _check_column(value: str) -> str:
    if value and (value != value.strip() or CONTROLS.search(value) or len(value) > 100):
        raise ValueError(f"it is {classify(value)} that is not a column's name; write at most 100 printable characters")
    return value


_TEAM_KEY = match_pattern(r"[A-Z][A-Z0-9]{0,9}", "write the key of tickets in capitals, such as ENG for ENG-123")
_EMAIL = match_pattern(r"[^@\s:/\\,;<>()\"\[\]]{1,64}@[\w-]{1,63}(\.[\w-]{1,63}){0,9}", "write an e-mail address")
_EMAIL_OR_DOMAIN = match_pattern(
    r"([^@\s:/\\,;<>()\"\[\]]{1,64})?@[\w-]{1,63}(\.[\w-]{1,63}){0,9}", "write an e-mail address, or a domain after @"
)
_CLIENT_ID = match_pattern(r"[!-~]{0,200}", "write the client id without white space")
_MODEL = match_pattern(r"[A-Za-z0-9][!-~]{0,199}|", "write the name of a model without white space")
_FAILPOINT = match_pattern(FAILPOINT_FORM, "write operation:phase:hit:action, such as git.push:done:1:kill")

TrackerName = Annotated[str, match_provider(TrackerProvider)]
CodeHostName = Annotated[str, match_provider(CodeHostProvider)]
RedisUrl = Annotated[SecretStr, BeforeValidator(check_redis_url)]
RunnerName = Annotated[str, match_provider(RunnerProvider)]
TeamKey = Annotated[str, _TEAM_KEY]
RunnerNames = Annotated[tuple[RunnerName, ...], BeforeValidator(split_list)]
Email = Annotated[str, _EMAIL]
Approvers = Annotated[tuple[Annotated[str, _EMAIL], ...], BeforeValidator(split_list)]
OidcUsers = Annotated[tuple[Annotated[str, _EMAIL_OR_DOMAIN], ...], BeforeValidator(split_list)]
ClientId = Annotated[str, _CLIENT_ID]
Model = Annotated[str, _MODEL]
Column = Annotated[str, AfterValidator(_check_column)]
OptionalColumn = Annotated[Column, BeforeValidator(lambda value: "" if value is None else value)]
Failpoint = Annotated[str, _FAILPOINT]
UserName = Annotated[
    str, match_pattern(r"[1-9][0-9]{0,8}|[a-z_][a-z0-9_-]{0,31}", "write an account's name, or a number other than 0")
]
"""An account's name or number, useradd(8)."""


class Columns(BaseModel):
    """Names of a team's columns (Linear's workflow states), by their role in the loop."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agent: Column = "Agent"
    working: Column = "In Progress"
    review: Column = "In Review"
    done: OptionalColumn = "Done"
    """Column of merged tickets; null or empty if the team moves them itself."""
    needs_human: Column = "Needs Human"
    triage: Column = ""
    """Column for unanswered escalations; empty if the team has none."""

    @model_validator(mode="after")
    def _check_names_differ(self) -> Columns:
        names = [name.casefold() for name in self.roles().values()]
        if len(set(names)) < len(names) or len(names) < len(COLUMN_ROLES) - (not self.triage) - (not self.done):
            raise ValueError("a name is empty or occurs twice; each role needs its own column, except done and triage")
        return self

    def roles(self) -> dict[ColumnRole, str]:
        """Return the column of each role that has one."""
        return {role: name for role in COLUMN_ROLES if (name := getattr(self, role))}

    def names(self) -> tuple[str, ...]:
        """Return the columns' names."""
        return tuple(self.roles().values())


RepositoryName = Annotated[str, AfterValidator(_check_repository)]


class RepositoryRule(BaseModel):
    """Tickets that are worked on in a repository: by label, by project, and those that nothing else decides."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    default: bool = False


def _read_rules(value: object) -> object:
    """A list of repositories as rules without conditions."""
    if not isinstance(value, list):
        return value
    if len({name for name in value if isinstance(name, str)}) < len(value):
        raise ValueError("each entry has to be a repository, named once; write owner/name, such as acme/shop")
    return {name: {} for name in value}


class Team(BaseModel):
    """A team's repositories ('owner/name') and columns. `repository` is the only one, or the default one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: RepositoryName | None = None
    repositories: Annotated[dict[RepositoryName, RepositoryRule], BeforeValidator(_read_rules)] = Field(
        default_factory=dict, max_length=MOST_ENTRIES
    )
    columns: Columns = Columns()

    @model_validator(mode="after")
    def _check_default(self) -> Team:
        if not self.repository and not self.repositories:
            raise ValueError('it has no repository; add "repository": "acme/shop"')
        defaults = [name for name, rule in self.repositories.items() if rule.default]
        if len({*defaults, *filter(None, [self.repository])}) > 1:
            raise ValueError("it has several default repositories; keep one of them")
        if len({name.casefold() for name in self.all_repositories()}) < len(self.all_repositories()):
            raise ValueError("a repository occurs twice; remove one of them")
        return self

    @property
    def default_repository(self) -> str:
        """The repository of tickets that nothing else decides: the default one, or the only one; empty without one."""
        names = self.all_repositories()
        default = next((name for name, rule in self.repositories.items() if rule.default), "")
        return self.repository or default or (names[0] if len(names) == 1 else "")

    def all_repositories(self) -> tuple[str, ...]:
        """Return the names of the team's repositories."""
        return tuple(dict.fromkeys(filter(None, (self.repository, *self.repositories))))


Teams = Annotated[dict[TeamKey, Team], BeforeValidator(partial(parse_json, _TEAMS_EXAMPLE))]


def _check_image(value: str) -> str:
    if not value.startswith("/") or ".." in value.split("/") or len(value) > 1_000:
        raise ValueError(f"it is {classify(value)} that is not an absolute path; {_IMAGES_EXAMPLE}")
    return value


_IMAGE_NAME = match_pattern(r"[a-z0-9][a-z0-9_.-]{0,62}", "write the name of an image, such as node22")
Images = Annotated[
    dict[Annotated[str, _IMAGE_NAME], Annotated[str, AfterValidator(_check_image)]],
    BeforeValidator(partial(parse_json, _IMAGES_EXAMPLE)),
    Field(max_length=MOST_ENTRIES),
]


def _check_token_key(value: object) -> object:
    """A Fernet key, without its text in an error."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(text, str):
        with suppress(ValueError):
            if len(urlsafe_b64decode(text)) == _TOKEN_KEY_BYTES:
                return value
    raise ValueError(f"it is a text that is not {_TOKEN_KEY_BYTES} bytes in URL-safe base64; generate a new key")


_TOKEN_KEY_BYTES = 32
TokenKeys = Annotated[tuple[Annotated[SecretStr, BeforeValidator(_check_token_key)], ...], BeforeValidator(split_list)]

_PEOPLE_EXAMPLE = 'write JSON like {"ana@acme.test": "ana"}'
_LOGIN = match_pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}", "write the name of an account on the code host")
PeopleLogins = Annotated[
    dict[Annotated[str, _EMAIL], Annotated[str, _LOGIN]],
    BeforeValidator(partial(parse_json, _PEOPLE_EXAMPLE)),
    Field(max_length=MOST_ENTRIES),
]
