"""Linear as a tracker: the `Tracker` Protocol over the documents of `operations.graphql`.

Created by `integrations.registry`, called by jobs in the worker process, from several threads. Reads a ticket again
only where the caller's copy can be outdated. Sources: Linear's published schema and linear.app/developers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from integrations.errors import Conflict, NotFound, Rejected, Unauthorized
from integrations.paging import PageBounds
from integrations.ports.tracker import (
    Activity,
    Attachment,
    Changes,
    Comment,
    Move,
    PlanStep,
    Prompt,
    Session,
)
from integrations.texts import cut
from integrations.trackers.linear import uploads
from integrations.trackers.linear.client import LinearClient
from integrations.trackers.linear.columns import LinearColumns
from integrations.trackers.linear.credentials import Credential
from integrations.trackers.linear.inputs import (
    BODY_LIMIT,
    TITLE_LIMIT,
    describe_activity,
    describe_attachment,
    describe_relation,
    describe_session,
)
from integrations.trackers.linear.responses import (
    AttachmentNode,
    CommentNode,
    Connection,
    IssueNode,
    LabeledIssueNode,
    MovedIssueNode,
    NamedNode,
    PlaceNode,
    Records,
    UserNode,
    parse_response,
)
from integrations.trackers.linear.session_responses import PromptNode, SessionNode, WholeSessionNode
from integrations.values import NewRelation, Person, Ticket, TicketId

UPLOADS_URL = "https://uploads.linear.app"
NO_ID = "00000000-0000-4000-8000-000000000000"  # of no user: the query needs one
_ENDED_SESSIONS = {"complete", "error"}
PAGE = 50  # tickets by id in one request


class Linear(LinearColumns):
    """A Linear workspace, accessed with one credential.

    `url` is the GraphQL endpoint; `access_token` takes precedence over `api_key`, `credential` over both; `uploads_url`
    is that of uploaded files; `timeout` is in seconds. Each thread has a connection. `Tracker` documents the rest."""

    def __init__(
        self,
        url: str,
        api_key: str = "",
        access_token: str = "",
        *,
        uploads_url: str = UPLOADS_URL,
        timeout: int = 20,
        credential: Credential | None = None,
    ) -> None:
        super().__init__(LinearClient(url, api_key, access_token, timeout, credential))
        self._uploads_url, self._timeout = uploads_url, timeout

    def organization(self) -> tuple[str, str]:
        """Id and name of the workspace."""
        found = self._query(NamedNode, "Workspace", "organization")
        return found.id, found.name

    def fetch_many(self, ticket_ids: Sequence[TicketId]) -> Iterator[Ticket]:
        """The tickets that exist; 50 per request."""
        for start in range(0, len(ticket_ids), PAGE):
            chosen = list(ticket_ids[start : start + PAGE])
            page = self._query(Records[IssueNode], "TicketsById", "issues", ids=chosen)
            yield from (node.to_ticket() for node in page.nodes)

    def changes(self, teams: Sequence[str], since: float, watched: Sequence[str] = ()) -> Changes:
        """Tickets and comments by `updatedAt`; the first 40 of each, and the watched comments, in one request."""
        tickets, comments, present = list[IssueNode](), list[CommentNode](), set[str]()
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
                watches=bool(watched),
                watched=list(watched),
            )
            if watched:
                there = parse_response(Connection[CommentNode], "Changes", data, ["watched"]).nodes
                present, watched = {node.id for node in there if not node.archived_at}, ()
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
        return Changes([node.to_ticket() for node in tickets], [node.to_comment(our_id) for node in comments], present)

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

    def fetch(self, ticket_id: TicketId) -> Ticket:
        """The current ticket, by UUID or identifier ('ENG-123'). Raises `NotFound`."""
        return self._find(IssueNode, "Ticket", "issue", ticket_id).to_ticket(self.viewer().id)

    def fetch_with_attachments(self, ticket_id: TicketId) -> tuple[Ticket, Sequence[Attachment]]:
        """The current ticket with all its attachments; one request for 50 of those."""
        node = self._find(IssueNode, "Ticket", "issue", ticket_id)
        return node.to_ticket(self.viewer().id), self._read_attachments(node)

    def _read_attachments(self, node: IssueNode) -> list[Attachment]:
        if node.attachments.page_info.has_next_page:
            return list(self.attachments(node.id))
        return [one.to_attachment() for one in node.attachments.nodes]

    def fetch_move(self, ticket_id: TicketId, column_id: str, author: Person | None) -> Move:
        """The current ticket, and the author of its last move, in one request. Raises `NotFound`."""
        author_id = author.id if author and author.id else NO_ID
        data = self._client.run("TicketMove", id=ticket_id, author=author_id)
        self._keep_viewer("TicketMove", data)
        if data.get("issue") is None:
            raise NotFound(f"Linear has no issue {ticket_id!r}")
        node = parse_response(MovedIssueNode, "TicketMove", data, ["issue"])
        users = parse_response(Connection[UserNode], "TicketMove", data, ["users"]).nodes
        us, found = self.viewer().id, node.find_move()
        by = found.to_person(us) if found else None
        if author:
            author = users[0].to_person(us) if users else replace(author, is_bot=True)
            by = author if column_id == node.state.id else by
        before = found.from_state_id if found else ""
        return Move(node.to_ticket(us), by, before, author, self._read_attachments(node))

    def fetch_comment(self, comment_id: str) -> Comment:
        """The current comment, with its author's permission. Raises `NotFound`."""
        node = self._find(CommentNode, "Comment", "comment", comment_id)
        if node.archived_at:
            raise NotFound(f"the comment {comment_id!r} was deleted in Linear")
        return node.to_comment(self.viewer().id)

    def comments(self, ticket_id: TicketId) -> Iterator[Comment]:
        """All comments of the ticket, oldest first. Sorted here, because Linear documents no order."""
        nodes = self._paginate(Connection[CommentNode], "TicketComments", "issue", "comments", id=ticket_id)
        yield from (node.to_comment(self.viewer().id) for node in sorted(nodes, key=lambda node: node.created_at))

    def comment(self, ticket_id: TicketId, body: str, comment_id: str, parent_id: str = "") -> None:
        """Post `body` under a client-generated id. Idempotent: a conflict means that an earlier attempt arrived.

        A reply whose thread is gone, or is an agent session's, becomes a comment outside of it."""
        values = {"id": comment_id, "issueId": ticket_id, "body": cut(body, BODY_LIMIT)}
        with suppress(Conflict):
            if parent_id:
                with suppress(NotFound):
                    self._mutate("CreateComment", comment=values | {"parentId": parent_id})
                    return
            self._mutate("CreateComment", comment=values)

    def edit_comment(self, comment_id: str, body: str) -> None:
        self._mutate("EditComment", id=comment_id, body=cut(body, BODY_LIMIT))

    def react(self, comment_id: str, emoji: str, reaction_id: str) -> None:
        """Add an emoji to a comment. Idempotent: a second one of a kind by the same person conflicts too."""
        with suppress(Conflict):
            self._mutate("CreateReaction", id=reaction_id, commentId=comment_id, emoji=emoji)

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
        """Idempotent: a conflict means that an earlier attempt created the ticket or the relation."""
        teams = self._query(Connection[NamedNode], "TeamId", "teams", key=team).nodes
        if not teams:
            self.check_columns(team, ())  # raises with the teams that can be seen
        values: dict[str, Any] = {"id": ticket_id, "teamId": teams[0].id, "title": cut(title, TITLE_LIMIT)}
        values["description"] = cut(description, BODY_LIMIT)
        values |= {"stateId": self._state_id(team, column)} if column else {}
        values |= {"parentId": parent_id} if parent_id else {}
        values |= {"priority": priority} if priority else {}
        with suppress(Conflict):
            self._mutate("CreateTicket", input=values)
        for relation in relations:
            with suppress(Conflict):
                self._mutate("RelateTickets", input=describe_relation(ticket_id, relation))
        ticket = self.fetch(ticket_id)
        for label in labels:
            self.add_label(ticket, label)
        return ticket

    def describe_ticket(self, ticket_id: TicketId, description: str) -> None:
        self._mutate("DescribeTicket", id=ticket_id, description=cut(description, BODY_LIMIT))

    def attach(self, ticket_id: TicketId, attachment: Attachment) -> None:
        """Upsert the attachment by ticket and URL.

        Pull requests too: attachmentLinkGitHubPR is no upsert and fails in a workspace without Linear's GitHub
        integration; attachmentCreate is an upsert everywhere."""
        self._mutate("UpsertAttachment", attachment=describe_attachment(ticket_id, attachment))

    def show_report(self, ticket_id: TicketId, body: str, comment_id: str, memory: Attachment, *, exists: bool) -> None:
        attachment, text = describe_attachment(ticket_id, memory), {"body": cut(body, BODY_LIMIT)}
        new = {"id": comment_id, "issueId": ticket_id, **text}
        if exists:
            with suppress(NotFound):
                self._mutate("UpdateReport", attachment=attachment, id=comment_id, comment=text)
                return
        try:
            self._mutate("CreateReport", attachment=attachment, comment=new)
        except Conflict:
            self._mutate("UpdateReport", attachment=attachment, id=comment_id, comment=text)

    def attachments(self, ticket_id: TicketId) -> Iterator[Attachment]:
        nodes = self._paginate(Connection[AttachmentNode], "TicketAttachments", "issue", "attachments", id=ticket_id)
        yield from (node.to_attachment() for node in nodes)

    def download(self, url: str, most: int) -> bytes:
        return uploads.download(url, self._uploads_url, self._client.credential, most, self._timeout)

    def add_label(self, ticket: Ticket, label: str) -> None:
        """Add the label of the team or the workspace; created in the team if missing. Ignores case."""
        issue, known = self._find_label(ticket, label)
        if not issue.labels.nodes:
            self._mutate("AddLabel", id=ticket.id, labelId=known or self._create_label(ticket, issue.team.id, label))

    def remove_label(self, ticket: Ticket, label: str) -> None:
        for node in self._find_label(ticket, label)[0].labels.nodes:
            self._mutate("RemoveLabel", id=ticket.id, labelId=node.id)

    def sessions(self) -> Iterator[Session]:
        """The newest sessions of this app that have not ended, without a request when the account is no app."""
        if not self.viewer().is_bot:
            return
        for node in self._query(Connection[SessionNode], "Sessions", "agentSessions").nodes:
            session = node.to_session()
            if session and node.app_user.id == self.viewer().id and node.status not in _ENDED_SESSIONS:
                yield session

    def fetch_session(self, session_id: str) -> Session:
        return self._find(WholeSessionNode, "Session", "agentSession", session_id).to_session(self.viewer().id)

    def fetch_prompt(self, prompt_id: str) -> Prompt:
        return self._find(PromptNode, "Prompt", "agentActivity", prompt_id).to_prompt(self.viewer().id)

    def update_session(
        self,
        session_id: str,
        activity: Activity | None = None,
        activity_id: str = "",
        plan: Sequence[PlanStep] | None = None,
        links: Mapping[str, str] | None = None,
    ) -> None:
        """Idempotent: the plan is replaced, a link is added once, and a conflict means that the activity arrived."""
        session = describe_session(plan, links)
        own = {"id": activity_id, "agentSessionId": session_id, **describe_activity(activity)} if activity else {}
        with suppress(Conflict):
            if session and activity:
                self._mutate("ShowSession", sessionId=session_id, session=session, activity=own)
            elif activity:
                self._mutate("CreateActivity", activity=own)
            elif session:
                self._mutate("UpdateSession", sessionId=session_id, session=session)

    def delegate(self, ticket_id: TicketId, *, to_us: bool) -> None:
        self._mutate("DelegateTicket", id=ticket_id, delegateId=self.viewer().id if to_us else None)

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
