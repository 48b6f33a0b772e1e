"""The only reader of the environment: every setting of the service, declared once, with its unit, default and reason.

Called by the entry points (`python -m service …`, `python -m jobs …`), which pass the value on. It must not talk to
anything: whether Redis, Linear or GitHub answer is `python -m service check`. Names, defaults and docstrings feed
`.env.example` and the README's table (`rows`), and a test keeps them together.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from jobs.failpoints import FORM
from jobs.setting_types import (
    Address,
    Columns,
    Folder,
    OptionalFile,
    OptionalUrl,
    Paths,
    Secrets,
    Team,
    Teams,
    Texts,
    Url,
)

__all__ = [
    "Columns",
    "Role",
    "Settings",
    "Team",
    "environment",
    "environment_for",
    "fields",
    "load",
    "problems",
    "read",
    "rows",
]

Role = Literal["web", "dashboard", "worker", "agent", "clock", "up"]


def _setting(name: str, default: Any, **limits: Any) -> Any:
    return Field(default=default, validation_alias=name, validate_default=True, **limits)


class Settings(BaseSettings):
    """All settings. Made by `load` from a role's share of the environment, or by hand in tests."""

    model_config = SettingsConfigDict(
        frozen=True, populate_by_name=True, case_sensitive=True, env_ignore_empty=True, extra="ignore",
        use_attribute_docstrings=True, hide_input_in_errors=True,
    )  # fmt: skip

    home: Folder = _setting("LOOPLINE_HOME", ".loopline")
    """The one folder for everything that Loopline writes.
    Mirrors, worktrees, evidence, logs, the spool and the embedded Redis live below it; relative to the start folder."""

    redis_url: SecretStr = _setting("REDIS_URL", "")
    """Address of a Redis or Valkey 6.2 or newer; empty means the embedded one.
    redis://, rediss:// or unix://. It needs appendonly yes, appendfsync always and maxmemory-policy noeviction."""

    i_accept_weak_redis: bool = _setting("LOOPLINE_I_ACCEPT_WEAK_REDIS", False)
    """Work although the Redis may lose what it acknowledged.
    Off: the processes refuse to start on a Redis that does not write everything to disk at once."""

    web_bind: Address = _setting("LOOPLINE_WEB_BIND", "127.0.0.1:8700")
    """host:port on which webhooks are received.
    Loopback, because TLS and the way in from the internet belong to the proxy in front."""

    dashboard_bind: Address = _setting("LOOPLINE_DASHBOARD_BIND", "127.0.0.1:8701")
    """host:port of the dashboard.
    A process and port of its own, so that open live pages never hold up webhooks."""

    dashboard_url: OptionalUrl = _setting("LOOPLINE_DASHBOARD_URL", "")
    """Public address of the dashboard, for links on tickets; empty means http://<dashboard bind>.
    """

    teams: Teams = _setting("LOOPLINE_TEAMS", {})
    """Teams that Loopline works for, as JSON from team key to repository and columns.
    {"ENG": {"repository": "acme/shop", "columns": {"agent": "Agent", "working": "In Progress", "review": "In Review",
    "done": "Done", "needs_human": "Needs Human"}}}; columns left out have these names."""

    approvers: Texts = _setting("LOOPLINE_APPROVERS", "")
    """E-mail addresses that may steer and approve, comma separated.
    Empty means every member of the workspace who is not a guest."""

    linear_api_url: Url = _setting("LINEAR_API_URL", "https://api.linear.app/graphql")
    """Address of Linear's GraphQL interface.
    Changed for a stand-in only."""

    linear_api_key: SecretStr = _setting("LINEAR_API_KEY", "")
    """Personal API key (lin_api_…); what Loopline writes appears under that person.
    Give this or LINEAR_ACCESS_TOKEN."""

    linear_access_token: SecretStr = _setting("LINEAR_ACCESS_TOKEN", "")
    """OAuth access token of an app (actor=app); Loopline then writes as itself.
    Give this or LINEAR_API_KEY."""

    linear_webhook_secrets: Secrets = _setting("LINEAR_WEBHOOK_SECRETS", "")
    """Signing secrets of Linear's webhook, comma separated.
    Several, so that a secret can be replaced without a gap."""

    github_api_url: Url = _setting("GITHUB_API_URL", "https://api.github.com")
    """Address of GitHub's REST interface.
    Changed for GitHub Enterprise or a stand-in."""

    github_token: SecretStr = _setting("GITHUB_TOKEN", "")
    """Fine-grained personal token with contents, pull requests and commit statuses: write.
    Give this or the GITHUB_APP settings."""

    github_app_id: str = _setting("GITHUB_APP_ID", "")
    """Id of the GitHub App that Loopline acts as.
    Better than a token: short-lived credentials, narrowed to one repository."""

    github_app_private_key_file: OptionalFile = _setting("GITHUB_APP_PRIVATE_KEY_FILE", "")
    """Path of the App's private key in PEM form.
    A file, so that the key is in no environment."""

    github_app_installation_id: str = _setting("GITHUB_APP_INSTALLATION_ID", "")
    """Id of the App's installation; empty means that it is looked up for each repository.
    It is the number at the end of the installation's address."""

    github_webhook_secrets: Secrets = _setting("GITHUB_WEBHOOK_SECRETS", "")
    """Secrets of GitHub's webhook, comma separated.
    Several, so that a secret can be replaced without a gap."""

    github_merge_method: Literal["merge", "squash", "rebase"] = _setting("GITHUB_MERGE_METHOD", "squash")
    """How pull requests are merged: merge, squash or rebase.
    Squash, because the commits in between are an agent's drafts."""

    anthropic_api_key: SecretStr = _setting("ANTHROPIC_API_KEY", "")
    """Key for the model.
    Only the agent processes see it."""

    anthropic_base_url: OptionalUrl = _setting("ANTHROPIC_BASE_URL", "")
    """Address of the model server; empty means Anthropic's.
    For a gateway or a stand-in."""

    maker_model: str = _setting("LOOPLINE_MAKER_MODEL", "claude-sonnet-5-5", min_length=1)
    """Model that writes the change.
    """

    checker_model: str = _setting("LOOPLINE_CHECKER_MODEL", "claude-opus-5-5", min_length=1)
    """Model that judges the change.
    Another one than the maker's, because a model forgives its own mistakes."""

    max_iterations: int = _setting("LOOPLINE_MAX_ITERATIONS", 3, ge=1, le=100)
    """Rounds of make, gate and check before a person is asked.
    """

    max_turns: int = _setting("LOOPLINE_MAX_TURNS", 60, ge=1)
    """Model calls in one run at most.
    """

    max_cost_usd: float = _setting("LOOPLINE_MAX_COST_USD", 5.0, gt=0)
    """US dollars that one run may cost.
    Reserved before each model call, so that it is a limit and not a report."""

    max_ticket_cost_usd: float = _setting("LOOPLINE_MAX_TICKET_COST_USD", 20.0, gt=0)
    """US dollars that one ticket may cost over all its runs.
    """

    slice_seconds: int = _setting("LOOPLINE_SLICE_SECONDS", 60, ge=1)
    """Seconds after which a run gives its slot back and queues again.
    Short, so that deployments and other tickets never wait for a long run."""

    command_seconds: int = _setting("LOOPLINE_COMMAND_SECONDS", 300, ge=1)
    """Seconds that one command of the gate may take.
    """

    agent_processes: int = _setting("LOOPLINE_AGENT_PROCESSES", 1, ge=1, le=64)
    """Agent processes that `up` starts.
    """

    agent_slots: int = _setting("LOOPLINE_AGENT_SLOTS", 4, ge=1, le=200)
    """Runs that one agent process advances at the same time.
    Threads: a waiting agent costs about 2 MB."""

    worker_slots: int = _setting("LOOPLINE_WORKER_SLOTS", 4, ge=1, le=200)
    """Tickets that the worker process serves at the same time.
    """

    sweep_seconds: int = _setting("LOOPLINE_SWEEP_SECONDS", 30, ge=1)
    """Seconds between two comparisons of board and code host with what Loopline remembers.
    A missed webhook costs at most this long."""

    journal_megabytes: int = _setting("LOOPLINE_JOURNAL_MEGABYTES", 1000, ge=1)
    """Megabytes of accepted deliveries that are kept below the home folder, compressed, for at most 90 days.
    Beyond that the oldest are deleted."""

    sandbox_read_only: Paths = _setting("LOOPLINE_SANDBOX_READ_ONLY", "")
    """Absolute paths that commands in the sandbox may read on top of the system's, comma separated.
    For tool chains outside of /usr."""

    failpoint: str = _setting("LOOPLINE_FAILPOINT", "", pattern=f"^(?:{FORM})$")
    """A step at which a process is to fail, for tests of crashes; empty in production.
    step:phase:hit:action, as publish_branch:done:1:kill; jobs/failpoints.py names phases and actions."""

    @model_validator(mode="after")
    def _name_the_dashboard(self) -> Settings:
        if not self.dashboard_url:
            object.__setattr__(self, "dashboard_url", f"http://{self.dashboard_bind}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is given: a process sees its role's share of the environment, a test none of it."""
        return (init_settings,)

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens. A symbolic link when this path is too long for a socket's address."""
        return self.home / "redis" / "redis.sock"

    def secret_values(self) -> frozenset[str]:
        """Every secret text in here, for the logs to black out."""
        found = {urlsplit(self.redis_url.get_secret_value()).password or ""}
        for field in type(self).model_fields:
            value = getattr(self, field)
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(one, SecretStr):
                    found.add(one.get_secret_value())
        return frozenset(found - {""})


class _GivenVariables(EnvSettingsSource):
    def __init__(self, variables: Mapping[str, str]) -> None:
        self._given = variables
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name: value for name, value in self._given.items() if value}


def read(variables: Mapping[str, str]) -> Settings:
    """Settings from environment variables; empty ones count as not given.

    Raises `pydantic.ValidationError`, which shows no values."""
    return Settings(**_GivenVariables(variables)())


def environment(env_file: Path) -> dict[str, str]:
    """The process's environment on top of what `env_file` says, if there is one. For `up` and `check` only: the other
    processes get their share from whoever starts them."""
    written = dotenv_values(env_file, interpolate=False) if env_file.is_file() else {}
    return {name: value for name, value in written.items() if value} | dict(os.environ)


def fields() -> dict[str, FieldInfo]:
    """Every setting by the name of its environment variable, in the order of declaration."""
    return {str(field.validation_alias): field for field in Settings.model_fields.values()}


def rows() -> Iterator[tuple[str, str, str]]:
    """(environment variable, default as one would write it, first line of its docstring) for each setting."""
    for name, field in fields().items():
        default = json.dumps(field.default) if isinstance(field.default, dict | bool) else str(field.default)
        yield name, "" if default == "{}" else default, (field.description or "").strip().splitlines()[0]


# What a role may see beyond the settings that are no secret. `up` sees everything, because it hands it out.
_SECRETS_OF: dict[Role, frozenset[str]] = {
    "web": frozenset({"LINEAR_WEBHOOK_SECRETS", "GITHUB_WEBHOOK_SECRETS"}),
    "worker": frozenset(
        {
            "LINEAR_API_KEY",
            "LINEAR_ACCESS_TOKEN",
            "GITHUB_TOKEN",
            "GITHUB_APP_ID",
            "GITHUB_APP_PRIVATE_KEY_FILE",
            "GITHUB_APP_INSTALLATION_ID",
        }
    ),
    "agent": frozenset({"ANTHROPIC_API_KEY"}),
    "dashboard": frozenset(),
    "clock": frozenset(),
}
_SECRETS: frozenset[str] = frozenset().union(*_SECRETS_OF.values())
_SURROUNDINGS = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "XDG_RUNTIME_DIR"),
        *("VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)


def environment_for(role: Role, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a process of this role may see: its secrets, all other settings, and where it runs.

    web: webhook secrets; worker: tracker and code-host credentials; agent: the model key; dashboard, clock: none."""
    hidden = frozenset() if role == "up" else _SECRETS - _SECRETS_OF[role]
    seen = (fields().keys() | _SURROUNDINGS) - hidden
    return {name: value for name, value in environ.items() if name in seen or name.startswith(("LC_", "PYTHON"))}


def _distance(left: str, right: str) -> int:
    """Edits (insert, delete, replace) between two names."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environ.keys() - fields().keys()):
        near = min(fields(), key=lambda known, name=name: _distance(name, known))  # type: ignore[misc]
        ours = name.startswith(("LOOPLINE_", "LINEAR_"))
        if ours or (name.startswith(("GITHUB_", "ANTHROPIC_")) and _distance(name, near) <= 2):
            yield f"{name} is no setting of Loopline; the nearest one is {near}."


def _missing(role: Role, settings: Settings) -> Iterator[str]:
    if role in ("web", "up"):
        for name, secrets in (("LINEAR", settings.linear_webhook_secrets), ("GITHUB", settings.github_webhook_secrets)):
            if not secrets:
                yield f"{name}_WEBHOOK_SECRETS is empty, and without it no delivery can be checked."
    if role in ("worker", "up") and not settings.teams:
        yield 'LOOPLINE_TEAMS is empty; name a team and its repository, as in {"ENG": {"repository": "acme/shop"}}.'
    if role in ("worker", "up"):
        yield from _missing_credentials(settings)
    if role in ("agent", "up") and not settings.anthropic_api_key.get_secret_value():
        yield "ANTHROPIC_API_KEY is empty, and the agents have no model without it."


def _missing_credentials(settings: Settings) -> Iterator[str]:
    if not (settings.linear_api_key.get_secret_value() or settings.linear_access_token.get_secret_value()):
        yield "LINEAR_API_KEY and LINEAR_ACCESS_TOKEN are both empty; one of them is needed to read and write tickets."
    app = (settings.github_app_id, settings.github_app_private_key_file)
    if any((*app, settings.github_app_installation_id)) and not all(app):
        yield "GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY_FILE belong together; one of them is empty."
    elif any(app) and settings.github_token.get_secret_value():
        yield "GITHUB_TOKEN and a GitHub App are both given; keep one of them."
    elif not any(app) and not settings.github_token.get_secret_value():
        yield "GITHUB_TOKEN is empty and no GitHub App is named; one of them is needed to push and open pull requests."


def problems(role: Role, environ: Mapping[str, str]) -> list[str]:
    """Everything that keeps a process of this role from starting, one sentence each, without any setting's value."""
    sentences = list(_unknown(environ))
    try:
        settings = read(environment_for(role, environ))
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            name, *inside = (str(part) for part in one["loc"])
            sentences.append(f"{'.'.join([name, *inside])} cannot be used: {one['msg'].removeprefix('Value error, ')}.")
        return sentences
    return sentences + list(_missing(role, settings))


def load(role: Role, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that a process of this role may see; ends the process with exit code 2 and reasons on stderr."""
    sentences = problems(role, environ)
    if sentences:
        sys.stderr.write("".join(f"{sentence}\n" for sentence in sentences))
        raise SystemExit(2)
    return read(environment_for(role, environ))
