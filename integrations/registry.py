"""Every provider, by name: a line for each one in this repository, an entry point for each one installed beside it.

A package outside of this repository registers its providers in the entry-point group `loopline.providers`, with the
same `module:value` form. Imported by every process; importing a provider's value imports no client.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from integrations.errors import Rejected
from integrations.ports.provider import CodeHostProvider, Provider, TrackerProvider, Webhooks

GROUP = "loopline.providers"
BUILT_IN = (
    "integrations.trackers.linear.provider:LINEAR",
    "integrations.code_hosts.github.provider:GITHUB",
    "integrations.agents.anthropic.provider:ANTHROPIC",
)

P = TypeVar("P", bound=Provider[Any, Any])


@cache
def providers() -> tuple[Provider[Any, Any], ...]:
    """All of them, those of this repository first. Raises `Rejected` for one that cannot be loaded, and for a name that
    two have."""
    installed = sorted(entry_points(group=GROUP), key=lambda point: point.value)
    found = (*_built_in(), *(_load(point) for point in installed))
    names = [provider.name for provider in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise Rejected(f"two providers have the name {', '.join(sorted(twice))}: remove one of the packages")
    return found


@cache
def _built_in() -> tuple[Provider[Any, Any], ...]:
    return tuple(_load(EntryPoint(value.rpartition(":")[2], value, GROUP)) for value in BUILT_IN)


def _load(point: EntryPoint) -> Provider[Any, Any]:
    try:
        provider = point.load()
    except (ImportError, AttributeError) as error:
        raise Rejected(f"the provider {point.name} ({point.value}) cannot be loaded: {error}") from error
    if not isinstance(provider, Provider):
        raise Rejected(f"the provider {point.name} ({point.value}) is a {type(provider).__name__}, not a Provider")
    return provider


def default(kind: type[Provider[Any, Any]]) -> str:
    """The name of the provider that is used where the settings name none."""
    return next(provider.name for provider in _built_in() if isinstance(provider, kind))


def find(kind: type[P], name: str) -> P:
    """The provider of this kind and name. Raises `Rejected` with the known names."""
    known = {provider.name: provider for provider in providers() if isinstance(provider, kind)}
    if name not in known:
        raise Rejected(f"there is no {kind.kind} {name!r}; the known ones are: {', '.join(known)}")
    return known[name]


def webhooks(chosen: Iterable[Provider[Any, Any]]) -> dict[str, Webhooks]:
    """How to receive the webhooks of those providers that send some, by the provider's name."""
    sending = (one for one in chosen if isinstance(one, TrackerProvider | CodeHostProvider))
    return {provider.name: provider.webhooks for provider in sending if provider.webhooks}
