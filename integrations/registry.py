"""Registry of all providers. Imported by every process; importing a provider's value imports no client.

Other packages register providers in the entry-point group `loopline.providers`, in the same `module:value` form.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from integrations.errors import Rejected
from integrations.ports.provider import Provider

GROUP = "loopline.providers"
BUILT_IN = (
    "integrations.trackers.linear.provider:LINEAR",
    "integrations.code_hosts.github.provider:GITHUB",
    "integrations.agents.anthropic.provider:ANTHROPIC",
)

P = TypeVar("P", bound=Provider[Any, Any])


@cache
def providers() -> tuple[Provider[Any, Any], ...]:
    """Return all providers, built-in ones first. Raises `Rejected` for a duplicate name and if one cannot be loaded."""
    installed = sorted(entry_points(group=GROUP), key=lambda point: point.value)
    found = (*_built_in(), *(_load(point) for point in installed))
    names = [provider.name for provider in found]
    if duplicates := {name for name in names if names.count(name) > 1}:
        raise Rejected(f"two providers have the name {', '.join(sorted(duplicates))}: remove one of the packages")
    return found


@cache
def _built_in() -> tuple[Provider[Any, Any], ...]:
    return tuple(_load(EntryPoint(value.rpartition(":")[2], value, GROUP)) for value in BUILT_IN)


def _load(point: EntryPoint) -> Provider[Any, Any]:
    try:
        provider = point.load()
    except Exception as error:  # the code of another package
        reason = " ".join(str(error).split())[:200]
        raise Rejected(f"the provider {point.name} ({point.value}) cannot be loaded: {reason}") from error
    if not isinstance(provider, Provider):
        raise Rejected(f"the provider {point.name} ({point.value}) is a {type(provider).__name__}, not a Provider")
    return provider


def default_name(kind: type[Provider[Any, Any]]) -> str:
    """Return the name of the first built-in provider of this kind, the default of the settings."""
    return next(provider.name for provider in _built_in() if isinstance(provider, kind))


def find_provider(kind: type[P], name: str) -> P:
    """Return the provider of this kind and name. Raises `Rejected` with the known names."""
    known = {provider.name: provider for provider in providers() if isinstance(provider, kind)}
    if name not in known:
        raise Rejected(f"there is no {kind.kind} {name!r}; the known ones are: {', '.join(known)}")
    return known[name]
