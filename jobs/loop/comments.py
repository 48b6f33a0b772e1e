"""Records of comments that a loop has read or written. Values only."""

from __future__ import annotations

from integrations.values import value


@value
class Reply:
    """A reply of Loopline that changed nothing else. `author` is the id of a person without permission, else None."""

    at: float
    author: str | None = None


@value
class SeenComment:
    """A comment that was decided: digest of its text and names of its commands, by which an edit is compared."""

    comment_id: str
    digest: str
    commands: tuple[str, ...] = ()


MAX_SEEN = 100
"""Comments that are remembered."""
