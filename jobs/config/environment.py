"""The only reader of the environment: what each role may see of it, and what is wrong with it.

Called by the entry points (`python -m service …`, `python -m jobs …`). It opens no connection: whether Redis
and the providers answer is checked by `python -m service check`.
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
from jobs.config.settings import Settings, fields

Role = Process | Literal["up"]
NEAR_MISS = 0.9
"""Similarity from which a name with a shared prefix counts as misspelt: one wrong letter of ten."""


def read(variables: Mapping[str, str]) -> Settings:
    """Settings from environment variables; empty ones count as not given.

    Raises `pydantic.ValidationError`, which shows no values."""
    own = {provider.name: provider.settings.from_variables(variables) for provider in providers()}
    return Settings.from_variables(variables, providers=own)


def environment(env_file: Path) -> dict[str, str]:
    """The process's environment on top of what `env_file` says, if there is one. For `up` and `check` only: the other
    processes get their share from the supervisor or the Procfile."""
    written = dotenv_values(env_file, interpolate=False) if env_file.is_file() else {}
    return {name: value for name, value in written.items() if value} | dict(os.environ)


_SURROUNDINGS = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "XDG_RUNTIME_DIR"),
        *("VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)


def environment_for(role: Role, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that a process of this role may see: its secrets, all other settings, and where it runs.

    web: webhook secrets; worker: credentials of tracker and code host; agent: those of the model; dashboard, clock:
    none. `up` sees everything, because it starts the others."""
    visible = {name for name, field in fields().items() if role == "up" or is_visible(field, role)}
    seen = visible | _SURROUNDINGS
    return {name: value for name, value in environ.items() if name in seen or name.startswith(("LC_", "PYTHON"))}


def _unknown(environ: Mapping[str, str]) -> Iterator[str]:
    own = ("LOOPLINE_", *(provider.prefix for provider in providers() if not provider.shares_prefix))
    shared = tuple(provider.prefix for provider in providers() if provider.shares_prefix)
    for name in sorted(environ.keys() - fields().keys()):
        (near,) = get_close_matches(name, fields(), n=1, cutoff=0.0)
        if name.startswith(own) or (name.startswith(shared) and get_close_matches(name, [near], cutoff=NEAR_MISS)):
            yield f"Unknown setting {name}. Did you mean {near}?"


def _missing(role: Role, settings: Settings) -> Iterator[str]:
    if role in ("web", "up"):
        yield from _missing_webhook_secrets(settings)
    if role in ("worker", "up") and not settings.teams:
        yield 'LOOPLINE_TEAMS is empty; name a team and its repository, as in {"ENG": {"repository": "acme/shop"}}.'
    for provider in settings.chosen():
        if role in (provider.process, "up"):
            yield from settings.of(provider).missing_credentials()


def _missing_webhook_secrets(settings: Settings) -> Iterator[str]:
    for name, webhooks in settings.webhooks().items():
        if not settings.webhook_secrets(name):
            yield f"{webhooks.secrets} is empty; webhooks cannot be verified without it."


def problems(role: Role, environ: Mapping[str, str]) -> list[str]:
    """Everything that keeps a process of this role from starting, one sentence each, without any setting's value."""
    try:
        sentences = list(_unknown(environ))
        variables = environment_for(role, environ)
    except Rejected as error:  # one of the providers
        return [f"{str(error)[:1].upper()}{str(error)[1:]}."]
    classes: list[type[SettingsModel]] = [Settings, *(provider.settings for provider in providers())]
    wrong = [sentence for settings in classes for sentence in _wrong(settings, variables)]
    return [*sentences, *(wrong or _missing(role, read(variables)))]


def _wrong(settings: type[SettingsModel], variables: Mapping[str, str]) -> Iterator[str]:
    """The settings of this class whose value cannot be used."""
    try:
        settings.from_variables(variables)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False, include_context=False):
            place = ".".join(str(part) for part in one["loc"])
            yield f"{place} cannot be used: {one['msg'].removeprefix('Value error, ')}."


def load(role: Role, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings that a process of this role may see; ends the process with exit code 2 and reasons on stderr."""
    sentences = problems(role, environ)
    if sentences:
        sys.stderr.write("".join(f"{sentence}\n" for sentence in sentences))
        raise SystemExit(2)
    return read(environment_for(role, environ))
