"""The port of the tracker (the board).

Every method raises only `Unavailable` (retryable) or `Rejected` (not). All methods are idempotent: after a crash they
are called again with the same arguments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from integrations.errors import NotFound
from integrations.values import Identifier, NewRelation, Person, Ticket, TicketId

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
    edited_at: str = ""
    """Empty for one that was never edited."""


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
    attachments: Sequence[Attachment] = ()
    """All of the ticket's."""


@dataclass(frozen=True)
class Member:
    """A person with an active account on the board, and the keys of the teams whose tickets the person can read."""

    person: Person
    teams: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoardColumn:
    """A column of a team."""

    id: str
    name: str


@dataclass(frozen=True)
class Prompt:
    """A person's message in a session. `stops`: the stop button. `comment_id` is that of a message that is a comment
    too."""

    body: str
    author: Person
    created_at: str = ""
    id: str = ""
    stops: bool = False
    comment_id: str = ""


@dataclass(frozen=True)
class Session:
    """An agent session of Loopline: a thread on a ticket in which a person and Loopline exchange activities.

    `delegated`: it began with a delegation, not with a mention in `comment_id`."""

    id: str
    ticket_id: TicketId
    identifier: Identifier
    delegated: bool = True
    comment_id: str = ""
    prompts: tuple[Prompt, ...] = ()
    """The newest messages of people, in a list of sessions."""
    creator: Person | None = None
    ticket: Ticket | None = None
    text: str = ""
    """The comment that mentions Loopline; set by `fetch_session`, like `creator` and `ticket`."""
    root_id: str = ""
    """The root comment of the session's thread; set by `fetch_session`."""


ActivityKind = Literal["thought", "action", "elicitation", "response", "error"]


@dataclass(frozen=True)
class Activity:
    """An activity of Loopline in a session. `body` is Markdown; of an action, its name, with `parameter`.

    `choices` are the answers that a person can click; only an elicitation has them. An `ephemeral` one, a thought or
    an action, is shown until the next activity."""

    kind: ActivityKind
    body: str
    parameter: str = ""
    choices: tuple[str, ...] = ()
    ephemeral: bool = False


StepState = Literal["pending", "in_progress", "completed"]


@dataclass(frozen=True)
class PlanStep:
    """One step of a session's plan."""

    text: str
    state: StepState = "pending"


@dataclass(frozen=True)
class TicketSearch:
    """Tickets of a team that changed since `since` (Unix seconds), in one of these columns, with one of these labels,
    and with `text` in title or description. Labels, project and text in any case."""

    team: str
    columns: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    project: str = ""
    since: float = 0.0
    text: str = ""


@dataclass(frozen=True)
class Changes:
    """Tickets and comments that changed. Tickets are as in lists; archived and deleted ones are missing."""

    tickets: Sequence[Ticket] = ()
    comments: Sequence[Comment] = ()
    present: Collection[str] = ()
    """The watched comments that still exist."""


class Tracker(Protocol):
    """The board. Ids are the tracker's own UUIDs; `column` is the name or the id of a workflow state."""

    def viewer(self) -> Person:
        """Loopline's own account there."""

    def find_member(self, email: str, teams: Sequence[str]) -> Member | None:
        """The person with this address, and those of `teams` that the person can read; None without an active account
        of a person. A guest has no permission to control Loopline."""

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `Rejected` with a list of the team's columns when one of `columns` is not among them."""

    def fetch(self, ticket_id: TicketId) -> Ticket:
        """The current ticket. Raises `NotFound`."""

    def fetch_move(self, ticket_id: TicketId, column_id: str, author: Person | None) -> Move:
        """The current ticket, and the author of its last move. `author` is the reported author of a move to
        `column_id`, whose permission is looked up; the ticket's history counts when it is None, or is in another
        column. With all attachments, in one request. Raises `NotFound`."""

    def columns(self, team: str) -> Sequence[BoardColumn]:
        """All columns of the team that are not archived, in the board's order. Raises `Rejected`."""

    def fetch_with_attachments(self, ticket_id: TicketId) -> tuple[Ticket, Sequence[Attachment]]:
        """The current ticket and all its attachments, in one request. Raises `NotFound`."""

    def fetch_many(self, ticket_ids: Sequence[TicketId]) -> Iterable[Ticket]:
        """The tickets that exist, as in lists, in no order; archived ones are trashed."""

    def changes(self, teams: Sequence[str], since: float, watched: Sequence[str] = ()) -> Changes:
        """What changed in `teams` since that time (Unix seconds, the tracker's clock). The number of requests depends
        on the number of changes, not of tickets. Records that cannot be read are left out. `watched` are the ids of at
        most 50 comments that can have been deleted."""

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterable[Ticket]:
        """Every ticket of `team` in one of `columns`, paginated, without descriptions and creators."""

    def find_tickets(self, search: TicketSearch, most: int) -> Iterable[Ticket]:
        """At most `most` tickets, the newest first, as in lists. Raises `Rejected` for a team or column that does not
        exist."""

    def move(self, ticket: Ticket, column: str) -> None:
        """Move the ticket to `column` of its team. The ticket's team can be outdated."""

    def create_ticket(
        self,
        team: str,
        title: str,
        description: str,
        ticket_id: TicketId,
        *,
        column: str = "",
        parent_id: str = "",
        relations: Sequence[NewRelation] = (),
        labels: Sequence[str] = (),
        priority: int = 0,
    ) -> Ticket:
        """Create a ticket under the client-generated UUIDv4 `ticket_id`, the idempotency key, with its relations and
        labels, and return it as it is now: people can have changed it since. Without a column it is in the team's first
        one, which is triage where the team uses that. `priority` is as in `Ticket`."""

    def describe_ticket(self, ticket_id: TicketId, description: str) -> None:
        """Replace the ticket's description. Raises `NotFound` when it was deleted."""

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

    def show_report(self, ticket_id: TicketId, body: str, comment_id: str, memory: Attachment, *, exists: bool) -> None:
        """Upsert the comment `comment_id` and the attachment, in one request; `exists`: the comment probably exists."""

    def attachments(self, ticket_id: TicketId) -> Iterable[Attachment]:
        """All attachments of the ticket."""

    def download(self, url: str, most: int) -> bytes:
        """The content of a file that was uploaded to the tracker. Raises `Rejected` for a file elsewhere, or with more
        than `most` bytes."""

    def add_label(self, ticket: Ticket, label: str) -> None:
        """Add the label by name; creates it in the team if missing."""

    def remove_label(self, ticket: Ticket, label: str) -> None:
        """Remove the label. Idempotent."""

    def sessions(self) -> Iterable[Session]:
        """The newest sessions of Loopline that have not ended; none for an account that is no app."""

    def fetch_session(self, session_id: str) -> Session:
        """The session with its current ticket and its creator's permission. Raises `NotFound`."""

    def fetch_prompt(self, prompt_id: str) -> Prompt:
        """A person's message in a session, with the author's permission. Raises `NotFound`."""

    def update_session(
        self,
        session_id: str,
        activity: Activity | None = None,
        activity_id: str = "",
        plan: Sequence[PlanStep] | None = None,
        links: Mapping[str, str] | None = None,
    ) -> None:
        """Replace the plan, add `links` (label by URL), and add the activity under its client-generated UUIDv4, in one
        request. Idempotent."""

    def delegate(self, ticket_id: TicketId, *, to_us: bool) -> None:
        """Set Loopline as the ticket's delegate, or remove the delegate."""


class WithoutSessions:
    """Base class of a tracker that has no agent sessions and no delegates."""

    def sessions(self) -> Iterable[Session]:
        """None."""
        return ()

    def fetch_session(self, session_id: str) -> Session:
        """Raises `NotFound`."""
        raise NotFound(f"there is no session {session_id}")

    def fetch_prompt(self, prompt_id: str) -> Prompt:
        """Raises `NotFound`."""
        raise NotFound(f"there is no message {prompt_id}")

    def update_session(
        self,
        session_id: str,
        activity: Activity | None = None,
        activity_id: str = "",
        plan: Sequence[PlanStep] | None = None,
        links: Mapping[str, str] | None = None,
    ) -> None:
        """Raises `NotFound`."""
        raise NotFound(f"there is no session {session_id}")

    def delegate(self, ticket_id: TicketId, *, to_us: bool) -> None:
        """Does nothing."""
