"""Sanitizes the texts of a command. Called by `jobs.effects.perform` before it performs an outward command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import structlog

from integrations.leaks.own import OwnSecrets
from integrations.values import Ticket
from jobs.loop.commands import Command
from jobs.messages.sanitize import Own, sanitize_line, sanitize_markdown
from jobs.workflow.report import Report

if TYPE_CHECKING:
    from jobs.effects.world import World

SANITIZERS: Mapping[str, Callable[[str, Own], str]] = {
    "body": sanitize_markdown,
    "title": sanitize_line,
    "subtitle": sanitize_line,
    "description": sanitize_line,
    "proofs": sanitize_line,
}
"""By the name of a command's field. The other fields are names and ids of providers, URLs and values of Loopline."""
WITHHELD = (
    "[Withheld by Loopline: this text holds a secret of its own settings. Replace the secret where it was issued.]"
)
_log = structlog.get_logger(__name__)


def sanitize_command(command: Command, ticket: Ticket, world: World) -> Command:
    """The command with inert texts, without secrets of this process."""
    own, secrets = find_own(ticket, world), _find_secrets(world)
    texts: dict[str, Any] = {
        name: _sanitize(getattr(command, name), sanitize, own, ticket, secrets)
        for name, sanitize in SANITIZERS.items()
        if hasattr(command, name)
    }
    return replace(command, **texts)


def sanitize_text(text: str, ticket: Ticket, world: World) -> str:
    """A text that a performer writes itself, in the same way."""
    return _withhold(sanitize_markdown(text, find_own(ticket, world)), ticket, _find_secrets(world))


def withhold_secrets(text: str, ticket: Ticket, world: World) -> str:
    """A text of a performer that is data, or is sanitized already."""
    return _withhold(text, ticket, _find_secrets(world))


def _sanitize(given: Any, sanitize: Callable[[str, Own], str], own: Own, ticket: Ticket, secrets: OwnSecrets) -> Any:
    """The text, or the mapping with its texts, sanitized."""
    if isinstance(given, Mapping):
        return {name: _sanitize(text, sanitize, own, ticket, secrets) for name, text in given.items()}
    return _withhold(sanitize(given, own), ticket, secrets)


def sanitize_report(report: Report, ticket: Ticket, world: World) -> Report:
    """The same for progress comment and board memory. The board memory's texts are data: only secrets are withheld."""
    own, secrets = find_own(ticket, world), _find_secrets(world)
    metadata = {
        name: _withhold(value, ticket, secrets) if isinstance(value, str) else value
        for name, value in report.metadata.items()
    }
    progress = _withhold(sanitize_markdown(report.progress, own), ticket, secrets)
    plan = tuple(replace(step, text=_withhold(sanitize_line(step.text, own), ticket, secrets)) for step in report.plan)
    activity = report.activity
    if activity:
        body = _withhold(sanitize_markdown(activity.body, own), ticket, secrets)
        activity = replace(activity, body=body, parameter=sanitize_line(activity.parameter, own))
    subtitle = sanitize_line(report.subtitle, own)
    return replace(report, progress=progress, subtitle=subtitle, metadata=metadata, plan=plan, activity=activity)


def find_own(ticket: Ticket, world: World) -> Own:
    """The pages that a text about this ticket can link: of the tracker's workspace, the repository, the dashboard."""
    url = urlsplit(ticket.url)
    workspace = url.path.strip("/").split("/")[0]
    team = world.policy.teams.get(ticket.team)
    repositories = [world.code_host.page_url(name) for name in team.repositories] if team else []
    tracker = f"{url.scheme}://{url.netloc}/{workspace}" if url.netloc and workspace else ""
    return Own(ticket.identifier, (ticket.url, tracker, *repositories, world.settings.dashboard_url))


def _find_secrets(world: World) -> OwnSecrets:
    return OwnSecrets(world.settings.secret_values())


def _withhold(text: str, ticket: Ticket, secrets: OwnSecrets) -> str:
    if not secrets.occur_in(text.encode()):
        return text
    _log.error("text withheld: it holds a secret of this process", ticket=ticket.identifier)
    return WITHHELD
