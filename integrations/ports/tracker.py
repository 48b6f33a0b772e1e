"""The board's port.

Every method raises `Unavailable` (worth a retry) or `Rejected` (not) and nothing else. All methods may be called twice
with the same arguments after a crash: the second call must change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from integrations.values import Person, Ticket

ColumnRole = Literal["agent", "working", "review", "done", "needs_human", "triage"]


@dataclass(frozen=True)
class Reaction:
    """An emoji that somebody put on a comment, by its short name, as 'eyes'."""

    id: str
    emoji: str
    author: Person
    created_at: str = ""


@dataclass(frozen=True)
class Comment:
    """A comment as the tracker shows it now, with the emoji that are on it."""

    id: str
    ticket_id: str
    body: str
    author: Person
    created_at: str = ""
    reactions: tuple[Reaction, ...] = ()


@dataclass(frozen=True)
class Attachment:
    """A link on a ticket. The tracker upserts it by (ticket, url); `metadata` values are strings and numbers."""

    url: str
    title: str
    subtitle: str = ""
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)


class Tracker(Protocol):
    """The board. Every id is the tracker's own UUID; `column` is a workflow state's name."""

    def viewer(self) -> Person:
        """Who we are there."""

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `Rejected` that lists the team's real columns when one of `columns` is not among them."""

    def fetch(self, ticket_id: str) -> Ticket:
        """The ticket now. Raises `NotFound`."""

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterable[Ticket]:
        """Every ticket of `team` in one of `columns`, paginated, without descriptions."""

    def move(self, ticket: Ticket, column: str) -> None:
        """Put the ticket into `column` of its team."""

    def comment(self, ticket_id: str, body: str, comment_id: str) -> None:
        """Post `body` under the client-made UUIDv4 `comment_id`; a comment that exists already is success."""

    def edit_comment(self, comment_id: str, body: str) -> None:
        """Replace the comment's text. Raises `NotFound` when it was deleted."""

    def fetch_comment(self, comment_id: str) -> Comment:
        """The comment now, the permission of its author and of those who reacted looked up. Raises `NotFound`."""

    def comments(self, ticket_id: str) -> Iterable[Comment]:
        """All comments of the ticket, oldest first."""

    def react(self, comment_id: str, emoji: str, reaction_id: str) -> None:
        """Put an emoji (by its short name, as 'eyes') on a comment; one that is there already is success."""

    def attach(self, ticket_id: str, attachment: Attachment) -> None:
        """Create or update the attachment with this URL."""

    def attachments(self, ticket_id: str) -> Iterable[Attachment]:
        """All attachments of the ticket."""

    def add_label(self, ticket: Ticket, label: str) -> None:
        """Add the label by name, making it in the team when it does not exist."""

    def remove_label(self, ticket: Ticket, label: str) -> None:
        """Take the label away; a label that is not there is success."""
