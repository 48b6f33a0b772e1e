"""Effects of skills and lessons. Called by `jobs.effects.perform`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.loop.skill_state import CountSkills
from jobs.store.skill_outcomes import record_skills

if TYPE_CHECKING:
    from jobs.effects.perform import Context


def count_skills(command: CountSkills, ctx: Context) -> None:
    """Record the end of the attempt for the repository's statistics."""
    record_skills(ctx.world.redis, f"{ctx.ticket.id}/{ctx.id}", command)
