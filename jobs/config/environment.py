"""Reads the environment, filters it per process role and validates it. No other module reads it.

Called by the entry points. Opens no connection: `loopline doctor` checks Redis and the providers.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import urlsplit

from pydantic import ValidationError

from integrations.errors import Rejected
from integrations.explain import explain, format_sentence, show_name
from integrations.notifications import find_plain_address, name_target
from integrations.outbound import configure_outbound, read_outbound
from integrations.registry import providers
from integrations.settings import Process, SettingsModel, is_loopback, is_visible, split_address
from jobs.config.connectors import find_connector_problems
from jobs.config.env_file import UnusableFile, is_exposed, read_env_file
from jobs.config.informing import list_target_urls, list_targets
from jobs.config.places import (
    CERTIFICATE_FILES,
    CERTIFICATES,
    NO_PROXY,
    PROXIES,
    find_address_problems,
    find_authority_problems,
    find_automation_problems,
    find_equal_addresses,
    find_home_problems,
    find_host_problems,
    find_image_problems,
    find_sandbox_problems,
    find_secret_file_problem,
    find_signing_problems,
)
from jobs.config.settings import Settings, list_fields

Role = Process | Literal["up"]
PROVIDER_NAMES = {"LOOPLINE_TRACKER", "LOOPLINE_CODE_HOST", "LOOPLINE_RUNNER", "LOOPLINE_MORE_RUNNERS"}
"""While one of them is wrong, the credentials that a start needs are unknown."""
RUN_GIT = ("up", "worker", "agent")
NEAR_MISS = 0.9
"""Similarity from which a name without a prefix of Loopline's own counts as misspelt: one wrong letter of ten."""


def parse_settings(variables: Mapping[str, str]) -> Settings:
    """Parse the settings; an empty variable counts as not set. Raises `pydantic.ValidationError` without values."""
    own = {provider.name: provider.settings.from_variables(variables) for provider in providers()}
    return Settings.from_variables(variables, providers=own)


def read_environment(env_file: Path | None) -> dict[str, str]:
    """Return the process's environment merged over the settings file, or exit with code 2 and the reasons on stderr.

    For the commands of operators only: the other processes get their variables from the supervisor or the Procfile."""
    try:
        return read_env_file(env_file) | dict(os.environ)
    except UnusableFile as error:
        _exit(error.sentences)


_SYSTEM_VARIABLES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "XDG_RUNTIME_DIR"),
        *("VIRTUAL_ENV", *NO_PROXY, *CERTIFICATES, *PROXIES),
    }
)


def filter_environment(role: Role, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that a process of this role can see: its secrets, all other settings, system variables.

    web: webhook secrets; worker: credentials of tracker and code host; agent: those of the model; egress: the
    password of the upstream proxy; connectors: those of MCP servers; dashboard: its password and OpenID Connect secret;
    clock, mcp: none. `up` sees everything, because it starts the others."""
    visible = {name for name, field in list_fields().items() if role == "up" or is_visible(field, role)}
    seen = visible | _SYSTEM_VARIABLES
    return {name: value for name, value in environ.items() if name in seen or name.startswith(("LC_", "PYTHON"))}


def _find_unknown(environ: Mapping[str, str]) -> Iterator[str]:
    own = ("LOOPLINE_", *(provider.prefix for provider in providers() if not provider.shares_prefix))
    for name in sorted(environ.keys() - list_fields().keys()):
        upper = name[:100].upper()  # `loopline_home` is misspelt, too
        (near,) = get_close_matches(upper, list_fields(), n=1, cutoff=0.0)
        if upper.startswith(own) or get_close_matches(upper, [near], cutoff=NEAR_MISS):
            yield f"Unknown setting {show_name(name)}. Did you mean {near}?"


def _find_missing(role: Role, settings: Settings) -> Iterator[str]:
    for name, webhooks in settings.webhooks().items() if role in ("web", "up") else ():
        if not settings.webhook_secrets(name):
            yield f"{webhooks.secrets} is empty; webhooks cannot be verified without it."
    if role in ("worker", "up") and not settings.teams:
        yield 'LOOPLINE_TEAMS is empty; name a team and its repository, as in {"ENG": {"repository": "acme/shop"}}.'
    if role in ("worker", "up"):
        yield from _find_unserved_teams(settings)
    if role in ("dashboard", "up") and settings.oidc_issuer:
        own = {
            "LOOPLINE_OIDC_CLIENT_ID": settings.oidc_client_id,
            "LOOPLINE_OIDC_CLIENT_SECRET": settings.oidc_client_secret.get_secret_value(),
            "LOOPLINE_OIDC_USERS": settings.oidc_users,
        }
        if empty := " and ".join(name for name, value in own.items() if not value):
            yield f"{empty} must not be empty, because LOOPLINE_OIDC_ISSUER is set."
    if role == "connectors" and not settings.connectors:
        yield "LOOPLINE_CONNECTORS is empty; name the file of the MCP servers."
    for provider in settings.chosen_providers():
        if role in (provider.process, "up"):
            yield from settings.provider_settings(provider).missing_credentials()


def _find_unserved_teams(settings: Settings) -> Iterator[str]:
    """Teams of a digest or of notifications that Loopline does not work for, and digests without a target."""
    for name, teams in (("LOOPLINE_NOTIFY", settings.notify), ("LOOPLINE_DIGEST", settings.digest)):
        if unknown := next((team for team in teams if team not in settings.teams), ""):
            yield f"{name} names the team {unknown}, which is not in LOOPLINE_TEAMS; add it there or remove it."
    for team, digest in settings.digest.items():
        if digest.to != "ticket" and not list_targets(settings.notify, team, "digest"):
            yield f"LOOPLINE_DIGEST.{team} sends notifications; add a target at LOOPLINE_NOTIFY.{team}.digest."


def _find_proxied_targets(settings: Settings, variables: Mapping[str, str]) -> Iterator[str]:
    outbound = read_outbound(variables)
    for url in list_target_urls(settings.notify) if outbound.proxies else ():
        if (plain := find_plain_address(url)) and outbound.find_proxy(plain):
            yield (
                f"LOOPLINE_NOTIFY has an address of {name_target(url)} on this machine without TLS, whose messages "
                f"HTTP_PROXY would get; add {urlsplit(plain).hostname} to NO_PROXY."
            )


def _find_unusable(role: Role, settings: Settings) -> Iterator[str]:
    """Files, folders and addresses that the process cannot work with."""
    reads_home = role in ("web", "dashboard", "mcp")  # Redis can be elsewhere
    yield from find_home_problems(settings.home, to_write=not reads_home)
    if role in ("agent", "up"):
        yield from find_sandbox_problems(settings)
        yield from find_image_problems(settings)
        yield from find_signing_problems(settings)
    if role in ("worker", "up"):
        yield from find_automation_problems(settings)
    for name, path in settings.secret_files().items():
        if problem := find_secret_file_problem(path):
            yield f"{name} is the path of a file that {problem}."
    if role in ("web", "up"):
        yield from find_address_problems("LOOPLINE_WEB_BIND", settings.web_bind)
    if role in ("dashboard", "up"):
        yield from find_address_problems("LOOPLINE_DASHBOARD_BIND", settings.dashboard_bind)
    if role in ("mcp", "up") and settings.mcp_bind:
        yield from find_address_problems("LOOPLINE_MCP_BIND", settings.mcp_bind)
    if role in ("connectors", "up"):
        yield from find_connector_problems(settings)
    yield from find_equal_addresses(settings)
    yield from find_authority_problems(settings)


def find_problems(role: Role, environ: Mapping[str, str]) -> list[str]:
    """Return one sentence for each reason that a process of this role cannot start, without any setting's value."""
    try:
        sentences = list(_find_unknown(environ))
        variables = filter_environment(role, environ)
    except Rejected as error:  # by the registry
        return [format_sentence(error)]
    classes: list[type[SettingsModel]] = [Settings, *(provider.settings for provider in providers())]
    invalid = {name: one for settings in classes for name, one in _find_invalid(settings, variables).items()}
    try:
        settings = parse_settings({name: value for name, value in variables.items() if name not in invalid})
    except ValidationError:  # a default, too, is a relative path while the current folder does not exist
        return [*sentences, *invalid.values()]
    missing = () if invalid.keys() & PROVIDER_NAMES else _find_missing(role, settings)
    unusable = [*_find_unusable(role, settings), *find_host_problems(variables, runs_git=role in RUN_GIT)]
    unusable += [] if unusable else _find_proxied_targets(settings, variables)
    known = [*invalid, *(sentence.partition(" ")[0] for sentence in unusable)]
    rest = [sentence for sentence in missing if not any(name in sentence for name in known)]
    rest += [sentence for sentence in unusable if not any(name in sentence for name in invalid)]
    return [*sentences, *invalid.values(), *rest]


def _find_invalid(settings: type[SettingsModel], variables: Mapping[str, str]) -> dict[str, str]:
    """One sentence for each variable with an invalid value."""
    found: dict[str, list[str]] = {}
    try:
        settings.from_variables(variables)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            name, *parts = one["loc"]
            if field := settings.model_fields.get(str(name)):  # the default is wrong
                name = str(field.validation_alias)
            shown = (f", item {p + 1}," if isinstance(p, int) else f".{show_name(p)}" for p in parts if p != "[key]")
            found.setdefault(str(name), []).append(f"{name}{''.join(shown)} cannot be used: {explain(one)}")
    more = {name: f" ({len(sentences) - 1} more)" if len(sentences) > 1 else "" for name, sentences in found.items()}
    return {name: f"{sentences[0]}{more[name]}." for name, sentences in found.items()}


def find_warnings(settings: Settings, env_file: Path | None) -> Iterator[str]:
    """Yield one sentence for each setting that works and exposes a secret or the queue to others."""
    if is_exposed(env_file) and settings.secret_values():
        yield "The settings file can be read by every user of this host; run chmod 600 on it."
    for name, path in settings.secret_files().items():
        if path.stat().st_mode & stat.S_IROTH:
            yield f"{name} is the path of a file that every user of this host can read; run chmod 600 on it."
    is_public = bool(settings.mcp_bind) and not is_loopback(split_address(settings.mcp_bind)[0])
    if is_public and not settings.mcp_url.startswith("https://"):
        yield "LOOPLINE_MCP_BIND accepts other hosts without TLS; use a proxy, and set LOOPLINE_MCP_URL to its URL."
    url = urlsplit(settings.redis_url.get_secret_value())
    if url.scheme == "redis" and not url.password and not is_loopback(url.hostname or ""):
        yield "REDIS_URL has neither TLS nor a password; use it in a private network only."


def load(role: Role, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that a process of this role can see, or exit with code 2 and the reasons on stderr."""
    if sentences := find_problems(role, environ):
        _exit(sentences)
    return parse_settings(filter_environment(role, environ))


def configure_clients(settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
    """Let all clients in this process use the proxies and certificate authorities of `environ` and the settings.

    The libraries read variables of their own, so that each of them gets the same file; git gets them from
    `integrations.outbound`."""
    names = (*PROXIES, *NO_PROXY, *CERTIFICATES)
    variables = {name: value for name in names if (value := environ.get(name, "").strip())}
    if settings.ca_file:
        variables = {name: value for name, value in variables.items() if name not in CERTIFICATES}
        os.environ.pop("SSL_CERT_DIR", None)
        variables["SSL_CERT_FILE"] = str(settings.ca_file)
    outbound = read_outbound(variables)
    if outbound.ca_file:
        variables = {**dict.fromkeys(CERTIFICATE_FILES, str(outbound.ca_file)), **variables}
    os.environ.update(variables)
    configure_outbound(outbound)


def _exit(sentences: Iterable[str]) -> NoReturn:
    sys.stderr.write("".join(f"{sentence}\n" for sentence in sentences))
    raise SystemExit(2)
