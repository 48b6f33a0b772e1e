"""Types of the setting for databases that agents can query."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from integrations.settings import MOST_ENTRIES, match_pattern
from jobs.config.environments import parse_secret_json
from jobs.config.field_types import RepositoryName

_EXAMPLE = 'write JSON like {"shop": {"url": "postgresql://reader:...@db.acme.test/shop"}}'
_NAME = match_pattern(r"[a-z][a-z0-9_-]{0,39}", "write a name such as shop")
_ROLE = match_pattern(
    r"planner|scout|maker|checker|answer|triage", "write planner, scout, maker, checker, answer or triage"
)


def _check_url(value: SecretStr) -> SecretStr:
    try:
        url = urlsplit(value.get_secret_value())
        is_server = url.scheme in ("postgresql", "postgres") and bool(url.hostname) and bool(url.path.strip("/"))
        is_file = url.scheme == "sqlite" and not url.netloc and url.path.startswith("/") and len(url.path) > 1
        is_usable = (is_server and url.port != 0) or is_file
    except ValueError:  # of a bracket or a port
        is_usable = False
    if not is_usable:
        raise ValueError("it is no URL of a database; write postgresql://role:password@host/database or sqlite:///path")
    return value


class Database(BaseModel):
    """A database that agents can query. No `repositories` or `roles` means all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: Annotated[SecretStr, AfterValidator(_check_url)]
    repositories: tuple[RepositoryName, ...] = ()
    roles: tuple[Annotated[str, _ROLE], ...] = ()
    seconds: float = Field(default=10.0, ge=0.1, le=60.0)
    """Time limit of a query."""
    rows: int = Field(default=100, ge=1, le=1_000)
    """Rows of a result."""

    def secrets(self) -> frozenset[str]:
        """The URL of a server, and its password."""
        password = urlsplit(self.url.get_secret_value()).password or ""
        return frozenset({self.url.get_secret_value(), password, unquote(password)} if password else ())


Databases = Annotated[
    dict[Annotated[str, _NAME], Database],
    Field(max_length=MOST_ENTRIES),
    BeforeValidator(lambda value: parse_secret_json(value, _EXAMPLE)),
]
