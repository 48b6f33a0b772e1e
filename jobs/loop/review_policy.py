"""Keys below `loop.review` of `WORKFLOW.md`. Values only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from integrations.values import value


@value
class ReviewPolicy:
    """How reviews count."""

    bots: Literal["none", "advise", "instruct"] = "advise"
    """Inline comments of bots: ignored, advice in the next round, or instructions as of people with write access."""
    rounds: int = Field(default=5, ge=1, le=20)
    """Rounds that reviews start after one hand-over; then a person decides."""
    two_persons: bool = False
    """Whether the person who handed the ticket over cannot approve it."""
