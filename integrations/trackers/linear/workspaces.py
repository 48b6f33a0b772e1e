"""The workspaces that an OAuth app of Loopline is connected to, as one tracker.

Each team is served with the token of the workspace that has it. A ticket or comment is looked up where it was found
last, then elsewhere; with one workspace nothing is looked up. Workspaces that are connected later are used at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from integrations.errors import NotFound, Rejected, Unauthorized
from integrations.ports.tracker import (
    Activity,
    Attachment,
    BoardColumn,
    Changes,
    Comment,
    Member,
    Move,
    PlanStep,
    Prompt,
    Session,
    TicketSearch,
)
from integrations.token_store import TokenStore
from integrations.trackers.linear.client import HiddenTeam
from integrations.trackers.linear.credentials import OWN_WORKSPACE, AppCredential
from integrations.trackers.linear.oauth import TokenEndpoint
from integrations.trackers.linear.tracker import UPLOADS_URL, Linear
from integrations.values import NewRelation, Person, Ticket, TicketId

T = TypeVar("T")
PREFIX = "linear/"
_MAX_PLACES = 10_000  # ids whose workspace is remembered


class LinearWorkspaces:
    """`Tracker` for an app. `url` is the GraphQL endpoint. The Protocol documents the methods.

    Without an installation it is the workspace that owns the app, by client credentials."""

    def __init__(self, url: str, endpoint: TokenEndpoint, store: TokenStore, uploads_url: str = UPLOADS_URL) -> None:
        self._url, self._endpoint, self._store, self._uploads_url = url, endpoint, store, uploads_url
        self._trackers: dict[str, Linear] = {}
        self._places: dict[str, str] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the calling thread's connections."""
        for tracker in list(self._trackers.values()):
            tracker.close()

    def viewer(self) -> Person:
        """Loopline's account in the first workspace."""
        return self._open(self._names()[0]).viewer()

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """As `Linear`; a team key that two workspaces have is refused, because a ticket could be read from either."""
        found = []
        hidden: Rejected | None = None
        for name in self._names():
            try:
                self._open(name).check_columns(team, [])
                found.append(name)
            except HiddenTeam as error:
                hidden = error
            except Unauthorized as error:  # of one workspace; the others can have the team
                hidden = error
        if not found:
            raise hidden or Rejected(f"no connected Linear workspace has the team {team!r}")
        if len(found) > 1:
            names = " and ".join(self._open(name).organization()[1] for name in found)
            raise Rejected(f"the Linear workspaces {names} both have a team {team!r}: change one of the keys in Linear")
        self._remember(team, found[0])
        self._open(found[0]).check_columns(team, columns)

    def find_member(self, email: str, teams: Sequence[str]) -> Member | None:
        """The person with the teams of all workspaces; as the member of one in which it can read some, if there is."""
        found = [one for name in self._names() if (one := self._open(name).find_member(email, teams))]
        best = next((one for one in found if one.teams), found[0] if found else None)
        return Member(best.person, tuple(team for one in found for team in one.teams)) if best else None

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterator[Ticket]:
        for ticket in self._find(team, lambda one: list(one.in_columns(team, columns))):
            self._remember(ticket.id, self._places.get(team, ""))
            yield ticket

    def find_tickets(self, search: TicketSearch, most: int) -> Iterator[Ticket]:
        for ticket in self._find(search.team, lambda one: list(one.find_tickets(search, most))):
            self._remember(ticket.id, self._places.get(search.team, ""))
            yield ticket

    def move(self, ticket: Ticket, column: str) -> None:
        self._find(ticket.id, lambda one: one.move(ticket, column))

    def add_label(self, ticket: Ticket, label: str) -> None:
        self._find(ticket.id, lambda one: one.add_label(ticket, label))

    def remove_label(self, ticket: Ticket, label: str) -> None:
        self._find(ticket.id, lambda one: one.remove_label(ticket, label))

    def fetch(self, ticket_id: TicketId) -> Ticket:
        return self._find(ticket_id, lambda one: one.fetch(ticket_id))

    def fetch_with_attachments(self, ticket_id: TicketId) -> tuple[Ticket, Sequence[Attachment]]:
        return self._find(ticket_id, lambda one: one.fetch_with_attachments(ticket_id))

    def fetch_many(self, ticket_ids: Sequence[TicketId]) -> Iterator[Ticket]:
        """Each workspace is asked for the tickets that none before had."""
        left = list(ticket_ids)
        for name in self._names():
            found = list(self._open(name).fetch_many(left))
            for ticket in found:
                self._remember(ticket.id, name)
            yield from found
            left = [one for one in left if one not in {ticket.id for ticket in found}]

    def changes(self, teams: Sequence[str], since: float, watched: Sequence[str] = ()) -> Changes:
        """Those of all workspaces: team keys and comments that a workspace does not have match nothing there."""
        tickets, comments, present = list[Ticket](), list[Comment](), set[str]()
        for name in self._names():
            found = self._open(name).changes(teams, since, watched)
            for ticket in found.tickets:
                self._remember(ticket.id, name)
            tickets += found.tickets
            comments += found.comments
            present |= set(found.present)
        return Changes(tickets, comments, present)

    def fetch_move(self, ticket_id: TicketId, column_id: str, author: Person | None) -> Move:
        return self._find(ticket_id, lambda one: one.fetch_move(ticket_id, column_id, author))

    def columns(self, team: str) -> Sequence[BoardColumn]:
        return self._find(team, lambda one: one.columns(team))

    def fetch_comment(self, comment_id: str) -> Comment:
        return self._find(comment_id, lambda one: one.fetch_comment(comment_id))

    def comments(self, ticket_id: TicketId) -> Iterator[Comment]:
        yield from self._find(ticket_id, lambda one: list(one.comments(ticket_id)))

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
        def create(one: Linear) -> Ticket:
            return one.create_ticket(
                team, title, description, ticket_id, column=column, parent_id=parent_id, relations=relations,
                labels=labels, priority=priority,
            )  # fmt: skip

        return self._find(team, create, ticket_id)

    def describe_ticket(self, ticket_id: TicketId, description: str) -> None:
        self._find(ticket_id, lambda one: one.describe_ticket(ticket_id, description))

    def comment(self, ticket_id: TicketId, body: str, comment_id: str, parent_id: str = "") -> None:
        self._find(ticket_id, lambda one: one.comment(ticket_id, body, comment_id, parent_id), comment_id)

    def edit_comment(self, comment_id: str, body: str) -> None:
        self._find(comment_id, lambda one: one.edit_comment(comment_id, body))

    def react(self, comment_id: str, emoji: str, reaction_id: str) -> None:
        self._find(comment_id, lambda one: one.react(comment_id, emoji, reaction_id))

    def attach(self, ticket_id: TicketId, attachment: Attachment) -> None:
        self._find(ticket_id, lambda one: one.attach(ticket_id, attachment))

    def show_report(self, ticket_id: TicketId, body: str, comment_id: str, memory: Attachment, *, exists: bool) -> None:
        self._find(
            ticket_id, lambda one: one.show_report(ticket_id, body, comment_id, memory, exists=exists), comment_id
        )

    def attachments(self, ticket_id: TicketId) -> Iterator[Attachment]:
        yield from self._find(ticket_id, lambda one: list(one.attachments(ticket_id)))

    def download(self, url: str, most: int) -> bytes:
        return self._find(url, lambda one: one.download(url, most))

    def sessions(self) -> Iterator[Session]:
        for name in self._names():
            for session in self._open(name).sessions():
                self._remember(session.id, name)
                yield session

    def fetch_session(self, session_id: str) -> Session:
        return self._find(session_id, lambda one: one.fetch_session(session_id))

    def fetch_prompt(self, prompt_id: str) -> Prompt:
        return self._find(prompt_id, lambda one: one.fetch_prompt(prompt_id))

    def update_session(
        self,
        session_id: str,
        activity: Activity | None = None,
        activity_id: str = "",
        plan: Sequence[PlanStep] | None = None,
        links: Mapping[str, str] | None = None,
    ) -> None:
        self._find(session_id, lambda one: one.update_session(session_id, activity, activity_id, plan, links))

    def delegate(self, ticket_id: TicketId, *, to_us: bool) -> None:
        self._find(ticket_id, lambda one: one.delegate(ticket_id, to_us=to_us))

    def _find(self, thing: str, action: Callable[[Linear], T], *more: str) -> T:
        """The result of `action` in the workspace that has `thing`; `more` are there afterwards. Raises `NotFound` or
        `HiddenTeam` of the last one, or why a workspace could not be asked."""
        failure: Rejected = NotFound(f"no connected Linear workspace has {thing!r}")
        known = self._places.get(thing, "")
        for name in sorted(self._names(), key=lambda name: name != known):
            try:
                result = action(self._open(name))
            except (NotFound, HiddenTeam) as error:
                failure = failure if isinstance(failure, Unauthorized) else error
            except Unauthorized as error:
                if name == known:
                    raise
                failure = error
            else:
                for one in (thing, *more):
                    self._remember(one, name)
                return result
        raise failure

    def _names(self) -> list[str]:
        """The stored workspaces of this app; the app's own one while there is none."""
        own = (name for name in self._store.names(PREFIX) if name != OWN_WORKSPACE)
        return [name for name in own if self._credential(name).is_stored()] or [OWN_WORKSPACE]

    def _open(self, name: str) -> Linear:
        with self._lock:
            if name not in self._trackers:
                self._trackers[name] = Linear(
                    self._url, credential=self._credential(name), uploads_url=self._uploads_url
                )
            return self._trackers[name]

    def _credential(self, name: str) -> AppCredential:
        return AppCredential(self._endpoint, self._store, name)

    def _remember(self, thing: str, name: str) -> None:
        with self._lock:
            if len(self._places) >= _MAX_PLACES:
                self._places.clear()
            self._places[thing] = name


def connect_workspace(
    url: str, endpoint: TokenEndpoint, store: TokenStore, code: str, redirect: str, verifier: str
) -> str:
    """Complete an installation: exchange the code and store the tokens; returns the workspace's name. Raises
    `Unavailable` and `Unauthorized`."""
    tokens = endpoint.exchange(code, redirect, verifier)
    linear = Linear(url, access_token=tokens.access_token)
    try:
        organization, name = linear.organization()
    finally:
        linear.close()
    AppCredential(endpoint, store, f"{PREFIX}{organization}").replace(tokens, name)
    return name
