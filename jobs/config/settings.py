"""Every setting of the service, declared once, with its unit, default and reason.

Made by `jobs.config.environment`, which alone reads the environment; the entry points pass the value on. Names,
defaults and docstrings feed `.env.example` and the README's table (`rows`), and a test keeps them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo

from integrations.ports.provider import (
    CodeHostProvider,
    Provider,
    ProviderSettings,
    RunnerProvider,
    S,
    TrackerProvider,
    Webhooks,
)
from integrations.registry import default, find, providers, webhooks
from integrations.settings import Address, Folder, OptionalUrl, Paths, SettingsModel, Texts, setting
from jobs.config.setting_types import FAILPOINT_FORM, CodeHostName, RunnerName, RunnerNames, Teams, TrackerName


class Settings(SettingsModel):
    """All settings. Made by `load` from a role's share of the environment, or by hand in tests."""

    home: Folder = setting("LOOPLINE_HOME", ".loopline")
    """The one folder for everything that Loopline writes.
    Mirrors, worktrees, evidence, logs, the spool and the embedded Redis live below it; relative to the start folder."""

    redis_url: SecretStr = setting("REDIS_URL", "")
    """Address of a Redis or Valkey 6.2 or newer; empty means the embedded one.
    redis://, rediss:// or unix://. It needs appendonly yes, appendfsync always and maxmemory-policy noeviction."""

    i_accept_weak_redis: bool = setting("LOOPLINE_I_ACCEPT_WEAK_REDIS", False)
    """Work although the Redis may lose what it acknowledged.
    Off: the processes refuse to start on a Redis that does not write everything to disk at once."""

    web_bind: Address = setting("LOOPLINE_WEB_BIND", "127.0.0.1:8700")
    """host:port on which webhooks are received.
    Loopback, because TLS and the way in from the internet belong to the proxy in front."""

    dashboard_bind: Address = setting("LOOPLINE_DASHBOARD_BIND", "127.0.0.1:8701")
    """host:port of the dashboard.
    A process and port of its own, so that open live pages never hold up webhooks."""

    dashboard_url: OptionalUrl = setting("LOOPLINE_DASHBOARD_URL", "")
    """Public address of the dashboard, for links on tickets; empty means http://<dashboard bind>.
    """

    teams: Teams = setting("LOOPLINE_TEAMS", {}, usual=True)
    """Teams that Loopline works for, as JSON from team key to repository and columns.
    {"ENG": {"repository": "acme/shop", "columns": {"agent": "Agent", "working": "In Progress", "review": "In Review",
    "done": "Done", "needs_human": "Needs Human"}}}; columns left out have these names."""

    approvers: Texts = setting("LOOPLINE_APPROVERS", "")
    """E-mail addresses that may steer and approve, comma separated.
    Empty means every member of the workspace who is not a guest."""

    tracker: TrackerName = setting("LOOPLINE_TRACKER", default(TrackerProvider))
    """Name of the tracker that the tickets are on.
    """

    code_host: CodeHostName = setting("LOOPLINE_CODE_HOST", default(CodeHostProvider))
    """Name of the code host that the repositories are on.
    """

    runner: RunnerName = setting("LOOPLINE_RUNNER", default(RunnerProvider))
    """Name of the agent runner for every role.
    """

    more_runners: RunnerNames = setting("LOOPLINE_MORE_RUNNERS", "")
    """Names of further agent runners that WORKFLOW.md can choose for a role, comma separated.
    As `loop.roles.maker.runner`; a repository can only choose among the runners that are set up here."""

    maker_model: str = setting("LOOPLINE_MAKER_MODEL", "")
    """Model that writes the change; empty means the runner's default for the role.
    """

    checker_model: str = setting("LOOPLINE_CHECKER_MODEL", "")
    """Model that reviews the change; empty means the runner's default for the role.
    Not the same as the maker's, because a model overlooks its own mistakes."""

    planner_model: str = setting("LOOPLINE_PLANNER_MODEL", "")
    """Model that proposes acceptance criteria; empty means the runner's default for the role.
    """

    scout_model: str = setting("LOOPLINE_SCOUT_MODEL", "")
    """Model that explores before the maker starts; empty means the runner's default for the role.
    """

    judge_model: str = setting("LOOPLINE_JUDGE_MODEL", "")
    """Model that decides done or not done before the checker runs; empty means the runner's default for the role.
    """

    strong_model: str = setting("LOOPLINE_STRONG_MODEL", "")
    """Model of a maker whose earlier attempts were spinning; empty means the runner's strongest.
    """

    max_iterations: int = setting("LOOPLINE_MAX_ITERATIONS", 3, ge=1, le=100)
    """Rounds of make, gate and check in one attempt.
    """

    max_attempts: int = setting("LOOPLINE_MAX_ATTEMPTS", 3, ge=1, le=10)
    """Fresh attempts at a ticket before a person is asked.
    """

    max_turns: int = setting("LOOPLINE_MAX_TURNS", 60, ge=1)
    """Model calls in one run at most.
    """

    max_cost_usd: float = setting("LOOPLINE_MAX_COST_USD", 5.0, ge=0)
    """US dollars that one run may cost.
    Reserved before each model call, so that it is a limit and not a report."""

    max_ticket_cost_usd: float = setting("LOOPLINE_MAX_TICKET_COST_USD", 20.0, ge=0)
    """US dollars that one ticket may cost over all its runs; people add to it with /budget.
    """

    max_day_cost_usd: float = setting("LOOPLINE_MAX_DAY_COST_USD", 100.0, ge=0)
    """US dollars that all tickets together may cost in a calendar day (UTC).
    Beyond it runs wait for the next day."""

    max_no_progress_usd: float = setting("LOOPLINE_MAX_NO_PROGRESS_USD", 3.0, ge=0)
    """US dollars that a maker may spend without changing anything.
    """

    max_run_minutes: float = setting("LOOPLINE_MAX_RUN_MINUTES", 45.0, gt=0)
    """Minutes that one run may be at work; waiting for a slot or a provider does not count.
    """

    max_idle_seconds: int = setting("LOOPLINE_MAX_IDLE_SECONDS", 300, ge=1)
    """Seconds without a byte from the model after which the call times out and is retried.
    """

    slice_seconds: int = setting("LOOPLINE_SLICE_SECONDS", 60, ge=1)
    """Seconds after which a run gives its slot back and queues again.
    Short, so that deployments and other tickets never wait for a long run."""

    command_seconds: int = setting("LOOPLINE_COMMAND_SECONDS", 300, ge=1)
    """Seconds that one command of the gate may take.
    """

    agent_processes: int = setting("LOOPLINE_AGENT_PROCESSES", 1, ge=1, le=64)
    """Agent processes that `up` starts.
    """

    agent_slots: int = setting("LOOPLINE_AGENT_SLOTS", 4, ge=1, le=200)
    """Runs that one agent process advances at the same time.
    Threads: a waiting agent costs about 2 MB."""

    worker_slots: int = setting("LOOPLINE_WORKER_SLOTS", 4, ge=1, le=200)
    """Tickets that the worker process serves at the same time.
    """

    sweep_seconds: int = setting("LOOPLINE_SWEEP_SECONDS", 30, ge=1)
    """Seconds between two comparisons of board and code host with what Loopline remembers.
    A missed webhook costs at most this long; comments and pull requests of more than five tickets have their turn, five
    at a time."""

    remind_hours: float = setting("LOOPLINE_REMIND_HOURS", 4.0, gt=0)
    """Hours after which a call for a person that nobody answers is repeated, twice; then the ticket goes to triage.
    Half a working day: long enough for a meeting, short enough that the day is not lost."""

    journal_megabytes: int = setting("LOOPLINE_JOURNAL_MEGABYTES", 1000, ge=1)
    """Megabytes of accepted deliveries that are kept below the home folder, compressed, for at most 90 days.
    Beyond that the oldest are deleted."""

    sandbox_read_only: Paths = setting("LOOPLINE_SANDBOX_READ_ONLY", "")
    """Absolute paths that commands in the sandbox may read on top of the system's, comma separated.
    For tool chains outside of /usr."""

    failpoint: str = setting("LOOPLINE_FAILPOINT", "", pattern=f"^(?:{FAILPOINT_FORM})$")
    """A failpoint at which a process fails, for tests of crashes; empty in production.
    operation:phase:hit:action, as git.push:done:1:kill; integrations/failpoints.py names them."""

    providers: Mapping[str, ProviderSettings] = Field(default_factory=dict)
    """The settings of each provider by its name, read from the provider's own variables."""

    @model_validator(mode="after")
    def _name_the_dashboard(self) -> Settings:
        if not self.dashboard_url:
            object.__setattr__(self, "dashboard_url", f"http://{self.dashboard_bind}")
        return self

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens. A symbolic link when this path is too long for a socket's address."""
        return self.home / "redis" / "redis.sock"

    def of(self, provider: Provider[S, Any]) -> S:
        """The provider's own settings; its defaults where none were read."""
        own = self.providers.get(provider.name) or provider.settings()
        assert isinstance(own, provider.settings), provider.name
        return own

    def runners(self) -> tuple[str, ...]:
        """The names of all runners that are set up, the default one first."""
        return tuple(dict.fromkeys((self.runner, *self.more_runners)))

    def chosen(self) -> tuple[Provider[Any, Any], ...]:
        """The providers that this Loopline works with."""
        return (
            find(TrackerProvider, self.tracker),
            find(CodeHostProvider, self.code_host),
            *(find(RunnerProvider, name) for name in self.runners()),
        )

    def webhooks(self) -> dict[str, Webhooks]:
        """How the webhooks of the chosen providers are received, by the provider's name."""
        return webhooks(self.chosen())

    def webhook_secrets(self, name: str) -> tuple[str, ...]:
        """The signing secrets of this provider's webhooks."""
        provider = next(one for one in self.chosen() if one.name == name)
        values = dict(self.of(provider).values())
        return tuple(secret.get_secret_value() for secret in values[self.webhooks()[name].secrets])

    def secret_values(self) -> frozenset[str]:
        """Every secret text in here, for the logs to mask."""
        password = frozenset({urlsplit(self.redis_url.get_secret_value()).password or ""}) - {""}
        return super().secret_values().union(password, *(own.secret_values() for own in self.providers.values()))

    def paths(self) -> dict[str, Path]:
        """The files and folders by variable, also those of the providers."""
        return super().paths() | {name: p for own in self.providers.values() for name, p in own.paths().items()}


def fields() -> dict[str, FieldInfo]:
    """Every setting by the name of its environment variable: Loopline's, then those of each provider."""
    found = Settings.variables()
    for provider in providers():
        found |= provider.settings.variables()
    return found
