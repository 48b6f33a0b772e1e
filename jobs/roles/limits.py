"""The limits of a run's commands and of its change: those of WORKFLOW.md, else the service's defaults."""

from __future__ import annotations

from integrations.errors import ExceededLimit, OverLimit
from integrations.git.tree_policy import TreeLimits
from jobs.config.settings import Settings
from jobs.loop.policy import RepositoryPolicy

_MEGABYTE = 2**20
_PACK_OVERHEAD = 14 * _MEGABYTE
"""A pack also holds trees, commits, and versions of files between the agent's commits."""
_KEYS: dict[ExceededLimit, tuple[str, str]] = {
    "files": ("loop.limits.files", "LOOPLINE_MAX_CHANGE_FILES"),
    "file": ("loop.limits.file_megabytes", "LOOPLINE_MAX_CHANGE_MEGABYTES"),
    "total": ("loop.limits.total_megabytes", "LOOPLINE_MAX_CHANGE_MEGABYTES"),
    "pack": ("loop.limits.total_megabytes", "LOOPLINE_MAX_CHANGE_MEGABYTES"),
}


def get_command_seconds(policy: RepositoryPolicy, settings: Settings) -> float:
    """The timeout of an agent's command."""
    minutes = policy.loop.limits.command_minutes
    return float(settings.command_seconds) if minutes is None else minutes * 60


def get_check_seconds(policy: RepositoryPolicy, settings: Settings, command: str) -> float:
    """The timeout of a command of the gate: its own if it is a check of the repository, else that for checks."""
    own = [check.minutes for check in policy.loop.checks if check.run == command and check.minutes is not None]
    minutes = max(own, default=policy.loop.limits.check_minutes)
    return float(settings.command_seconds) if minutes is None else minutes * 60


def build_tree_limits(policy: RepositoryPolicy) -> TreeLimits:
    """The limits of one change."""
    limits = policy.loop.limits
    total = int(limits.total_megabytes * _MEGABYTE)
    return TreeLimits(
        max_files=limits.files,
        max_blob_bytes=int(limits.file_megabytes * _MEGABYTE),
        max_total_bytes=total,
        max_pack_bytes=total + _PACK_OVERHEAD,
    )


def explain_limit(error: OverLimit) -> str:
    """The error with the key that raises the limit, in two sentences."""
    key, bound = _KEYS[error.limit]
    return (
        f"{error}. If the ticket needs this, raise `{key}` in WORKFLOW.md on the base branch (the operator's bound is "
        f"{bound})"
    )
