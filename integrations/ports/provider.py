"""The port of a provider: one value per folder, listed in `integrations.registry`.

The web process imports it, so its module imports neither an HTTP client nor code that handles tokens; `build` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from integrations.ports.agent_runner import AgentRunner
from integrations.ports.code_host import CodeHost
from integrations.ports.setup import AppRegistration, CodeHostSetup, CredentialForm, TrackerSetup
from integrations.ports.source import Source
from integrations.ports.tracker import Tracker
from integrations.settings import Process, SettingsModel

MEBIBYTE = 1024 * 1024


class ProviderSettings(SettingsModel):
    """Base of a provider's settings. Every variable begins with the provider's name in capitals."""

    def missing_credentials(self) -> Iterator[str]:
        """Yield one sentence for each credential that `build` needs and that is not set or cannot be used."""
        yield from ()


S = TypeVar("S", bound=ProviderSettings)
T = TypeVar("T")


@dataclass(frozen=True)
class Webhooks:
    """A provider's webhooks. `source` has the provider's name, `secrets` is the variable of the signing secrets, and a
    body with more than `largest_body` bytes is refused (413). After an event of a kind in `access_events`, Loopline's
    access is checked."""

    source: Source
    secrets: str
    largest_body: int = 5 * MEBIBYTE
    access_events: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Installation(Generic[S]):
    """How an operator connects a workspace of the provider to Loopline's OAuth app, with PKCE.

    `client_id` is the variable of the app's id, without which there is no app. `authorize_url` gets settings, redirect
    URI, state and code challenge, and sends no request. `connect` gets settings, code, redirect URI and code verifier,
    stores the tokens in `integrations.token_store` and returns the workspace's name."""

    client_id: str
    authorize_url: Callable[[S, str, str, str], str]
    connect: Callable[[S, str, str, str], str]


@dataclass(frozen=True, kw_only=True)
class Provider(Generic[S, T]):
    """Common part of the three kinds. `name` appears in settings and in the webhook's URL; `build` creates the client.

    `shares_prefix`: other programs use variables with the same prefix, so only near misses count as misspelt."""

    kind: ClassVar[str]
    process: ClassVar[Process]
    """The process that calls `build`; it needs the credentials."""
    name: str
    settings: type[S]
    build: Callable[[S], T]
    webhooks: Webhooks | None = None
    installation: Installation[S] | None = None
    shares_prefix: bool = False
    form: CredentialForm | None = None
    """How `loopline init` asks for the credential."""

    @property
    def prefix(self) -> str:
        """The prefix of the provider's variables."""
        return f"{self.name.upper()}_"


@dataclass(frozen=True, kw_only=True)
class TrackerProvider(Provider[S, Tracker]):
    """A board."""

    kind = "tracker"
    process = "worker"
    set_up: Callable[[S], TrackerSetup] | None = None


@dataclass(frozen=True, kw_only=True)
class CodeHostProvider(Provider[S, CodeHost]):
    """A host of repositories and pull requests."""

    kind = "code host"
    process = "worker"
    set_up: Callable[[S], CodeHostSetup] | None = None
    registration: Callable[[S], AppRegistration] | None = None


@dataclass(frozen=True, kw_only=True)
class RunnerProvider(Provider[S, AgentRunner]):
    """An agent runner. `models` maps each role, and `strong`, to its default model.

    `find_problems` gets the settings, the models by the names of their settings, and whether it may also make cheap
    requests; otherwise it makes free ones only. It returns one sentence per problem of key, endpoint or model."""

    kind = "runner"
    process = "agent"
    models: Mapping[str, str] = field(default_factory=dict)
    find_problems: Callable[[S, Mapping[str, str], bool], list[str]] | None = None
