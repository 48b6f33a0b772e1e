"""The only reader of the environment: what each role may see of it, and what is wrong with it.

Called by the entry points (`python -m service …`, `python -m jobs …`). It must not talk to anything: whether Redis,
Linear or GitHub answer is `python -m service check`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from jobs.config.settings import Settings, fields

Role = Literal["web", "dashboard", "worker", "agent", "clock", "up"]


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
