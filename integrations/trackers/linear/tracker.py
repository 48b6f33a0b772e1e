"""Linear as a tracker: the `Tracker` Protocol over the documents of `operations.graphql`.

Created by `integrations.registry`, called by jobs in the worker process, from several threads. Reads a ticket again
only where the caller's copy can be outdated. Sources: Linear's published schema and linear.app/developers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from integrations.errors import Conflict, NotFound, Rejected, Unauthorized
from integrations.paging import PageBounds
from integrations.ports.tracker import Attachment, Changes, Comment
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
    Records,
    TeamNode,
    UserNode,
    parse_response,
)
from integrations.values import Person, Ticket, TicketId

COLUMNS_SECONDS = 600.0
PAGE = 50  # tickets by id in one request
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
        self._viewer: Person | None = None

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._client.close()

    def viewer(self) -> Person:
        """Loopline's own account there. Cached; most first reads of a process include it."""
        return self._viewer or self._keep_viewer("Viewer", self._client.run("Viewer"))

    def _keep_viewer(self, operation: str, data: Mapping[str, Any]) -> Person:
        user = parse_response(UserNode, operation, data, ["viewer"])
        self._viewer = user.to_person(our_id=user.id)
        return self._viewer

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `Rejected` for a wrong name, with a list of the team's columns or of the teams."""
        for column in columns:
            self._state_id(team, column)

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterator[Ticket]:
        """Every ticket of `team` in one of `columns`; paginated lazily, 50 per request."""
        state_ids = [self._state_id(team, column, refresh=not place) for place, column in enumerate(columns)]
        if not state_ids:
            return
        nodes = self._paginate(Records[IssueNode], "TicketsInColumns", "issues", stateIds=state_ids)
        yield from (node.to_ticket() for node in nodes)

    def fetch_many(self, ticket_ids: Sequence[TicketId]) -> Iterator[Ticket]:
        """The tickets that exist; 50 per request."""
        for start in range(0, len(ticket_ids), PAGE):
            chosen = list(ticket_ids[start : start + PAGE])
            page = self._query(Records[IssueNode], "TicketsById", "issues", ids=chosen)
            yield from (node.to_ticket() for node in page.nodes)

    def changes(self, teams: Sequence[str], since: float) -> Changes:
        """Tickets and comments by `updatedAt`; the first 50 of each in one request."""
        tickets, comments = list[IssueNode](), list[CommentNode]()
        after: dict[str, str | None] = {"issues": None, "comments": None}
        bounds = {name: PageBounds("Linear's response to Changes", "") for name in after}
        at = datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        while after:
            data = self._client.run(
                "Changes",
                teams=list(teams),
                since=at,
                tickets="issues" in after,
                ticketsAfter=after.get("issues"),
                comments="comments" in after,
                commentsAfter=after.get("comments"),
            )
            pages: dict[str, Connection[IssueNode] | Connection[CommentNode]] = {}
            if "issues" in after:
                pages["issues"] = found = parse_response(Records[IssueNode], "Changes", data, ["issues"])
                tickets += found.nodes
            if "comments" in after:
                pages["comments"] = written = parse_response(Records[CommentNode], "Changes", data, ["comments"])
                comments += written.nodes
            after = {name: page.page_info.end_cursor for name, page in pages.items() if page.page_info.has_next_page}
            for name, cursor in after.items():
                bounds[name].check(pages[name].nodes, cursor or "")
        comments.sort(key=lambda node: node.created_at)
        our_id = self._keep_viewer("Changes", data).id
        return Changes([node.to_ticket() for node in tickets], [node.to_comment(our_id) for node in comments])

    def move(self, ticket: Ticket, column: str) -> None:
        """Move the ticket to `column` of its team. Its present team is read only when the known one is refused."""
        state_id = ""
        try:
            state_id = self._state_id(ticket.team, column, refresh=False)
            self._mutate("MoveTicket", id=ticket.id, stateId=state_id)
        except Unauthorized:
            raise
        except Rejected:
            if not self._move_in_present_team(ticket, column, state_id):
                raise

    def _move_in_present_team(self, ticket: Ticket, column: str, refused: str) -> bool:
        """Move a ticket that has changed its team, or to a column that was replaced; False if it is neither."""
        current = self._find(PlaceNode, "TicketPlace", "issue", ticket.id)
        self._fetched_at.pop(current.team.key, None)
        state_id = self._state_id(current.team.key, column)
        if state_id == refused:
            return False
        if current.state.id != state_id:
            self._mutate("MoveTicket", id=ticket.id, stateId=state_id)
        return True

    def _state_id(self, team: str, column: str, *, refresh: bool = True) -> str:
        """The column's id, from a cache that is refreshed when the name is missing, and regularly: a column can be
        replaced by one of the same name. `refresh`: not where Linear refuses the id of a column that was replaced."""
        is_old = refresh and time.monotonic() - self._fetched_at.get(team, 0.0) > COLUMNS_SECONDS
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
        return self._find(IssueNode, "Ticket", "issue", ticket_id).to_ticket(self.viewer().id)

    def fetch_with_attachments(self, ticket_id: TicketId) -> tuple[Ticket, Sequence[Attachment]]:
        """The current ticket with all its attachments; one request for 50 of those."""
        node = self._find(IssueNode, "Ticket", "issue", ticket_id)
        has_more = node.attachments.page_info.has_next_page
        first = [one.to_attachment() for one in node.attachments.nodes]
        return node.to_ticket(self.viewer().id), list(self.attachments(node.id)) if has_more else first

    def fetch_comment(self, comment_id: str) -> Comment:
        """The current comment, with its author's permission. Raises `NotFound`."""
        return self._find(CommentNode, "Comment", "comment", comment_id).to_comment(self.viewer().id)

    def comments(self, ticket_id: TicketId) -> Iterator[Comment]:
        """All comments of the ticket, oldest first. Sorted here, because Linear documents no order."""
        nodes = self._paginate(Connection[CommentNode], "TicketComments", "issue", "comments", id=ticket_id)
        yield from (node.to_comment(self.viewer().id) for node in sorted(nodes, key=lambda node: node.created_at))

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
        self._mutate("UpsertAttachment", issueId=ticket_id, **_attachment_values(attachment))

    def show_report(self, ticket_id: TicketId, body: str, comment_id: str, memory: Attachment, *, exists: bool) -> None:
        values = {"issueId": ticket_id, "commentId": comment_id, "body": cut(body, BODY_LIMIT)}
        values |= _attachment_values(memory)
        if exists:
            try:
                self._mutate("UpdateReport", **values)
            except NotFound:
                self._mutate("CreateReport", **values)
            return
        try:
            self._mutate("CreateReport", **values)
        except Conflict:
            self._mutate("UpdateReport", **values)

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
        if "viewer" in data and not self._viewer:
            self._keep_viewer(operation, data)
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


def _attachment_values(attachment: Attachment) -> dict[str, Any]:
    """The variables of an upsert, except the ticket."""
    title, subtitle = cut(attachment.title, TITLE_LIMIT), cut(attachment.subtitle, TITLE_LIMIT)
    return {**vars(attachment), "title": title, "subtitle": subtitle, "metadata": dict(attachment.metadata)}
