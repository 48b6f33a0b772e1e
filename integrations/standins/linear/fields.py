"""Resolves the fields of `Query` and of Linear's types from rows: one rule, and tables of the exceptions.

`execute` passes `resolve` to graphql-core for every field. The rule, in this order: a derived value, the column of that
name, the rows that point here, the row that `<name>Id` points to, and null for a field that the board does not model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo, get_named_type

from integrations.standins.linear.connections import connection
from integrations.standins.linear.context import Context, branch_name, identifier, issue_url
from integrations.standins.linear.store import Row

DERIVED: dict[tuple[str, str], Callable[[Context, Row], Any]] = {
    ("Issue", "identifier"): identifier,
    ("Issue", "url"): issue_url,
    ("Issue", "branchName"): branch_name,
}
MANY: dict[tuple[str, str], Callable[[Context, Row], list[Row]]] = {
    ("Issue", "labels"): lambda context, row: [context.find("IssueLabel", label) for label in row["labelIds"]],
    ("Issue", "comments"): lambda context, row: context.related("Comment", "issueId", row),
    ("Issue", "attachments"): lambda context, row: context.related("Attachment", "issueId", row),
    ("Team", "states"): lambda context, row: context.related("WorkflowState", "teamId", row),
    ("Comment", "reactions"): lambda context, row: context.related("Reaction", "commentId", row),
}
KIND_OF = {"state": "WorkflowState", "team": "Team"}


def resolve(source: Any, info: GraphQLResolveInfo[Context], **arguments: Any) -> Any:
    """Answer one field of a row or payload."""
    context, name = info.context, info.field_name
    key = (info.parent_type.name, name)
    if key in DERIVED:
        return DERIVED[key](context, source)
    if name in source:
        return source[name]
    target = get_named_type(info.return_type).name
    if key in MANY:
        rows = MANY[key](context, source)
        return connection(rows, arguments, follower(context)) if target.endswith("Connection") else rows
    return context.store.get(target, source.get(f"{name}Id"))


def follower(context: Context) -> Callable[[Any, str], Any]:
    """What a filter's field names on a row: a column or another row."""

    def follow(row: Row, name: str) -> Any:
        return context.store.get(KIND_OF[name], row[f"{name}Id"]) if name in KIND_OF else row[name]

    return follow


def _all(kind: str) -> Callable[..., Any]:
    def resolve(context: Context, **arguments: Any) -> dict[str, Any]:
        return connection(context.store.rows(kind), arguments, follower(context))

    return resolve


QUERIES: dict[str, Callable[..., Any]] = {
    "viewer": lambda context: context.viewer,
    "teams": _all("Team"),
    "issue": lambda context, id: context.find_issue(id),
    "issues": _all("Issue"),
    "issueLabels": _all("IssueLabel"),
    "comment": lambda context, id=None: context.find("Comment", id),
}
