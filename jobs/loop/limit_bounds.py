"""The operator's bounds of the limits that WORKFLOW.md can set. Pure; called by `jobs.effects.gather`."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.loop.policy import FILE, PolicyError, RepositoryPolicy


@dataclass(frozen=True)
class LimitBounds:
    """The largest values of `loop.limits` and `loop.checks[].minutes`, from the settings `LOOPLINE_MAX_…`."""

    command_minutes: float
    output_megabytes: int
    change_files: int
    change_megabytes: float


def check_limits(policy: RepositoryPolicy, bounds: LimitBounds, where: str) -> None:
    """Raise `PolicyError` for a limit beyond its bound."""
    limits, minutes = policy.loop.limits, "command_minutes"
    asked: list[tuple[str, float | None, str]] = [
        ("limits.command_minutes", limits.command_minutes, minutes),
        ("limits.check_minutes", limits.check_minutes, minutes),
        *((f"checks.{number}.minutes", check.minutes, minutes) for number, check in enumerate(policy.loop.checks)),
        ("limits.output_megabytes", limits.output_megabytes, "output_megabytes"),
        ("limits.files", limits.files, "change_files"),
        ("limits.file_megabytes", limits.file_megabytes, "change_megabytes"),
        ("limits.total_megabytes", limits.total_megabytes, "change_megabytes"),
    ]
    for key, wanted, name in asked:
        bound = float(getattr(bounds, name))
        if wanted is not None and wanted > bound:
            raise PolicyError(
                f"{FILE} in {where} sets loop.{key} to {wanted:g}, more than the {bound:g} that LOOPLINE_MAX_"
                f"{name.upper()} allows: lower it, or let the operator raise that setting."
            )
