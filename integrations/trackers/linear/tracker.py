"""Linear as a tracker: the `Tracker` Protocol over the documents of `operations.graphql`.

Created by `integrations.registry`, called by jobs in the worker process, from several threads. Reads a ticket again
only where the caller's copy can be outdated. Sources: Linear's published schema and linear.app/developers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from integrations.errors import Conflict, NotFound, Rejected
from integrations.paging import PageBounds
from integrations.ports.tracker import Attachment, Comment
from integrations.texts import cut
from integrations.trackers.linear.client import LinearClient
from integrations.trackers.linear.responses import (
    AttachmentNode,
    CommentNode,
    Connection,
    IssueNode,
    LabeledIssueNode,
    NamedNode,
    NodeT,
    PlaceNode,
    TeamNode,
    UserNode,
    parse_response,
)
from integrations.values import Person, Ticket, TicketId

COLUMNS_SECONDS = 600.0
BODY_LIMIT, TITLE_LIMIT = 65_536, 255  # characters; Linear publishes no limits, these are GitHub's


class Linear:
    """A Linear workspace, accessed with one credential.

    `url` is the GraphQL endpoint; `access_token` (OAuth) takes precedence over `api_key`; `timeout` is in seconds.
    Each thread has its own connection. The Protocol documents the methods that have no docstring here.
    """

    def __init__(self, url: str, api_key: str = "", access_token: str = "", *, timeout: int = 20) -> None:
        self._client = LinearClient(url, api_key, access_token, timeout)
        self._columns: dict[str, dict[str, str]] = {}
        self._fetched_at: dict[str, float] = {}

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._client.close()

    def viewer(self) -> Person:
        """Loopline's own account there. Cached."""
        return self._viewer

    @cached_property
    def _viewer(self) -> Person:
        user = self._query(UserNode, "Viewer", "viewer")
        return user.to_person(our_id=user.id)

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `Rejected` for a wrong name, with a list of the team's columns or of the teams."""
        for column in columns:
            self._state_id(team, column)

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterator[Ticket]:
        """Every ticket of `team` in one of `columns`; paginated lazily, 50 per request."""
        state_ids = [self._state_id(team, column) for column in columns]
        if not state_ids:
            return
        nodes = self._paginate(Connection[IssueNode], "TicketsInColumns", "issues", stateIds=state_ids)
        yield from (node.to_ticket() for node in nodes)

    def move(self, ticket: Ticket, column: str) -> None:
        """Move the ticket to `column` of its team, unless it is there. Reads both first: `ticket` can be outdated."""
        current = self._find(PlaceNode, "TicketPlace", "issue", ticket.id)
        team = current.team.key
        if current.state.id == (state_id := self._state_id(team, column)):
            return
        try:
            self._mutate("MoveTicket", id=ticket.id, stateId=state_id)
        except NotFound:
            self._fetched_at.pop(team, None)
            if (replaced := self._state_id(team, column)) == state_id:
                raise
            self._mutate("MoveTicket", id=ticket.id, stateId=replaced)

    def _state_id(self, team: str, column: str) -> str:
        """The column's id, from a cache that is refreshed when the name is missing, and regularly: a column can be
        replaced by one of the same name."""
        is_old = time.monotonic() - self._fetched_at.get(team, 0.0) > COLUMNS_SECONDS
        if is_old or column not in self._columns.get(team, {}):
            self._columns[team], self._fetched_at[team] = self._fetch_columns(team), time.monotonic()
        known = self._columns[team]
        if column not in known:
            raise Rejected(
                f"Linear team {team} has no column {column!r}: its columns are {', '.join(known)}; "
                "rename one in Linear, or change the column in the settings"
            )
        return known[column]

    def _fetch_columns(self, team: str) -> dict[str, str]:
        teams = self._query(Connection[TeamNode], "TeamColumns", "teams", key=team).nodes
        if not teams:
            nodes = self._paginate(Connection[NamedNode], "Teams", "teams")
            visible = ", ".join(f"{node.key} ({node.name})" for node in nodes) or "no team"
            raise Rejected(f"Linear team {team!r} not found with this credential, which can see {visible}")
        states = sorted(teams[0].states.nodes, key=lambda state: state.position)
        return {state.name: state.id for state in states}

    def fetch(self, ticket_id: TicketId) -> Ticket:
        """The current ticket, by UUID or identifier ('ENG-123'). Raises `NotFound`."""
        return self._find(IssueNode, "Ticket", "issue", ticket_id).to_ticket(self._viewer.id)

    def fetch_comment(self, comment_id: str) -> Comment:
        """The current comment, with its author's permission. Raises `NotFound`."""
        return self._find(CommentNode, "Comment", "comment", comment_id).to_comment(self._viewer.id)

    def comments(self, ticket_id: TicketId) -> Iterator[Comment]:
        """All comments of the ticket, oldest first. Sorted here, because Linear documents no order."""
        nodes = self._paginate(Connection[CommentNode], "TicketComments", "issue", "comments", id=ticket_id)
        yield from (node.to_comment(self._viewer.id) for node in sorted(nodes, key=lambda node: node.created_at))

    def comment(self, ticket_id: TicketId, body: str, comment_id: str) -> None:
        """Post `body` under a client-generated id. Idempotent: a conflict means that an earlier attempt arrived."""
        with suppress(Conflict):
            self._mutate("CreateComment", id=comment_id, issueId=ticket_id, body=cut(body, BODY_LIMIT))

    def edit_comment(self, comment_id: str, body: str) -> None:
        self._mutate("EditComment", id=comment_id, body=cut(body, BODY_LIMIT))

    def react(self, comment_id: str, emoji: str, reaction_id: str) -> None:
        """Add an emoji to a comment. Idempotent: a second one of a kind by the same person conflicts too."""
        with suppress(Conflict):
            self._mutate("CreateReaction", id=reaction_id, commentId=comment_id, emoji=emoji)

    def attach(self, ticket_id: TicketId, attachment: Attachment) -> None:
        """Upsert the attachment by ticket and URL.

        Pull requests too: attachmentLinkGitHubPR is no upsert and fails in a workspace without Linear's GitHub
        integration; attachmentCreate is an upsert everywhere."""
        title, subtitle = cut(attachment.title, TITLE_LIMIT), cut(attachment.subtitle, TITLE_LIMIT)
        values = {**vars(attachment), "title": title, "subtitle": subtitle, "metadata": dict(attachment.metadata)}
        self._mutate("UpsertAttachment", issueId=ticket_id, **values)

    def attachments(self, ticket_id: TicketId) -> Iterator[Attachment]:
        nodes = self._paginate(Connection[AttachmentNode], "TicketAttachments", "issue", "attachments", id=ticket_id)
        yield from (node.to_attachment() for node in nodes)

    def add_label(self, ticket: Ticket, label: str) -> None:
        """Add the label of the team or the workspace; created in the team if missing. Ignores case."""
        issue, known = self._find_label(ticket, label)
        if not issue.labels.nodes:
            self._mutate("AddLabel", id=ticket.id, labelId=known or self._create_label(ticket, issue.team.id, label))

    def remove_label(self, ticket: Ticket, label: str) -> None:
        for node in self._find_label(ticket, label)[0].labels.nodes:
            self._mutate("RemoveLabel", id=ticket.id, labelId=node.id)

    def _find_label(self, ticket: Ticket, label: str) -> tuple[LabeledIssueNode, str]:
        """The ticket with this label if it has it, and the label's id, empty when it does not exist."""
        data = self._client.run("TicketLabels", id=ticket.id, name=label, team=ticket.team)
        known = parse_response(Connection[NamedNode], "TicketLabels", data, ["issueLabels"]).nodes
        return parse_response(LabeledIssueNode, "TicketLabels", data, ["issue"]), known[0].id if known else ""

    def _create_label(self, ticket: Ticket, team_id: str, label: str) -> str:
        """Create the label and return its id; after a race condition, the id of the other one."""
        try:
            data = self._mutate("CreateLabel", teamId=team_id, name=label)
        except Rejected:
            if known := self._find_label(ticket, label)[1]:
                return known
            raise
        return parse_response(NamedNode, "CreateLabel", data, ["issueLabelCreate", "issueLabel"]).id

    def _query(self, model: type[NodeT], operation: str, *path: str, **variables: Any) -> NodeT:
        return parse_response(model, operation, self._client.run(operation, **variables), path)

    def _find(self, model: type[NodeT], operation: str, root: str, identifier: str) -> NodeT:
        data = self._client.run(operation, id=identifier)
        if data.get(root) is None:
            raise NotFound(f"Linear has no {root} {identifier!r}")
        return parse_response(model, operation, data, [root])

    def _paginate(self, model: type[Connection[NodeT]], operation: str, *path: str, **values: Any) -> Iterator[NodeT]:
        after, bounds = "", PageBounds(f"Linear's response to {operation}", "")
        while True:
            page = self._query(model, operation, *path, after=after or None, **values)
            yield from page.nodes
            if not page.page_info.has_next_page:
                return
            after = page.page_info.end_cursor
            bounds.check(page.nodes, after)

    def _mutate(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Send a mutation. Raises `Rejected` for `success: false`, which comes under HTTP 200 without errors."""
        data = self._client.run(operation, **variables)
        if not all(isinstance(payload, dict) and payload.get("success") is True for payload in data.values()):
            raise Rejected(f"Linear rejected {operation} without a reason")
        return data
