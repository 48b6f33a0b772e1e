"""Shared values: people, tickets, usage, and their JSON codecs. Independent of providers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Generic, Literal, NewType, TypeVar, dataclass_transform

import pydantic
from pydantic import ConfigDict, Field, TypeAdapter

T = TypeVar("T")

CommitSha = NewType("CommitSha", str)
"""A git commit: 40 hex digits, or `NO_COMMIT`."""
TicketId = NewType("TicketId", str)
"""The tracker's own id of a ticket."""
Identifier = NewType("Identifier", str)
"""A ticket's name for people, as 'ENG-123'."""
RunId = NewType("RunId", str)
NO_COMMIT = CommitSha("")


def clean_text(text: str) -> str:
    """Replace what JSON, Redis or a provider cannot store: lone surrogates and NUL become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", "\ufffd")


def clean_value(value: Any) -> Any:
    """Apply `clean_text` to all texts of a JSON value, keys included."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        return {clean_value(key): clean_value(part) for key, part in value.items()}
    return [clean_value(part) for part in value] if isinstance(value, list | tuple) else value


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field, Field))
def value(cls: type[T]) -> type[T]:
    """Class decorator: a frozen dataclass with keyword arguments, validated by pydantic.

    Changed with `dataclasses.replace`: mypy reports a misspelt field and a wrong type, and both raise
    `pydantic.ValidationError` at run time."""
    frozen: Any = pydantic.dataclasses.dataclass(cls, frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
    return frozen  # type: ignore[no-any-return]


class Codec(Generic[T]):
    """JSON form of one stored type. Declared once, beside the type; `form` is the type or a union of types."""

    def __init__(self, form: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(form)

    def encode(self, item: T) -> str:
        """The item as JSON."""
        return self._adapter.dump_json(item).decode()

    def decode(self, text: str | bytes) -> T:
        """The item from JSON; fields of a newer release are ignored. Raises `pydantic.ValidationError`."""
        return self._adapter.validate_json(text, extra="ignore")

    def to_builtins(self, item: T) -> Any:
        """The item as JSON's dicts, lists, strings and numbers."""
        return self._adapter.dump_python(item, mode="json")

    def from_builtins(self, plain: object) -> T:
        """The inverse of `to_builtins`. Raises `pydantic.ValidationError`."""
        return self._adapter.validate_python(plain, extra="ignore")


@value
class Person:
    """The author of an action. `may_steer`: permission to control Loopline; looked up, never taken from a payload.
    `is_bot`: an app or integration, which gets no replies; `handle` is the name by which others mention the account.
    `login` is a board member's account on the code host, empty while it is not known."""

    id: str
    name: str = ""
    email: str = ""
    may_steer: bool = False
    is_us: bool = False
    is_bot: bool = False
    handle: str = ""
    login: str = ""


@value
class TicketRef:
    """Another ticket that a ticket names. `closed`: completed, cancelled or a duplicate; `description` is set for a
    parent only."""

    id: TicketId
    identifier: Identifier
    title: str = ""
    column: str = ""
    closed: bool = False
    description: str = ""


RelationKind = Literal["blocks", "blocked_by", "duplicate_of", "duplicated_by", "related"]


@value
class Relation:
    """A relation of a ticket, read from its side: 'blocked_by' is a ticket that has to be closed first."""

    kind: RelationKind
    ticket: TicketRef


@value
class Remark:
    """A comment on a ticket by anyone but Loopline. `at` is its time in ISO 8601."""

    id: str
    author: Person
    text: str
    at: str = ""


@value
class TicketImage:
    """An image that a ticket embeds. `media_type` is set once it was downloaded; `problem` is why it could not be."""

    url: str
    name: str = ""
    media_type: str = ""
    problem: str = ""

    @property
    def file_name(self) -> str:
        """Of its file in the ticket's folder: derived from the URL, since the board memory, which has it, can be
        forged."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:32]


@value
class Link:
    """An attachment of a ticket: a titled URL."""

    url: str
    title: str = ""


@value
class Ticket:
    """Snapshot of a ticket. `column` is the workflow state's name, `cancelled` whether that is a cancelled state;
    `branch_name` is the tracker's suggestion, `creator` the author if it is known, `column_type` Linear's state type.

    `priority` is 1 (urgent) to 4 (low), 0 for none; `due_date` is YYYY-MM-DD or empty; `delegate` is the app that works
    on it; `siblings` are the other children of its parent; `remarks` are the newest comments, oldest first, and
    `has_more_remarks` whether older ones are left out. Lists of tickets omit description, people, parent, children,
    relations, links and comments."""

    id: TicketId
    identifier: Identifier
    title: str
    description: str = ""
    url: str = ""
    team: str = ""
    column: str = ""
    labels: tuple[str, ...] = ()
    branch_name: str = ""
    creator: Person | None = None
    trashed: bool = False
    cancelled: bool = False
    duplicate: bool = False
    column_id: str = ""
    column_type: str = ""
    priority: int = 0
    due_date: str = ""
    sort_order: float = 0.0
    updated_at: str = ""
    project: str = ""
    assignee: Person | None = None
    delegate: Person | None = None
    parent: TicketRef | None = None
    siblings: tuple[TicketRef, ...] = ()
    children: tuple[TicketRef, ...] = ()
    remarks: tuple[Remark, ...] = ()
    has_more_remarks: bool = False
    relations: tuple[Relation, ...] = ()
    links: tuple[Link, ...] = ()


@value
class Usage:
    """Usage of model calls. Money is in US dollars, at the prices of the runner's provider."""

    model_calls: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    cache_misses: int = 0
    """Calls that paid again for a prompt that the previous call had cached."""
    cache_miss_reason: str = ""
    """The provider's reason for the last one; empty if unknown."""
    estimated_calls: int = 0
    """Calls whose reply had no usage that can be trusted; they are counted at an upper bound."""

    def plus(self, other: Usage) -> Usage:
        return Usage(
            model_calls=self.model_calls + other.model_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd=round(self.cost_usd + other.cost_usd, 6),
            cache_misses=self.cache_misses + other.cache_misses,
            cache_miss_reason=(other if other.cache_misses else self).cache_miss_reason,
            estimated_calls=self.estimated_calls + other.estimated_calls,
        )
