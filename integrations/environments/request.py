"""The input of an environment, and the key that identifies it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = 1
"""Part of each key; raised when environments of older releases cannot be used any more."""


@dataclass(frozen=True)
class EnvironmentRequest:
    """All that an environment depends on. `base` identifies the root file system, `inputs` has the git object of each
    input file by its path, `secrets` are names."""

    repository: str
    base: str
    setup: tuple[str, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    network: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    maintain: tuple[str, ...] = ()
    """Commands for a copy of an environment of the same family. Not part of the key."""

    @property
    def digest(self) -> str:
        """Equal for requests whose environments are the same, 32 hex digits."""
        return _hash([self.family, sorted(self.inputs.items())])

    @property
    def family(self) -> str:
        """Equal for requests that differ in their inputs only."""
        parts = [self.repository, self.base, self.setup, self.network, sorted(self.variables.items()), self.secrets]
        return _hash([VERSION, *parts])


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]
