"""How a field of Linear's types is answered from rows: one rule, and a table of the exceptions.

`execute` hands `resolve` to graphql-core for every field. The rule, in this order: a derived value below, the column of
that name, the row that `<name>Id` points at, the rows that point back here, and nothing (null, false, 0, "", an empty
list) for what the board does not model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    get_named_type,
    is_object_type,
)

from integrations.standins.linear import derived
from integrations.standins.linear.connections import connection
from integrations.standins.linear.context import Context
from integrations.standins.linear.store import Row

Derive = Callable[[Context, Row], Any]
NOTHING: dict[str, Any] = {"Boolean": False, "Int": 0, "Float": 0, "String": "", "ID": "", "JSONObject": {}}


def _state_of_type(state_type: str) -> Derive:
    """The team's first state of a type."""

    def find(context: Context, team: Row) -> Row | None:
        states = [row for row in _pointing(context, "WorkflowState", "teamId", team) if row["type"] == state_type]
        return min(states, key=lambda row: float(row["position"]), default=None)

    return find


def _pointing(context: Context, kind: str, column: str, row: Row) -> list[Row]:
    return [other for other in context.store.rows(kind) if other.get(column) == row["id"]]


def _listed(kind: str, column: str) -> Callable[[Context, Row], list[Row]]:
    """The rows whose ids a column lists."""
    return lambda context, row: [found for row_id in row[column] if (found := context.store.get(kind, row_id))]


def _no_shares(context: Context, row: Row) -> Row:
    return {"__typename": "IssueSharedAccess"}


DERIVED: dict[tuple[str, str], Derive] = {
    ("Issue", "identifier"): derived.identifier,
    ("Issue", "url"): derived.issue_url,
    ("Issue", "branchName"): derived.branch_name,
    ("Issue", "priorityLabel"): lambda context, row: derived.priority_label(row),
    ("Issue", "reactionData"): lambda context, row: [],
    ("Issue", "sharedAccess"): _no_shares,
    ("Comment", "url"): derived.comment_url,
    ("Comment", "reactionData"): lambda context, row: [],
    ("User", "url"): derived.profile_url,
    ("User", "isMe"): lambda context, row: row["id"] == context.viewer["id"],
    ("User", "isAssignable"): lambda context, row: row["active"],
    ("User", "isMentionable"): lambda context, row: row["active"],
    ("User", "supportsAgentSessions"): lambda context, row: row["app"],
    ("User", "initials"): lambda context, row: "".join(word[0] for word in row["name"].split()).upper(),
    ("Team", "displayName"): lambda context, row: row["name"],
    ("Team", "defaultIssueState"): _state_of_type("backlog"),
    ("Organization", "userCount"): lambda context, row: len(context.store.rows("User")),
    ("Webhook", "secret"): lambda context, row: row["secret"] if context.viewer["admin"] else None,
}
POINTS_AT = {"state": "WorkflowState", "assignee": "User", "delegate": "User", "creator": "User"}
MANY: dict[tuple[str, str], tuple[str, Callable[[Context, Row], list[Row]]]] = {
    ("Issue", "labels"): ("IssueLabel", _listed("IssueLabel", "labelIds")),
    ("Issue", "subscribers"): ("User", _listed("User", "subscriberIds")),
    ("Issue", "children"): ("Issue", lambda context, row: _pointing(context, "Issue", "parentId", row)),
    ("Comment", "children"): ("Comment", lambda context, row: _pointing(context, "Comment", "parentId", row)),
    ("Team", "members"): ("User", lambda context, row: context.store.rows("User")),
}


def resolve(source: Any, info: GraphQLResolveInfo[Context], **arguments: Any) -> Any:
    """Answer one field of a row or payload."""
    context = info.context
    kind, name = info.parent_type.name, info.field_name
    if (kind, name) in DERIVED:
        return DERIVED[kind, name](context, source)
    if name in source:
        return source[name]
    target = get_named_type(info.return_type).name
    if target.endswith("Connection"):
        rows = many(context, source, name, target.removesuffix("Connection"))
        return connection(rows, arguments, follower(context))
    if f"{name}Id" in source:
        return context.store.get(target, source[f"{name}Id"])
    if isinstance(info.return_type, GraphQLNonNull):
        return _nothing(context, source, info.return_type.of_type)
    return None


def many(context: Context, row: Row, name: str, target: str) -> list[Row]:
    """The rows of a to-many field."""
    if (row["__typename"], name) in MANY:
        return MANY[row["__typename"], name][1](context, row)
    return _pointing(context, target, f"{row['__typename'].lower()}Id", row)


def follower(context: Context) -> Callable[[Any, str], Any]:
    """What a filter's field leads to from a row: a column, a row, or a list of rows."""

    def follow(row: Row, name: str) -> Any:
        key = (row["__typename"], name)
        if key in MANY:
            return MANY[key][1](context, row)
        if key in DERIVED:
            return DERIVED[key](context, row)
        if f"{name}Id" in row:
            kind = row["__typename"] if name == "parent" else POINTS_AT.get(name, name.capitalize())
            return context.store.get(kind, row[f"{name}Id"])
        return row.get(name)

    return follow


def _nothing(context: Context, row: Row, wanted: Any) -> Any:
    """The emptiest value of a type that may not be null."""
    if isinstance(wanted, GraphQLList):
        related = get_named_type(wanted).name
        return many(context, row, "", related) if is_object_type(get_named_type(wanted)) and "id" in row else []
    if isinstance(wanted, GraphQLEnumType):
        return next(iter(wanted.values))
    if isinstance(wanted, GraphQLObjectType):
        return None
    return NOTHING.get(wanted.name)
