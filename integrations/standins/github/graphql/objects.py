"""Parts that all objects of the GraphQL endpoint share.

An object is a dictionary, whose values are functions where they take time: `default_field_resolver` of graphql-core
calls them with the arguments of the field.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.standins.github.auth import Actor
from integrations.standins.github.graphql.errors import refuse
from integrations.standins.github.hub import Hub
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.view import View, node_id

Shape = dict[str, Any]
PAGE = 100


@dataclass(frozen=True)
class Context:
    """The caller, and the state with its lock held."""

    view: View
    actor: Actor

    @property
    def hub(self) -> Hub:
        return self.view.hub


def need(context: Context, permission: str) -> None:
    """Raise FORBIDDEN for an App without the permission, as 'checks:read'."""
    if not context.actor.may(permission):
        raise refuse("FORBIDDEN", "Resource not accessible by integration")


def commit_id(sha: str) -> Shape:
    """`Commit`, with its id only."""
    return {"__typename": "Commit", "id": node_id("C", sha), "oid": sha}


def actor_shape(context: Context, login: str) -> Shape:
    """`Actor`: a user, a bot or an organization. As in GitHub's GraphQL API, a bot's login has no '[bot]'."""
    shape = user(context.view, login)
    return {
        "__typename": shape["type"],
        "id": shape["node_id"],
        "login": login.removesuffix("[bot]"),
        "url": shape["html_url"],
    }


def connection(name: str, items: Sequence[Shape], first: int | None, last: int | None, after: str | None) -> Shape:
    """A page of at most 100; without bounds or with more, GitHub refuses."""
    size = first if first is not None else last
    if size is None:
        text = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        raise refuse("MISSING_PAGINATION_BOUNDARIES", text)
    if not 0 <= size <= PAGE:
        text = f"Requesting {size} records on the `{name}` connection exceeds the `first` limit of {PAGE} records."
        raise refuse("EXCESSIVE_PAGINATION", text)
    start = int(after or 0) if first is not None else max(len(items) - size, 0)
    shown = items[start : start + size]
    end = start + len(shown)
    page = {"startCursor": str(start), "endCursor": str(end)}
    return {
        "nodes": list(shown),
        "totalCount": len(items),
        "pageInfo": {**page, "hasNextPage": end < len(items), "hasPreviousPage": start > 0},
    }


def paged(name: str, find: Callable[[], Sequence[Shape]]) -> Callable[..., Shape]:
    """The value of a connection field; `find` is called when it is asked for."""

    def resolve(
        _: Any, first: int | None = None, last: int | None = None, after: str | None = None, **others: Any
    ) -> Shape:
        return connection(name, find(), first, last, after)

    return resolve
