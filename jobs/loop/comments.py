"""Comments and guidance of people, as a loop keeps them. Values only."""

from __future__ import annotations

from dataclasses import replace

from integrations.values import RunId, TicketImage, value


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


@value
class Guidance:
    """A person's message to the agent. `thread` is the comment to reply to; `requested`: it asks for a revision by a
    command or a review."""

    author: str
    text: str
    comment_id: str = ""
    thread: str = ""
    requested: bool = False
    images: tuple[TicketImage, ...] = ()
    """The images in the text, if agents were at work when it was written."""


def join_guidance(parts: tuple[Guidance, ...]) -> Guidance:
    """Several people's messages as one request."""
    authors = dict.fromkeys(part.author for part in parts)
    return Guidance(author=" and ".join(authors), text="\n".join(part.text for part in parts))


MAX_GUIDANCE = 100
"""Entries that are kept; older ones leave the briefs."""
GUIDANCE_CHARACTERS = 20_000


@value
class Answering:
    """Comments for the role `answer`, beside the stage: that of its current run, and those that wait for the next."""

    run_id: RunId = RunId("")
    asked: Guidance | None = None
    waiting: tuple[Guidance, ...] = ()
    times: tuple[float, ...] = ()
    """Starts of its runs within the last hour, which are limited; Unix seconds."""

    @property
    def open(self) -> tuple[Guidance, ...]:
        """The comments without an answer, oldest first."""
        return (*((self.asked,) if self.asked else ()), *self.waiting)


@value
class Comments:
    """Messages of people, on the ticket and on the pull request."""

    guidance: tuple[Guidance, ...] = ()
    """Guidance and requests that the next run's brief must hold."""
    pending: tuple[Guidance, ...] = ()
    """Guidance that no maker has read yet; the work is not done before one has."""
    taken_up: int = 0
    """How many comments the agent has read."""
    last_id: str = ""
    """Cursor: the newest comment that was read, so that a rebuild reads none twice."""
    last_at: float = 0.0
    """When it was written, Unix seconds."""
    replies: tuple[Reply, ...] = ()
    """Those of the last hour, which are limited."""
    noted: tuple[Guidance, ...] = ()
    """Guidance that no revision and no attempt has taken up yet; `/changes` and `/retry` start one with it."""
    answering: Answering = Answering()
    seen: tuple[SeenComment, ...] = ()
    helped_at: float = 0.0
    """When the list of commands was posted last, Unix seconds."""

    def add(self, *guidance: Guidance) -> Comments:
        """With these newest entries of guidance."""
        return replace(self, guidance=(*self.guidance, *guidance)[-MAX_GUIDANCE:])

    def note(self, guidance: Guidance) -> Comments:
        """With guidance for the next revision or attempt."""
        return replace(self.add(guidance), noted=(*self.noted, guidance)[-MAX_GUIDANCE:])

    def without(self, comment_id: str) -> Comments:
        """Without the guidance of this comment."""

        def drop(entries: tuple[Guidance, ...]) -> tuple[Guidance, ...]:
            return tuple(one for one in entries if one.comment_id != comment_id)

        return replace(self, guidance=drop(self.guidance), pending=drop(self.pending), noted=drop(self.noted))
