"""Reads the environment, filters it per process role and validates it. No other module reads it.

Called by the entry points. Opens no connection: `python -m service check` checks Redis and the providers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import ValidationError

from integrations.errors import Rejected
from integrations.registry import providers
from integrations.settings import Process, SettingsModel, is_visible
from jobs.config.settings import Settings, list_fields

Role = Process | Literal["up"]
NEAR_MISS = 0.9
"""Similarity from which a name with a shared prefix counts as misspelt: one wrong letter of ten."""


def parse_settings(variables: Mapping[str, str]) -> Settings:
    """Parse the settings; an empty variable counts as not set. Raises `pydantic.ValidationError` without values."""
    own = {provider.name: provider.settings.from_variables(variables) for provider in providers()}
    return Settings.from_variables(variables, providers=own)


def read_environment(env_file: Path) -> dict[str, str]:
    """Return the process's environment merged over `env_file`, if it exists. For the commands of operators only: the
    other processes get their variables from the supervisor or the Procfile."""
    from_file = dotenv_values(env_file, interpolate=False) if env_file.is_file() else {}
    return {name: value for name, value in from_file.items() if value} | dict(os.environ)


_SYSTEM_VARIABLES = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "XDG_RUNTIME_DIR"),
        *("VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)


def filter_environment(role: Role, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a process of this role can see: its secrets, all other settings, system variables.

    web: webhook secrets; worker: credentials of tracker and code host; agent: those of the model; dashboard, clock:
    none. `up` sees everything, because it starts the others."""
    visible = {name for name, field in list_fields().items() if role == "up" or is_visible(field, role)}
    seen = visible | _SYSTEM_VARIABLES
    return {name: value for name, value in environ.items() if name in seen or name.startswith(("LC_", "PYTHON"))}


def _find_unknown(environ: Mapping[str, str]) -> Iterator[str]:
    own = ("LOOPLINE_", *(provider.prefix for provider in providers() if not provider.shares_prefix))
    shared = tuple(provider.prefix for provider in providers() if provider.shares_prefix)
    for name in sorted(environ.keys() - list_fields().keys()):
        (near,) = get_close_matches(name, list_fields(), n=1, cutoff=0.0)
        if name.startswith(own) or (name.startswith(shared) and get_close_matches(name, [near], cutoff=NEAR_MISS)):
            yield f"Unknown setting {name}. Did you mean {near}?"


def _find_missing(role: Role, settings: Settings) -> Iterator[str]:
    for name, webhooks in settings.webhooks().items() if role in ("web", "up") else ():
        if not settings.webhook_secrets(name):
            yield f"{webhooks.secrets} is empty; webhooks cannot be verified without it."
    if role in ("worker", "up") and not settings.teams:
        yield 'LOOPLINE_TEAMS is empty; name a team and its repository, as in {"ENG": {"repository": "acme/shop"}}.'
    for provider in settings.chosen_providers():
        if role in (provider.process, "up"):
            yield from settings.provider_settings(provider).missing_credentials()


def find_problems(role: Role, environ: Mapping[str, str]) -> list[str]:
    """Return one sentence for each reason that a process of this role cannot start, without any setting's value."""
    try:
        sentences = list(_find_unknown(environ))
        variables = filter_environment(role, environ)
    except Rejected as error:  # by the registry
        return [f"{str(error)[:1].upper()}{str(error)[1:]}."]
    classes: list[type[SettingsModel]] = [Settings, *(provider.settings for provider in providers())]
    invalid = [sentence for settings in classes for sentence in _find_invalid(settings, variables)]
    return [*sentences, *(invalid or _find_missing(role, parse_settings(variables)))]


def _find_invalid(settings: type[SettingsModel], variables: Mapping[str, str]) -> Iterator[str]:
    """Invalid values of this class."""
    try:
        settings.from_variables(variables)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            place = ".".join(str(part) for part in one["loc"])
            yield f"{place} cannot be used: {one['msg'].removeprefix('Value error, ')}."


def load(role: Role, environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that a process of this role can see, or exit with code 2 and the reasons on stderr."""
    sentences = find_problems(role, environ)
    if sentences:
        sys.stderr.write("".join(f"{sentence}\n" for sentence in sentences))
        raise SystemExit(2)
    return parse_settings(filter_environment(role, environ))
