"""Models of Linear's GraphQL responses, and their conversion to Loopline's values. Pure.

Lenient: unknown keys are ignored and null counts as missing, because Linear adds fields and enum members between
releases of its SDK. A person without explicit permission fields has no permission to control Loopline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Annotated, Any, Generic, TypeVar

import structlog
from pydantic import (
    BaseModel,
    ConfigDict,
    OnErrorOmit,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from integrations.errors import Rejected
from integrations.ports.tracker import Attachment, Comment, Reaction
from integrations.texts import cut
from integrations.values import (
    DescriptionEdit,
    Identifier,
    Link,
    Person,
    Relation,
    RelationKind,
    Remark,
    Ticket,
    TicketId,
    TicketRef,
)

DESCRIPTION_CHARACTERS = 400_000  # kept of a ticket; the end stays, where acceptance criteria often are
COMMENT_CHARACTERS = 100_000
TITLE_CHARACTERS, PARENT_CHARACTERS = 255, 20_000  # of a ticket that another one names
MAX_EDITS, MAX_EDITORS = 5, 5  # of a description
REMARK_CHARACTERS, REMARKS_CHARACTERS = 8_000, 60_000  # of one comment that is read with its ticket, and of all
NodeT = TypeVar("NodeT", bound="Node")
_log = structlog.get_logger(__name__)


class Node(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


class PageInfo(Node):
    has_next_page: bool = False
    end_cursor: str = ""


def _skip_broken(nodes: Any, validate: ValidatorFunctionWrapHandler, *, alone: bool = False) -> Any:
    """Validate a list without its broken nodes, which would hide the others. Not when all of them are broken, except
    for a single one if `alone`."""
    try:
        return validate(nodes)
    except ValidationError as error:
        broken = {entry["loc"][0] for entry in error.errors() if entry["loc"]}
        valid = [node for place, node in enumerate(nodes) if place not in broken] if isinstance(nodes, list) else []
        if not valid and not (alone and broken == {0}):
            raise
        _log.warning("broken nodes of a list ignored", nodes=len(broken), reason=str(error.errors()[0]["msg"]))
        return validate(valid)


class Connection(Node, Generic[NodeT]):
    nodes: Annotated[tuple[NodeT, ...], WrapValidator(_skip_broken)] = ()
    page_info: PageInfo = PageInfo()


class Records(Connection[NodeT], Generic[NodeT]):
    """Independent records of a team, of which the only one on a page can be broken."""

    nodes: Annotated[tuple[NodeT, ...], WrapValidator(partial(_skip_broken, alone=True))] = ()


class NamedNode(Node):
    """An object with an id, a name or both: team, state, label, bot."""

    id: str = ""
    name: str = ""
    key: str = ""
    position: float = 0.0


class StateNode(Node):
    """A column (workflow state). `type` is one of Linear's fixed types, e.g. 'canceled'."""

    id: str = ""
    name: str
    type: str = ""

    @property
    def closed(self) -> bool:
        return self.type in {"completed", "canceled", "duplicate"}


class TeamNode(Node):
    states: Connection[NamedNode]


class UserNode(Node):
    """A user. Missing permission fields count as no permission."""

    id: str
    name: str = ""
    display_name: str = ""
    email: str = ""
    active: bool = False
    app: bool = True
    guest: bool = True
    is_me: bool = False

    def to_person(self, our_id: str = "") -> Person:
        """The person; active members, except apps and guests, have permission to control Loopline."""
        return Person(
            id=self.id,
            name=self.name,
            handle=self.display_name,
            email=self.email,
            may_steer=self.active and not self.app and not self.guest,
            is_us=self.is_me or self.id == our_id,
            is_bot=self.app,
        )


def _skip_broken_user(user: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(user)
    except ValidationError:
        return None


MaybeUser = Annotated[UserNode | None, WrapValidator(_skip_broken_user)]


class AttachmentNode(Node):
    """A link on a ticket. Only plain metadata values are kept; other products store nested ones."""

    url: str
    title: str = ""
    subtitle: str = ""
    metadata: Mapping[str, Any] = {}

    def to_attachment(self) -> Attachment:
        plain = {k: v for k, v in self.metadata.items() if isinstance(v, str | int | float) and not isinstance(v, bool)}
        return Attachment(self.url, self.title, self.subtitle, plain)


class ReferenceNode(Node):
    """Another ticket, as parent, child or in a relation."""

    id: TicketId
    identifier: Identifier
    title: str = ""
    description: str = ""
    state: StateNode

    def to_reference(self) -> TicketRef:
        return TicketRef(
            id=self.id,
            identifier=self.identifier,
            title=cut(self.title, TITLE_CHARACTERS),
            column=self.state.name,
            closed=self.state.closed,
            cancelled=self.state.type in {"canceled", "duplicate"},
            description=cut(self.description, PARENT_CHARACTERS),
        )


class ParentNode(ReferenceNode):
    children: Connection[ReferenceNode] = Connection()


class RelationNode(Node):
    """A relation to `related_issue`, or from `issue` when it is read from the other side."""

    type: str
    related_issue: ReferenceNode | None = None
    issue: ReferenceNode | None = None

    def to_relation(self) -> Relation | None:
        """The relation from the ticket's side; None for a type that is not known."""
        kind = _RELATION_KINDS.get((self.type, self.issue is not None))
        other = self.issue or self.related_issue
        return Relation(kind=kind, ticket=other.to_reference()) if kind and other else None


_RELATION_KINDS: Mapping[tuple[str, bool], RelationKind] = {
    ("blocks", False): "blocks",
    ("blocks", True): "blocked_by",
    ("duplicate", False): "duplicate_of",
    ("duplicate", True): "duplicated_by",
    ("related", False): "related",
    ("related", True): "related",
}  # of Linear's schema, `IssueRelation.type`; the second part: read from the other side


class AuthoredNode(Node):
    """An object with an author. Without a user it came from a bot or another product, without permission to control
    Loopline."""

    id: str
    created_at: str = ""
    user: UserNode | None = None
    bot_actor: NamedNode | None = None
    external_user: NamedNode | None = None

    def to_author(self, our_id: str) -> Person:
        """The author: the user, else the external user or bot by name only."""
        if self.user:
            return self.user.to_person(our_id)
        other = self.external_user or self.bot_actor or NamedNode()
        return Person(id=other.id, name=other.name, is_bot=bool(self.bot_actor and not self.external_user))


class RemarkNode(AuthoredNode):
    """A comment that is read with its ticket."""

    body: str = ""

    def to_remark(self, our_id: str) -> Remark:
        return Remark(
            id=self.id, author=self.to_author(our_id), text=cut(self.body, REMARK_CHARACTERS), at=self.created_at
        )


def _keep_newest(remarks: Sequence[Remark]) -> tuple[tuple[Remark, ...], bool]:
    """The newest comments of others, oldest first, within `REMARKS_CHARACTERS`; and whether some are left out."""
    others = sorted((one for one in remarks if not one.author.is_us), key=lambda one: one.at, reverse=True)
    sizes = accumulate(len(one.text) for one in others)
    kept = [one for one, size in zip(others, sizes, strict=True) if size <= REMARKS_CHARACTERS]
    return tuple(reversed(kept)), len(kept) < len(others)


class HistoryNode(Node):
    """One change of a ticket. Without actor and bot it was made by an automation."""

    created_at: str = ""
    from_state_id: str = ""
    to_state_id: str = ""
    actor: MaybeUser = None
    bot_actor: NamedNode | None = None
    updated_description: bool = False
    description_updated_by: tuple[NamedNode, ...] = ()

    def to_person(self, our_id: str) -> Person:
        """The author of the change."""
        bot = self.bot_actor or NamedNode()
        return self.actor.to_person(our_id) if self.actor else Person(id=bot.id, name=bot.name, is_bot=True)

    def to_edit(self) -> DescriptionEdit | None:
        """The edit of the description, None for another change."""
        if not self.updated_description:
            return None
        names = tuple(cut(user.name, TITLE_CHARACTERS) for user in self.description_updated_by[:MAX_EDITORS])
        return DescriptionEdit(by=names, at=self.created_at)


class IssueNode(Node):
    """A ticket. Archived counts as trashed: neither is on the board."""

    id: TicketId
    identifier: Identifier
    title: str = ""
    description: str = ""
    url: str = ""
    branch_name: str = ""
    trashed: bool = False
    archived_at: str = ""
    state: StateNode
    team: NamedNode
    labels: Connection[NamedNode] = Connection()
    priority: float = 0.0
    due_date: str = ""
    sort_order: float = 0.0
    updated_at: str = ""
    project: NamedNode | None = None
    creator: MaybeUser = None
    assignee: MaybeUser = None
    delegate: MaybeUser = None
    parent: ParentNode | None = None
    children: Connection[ReferenceNode] = Connection()
    history: Connection[HistoryNode] = Connection()
    comments: Connection[RemarkNode] = Connection()
    relations: Connection[RelationNode] = Connection()
    inverse_relations: Connection[RelationNode] = Connection()
    attachments: Connection[AttachmentNode] = Connection()

    def to_ticket(self, our_id: str = "") -> Ticket:
        """The ticket; its `team` is the team's key."""
        relations = (*self.relations.nodes, *self.inverse_relations.nodes)
        family = self.parent.children.nodes if self.parent else ()
        remarks, has_more = _keep_newest([node.to_remark(our_id) for node in self.comments.nodes])
        return Ticket(
            id=self.id,
            identifier=self.identifier,
            title=self.title,
            description=cut(self.description, DESCRIPTION_CHARACTERS, tail=DESCRIPTION_CHARACTERS // 4),
            url=self.url,
            team=self.team.key,
            column=self.state.name,
            labels=tuple(label.name for label in self.labels.nodes),
            branch_name=self.branch_name,
            creator=self.creator.to_person(our_id) if self.creator else None,
            trashed=self.trashed or bool(self.archived_at),
            cancelled=self.state.type == "canceled",
            duplicate=self.state.type == "duplicate",
            column_id=self.state.id,
            column_type=self.state.type,
            priority=int(self.priority),
            due_date=self.due_date,
            sort_order=self.sort_order,
            updated_at=self.updated_at,
            project=self.project.name if self.project else "",
            assignee=self.assignee.to_person(our_id) if self.assignee else None,
            delegate=self.delegate.to_person(our_id) if self.delegate else None,
            parent=self.parent.to_reference() if self.parent else None,
            siblings=tuple(one.to_reference() for one in family if one.id != self.id),
            remarks=remarks,
            has_more_remarks=has_more or self.comments.page_info.has_next_page,
            edits=tuple(filter(None, (node.to_edit() for node in reversed(self.history.nodes))))[-MAX_EDITS:],
            children=tuple(child.to_reference() for child in self.children.nodes),
            relations=tuple(filter(None, (relation.to_relation() for relation in relations))),
            links=tuple(Link(url=one.url, title=one.title) for one in self.attachments.nodes),
        )


class MovedIssueNode(IssueNode):
    """A ticket whose history has its moves."""

    def find_move(self) -> HistoryNode | None:
        """The last move into its column, None if the history does not have it: Linear records no changes in the first
        three minutes of a ticket."""
        moves = [node for node in self.history.nodes if node.to_state_id]
        newest = max(moves, key=lambda node: node.created_at, default=None)
        return newest if newest and newest.to_state_id == self.state.id else None


class PlaceNode(Node):
    team: NamedNode
    state: NamedNode


class ReactionNode(AuthoredNode):
    emoji: str = ""

    def to_reaction(self, our_id: str) -> Reaction:
        return Reaction(self.id, self.emoji, self.to_author(our_id), self.created_at)


class CommentNode(AuthoredNode):
    issue_id: TicketId = TicketId("")
    body: str = ""
    edited_at: str = ""
    archived_at: str = ""
    parent: NamedNode = NamedNode()
    reactions: tuple[OnErrorOmit[ReactionNode], ...] = ()

    def to_comment(self, our_id: str) -> Comment:
        reactions = tuple(one.to_reaction(our_id) for one in self.reactions)
        body = cut(self.body, COMMENT_CHARACTERS)
        author = self.to_author(our_id)
        return Comment(self.id, self.issue_id, body, author, self.created_at, reactions, self.parent.id, self.edited_at)


class LabeledIssueNode(Node):
    """A ticket queried for one label: its team, and the label if the ticket has it."""

    team: NamedNode
    labels: Connection[NamedNode]


def parse_response(model: type[NodeT], operation: str, data: Mapping[str, Any], path: Sequence[str]) -> NodeT:
    """The value at `path` of a response's `data`. Raises `Rejected` with the operation and the missing fields."""
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        missing = ", ".join(".".join(map(str, (*path, *entry["loc"]))) for entry in error.errors()[:5])
        raise Rejected(f"Linear's response to {operation} is invalid at {missing}") from error
