"""The operations. Importing this package fills the table in `operations`; one file per group of GitHub's reference."""

from __future__ import annotations

from integrations.standins.github.routes import (
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
)

__all__ = ["apps", "checks", "conversation", "files", "hooks", "labels", "people", "pulls", "repositories", "rules"]
