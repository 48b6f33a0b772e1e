"""The skills that agents read in an attempt, and how it ended. Values only."""

from __future__ import annotations

from typing import Literal

from integrations.values import value

SkillOutcome = Literal["accepted", "rejected", "escalated"]
"""accepted: by the checker, or by a person. rejected: another attempt follows. escalated: a person has to act."""


@value
class CountSkills:
    """Count the end of an attempt for each skill that its agents read, for the repository's statistics."""

    kind: Literal["CountSkills"] = "CountSkills"
    repository: str
    skills: tuple[str, ...]
    ending: SkillOutcome
    at: float
