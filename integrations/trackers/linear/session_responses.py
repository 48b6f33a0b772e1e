"""Models of Linear's responses about agent sessions. Pure."""

from __future__ import annotations

from integrations.ports.tracker import Prompt, Session
from integrations.texts import cut
from integrations.trackers.linear.responses import (
    COMMENT_CHARACTERS,
    AuthoredNode,
    Connection,
    IssueNode,
    MaybeUser,
    NamedNode,
    Node,
)
from integrations.values import Identifier, TicketId


class PromptContentNode(Node):
    body: str = ""


class PromptNode(AuthoredNode):
    content: PromptContentNode
    signal: str = ""
    source_comment: NamedNode = NamedNode()

    def to_prompt(self, our_id: str) -> Prompt:
        return Prompt(
            cut(self.content.body, COMMENT_CHARACTERS),
            self.to_author(our_id),
            self.created_at,
            self.id,
            self.signal == "stop",
            self.source_comment.id,
        )


class SessionIssueNode(Node):
    id: TicketId
    identifier: Identifier


class SessionCommentNode(Node):
    id: str
    user: NamedNode | None = None


class SessionNode(Node):
    """An agent session of a list. `comment` is the root of its thread."""

    id: str
    status: str = ""
    app_user: NamedNode = NamedNode()
    issue: SessionIssueNode | None = None
    comment: SessionCommentNode | None = None
    source_comment: NamedNode | None = None
    activities: Connection[PromptNode] = Connection()

    def to_session(self) -> Session | None:
        """The session; None when it is not on a ticket."""
        if self.issue is None:
            return None
        root, app_id = self.comment, self.app_user.id
        delegated = root is None or root.user is None or root.user.id == app_id
        comment_id = self.source_comment.id if self.source_comment else (root.id if root else "")
        prompts = tuple(node.to_prompt(app_id) for node in reversed(self.activities.nodes))
        comment_id = "" if delegated else comment_id
        return Session(self.id, self.issue.id, self.issue.identifier, delegated, comment_id, prompts)


class RootNode(PromptContentNode):
    id: str = ""


class WholeSessionNode(Node):
    """An agent session with its ticket. Without an issue it is a chat outside of tickets."""

    id: str
    creator: MaybeUser = None
    comment: RootNode = RootNode()
    source_comment: PromptContentNode = PromptContentNode()
    issue: IssueNode

    def to_session(self, our_id: str) -> Session:
        ticket = self.issue.to_ticket(our_id)
        creator = self.creator.to_person(our_id) if self.creator else None
        text = cut(self.source_comment.body or self.comment.body, COMMENT_CHARACTERS)
        return Session(
            self.id, ticket.id, ticket.identifier, creator=creator, ticket=ticket, text=text, root_id=self.comment.id
        )
