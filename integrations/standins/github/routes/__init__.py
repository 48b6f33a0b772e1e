"""The operations. Importing this package fills the table in `operations`; one file per group of GitHub's reference."""

from __future__ import annotations

from integrations.standins.github.routes import apps, checks, conversation, hooks, pulls, repositories

__all__ = ["apps", "checks", "conversation", "hooks", "pulls", "repositories"]
