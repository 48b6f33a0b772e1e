"""Every setting of the service, declared once, with its unit, default and reason.

Made by `jobs.config.environment`, which alone reads the environment; the entry points pass the value on. Names,
defaults and docstrings feed `.env.example` and the README's table (`rows`), and a test keeps them together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from jobs.config.setting_types import (
    FAILPOINT_FORM,
    Address,
    Folder,
    OptionalFile,
    OptionalUrl,
    Paths,
    Secrets,
    Teams,
    Texts,
    Url,
)


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

    planner_model: str = _setting("LOOPLINE_PLANNER_MODEL", "claude-sonnet-5-5", min_length=1)
    """Model that proposes what done means where a ticket does not say it.
    """

    scout_model: str = _setting("LOOPLINE_SCOUT_MODEL", "claude-haiku-5-5", min_length=1)
    """Model that looks around before the maker starts.
    A cheap one: it reads and writes a page."""

    judge_model: str = _setting("LOOPLINE_JUDGE_MODEL", "claude-haiku-5-5", min_length=1)
    """Model that says done or not after each stop of the maker, before the checker is asked.
    """

    strong_model: str = _setting("LOOPLINE_STRONG_MODEL", "claude-fable-5-1", min_length=1)
    """Model of a maker whose attempts before went in circles.
    """

    max_iterations: int = _setting("LOOPLINE_MAX_ITERATIONS", 3, ge=1, le=100)
    """Rounds of make, gate and check in one attempt.
    """

    max_attempts: int = _setting("LOOPLINE_MAX_ATTEMPTS", 3, ge=1, le=10)
    """Fresh attempts at a ticket before a person is asked.
    """

    max_turns: int = _setting("LOOPLINE_MAX_TURNS", 60, ge=1)
    """Model calls in one run at most.
    """

    max_cost_usd: float = _setting("LOOPLINE_MAX_COST_USD", 5.0, ge=0)
    """US dollars that one run may cost.
    Reserved before each model call, so that it is a limit and not a report."""

    max_ticket_cost_usd: float = _setting("LOOPLINE_MAX_TICKET_COST_USD", 20.0, ge=0)
    """US dollars that one ticket may cost over all its runs; people add to it with /budget.
    """

    max_day_cost_usd: float = _setting("LOOPLINE_MAX_DAY_COST_USD", 100.0, ge=0)
    """US dollars that all tickets together may cost in a calendar day (UTC).
    Beyond it runs wait for the next day."""

    max_no_progress_usd: float = _setting("LOOPLINE_MAX_NO_PROGRESS_USD", 3.0, ge=0)
    """US dollars that a maker may spend without changing anything.
    """

    max_run_minutes: float = _setting("LOOPLINE_MAX_RUN_MINUTES", 45.0, gt=0)
    """Minutes that one run may be at work; waiting for a slot or a provider does not count.
    """

    max_idle_seconds: int = _setting("LOOPLINE_MAX_IDLE_SECONDS", 300, ge=1)
    """Seconds that the model may say nothing before the call is given up and tried again.
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
    A missed webhook costs at most this long; comments and pull requests of more than five tickets have their turn, five
    at a time."""

    remind_hours: float = _setting("LOOPLINE_REMIND_HOURS", 4.0, gt=0)
    """Hours after which a call for a person that nobody answers is repeated, twice; then the ticket goes to triage.
    Half a working day: long enough for a meeting, short enough that the day is not lost."""

    journal_megabytes: int = _setting("LOOPLINE_JOURNAL_MEGABYTES", 1000, ge=1)
    """Megabytes of accepted deliveries that are kept below the home folder, compressed, for at most 90 days.
    Beyond that the oldest are deleted."""

    sandbox_read_only: Paths = _setting("LOOPLINE_SANDBOX_READ_ONLY", "")
    """Absolute paths that commands in the sandbox may read on top of the system's, comma separated.
    For tool chains outside of /usr."""

    failpoint: str = _setting("LOOPLINE_FAILPOINT", "", pattern=f"^(?:{FAILPOINT_FORM})$")
    """A failpoint at which a process fails, for tests of crashes; empty in production.
    operation:phase:hit:action, as git.push:done:1:kill; integrations/failpoints.py names them."""

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


def fields() -> dict[str, FieldInfo]:
    """Every setting by the name of its environment variable, in the order of declaration."""
    return {str(field.validation_alias): field for field in Settings.model_fields.values()}


def rows() -> Iterator[tuple[str, str, str]]:
    """(environment variable, default as one would write it, first line of its docstring) for each setting."""
    for name, field in fields().items():
        default = json.dumps(field.default) if isinstance(field.default, dict | bool) else str(field.default)
        yield name, "" if default == "{}" else default, (field.description or "").strip().splitlines()[0]
