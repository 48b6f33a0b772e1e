"""Linear's answers, read with patience: what the rest of the adapter needs, in our words.

Called by `trackers.linear` only. Pure. Unknown keys are ignored, and null counts as missing: Linear adds fields and
enum members between two releases of its SDK. A person whose rights are not told may not steer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from integrations.errors import Rejected
from integrations.ports.tracker import Attachment, Comment, Reaction
from integrations.values import Person, Ticket

Read = TypeVar("Read", bound="Node")


class Node(BaseModel):
    """An object of an answer."""

    model_config = ConfigDict(extra="ignore", frozen=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _null_is_missing(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, Mapping) else value


class PageInfo(Node):
    """Where a page ends."""

    has_next_page: bool = False
    end_cursor: str = ""


class Connection(Node, Generic[Read]):
    """One page of a list."""

    nodes: tuple[Read, ...] = ()
    page_info: PageInfo = PageInfo()


class Named(Node):
    """Whatever has an id, a name or both: teams, states, labels, bots."""

    id: str = ""
    name: str = ""
    key: str = ""
    position: float = 0.0


class StateNode(Node):
    """A column. `type` is one of a few words that Linear fixes."""

    name: str
    type: str = ""


class TeamNode(Node):
    """A team with its columns."""

    states: Connection[Named]


class UserNode(Node):
    """A user. Rights that are not told are taken as absent."""

    id: str
    name: str = ""
    email: str = ""
    active: bool = False
    app: bool = True
    guest: bool = True

    def person(self, our_id: str) -> Person:
        """Active members who are no app and no guest may steer."""
        return Person(
            id=self.id,
            name=self.name,
            email=self.email,
            may_steer=self.active and not self.app and not self.guest,
            is_us=self.id == our_id,
        )


class IssueNode(Node):
    """A ticket. Archived counts as trashed: neither is on the board."""

    id: str
    identifier: str
    title: str
    description: str = ""
    url: str = ""
    branch_name: str = ""
    trashed: bool = False
    archived_at: str = ""
    state: StateNode
    team: Named
    labels: Connection[Named] = Connection()

    def ticket(self) -> Ticket:
        """In our words; `team` is the team's key."""
        return Ticket(
            id=self.id,
            identifier=self.identifier,
            title=self.title,
            description=self.description,
            url=self.url,
            team=self.team.key,
            column=self.state.name,
            labels=tuple(label.name for label in self.labels.nodes),
            branch_name=self.branch_name,
            trashed=self.trashed or bool(self.archived_at),
            cancelled=self.state.type == "canceled",
        )


class PlaceNode(Node):
    """Where a ticket stands."""

    team: Named
    state: Named


class Said(Node):
    """What somebody wrote or put there. Without a user it came from a bot or another product, and nobody may steer by
    it."""

    id: str
    created_at: str = ""
    user: UserNode | None = None
    bot_actor: Named | None = None
    external_user: Named | None = None

    def author(self, our_id: str) -> Person:
        """Whose it is."""
        if self.user:
            return self.user.person(our_id)
        other = self.external_user or self.bot_actor or Named()
        return Person(id=other.id, name=other.name)


class ReactionNode(Said):
    """An emoji on a comment."""

    emoji: str = ""

    def reaction(self, our_id: str) -> Reaction:
        """In our words."""
        return Reaction(self.id, self.emoji, self.author(our_id), self.created_at)


class CommentNode(Said):
    """A comment."""

    issue_id: str = ""
    body: str = ""
    reactions: tuple[ReactionNode, ...] = ()

    def comment(self, our_id: str) -> Comment:
        """In our words."""
        reactions = tuple(one.reaction(our_id) for one in self.reactions)
        return Comment(self.id, self.issue_id, self.body, self.author(our_id), self.created_at, reactions)


class AttachmentNode(Node):
    """A link on a ticket. Other products put nested metadata on theirs; only plain values are kept."""

    url: str
    title: str = ""
    subtitle: str = ""
    metadata: Mapping[str, Any] = {}

    def attachment(self) -> Attachment:
        """In our words."""
        plain = {k: v for k, v in self.metadata.items() if isinstance(v, str | int | float) and not isinstance(v, bool)}
        return Attachment(self.url, self.title, self.subtitle, plain)


class LabelledNode(Node):
    """A ticket as a search for one label shows it: its team, and the label when it is there."""

    team: Named
    labels: Connection[Named]


def read(model: type[Read], operation: str, data: Mapping[str, Any], path: Sequence[str]) -> Read:
    """The value at `path` of an answer's `data`. Raises `Rejected` naming the operation and the fields it misses."""
    value: Any = data
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        missing = ", ".join(".".join(map(str, (*path, *entry["loc"]))) for entry in error.errors()[:5])
        raise Rejected(f"Linear's answer to {operation} cannot be read at {missing}") from error
