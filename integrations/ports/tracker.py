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
    """The current state of a comment, with its reactions."""

    id: str
    ticket_id: TicketId
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


@dataclass(frozen=True)
class Changes:
    """Tickets and comments that changed. Tickets are as in lists; archived and deleted ones are missing."""

    tickets: Sequence[Ticket] = ()
    comments: Sequence[Comment] = ()


class Tracker(Protocol):
    """The board. Ids are the tracker's own UUIDs; `column` is the name of a workflow state."""

    def viewer(self) -> Person:
        """Loopline's own account there."""

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `Rejected` with a list of the team's columns when one of `columns` is not among them."""

    def fetch(self, ticket_id: TicketId) -> Ticket:
        """The current ticket. Raises `NotFound`."""

    def fetch_with_attachments(self, ticket_id: TicketId) -> tuple[Ticket, Sequence[Attachment]]:
        """The current ticket and all its attachments, in one request. Raises `NotFound`."""

    def fetch_many(self, ticket_ids: Sequence[TicketId]) -> Iterable[Ticket]:
        """The tickets that exist, as in lists, in no order; archived ones are trashed."""

    def changes(self, teams: Sequence[str], since: float) -> Changes:
        """What changed in `teams` since that time (Unix seconds, the tracker's clock). The number of requests depends
        on the number of changes, not of tickets. Records that cannot be read are left out."""

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterable[Ticket]:
        """Every ticket of `team` in one of `columns`, paginated, without descriptions and creators."""

    def move(self, ticket: Ticket, column: str) -> None:
        """Move the ticket to `column` of its team. The ticket's team can be outdated."""

    def comment(self, ticket_id: TicketId, body: str, comment_id: str) -> None:
        """Post `body` under the client-generated UUIDv4 `comment_id`, the idempotency key."""

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

    def show_report(self, ticket_id: TicketId, body: str, comment_id: str, memory: Attachment, *, exists: bool) -> None:
        """Upsert the comment `comment_id` and the attachment, in one request; `exists`: the comment probably exists."""

    def attachments(self, ticket_id: TicketId) -> Iterable[Attachment]:
        """All attachments of the ticket."""

    def add_label(self, ticket: Ticket, label: str) -> None:
        """Add the label by name; creates it in the team if missing."""

    def remove_label(self, ticket: Ticket, label: str) -> None:
        """Remove the label. Idempotent."""
