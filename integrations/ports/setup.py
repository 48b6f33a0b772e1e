"""Ports of `loopline doctor` and `loopline init`: probes of a provider, and changes there that a set-up makes.

A probe reads, or sends a request that the provider refuses with or without the permission, so that nothing changes.
Methods raise `Unavailable` and `Rejected`, like those of the other ports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from integrations.ports.tracker import ColumnRole

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One result of a probe: a line of the report. `fix` is the next step of a person; empty for 'ok'."""

    level: Level
    subject: str
    text: str
    fix: str = ""


def found_ok(subject: str, text: str) -> Finding:
    """A probe without a problem."""
    return Finding("ok", subject, text)


def found_warning(subject: str, text: str, fix: str = "") -> Finding:
    """Loopline works, but something will be missing or refused."""
    return Finding("warning", subject, text, fix)


def found_problem(subject: str, text: str, fix: str = "") -> Finding:
    """Loopline does not work before this is fixed."""
    return Finding("problem", subject, text, fix)


@dataclass(frozen=True)
class ProbeScope:
    """What a provider is probed for: columns by role and team, repositories, whether commits are signed, and `people`,
    the addresses in settings that name people, by variable.

    `since` is the Unix time from which deliveries count, an hour ago."""

    teams: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    repositories: Sequence[str] = ()
    signs_commits: bool = False
    since: float = 0.0
    people: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class CredentialForm:
    """How a person gives a provider's credential. `parse` returns variables of the settings from the answer, and raises
    `ValueError` with the fix. `where` says where the credential is created."""

    question: str
    where: str
    parse: Callable[[str], Mapping[str, str]]


@dataclass(frozen=True)
class Team:
    """A team of the tracker."""

    key: str
    name: str


class TrackerSetup(Protocol):
    """Reads and changes that a set-up of the board makes."""

    def probe(self, scope: ProbeScope) -> Iterable[Finding]:
        """Check everything that the scope names. Raises nothing for a refusal of the provider."""

    def describe_account(self) -> str:
        """The account of the credential, for people."""

    def list_teams(self) -> Sequence[Team]:
        """The teams that the credential can see."""

    def list_columns(self, team: str) -> Sequence[str]:
        """The team's columns in their order."""

    def create_column(self, team: str, role: ColumnRole, name: str) -> None:
        """Add a column of the type that fits its role."""

    def has_label(self, team: str, name: str) -> bool:
        """Whether tickets of the team can get this label."""

    def create_label(self, team: str, name: str) -> None:
        """Add a label to the team."""

    def ensure_webhook(self, team: str, url: str, secret: str) -> str:
        """Return the signing secret of the webhook to this URL; creates it with `secret` if there is none."""


class CodeHostSetup(Protocol):
    """Reads and changes that a set-up of a repository makes. `repository` is 'owner/name'."""

    def probe(self, scope: ProbeScope) -> Iterable[Finding]:
        """Check everything that the scope names. Raises nothing for a refusal of the provider."""

    def describe_account(self) -> str:
        """The account of the credential, for people."""

    def list_repositories(self) -> Sequence[str]:
        """The repositories that the credential can write to."""

    def list_files(self, repository: str) -> Sequence[str]:
        """The paths of the default branch, as many as the host lists at once."""

    def read_file(self, repository: str, path: str) -> str | None:
        """The text of a file of the default branch; None if there is none."""

    def ensure_webhook(self, repository: str, url: str, secret: str) -> bool:
        """Create the repository's webhook to this URL if there is none; whether it was created."""

    def propose_file(self, repository: str, branch: str, path: str, text: str, title: str, body: str) -> str:
        """Open a pull request from `branch` that adds or replaces the file; returns its URL. Idempotent."""


@dataclass(frozen=True)
class AppForm:
    """A form that a person sends to the provider to create an app: its URL and hidden fields."""

    action: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class CreatedApp:
    """A new app: variables of the settings, the private key with the variable of its file, and where to install it."""

    variables: Mapping[str, str]
    key_variable: str
    key: str = field(repr=False)
    install_url: str = ""


class AppRegistration(Protocol):
    """Creation of an app by a manifest."""

    def build_form(self, public_url: str, redirect_url: str, state: str, organization: str = "") -> AppForm:
        """The form; the provider answers to `redirect_url` with a code and `state`."""

    def exchange(self, code: str) -> CreatedApp:
        """The app that was created."""
