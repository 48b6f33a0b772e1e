"""Linear as a tracker: the `Tracker` Protocol over the documents of `operations.graphql`.

Made by `integrations.registry`, called by jobs in the worker process, from several threads. It decides nothing, and
reads a ticket again only where the caller's copy could be wrong. Facts about Linear come from its published schema and
linear.app/developers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from integrations.errors import Conflict, NotFound, Rejected
from integrations.ports.tracker import Attachment, Comment
from integrations.trackers.linear.answers import (
    AttachmentNode,
    CommentNode,
    Connection,
    IssueNode,
    LabelledNode,
    Named,
    PlaceNode,
    Read,
    TeamNode,
    UserNode,
    read,
)
from integrations.trackers.linear.client import LinearClient, RateLimit
from integrations.values import Person, Ticket


class Linear:
    """A Linear workspace as one credential sees it.

    `url` is the GraphQL endpoint; `access_token` (OAuth) is used before `api_key`; `timeout` is in seconds. Each thread
    has its own connection.
    """

    def __init__(self, url: str, api_key: str = "", access_token: str = "", *, timeout: int = 20) -> None:
        self._client = LinearClient(url, api_key, access_token, timeout)
        self._columns: dict[str, dict[str, str]] = {}

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._client.close()

    @property
    def rate_limit(self) -> RateLimit:
        """What Linear's last answer said about the hour's allowance."""
        return self._client.rate_limit

    def viewer(self) -> Person:
        """Who we are there; asked once."""
        return self._viewer

    @cached_property
    def _viewer(self) -> Person:
        user = self._read(UserNode, "Viewer", "viewer")
        return user.person(our_id=user.id)

    # --- columns ----------------------------------------------------------------------------------------------------

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `Rejected` that lists the team's real columns, or the teams there are, when a name is wrong."""
        for column in columns:
            self._state_id(team, column)

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterator[Ticket]:
        """Every ticket of `team` in one of `columns`, 50 a request; asked for as the caller goes on."""
        state_ids = [self._state_id(team, column) for column in columns]
        if not state_ids:
            return
        nodes = self._pages(Connection[IssueNode], "TicketsInColumns", "issues", stateIds=state_ids)
        yield from (node.ticket() for node in nodes)

    def move(self, ticket: Ticket, column: str) -> None:
        """Put the ticket into `column` of its team, unless it is there. Both are looked up: `ticket` may be old."""
        now = self._find(PlaceNode, "TicketPlace", "issue", ticket.id)
        state_id = self._state_id(now.team.key, column)
        if now.state.id != state_id:
            self._write("MoveTicket", id=ticket.id, stateId=state_id)

    def _state_id(self, team: str, column: str) -> str:
        """From the cache, which is filled again once when the name is missing: columns are renamed and added."""
        if column not in self._columns.get(team, {}):
            self._columns[team] = self._fetch_columns(team)
        known = self._columns[team]
        if column not in known:
            raise Rejected(
                f"Linear team {team} has no column {column!r}: its columns are {', '.join(known)}; "
                "rename one in Linear, or the column in the settings"
            )
        return known[column]

    def _fetch_columns(self, team: str) -> dict[str, str]:
        teams = self._read(Connection[TeamNode], "TeamColumns", "teams", key=team).nodes
        if not teams:
            nodes = self._pages(Connection[Named], "Teams", "teams")
            seen = ", ".join(f"{node.key} ({node.name})" for node in nodes) or "no team"
            raise Rejected(f"Linear shows this credential no team with the key {team!r}: it shows {seen}")
        states = sorted(teams[0].states.nodes, key=lambda state: state.position)
        return {state.name: state.id for state in states}

    # --- tickets and comments ---------------------------------------------------------------------------------------

    def fetch(self, ticket_id: str) -> Ticket:
        """The ticket now, by UUID or identifier ('ENG-123'). Raises `NotFound`."""
        return self._find(IssueNode, "Ticket", "issue", ticket_id).ticket()

    def fetch_comment(self, comment_id: str) -> Comment:
        """The comment now, with what its author may do. Raises `NotFound`."""
        return self._find(CommentNode, "Comment", "comment", comment_id).comment(self._viewer.id)

    def comments(self, ticket_id: str) -> Iterator[Comment]:
        """All comments of the ticket, oldest first; sorted here, since Linear documents no order within `createdAt`."""
        nodes = self._pages(Connection[CommentNode], "TicketComments", "issue", "comments", id=ticket_id)
        yield from (node.comment(self._viewer.id) for node in sorted(nodes, key=lambda node: node.created_at))

    def comment(self, ticket_id: str, body: str, comment_id: str) -> None:
        """Post `body` under our own id. "conflict on insert" says that an earlier try arrived."""
        with suppress(Conflict):
            self._write("CreateComment", id=comment_id, issueId=ticket_id, body=body)

    def edit_comment(self, comment_id: str, body: str) -> None:
        """Replace the comment's text. Raises `NotFound` when it was deleted."""
        self._write("EditComment", id=comment_id, body=body)

    def react(self, comment_id: str, emoji: str, reaction_id: str) -> None:
        """Put an emoji on a comment. The same person's second one of a kind conflicts too, whatever its id."""
        with suppress(Conflict):
            self._write("CreateReaction", id=reaction_id, commentId=comment_id, emoji=emoji)

    # --- attachments ------------------------------------------------------------------------------------------------

    def attach(self, ticket_id: str, attachment: Attachment) -> None:
        """Create or update the attachment with this URL.

        Pull requests too: attachmentLinkGitHubPR is no upsert and fails in a workspace without Linear's GitHub
        integration, while attachmentCreate is an upsert by ticket and URL everywhere."""
        self._write(
            "UpsertAttachment",
            issueId=ticket_id,
            url=attachment.url,
            title=attachment.title,
            subtitle=attachment.subtitle,
            metadata=dict(attachment.metadata),
        )

    def attachments(self, ticket_id: str) -> Iterator[Attachment]:
        """All attachments of the ticket."""
        nodes = self._pages(Connection[AttachmentNode], "TicketAttachments", "issue", "attachments", id=ticket_id)
        yield from (node.attachment() for node in nodes)

    # --- labels -----------------------------------------------------------------------------------------------------

    def add_label(self, ticket: Ticket, label: str) -> None:
        """Add the label of the team or the workspace, made in the team when neither has it; case does not count."""
        issue, known = self._search_label(ticket, label)
        if not issue.labels.nodes:
            self._write("AddLabel", id=ticket.id, labelId=known or self._make_label(ticket, issue.team.id, label))

    def remove_label(self, ticket: Ticket, label: str) -> None:
        """Take the label away; a label that is not there is success."""
        for node in self._search_label(ticket, label)[0].labels.nodes:
            self._write("RemoveLabel", id=ticket.id, labelId=node.id)

    def _search_label(self, ticket: Ticket, label: str) -> tuple[LabelledNode, str]:
        """The ticket with this label if it is there, and the label's id, empty when there is no such label."""
        data = self._client.run("TicketLabels", id=ticket.id, name=label, team=ticket.team)
        known = read(Connection[Named], "TicketLabels", data, ["issueLabels"]).nodes
        return read(LabelledNode, "TicketLabels", data, ["issue"]), known[0].id if known else ""

    def _make_label(self, ticket: Ticket, team_id: str, label: str) -> str:
        """The new label's id; one that somebody else made a moment ago is as good."""
        try:
            data = self._write("CreateLabel", teamId=team_id, name=label)
        except Rejected:
            if known := self._search_label(ticket, label)[1]:
                return known
            raise
        return read(Named, "CreateLabel", data, ["issueLabelCreate", "issueLabel"]).id

    # --- asking -----------------------------------------------------------------------------------------------------

    def _read(self, model: type[Read], operation: str, *path: str, **variables: Any) -> Read:
        return read(model, operation, self._client.run(operation, **variables), path)

    def _find(self, model: type[Read], operation: str, root: str, identifier: str) -> Read:
        data = self._client.run(operation, id=identifier)
        if data.get(root) is None:
            raise NotFound(f"Linear has no {root} {identifier!r}")
        return read(model, operation, data, [root])

    def _pages(self, model: type[Connection[Read]], operation: str, *path: str, **variables: Any) -> Iterator[Read]:
        after = ""
        while True:
            page = self._read(model, operation, *path, after=after or None, **variables)
            yield from page.nodes
            if not page.page_info.has_next_page:
                return
            if page.page_info.end_cursor in ("", after):
                raise Rejected(f"Linear's answer to {operation} has a next page that begins where this one does")
            after = page.page_info.end_cursor

    def _write(self, operation: str, **variables: Any) -> dict[str, Any]:
        """Send a mutation. HTTP 200 without errors may still say `success: false`."""
        data = self._client.run(operation, **variables)
        if not all(isinstance(payload, dict) and payload.get("success") is True for payload in data.values()):
            raise Rejected(f"Linear did not carry out {operation} and gave no reason")
        return data
