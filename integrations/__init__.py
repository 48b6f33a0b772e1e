"""The outside world: shared words at the bottom (`events`, `base`, `errors`), a file per provider, git and sandbox."""

from __future__ import annotations
