"""All settings of the service, with unit, default and reason.

Created by `jobs.config.environment`, which alone reads the environment. Names, defaults and docstrings are the source
of `.env.example` and of the README's table (`jobs.config.reference`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic.fields import FieldInfo

from integrations.notifications import list_secrets
from integrations.ports.provider import (
    CodeHostProvider,
    Provider,
    ProviderSettings,
    RunnerProvider,
    S,
    TrackerProvider,
    Webhooks,
)
from integrations.registry import default_name, find_provider, providers
from integrations.settings import (
    Address,
    Folder,
    Hosts,
    Link,
    Networks,
    OptionalAddress,
    OptionalFile,
    Paths,
    ProxyUrl,
    SettingsModel,
    Url,
    setting,
)
from jobs.config.databases import Databases
from jobs.config.environments import ConnectorSecrets, HostPatterns, SetupSecrets
from jobs.config.field_types import (
    Approvers,
    ClientId,
    CodeHostName,
    Email,
    Failpoint,
    Images,
    Model,
    OidcUsers,
    PeopleLogins,
    RedisUrl,
    RunnerName,
    RunnerNames,
    Teams,
    TokenKeys,
    TrackerName,
    UserName,
)
from jobs.config.informing import Digests, Notify, list_target_urls


class Settings(SettingsModel):
    """All settings, created by `load` from the part of the environment that a role can see."""

    home: Folder = setting("LOOPLINE_HOME", ".loopline")
    """Folder for all data that Loopline writes.
    Mirrors, worktrees, evidence, logs, the spool and the embedded Redis live below it; relative to the start folder."""

    redis_url: RedisUrl = setting("REDIS_URL", "")
    """Address of a Redis or Valkey 6.2 or newer; empty means the embedded one.
    redis://, rediss:// or unix://. It needs appendonly yes, appendfsync always and maxmemory-policy noeviction."""
    i_accept_weak_redis: bool = setting("LOOPLINE_I_ACCEPT_WEAK_REDIS", False)
    """Start on a Redis that can lose acknowledged writes.
    Off: the processes refuse to start on a Redis that does not write each command to disk at once."""

    web_bind: Address = setting("LOOPLINE_WEB_BIND", "127.0.0.1:8700")
    """host:port of the webhook endpoint.
    Loopback, because a proxy in front handles TLS and access from the internet."""
    dashboard_bind: Address = setting("LOOPLINE_DASHBOARD_BIND", "127.0.0.1:8701")
    """host:port of the dashboard.
    Separate from webhooks, so that open live pages never delay them."""
    dashboard_url: Link = setting("LOOPLINE_DASHBOARD_URL", "")
    """Public address of the dashboard, for links on tickets; empty means http://<dashboard bind>."""

    mcp_bind: OptionalAddress = setting("LOOPLINE_MCP_BIND", "")
    """host:port of the MCP server, through which people use Loopline from clients such as Claude Code; empty means off.
    As 127.0.0.1:8702. Each person needs a token of `loopline token create`."""
    mcp_url: Link = setting("LOOPLINE_MCP_URL", "")
    """Public address of the MCP server, whose host name clients use; empty means http://<MCP bind>."""

    dashboard_password: SecretStr = setting("LOOPLINE_DASHBOARD_PASSWORD", "", seen_by=("dashboard",))
    """Password of the dashboard and of its API; empty means a generated one, which `loopline login` prints.
    With LOOPLINE_OIDC_ISSUER people sign in there, and only the API uses the password."""
    oidc_issuer: Url = setting("LOOPLINE_OIDC_ISSUER", "")
    """Address of the OpenID Connect provider at which people sign in to the dashboard; empty means the password.
    Its configuration is read from /.well-known/openid-configuration below it."""
    oidc_client_id: ClientId = setting("LOOPLINE_OIDC_CLIENT_ID", "")
    """Id of Loopline at the OpenID Connect provider; the redirect URI there is <dashboard URL>/login/callback."""
    oidc_client_secret: SecretStr = setting("LOOPLINE_OIDC_CLIENT_SECRET", "", seen_by=("dashboard",))
    """Secret of Loopline at the OpenID Connect provider."""
    oidc_users: OidcUsers = setting("LOOPLINE_OIDC_USERS", "")
    """E-mail addresses, or domains such as @acme.example, of the people with access to the dashboard, comma separated.
    The provider has to confirm the address (email_verified)."""

    teams: Teams = setting("LOOPLINE_TEAMS", {}, usual=True)
    """Teams that Loopline works for, as JSON from team key to repository and columns.
    {"ENG": {"repository": "acme/shop", "columns": {"agent": "Agent", "working": "In Progress", "review": "In Review",
    "done": "Done", "needs_human": "Needs Human"}}}; columns left out have these names, and "done": null leaves merged
    tickets to the team. Several repositories: "repositories": {"acme/shop": {"default": true}, "acme/web":
    {"labels": ["web"], "projects": ["Website"]}}, or a list of names."""
    automations: OptionalFile = setting("LOOPLINE_AUTOMATIONS", "")
    """Folder with automations for all repositories, as <name>.md; empty means `automations` in LOOPLINE_HOME.
    A repository's own automation of the same name replaces one of them; `enabled: false` turns it off."""
    starters: Approvers = setting("LOOPLINE_STARTERS", "")
    """E-mail addresses of the people with permission to start, stop and steer work, comma separated.
    Empty means every member of the workspace who is not a guest; LOOPLINE_APPROVERS have it too. Apps and integrations
    never have it."""
    approvers: Approvers = setting("LOOPLINE_APPROVERS", "")
    """E-mail addresses of the people with permission to control Loopline and to approve, comma separated.
    Empty means every member of the workspace who is not a guest."""

    people: PeopleLogins = setting("LOOPLINE_PEOPLE", {})
    """Accounts of people on the code host, as JSON from e-mail address on the board to login.
    {"ana@acme.test": "ana"}; without an entry people connect their account with /link, or the address is looked up."""

    signing_key_file: OptionalFile = setting("LOOPLINE_SIGNING_KEY_FILE", "", seen_by=("agent",))
    """Path of an SSH private key, Ed25519 or RSA without passphrase, that signs commits; empty means unsigned.
    An armored private key of OpenPGP without passphrase works too, where gpg is installed.
    For repositories that require signed commits. The key has to belong to the account of LOOPLINE_COMMIT_EMAIL."""
    commit_email: Email = setting("LOOPLINE_COMMIT_EMAIL", "loopline@users.noreply.github.com")
    """E-mail address of author and committer of Loopline's commits.
    The code host marks a signed commit as verified only if the key's account has this address."""

    token_key: TokenKeys = setting("LOOPLINE_TOKEN_KEY", "", seen_by=("worker",))
    """Keys that encrypt stored access tokens, comma separated; empty means a generated one in LOOPLINE_HOME.
    32 random bytes in URL-safe base64. The first one encrypts, the others only decrypt, for rotation; several machines
    need the same keys."""
    tracker: TrackerName = setting("LOOPLINE_TRACKER", default_name(TrackerProvider))
    """Name of the tracker that the tickets are on."""
    code_host: CodeHostName = setting("LOOPLINE_CODE_HOST", default_name(CodeHostProvider))
    """Name of the code host that the repositories are on."""
    runner: RunnerName = setting("LOOPLINE_RUNNER", default_name(RunnerProvider))
    """Name of the agent runner for every role."""
    more_runners: RunnerNames = setting("LOOPLINE_MORE_RUNNERS", "")
    """Names of further agent runners that WORKFLOW.md can choose for a role, comma separated.
    As `loop.roles.maker.runner`; a repository can only choose among the runners that are set up here."""

    maker_model: Model = setting("LOOPLINE_MAKER_MODEL", "")
    """Model that writes the change; empty means the runner's default for the role."""
    checker_model: Model = setting("LOOPLINE_CHECKER_MODEL", "")
    """Model that reviews the change; empty means the runner's default for the role.
    A different model than the maker's, because a model overlooks its own mistakes."""
    planner_model: Model = setting("LOOPLINE_PLANNER_MODEL", "")
    """Model that proposes acceptance criteria; empty means the runner's default for the role."""
    scout_model: Model = setting("LOOPLINE_SCOUT_MODEL", "")
    """Model that explores before the maker starts; empty means the runner's default for the role."""
    judge_model: Model = setting("LOOPLINE_JUDGE_MODEL", "")
    """Model that decides done or not done before the checker runs; empty means the runner's default for the role."""
    answer_model: Model = setting("LOOPLINE_ANSWER_MODEL", "")
    """Model that reads comments in review and answers questions; empty means the runner's default for the role."""
    triage_model: Model = setting("LOOPLINE_TRIAGE_MODEL", "")
    """Model that reads the sources of an automation and proposes findings; empty means the runner's default."""
    matcher_model: Model = setting("LOOPLINE_MATCHER_MODEL", "")
    """Model that compares findings that resemble each other; empty means the runner's default for the role."""
    strong_model: Model = setting("LOOPLINE_STRONG_MODEL", "")
    """Model of a maker after an attempt that was spinning; empty means the runner's strongest."""

    max_iterations: int = setting("LOOPLINE_MAX_ITERATIONS", 3, ge=1, le=100)
    """Rounds of make, gate and check in one attempt."""
    max_attempts: int = setting("LOOPLINE_MAX_ATTEMPTS", 3, ge=1, le=10)
    """Fresh attempts at a ticket before a person is asked."""
    max_turns: int = setting("LOOPLINE_MAX_TURNS", 50, ge=1, le=1_000)
    """Model calls in one run at most."""
    max_model_calls: int = setting("LOOPLINE_MAX_MODEL_CALLS", 100, ge=1, le=10_000)
    """Model calls in all runs of a ticket before a person is asked; at least twice LOOPLINE_MAX_TURNS.
    Accepted work, and each decision of a person such as /retry, starts the count again."""

    max_cost_usd: float = setting("LOOPLINE_MAX_COST_USD", 5.0, ge=0, le=1_000)
    """Limit in US dollars for one run.
    Reserved before each model call, so a run never exceeds it."""
    max_ticket_cost_usd: float = setting("LOOPLINE_MAX_TICKET_COST_USD", 20.0, ge=0, le=10_000)
    """Limit in US dollars for all runs of a ticket; people raise it with /budget."""
    max_day_cost_usd: float = setting("LOOPLINE_MAX_DAY_COST_USD", 100.0, ge=0, le=100_000)
    """Limit in US dollars for all tickets together in a calendar day (UTC).
    Beyond it runs wait for the next day."""
    max_no_progress_usd: float = setting("LOOPLINE_MAX_NO_PROGRESS_USD", 3.0, ge=0, le=1_000)
    """Limit in US dollars for a maker that changes nothing."""

    max_run_minutes: float = setting("LOOPLINE_MAX_RUN_MINUTES", 45.0, ge=0.5, le=1_440)
    """Limit in minutes for one run; waiting for a slot or a provider does not count."""
    max_idle_seconds: int = setting("LOOPLINE_MAX_IDLE_SECONDS", 300, ge=1, le=3_600)
    """Seconds without a byte from the model after which the call times out and is retried."""
    slice_seconds: int = setting("LOOPLINE_SLICE_SECONDS", 60, ge=1, le=3_600)
    """Seconds after which a run releases its slot and is queued again.
    Short, so that deployments and other tickets never wait for a long run."""
    command_seconds: int = setting("LOOPLINE_COMMAND_SECONDS", 300, ge=1, le=7_200)
    """Timeout in seconds of a command of the gate, an agent or a setup, unless WORKFLOW.md sets another."""
    max_command_minutes: float = setting("LOOPLINE_MAX_COMMAND_MINUTES", 60.0, ge=0.1, le=1_440)
    """Largest time limit in minutes that WORKFLOW.md can set for a command (`loop.limits`, `loop.checks`)."""
    max_output_megabytes: int = setting("LOOPLINE_MAX_OUTPUT_MEGABYTES", 256, ge=1, le=10_000)
    """Largest limit in megabytes that WORKFLOW.md can set for the output of one command."""
    proof_commands: int = setting("LOOPLINE_PROOF_COMMANDS", 2, ge=1, le=32)
    """Experiments of the proof that one gate runs at the same time; about the number of cores that it can use."""
    max_change_files: int = setting("LOOPLINE_MAX_CHANGE_FILES", 5_000, ge=1, le=1_000_000)
    """Largest limit that WORKFLOW.md can set for the number of files in one change."""
    max_change_megabytes: float = setting("LOOPLINE_MAX_CHANGE_MEGABYTES", 200.0, ge=1, le=10_000)
    """Largest limit in megabytes that WORKFLOW.md can set for a change or one of its files."""

    agent_processes: int = setting("LOOPLINE_AGENT_PROCESSES", 1, ge=1, le=64)
    """Agent processes that `up` starts."""
    agent_slots: int = setting("LOOPLINE_AGENT_SLOTS", 4, ge=1, le=200)
    """Runs that one agent process advances at the same time.
    Threads: a waiting agent costs about 2 MB."""
    worker_slots: int = setting("LOOPLINE_WORKER_SLOTS", 4, ge=1, le=200)
    """Tickets that the worker process handles at the same time."""

    sweep_seconds: int = setting("LOOPLINE_SWEEP_SECONDS", 90, ge=1, le=3_600)
    """Seconds between two polls of board and code host for missed webhooks.
    Each poll sends one request to the board for all teams, and reads the pull requests of five tickets, in turn."""
    remind_hours: float = setting("LOOPLINE_REMIND_HOURS", 4.0, ge=0.01, le=720)
    """Hours after which an unanswered escalation is repeated, twice; then the ticket moves to triage.
    Half a working day: longer than a meeting, and the answer can still come the same day."""

    notify: Notify = setting("LOOPLINE_NOTIFY", {}, seen_by=("worker",))
    """Where teams get notifications beyond their tickets, as JSON from team key to URLs of apprise.
    {"ENG": {"escalations": ["slack://..."], "digest": ["mailtos://..."]}}; a URL without TLS is refused unless it leads
    to this machine. `loopline doctor --notify` sends a test to each of them."""
    digest: Digests = setting("LOOPLINE_DIGEST", {})
    """Morning digest of each team, as JSON from team key to time and place.
    {"ENG": {"cron": "0 8 * * 1-5", "timezone": "Europe/Berlin", "to": "ticket"}}; `to` is ticket (a comment on the
    team's digest ticket), notification (the digest targets of LOOPLINE_NOTIFY) or both."""

    review_limit: int = setting("LOOPLINE_REVIEW_LIMIT", 5, ge=0, le=1_000)
    """Verified pull requests of a repository that can wait for people before no new ticket starts there.
    Review is what a team has least of; 0: no limit. A repository can set its own in WORKFLOW.md."""
    checks_quiet_seconds: float = setting("LOOPLINE_CHECKS_QUIET_SECONDS", 30.0, ge=0, le=3_600)
    """Seconds after the last report of a check until all checks of the commit are read.
    Suites of checks begin one after the other, and one request then serves all reports."""
    review_quiet_seconds: float = setting("LOOPLINE_REVIEW_QUIET_SECONDS", 60.0, ge=0, le=3_600)
    """Seconds after the last review or comment on a pull request until all of them are acted on together.
    Long enough for a reviewer who writes several comments without a review around them."""

    journal_megabytes: int = setting("LOOPLINE_JOURNAL_MEGABYTES", 1000, ge=1, le=1_000_000)
    """Megabytes of accepted deliveries that the journal keeps, compressed, for at most 90 days.
    Beyond that the oldest are deleted."""

    disk_gigabytes: float = setting("LOOPLINE_DISK_GIGABYTES", 0.0, ge=0, le=1_000_000, allow_inf_nan=False)
    """Gigabytes that mirrors, worktrees, environments and images can use; 0 means 60 % of the disk of LOOPLINE_HOME.
    Beyond it no new run starts, and large commands are killed. Redis, spool and journal use the same disk."""

    run_gigabytes: float = setting("LOOPLINE_RUN_GIGABYTES", 5.0, ge=0, le=1_000_000)
    """Gigabytes that the files of ended runs can use together; the least recently used ones are removed first.
    The work of a run is in the mirror, so that a stopped ticket continues from it after its files are removed."""
    run_days: float = setting("LOOPLINE_RUN_DAYS", 7.0, ge=0, le=365)
    """Days after its last use until the files of an ended run are removed."""

    environment_gigabytes: float = setting("LOOPLINE_ENVIRONMENT_GIGABYTES", 20.0, ge=0.001, le=1_000_000)
    """Gigabytes that all environments can use together, and that one can grow to.
    Beyond that the least recently used ones are removed. They count for LOOPLINE_DISK_GIGABYTES, too."""
    environment_days: float = setting("LOOPLINE_ENVIRONMENT_DAYS", 14.0, ge=0.01, le=365)
    """Days after its last use until an environment is removed."""
    setup_minutes: float = setting("LOOPLINE_SETUP_MINUTES", 30.0, ge=0.01, le=1_440)
    """Limit in minutes for building one environment."""
    databases: Databases = setting("LOOPLINE_DATABASES", {}, seen_by=("worker",))
    """Databases that agents can query, as JSON from name to URL, with the repositories and roles that can use it.
    {"shop": {"url": "postgresql://reader:...@db.acme.test/shop", "repositories": ["acme/shop"], "roles": ["maker"],
    "seconds": 10, "rows": 100}}; sqlite:///path works too. The role has to be one that can only read."""

    setup_secrets: SetupSecrets = setting("LOOPLINE_SETUP_SECRETS", {}, seen_by=("agent",))
    """Secrets that `loop.environment.secrets` can name, as JSON from variable to value.
    {"NPM_TOKEN": "...", "acme/shop:NPM_TOKEN": "..."}; the second form is for one repository alone. Setup commands get
    them, agents and the gate never do."""
    agent_network: HostPatterns = setting("LOOPLINE_AGENT_NETWORK", "")
    """Hosts that `loop.network` of a repository can name, comma separated; empty means that agents are offline.
    Exact names, *.acme.test for all names below one, and registries for LOOPLINE_REGISTRIES."""

    sandbox_read_only: Paths = setting("LOOPLINE_SANDBOX_READ_ONLY", "")
    """Further absolute paths that commands in the sandbox can read, comma separated.
    For tool chains outside of /usr; folders that contain Loopline's data are refused."""

    ca_file: OptionalFile = setting("LOOPLINE_CA_FILE", "")
    """PEM file with the certificate authorities to trust, in place of the system's; empty means SSL_CERT_FILE or those.
    For the requests of all processes, for git, and for commands in the sandbox that have network access."""
    registries: Hosts = setting("LOOPLINE_REGISTRIES", "")
    """Host names of package registries, comma separated: `registries` in a WORKFLOW.md.
    `loopline registries` lists those of this machine's package clients. `*.acme.test` means all names below it."""
    egress_networks: Networks = setting("LOOPLINE_EGRESS_NETWORKS", "")
    """Private networks that permitted hosts can be in, comma separated, such as 10.20.0.0/16.
    Without it a host whose address is private, of this machine or otherwise not public is refused."""
    egress_proxy: ProxyUrl = setting("LOOPLINE_EGRESS_PROXY", "", seen_by=("egress",))
    """URL of the HTTP proxy that the egress proxy uses; empty means HTTPS_PROXY, or none.
    It can contain user name and password. Hosts in NO_PROXY are reached directly."""
    egress_connections: int = setting("LOOPLINE_EGRESS_CONNECTIONS", 100, ge=1, le=1_000)
    """Connections to other hosts that one command can have at the same time."""
    egress_download_megabytes: int = setting("LOOPLINE_EGRESS_DOWNLOAD_MEGABYTES", 10_000, ge=1, le=1_000_000)
    """Megabytes that one command can download."""
    egress_upload_megabytes: int = setting("LOOPLINE_EGRESS_UPLOAD_MEGABYTES", 10, ge=1, le=100_000)
    """Megabytes that one command can upload.
    Requests for packages need about a kilobyte each, so that an installation of 5,000 packages stays below it."""
    sandbox_user: UserName = setting("LOOPLINE_SANDBOX_USER", "61000")
    """User, by name or number, that the sandbox's processes run as when Loopline is started by root.
    It must have no rights and no other processes; Loopline's folders in LOOPLINE_HOME are given to it."""

    images: Images = setting("LOOPLINE_IMAGES", {})
    """Root file systems that repositories can choose in place of the host's /usr, as JSON from name to path.
    {"node22": "/srv/images/node22.tar"}: a folder, an OCI layout or an archive of `docker save`; archives are
    unpacked below LOOPLINE_HOME."""
    image_gigabytes: float = setting("LOOPLINE_IMAGE_GIGABYTES", 10.0, ge=0.01, le=1_000)
    """Gigabytes that one unpacked image can have."""

    connectors: OptionalFile = setting("LOOPLINE_CONNECTORS", "", seen_by=("connectors",))
    """Path of a JSON file with the MCP servers that agents can use; empty means none.
    {"docs": {"url": "https://mcp.acme.test/mcp", "token": "DOCS_TOKEN"}}; infra/docs/connectors.md has all keys.
    Repositories choose among them with loop.connectors in WORKFLOW.md."""
    connector_secrets: ConnectorSecrets = setting("LOOPLINE_CONNECTOR_SECRETS", {}, seen_by=("connectors",))
    """Secrets that the file of LOOPLINE_CONNECTORS names, as JSON from name to value: {"DOCS_TOKEN": "..."}."""
    connector_slots: int = setting("LOOPLINE_CONNECTOR_SLOTS", 16, ge=1, le=100)
    """Calls of MCP servers at the same time."""

    failpoint: Failpoint = setting("LOOPLINE_FAILPOINT", "")
    """A failpoint at which a process fails, for tests of crashes; empty in production.
    operation:phase:hit:action, as git.push:done:1:kill; integrations/failpoints.py names them."""

    providers: Mapping[str, ProviderSettings] = Field(default_factory=dict)
    """The settings of each provider by its name, read from the provider's own variables."""

    @model_validator(mode="after")
    def _set_dashboard_url(self) -> Settings:
        if not self.dashboard_url:
            object.__setattr__(self, "dashboard_url", f"http://{self.dashboard_bind}")
        return self

    @property
    def redis_socket(self) -> Path:
        """Socket of the embedded Redis. A symbolic link when this path is too long for a socket's address."""
        return self.home / "redis" / "redis.sock"

    def binds(self) -> dict[str, str]:
        """Return host:port of each process that accepts connections, by variable."""
        found = {"LOOPLINE_WEB_BIND": self.web_bind, "LOOPLINE_DASHBOARD_BIND": self.dashboard_bind}
        return found | ({"LOOPLINE_MCP_BIND": self.mcp_bind} if self.mcp_bind else {})

    def provider_settings(self, provider: Provider[S, Any]) -> S:
        """Return the provider's settings, or its defaults."""
        own = self.providers.get(provider.name) or provider.settings()
        assert isinstance(own, provider.settings), provider.name
        return own

    def runner_names(self) -> tuple[str, ...]:
        """Return the names of all configured runners, the default one first."""
        return tuple(dict.fromkeys((self.runner, *self.more_runners)))

    def chosen_providers(self) -> tuple[Provider[Any, Any], ...]:
        """Return the providers that the settings name."""
        return (
            find_provider(TrackerProvider, self.tracker),
            find_provider(CodeHostProvider, self.code_host),
            *(find_provider(RunnerProvider, name) for name in self.runner_names()),
        )

    def webhooks(self) -> dict[str, Webhooks]:
        """Return the webhooks of the chosen providers by the provider's name."""
        return {provider.name: provider.webhooks for provider in self.chosen_providers() if provider.webhooks}

    def webhook_secrets(self, name: str) -> tuple[str, ...]:
        """Return the signing secrets of this provider's webhooks."""
        provider = next(one for one in self.chosen_providers() if one.name == name)
        values = dict(self.provider_settings(provider).values())
        return tuple(secret.get_secret_value() for secret in values[self.webhooks()[name].secrets])

    def secret_values(self) -> frozenset[str]:
        """Return all secrets, for the logs to redact."""
        password = frozenset({urlsplit(self.redis_url.get_secret_value()).password or ""}) - {""}
        targets = (list_secrets(url) for url in list_target_urls(self.notify))
        of_databases = (database.secrets() for database in self.databases.values())
        of_providers = (own.secret_values() for own in self.providers.values())
        return super().secret_values().union(password, *targets, *of_databases, *of_providers)

    def paths(self) -> dict[str, Path]:
        """Return all files and folders by variable, including those of the providers."""
        return super().paths() | {name: p for own in self.providers.values() for name, p in own.paths().items()}

    def secret_files(self) -> dict[str, Path]:
        """Return the files with a secret, Loopline's and those of the chosen providers, by variable."""
        own = (self.provider_settings(provider).secret_files() for provider in self.chosen_providers())
        return {name: path for files in (super().secret_files(), *own) for name, path in files.items()}


def list_fields() -> dict[str, FieldInfo]:
    """Return every setting by its environment variable: Loopline's, then those of each provider."""
    found = dict(Settings.variables())
    for provider in providers():
        found |= provider.settings.variables()
    return found
