"""Probes of this machine, of the settings and of the providers. Each returns findings and raises nothing for a failure
that it expects."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import requests
from redis.exceptions import RedisError

from integrations.disk import read_disk
from integrations.environments.store import EnvironmentStore, Layer
from integrations.errors import IntegrationError, Rejected
from integrations.git.repository import Remote, check_access
from integrations.ports.provider import CodeHostProvider, TrackerProvider
from integrations.ports.setup import CodeHostSetup, Finding, ProbeScope, found_ok, found_problem, found_warning
from integrations.registry import find_provider
from integrations.sandbox.cgroup import explain_polling, find_polled_bounds
from integrations.sandbox.limits import SandboxUnavailable
from integrations.sandbox.selftest import run_self_test
from integrations.server_time import server_clock
from integrations.settings import split_address
from jobs.config.settings import Settings
from jobs.effects.build import build_code_host, build_policy, build_sandbox, build_tracker, find_model_problems
from jobs.effects.gather import find_repository
from jobs.inbox.journal import Journal
from jobs.recovery import older_redis
from jobs.runtime.connection import check_persistence, connect, find_refusal
from service.dashboard.password import read_password
from service.supervisor.embedded_redis import CannotStart
from service.supervisor.processes import check_address_is_free

HOUR = 3_600.0
TIMEOUT_SECONDS = 5.0


def list_repositories(settings: Settings) -> list[str]:
    """Every repository of the teams, once."""
    return list(dict.fromkeys(name for team in settings.teams.values() for name in team.all_repositories()))


def build_code_host_setup(settings: Settings) -> CodeHostSetup | None:
    """The code host's set-up, None for a provider without one."""
    provider = find_provider(CodeHostProvider, settings.code_host)
    return provider.set_up(settings.provider_settings(provider)) if provider.set_up else None


def probe_settings(settings: Settings, warnings: Iterable[str]) -> Iterator[Finding]:
    """Settings that work and are better changed."""
    found = [found_warning("Settings", sentence.removesuffix(".")) for sentence in warnings]
    models = build_policy(settings).models
    if models.get("maker") == models.get("checker"):
        text = f"maker and checker have the same model ({models.get('maker')}), which overlooks its own mistakes"
        found.append(found_warning("Settings", text, "set LOOPLINE_CHECKER_MODEL to another one"))
    yield from found or [found_ok("Settings", f"usable, for the teams {', '.join(settings.teams)}")]


def probe_disk(settings: Settings) -> Iterator[Finding]:
    """Space, inodes and a small write below LOOPLINE_HOME."""
    disk = read_disk(settings.home)
    if disk.sentence:
        yield found_problem("Disk", disk.sentence.removesuffix("."))
    else:
        yield found_ok("Disk", f"{disk.space * 100:.0f} % of the disk of {settings.home} is used")


def probe_redis(settings: Settings) -> Iterator[Finding]:
    """An external Redis: that it responds, is supported and keeps acknowledged writes. The embedded one is started by
    `loopline up` with the right configuration."""
    if not settings.redis_url.get_secret_value():
        yield found_ok("Redis", "embedded, durable; loopline up starts it")
        return
    with connect(settings, timeout=TIMEOUT_SECONDS, retries=0) as redis:
        try:
            found = find_refusal(redis) or [*check_persistence(redis), *older_redis.find_problems(redis, settings.home)]
        except RedisError as error:
            yield found_problem(
                "Redis", f"REDIS_URL: Redis does not respond ({error})", "start it, or correct REDIS_URL"
            )
            return
    for sentence in found:
        yield found_problem("Redis", sentence.removesuffix("."))
    if not found:
        yield found_ok("Redis", "responds and keeps acknowledged writes")


def probe_sandbox(settings: Settings) -> Iterator[Finding]:
    """The sandbox's guarantees on this machine, by the attacks of its self-test, and the bounds of the kernel."""
    try:
        run_self_test(build_sandbox(settings), settings.home / "sandbox-test")
    except (SandboxUnavailable, OSError) as error:
        yield found_problem("Sandbox", str(error).removesuffix("."), "see infra/docs/operations.md, Sandbox")
        return
    if polled := explain_polling(find_polled_bounds()):
        yield found_warning("Sandbox", f"bubblewrap provides all guarantees. {polled.removesuffix('.')}")
    else:
        yield found_ok("Sandbox", "bubblewrap provides all guarantees, and cgroups bound processes and memory")


def probe_tracker(settings: Settings) -> Iterator[Finding]:
    """The provider's own probes, or the columns alone."""
    provider = find_provider(TrackerProvider, settings.tracker)
    if provider.set_up:
        yield from provider.set_up(settings.provider_settings(provider)).probe(_scope(settings))
        return
    board = build_tracker(settings)
    for key, team in settings.teams.items() if board else ():
        subject = f"Team {key}"
        try:
            board.check_columns(key, team.columns.names())  # type: ignore[union-attr]
        except IntegrationError as error:
            yield found_problem(subject, str(error), "correct LOOPLINE_TEAMS")
        else:
            yield found_ok(subject, "has all columns")


def probe_code_host(settings: Settings) -> Iterator[Finding]:
    """The provider's own probes, then git with the credentials that workers use."""
    if setup := build_code_host_setup(settings):
        yield from setup.probe(_scope(settings))
    host = build_code_host(settings)
    for repository in list_repositories(settings) if host else ():
        subject = f"Git, {repository}"
        try:
            assert host
            found = find_repository(repository, host)
            check_access(Remote(found.clone_url, host.git_credentials(repository)))
        except IntegrationError as error:
            if not setup:
                yield found_problem(subject, str(error), "correct LOOPLINE_TEAMS")
            elif not isinstance(error, Rejected):
                yield found_problem(subject, str(error))
        else:
            yield found_ok(subject, f"can be fetched, default branch {found.default_branch}")


def _scope(settings: Settings) -> ProbeScope:
    return ProbeScope(
        teams={key: dict(team.columns.roles().items()) for key, team in settings.teams.items()},
        repositories=list_repositories(settings),
        signs_commits=settings.signing_key_file is not None,
        since=time.time() - HOUR,
        people={
            "LOOPLINE_APPROVERS": settings.approvers,
            "LOOPLINE_STARTERS": settings.starters,
            "LOOPLINE_PEOPLE": tuple(settings.people),
        },
    )


def probe_models(settings: Settings) -> Iterator[Finding]:
    """Key, and each model by a call with one token."""
    problems = list(find_model_problems(settings, thorough=True))
    for sentence in problems:
        yield found_problem("Model", sentence.removesuffix("."))
    if not problems:
        models = dict.fromkeys(build_policy(settings).models.values())
        yield found_ok("Model", f"{', '.join(models)} answered a call of one token")


def probe_clocks(settings: Settings) -> Iterator[Finding]:
    """This host's clock against those of the providers, as their responses showed them."""
    different = [s for name in (settings.tracker, settings.code_host) if (s := server_clock(name).sentence)]
    for sentence in different:
        yield found_warning("Clock", sentence.removesuffix("."))
    if not different:
        yield found_ok("Clock", "agrees with the providers'")


def probe_environments(settings: Settings) -> Iterator[Finding]:
    """The built environment of each repository."""
    newest: dict[str, Layer] = {}
    for layer in EnvironmentStore(settings.home / "environments").list_layers():
        newest.setdefault(layer.repository.lower(), layer)
    for repository in list_repositories(settings):
        subject = f"Environment of {repository}"
        if built := newest.get(repository.lower()):
            yield found_ok(subject, f"built in {built.seconds:.0f} s, {built.size / 1e6:.0f} MB")
        else:
            yield found_ok(subject, "not built yet; the first ticket builds it")


def probe_dashboard(settings: Settings) -> Iterator[Finding]:
    """The login: a password, or the OpenID Connect provider's published configuration."""
    if not settings.oidc_issuer:
        try:
            read_password(settings)
        except Rejected as error:
            yield found_problem("Dashboard", str(error).removesuffix("."))
        else:
            yield found_ok("Dashboard", f"sign in at {settings.dashboard_url} with the link of loopline login")
        return
    url = f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
        found = (
            answer.status_code == 200 and isinstance(answer.json(), dict) and "authorization_endpoint" in answer.json()
        )
    except (requests.RequestException, ValueError) as error:
        yield found_problem(
            "Dashboard", f"{url} does not respond ({type(error).__name__})", "correct LOOPLINE_OIDC_ISSUER"
        )
        return
    if found:
        yield found_ok("Dashboard", f"sign-in at {settings.oidc_issuer}")
    else:
        yield found_problem("Dashboard", f"{url} is no configuration of OpenID Connect", "correct LOOPLINE_OIDC_ISSUER")


def probe_addresses(settings: Settings) -> Iterator[Finding]:
    """The two addresses that Loopline binds: free, or in use by Loopline itself; then the deliveries that arrived."""
    running = False
    for name, bind in (("LOOPLINE_WEB_BIND", settings.web_bind), ("LOOPLINE_DASHBOARD_BIND", settings.dashboard_bind)):
        try:
            check_address_is_free(bind, name)
        except CannotStart as error:
            if not _is_loopline(bind):
                yield found_problem("Address", str(error).removesuffix("."), f"end that program, or change {name}")
                continue
            running = True
            yield found_ok("Address", f"Loopline runs at {bind}")
        else:
            yield found_ok("Address", f"{bind} is free for {name}")
    if running:
        yield from _probe_deliveries(settings)


def _is_loopline(bind: str) -> bool:
    host, port = split_address(bind)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    try:
        return requests.get(f"http://{shown}:{port}/healthz", timeout=TIMEOUT_SECONDS).status_code == 200
    except requests.RequestException:
        return False


def _probe_deliveries(settings: Settings) -> Iterator[Finding]:
    """Webhooks that were accepted in the last hour, from the journal."""
    since = time.time() - HOUR
    day = time.strftime("%Y-%m-%d", time.gmtime(since))
    numbers = dict.fromkeys(settings.webhooks(), 0)
    journal = Journal(Path(settings.home) / "journal", settings.journal_megabytes * 1_000_000)
    for line in journal.read(day):
        if (source := line.get("source")) in numbers and int(line["entry"].partition("-")[0]) / 1000 >= since:
            numbers[source] += 1
    for source, number in numbers.items():
        subject = f"Deliveries of {source}"
        if number:
            yield found_ok(subject, f"{number} in the last hour")
        else:
            text = f"none in the last hour; a change there has to arrive at {settings.web_bind}/webhooks/{source}"
            yield found_warning(subject, text, "change a ticket or pull request, then look again")
