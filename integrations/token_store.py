"""Renewable access tokens, shared by all processes: where they are kept, and who may replace one.

A provider's client uses the store of its process, which `share_tokens` sets once (`jobs.runtime.tokens` keeps them
encrypted in Redis and below the home folder); without it they are kept in memory, as in tools and tests of one client.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class TokenStore(Protocol):
    """Texts by name, such as 'linear/app'; a name has letters, digits, hyphens and one slash."""

    def read(self, name: str) -> str:
        """The newest text; empty if there is none or it cannot be decrypted."""

    def write(self, name: str, text: str) -> None:
        """Make the text durable, then visible to all processes. Empty: remove it. Called with the lock held."""

    def names(self, prefix: str) -> Sequence[str]:
        """The names that begin with `prefix`, sorted."""

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold the right to replace the text, among all processes. Raises `Unavailable` when that takes too long."""


class LocalTokens:
    """Tokens in the memory of one process."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> str:
        return self._texts.get(name, "")

    def write(self, name: str, text: str) -> None:
        self._texts[name] = text

    def names(self, prefix: str) -> Sequence[str]:
        return sorted(name for name, text in self._texts.items() if text and name.startswith(prefix))

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        with self._lock:
            yield


class _Shared:
    store: TokenStore = LocalTokens()


def share_tokens(store: TokenStore) -> None:
    """Set the store of this process."""
    _Shared.store = store


def token_store() -> TokenStore:
    """The store of this process."""
    return _Shared.store
