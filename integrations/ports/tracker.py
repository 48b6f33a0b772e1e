"""The port of the tracker (the board).

Every method raises only `Unavailable` (retryable) or `Rejected` (not). All methods are idempotent: after a crash they
are called again with the same arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from integrations.values import Person, Ticket, TicketId

ColumnRole = Literal["agent", "working", "review", "done", "needs_human", "triage"]


@dataclass(frozen=True)
class Reaction:
    """An emoji reaction to a comment, by its short name, e.g. 'eyes'."""

    id: str
    emoji: str
    author: Person
    created_at: str = ""


@dataclass(frozen=True)
class Comment:
    """The current state of a comment, with its reactions. `parent_id` is the root of its thread, empty for a root."""

    id: str
    ticket_id: TicketId
    body: str
    author: Person
    created_at: str = ""
    reactions: tuple[Reaction, ...] = ()
    parent_id: str = ""


@dataclass(frozen=True)
class Attachment:
    """A link on a ticket. The tracker upserts it by (ticket, url); `metadata` values are strings and numbers."""

    url: str
    title: str
    subtitle: str = ""
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """A ticket and the last move into its column. `by` is None if its author is not known, and a bot without an id for
    an automation; `before_id` is the column that it started from, empty if that is not known. `author` is the reported
    author, looked up."""

    ticket: Ticket
    by: Person | None = None
    before_id: str = ""
    author: Person | None = None


@dataclass(frozen=True)
class BoardColumn:
    """A column of a team."""

    id: str
    name: str


class Tracker(Protocol):
    """The board. Ids are the tracker's own UUIDs; `column` is the name or the id of a workflow state."""

    def viewer(self) -> Person:
        """Loopline's own account there."""

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `Rejected` with a list of the team's columns when one of `columns` is not among them."""

    def fetch(self, ticket_id: TicketId) -> Ticket:
        """The current ticket. Raises `NotFound`."""

    def fetch_move(self, ticket_id: TicketId, column_id: str, author: Person | None) -> Move:
        """The current ticket, and the author of its last move. `author` is the reported author of a move to
        `column_id`, whose permission is looked up; the ticket's history counts when it is None, or is in another
        column. Raises `NotFound`."""

    def columns(self, team: str) -> Sequence[BoardColumn]:
        """All columns of the team that are not archived, in the board's order. Raises `Rejected`."""

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterable[Ticket]:
        """Every ticket of `team` in one of `columns`, paginated, without descriptions and creators."""

    def move(self, ticket: Ticket, column: str) -> None:
        """Move the ticket to `column` of its team."""

    def comment(self, ticket_id: TicketId, body: str, comment_id: str, parent_id: str = "") -> None:
        """Post `body` under the client-generated UUIDv4 `comment_id`, the idempotency key. With `parent_id` it is a
        reply in that comment's thread, or outside of it if that comment is gone."""

    def edit_comment(self, comment_id: str, body: str) -> None:
        """Replace the comment's text. Raises `NotFound` when it was deleted."""

    def fetch_comment(self, comment_id: str) -> Comment:
        """The current comment, with the permissions of the authors of it and its reactions. Raises `NotFound`."""

    def comments(self, ticket_id: TicketId) -> Iterable[Comment]:
        """All comments of the ticket, oldest first."""

    def react(self, comment_id: str, emoji: str, reaction_id: str) -> None:
        """Add an emoji (by its short name, e.g. 'eyes') to a comment. Idempotent."""

    def attach(self, ticket_id: TicketId, attachment: Attachment) -> None:
        """Upsert the attachment by its URL."""

    def attachments(self, ticket_id: TicketId) -> Iterable[Attachment]:
        """All attachments of the ticket."""

    def download(self, url: str, most: int) -> bytes:
        """The content of a file that was uploaded to the tracker. Raises `Rejected` for a file elsewhere, or with more
        than `most` bytes."""

    def add_label(self, ticket: Ticket, label: str) -> None:
        """Add the label by name; creates it in the team if missing."""

    def remove_label(self, ticket: Ticket, label: str) -> None:
        """Remove the label. Idempotent."""
