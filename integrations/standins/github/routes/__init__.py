"""What each operation does. Importing this package fills the table in `operations`; one file per group of GitHub's."""

from __future__ import annotations

from integrations.standins.github.routes import (
    accounts,
    apps,
    checks,
    comments,
    hooks,
    merging,
    pulls,
    repositories,
    reviews,
    statuses,
)

__all__ = [
    "accounts",
    "apps",
    "checks",
    "comments",
    "hooks",
    "merging",
    "pulls",
    "repositories",
    "reviews",
    "statuses",
]
