"""The operations. Importing this package fills the table in `operations`; one file per group of GitHub's reference."""

from __future__ import annotations

from integrations.standins.github.routes import (
    actions,
    administration,
    apps,
    checks,
    conversation,
    files,
    hooks,
    labels,
    people,
    pulls,
    repositories,
    rules,
    search,
    updates,
)

__all__ = [
    "actions",
    "administration",
    "apps",
    "checks",
    "conversation",
    "files",
    "hooks",
    "labels",
    "people",
    "pulls",
    "repositories",
    "rules",
    "search",
    "updates",
]
