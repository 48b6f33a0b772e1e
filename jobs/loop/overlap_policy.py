"""Keys below `loop.overlap` of `WORKFLOW.md`: when a ticket waits for the work of others. Values only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from integrations.values import value
from jobs.loop.policy_fields import Lines

COMMON_FILES = (
    *("**/*.lock", "**/*-lock.json", "**/*-lock.yaml", "**/go.sum", "**/npm-shrinkwrap.json"),
    *("**/dist/**", "**/build/**", "**/vendor/**", "**/node_modules/**", "**/generated/**", "**/__generated__/**"),
    *("**/*.min.js", "**/*.min.css", "**/*.map", "**/*.snap", "**/__snapshots__/**", "**/*.pb.go", "**/*_pb2.py"),
    *("**/package.json", "**/pyproject.toml", "**/Cargo.toml", "**/go.mod", "**/Gemfile", "**/.gitignore"),
    *("**/CHANGELOG*", "**/README*", "**/__init__.py", "**/index.ts", "**/index.js", "**/mod.rs"),
)
"""Files that most changes touch or that tools write: tickets do not wait for them."""


@value
class OverlapPolicy:
    """When a ticket waits for the work of others in its repository."""

    files: Literal["wait", "warn", "off"] = "wait"
    """wait: a ticket starts after others that edit the same files. warn: it starts, and both tickets name the files."""
    ignore: Lines = ()
    """Further path patterns that tickets do not wait for, beside lock files, generated and very common files."""
    review_limit: int | None = Field(default=None, ge=0, le=1_000)
    """No new ticket starts while so many verified pull requests wait for people; 0: no limit; None is the service's
    default."""
    unreviewed_lines_per_week: int = Field(default=0, ge=0, le=1_000_000)
    """No new ticket starts while more lines than these were merged in seven days without a review by a person; 0: no
    limit."""
