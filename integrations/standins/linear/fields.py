"""Resolves the fields of `Query` and of Linear's types from rows: one rule, and tables of the exceptions.

`execute` passes `resolve` to graphql-core for every field. The rule, in this order: a derived value, the column of that
name, the rows that point here, the row that `<name>Id` points to, and null for a field that the board does not model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import GraphQLResolveInfo, get_named_type

from integrations.standins.linear import setup
from integrations.standins.linear.context import Context, branch_name, identifier, issue_url
from integrations.standins.linear.errors import invalid, not_found
from integrations.standins.linear.sessions import current_status, session_url
from integrations.standins.linear.store import Row

DERIVED: dict[tuple[str, str], Callable[[Context, Row], Any]] = {
    ("Issue", "identifier"): identifier,
    ("Issue", "url"): issue_url,
    ("Issue", "branchName"): branch_name,
    ("AgentSession", "status"): current_status,
    ("AgentSession", "url"): session_url,
    ("User", "isMe"): lambda context, row: row["id"] == context.viewer["id"],
}
MANY: dict[tuple[str, str], Callable[[Context, Row], list[Row]]] = {
    ("Issue", "labels"): lambda context, row: [context.find("IssueLabel", label) for label in row["labelIds"]],
    ("Issue", "comments"): lambda context, row: context.related("Comment", "issueId", row),
    ("Issue", "attachments"): lambda context, row: context.related("Attachment", "issueId", row),
    ("Issue", "history"): lambda context, row: context.related("IssueHistory", "issueId", row),
    ("Issue", "children"): lambda context, row: context.related("Issue", "parentId", row),
    ("Issue", "relations"): lambda context, row: context.related("IssueRelation", "issueId", row),
    ("Issue", "inverseRelations"): lambda context, row: context.related("IssueRelation", "relatedIssueId", row),
    ("AgentSession", "activities"): lambda context, row: context.related("AgentActivity", "agentSessionId", row),
    ("Team", "gitAutomationStates"): lambda context, row: context.related("GitAutomationState", "teamId", row),
    ("Team", "states"): lambda context, row: context.related("WorkflowState", "teamId", row),
    ("Comment", "reactions"): lambda context, row: context.related("Reaction", "commentId", row),
}
KIND_OF = {"issue": "Issue", "state": "WorkflowState", "team": "Team"}


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
        if name in KIND_OF:
            return context.store.get(KIND_OF[name], row[f"{name}Id"])
        return row["content"][name] if row["__typename"] == "AgentActivity" and name == "type" else row[name]

    return follow


def _all(kind: str) -> Callable[..., Any]:
    def resolve(context: Context, **arguments: Any) -> dict[str, Any]:
        rows = [row for row in context.store.rows(kind) if context.sees(row["id"] if kind == "Team" else team(row))]
        return connection(rows, arguments, follower(context))

    def team(row: Row) -> str:
        return row.get("teamId") or ""

    return resolve


QUERIES: dict[str, Callable[..., Any]] = {
    "agentActivity": lambda context, id: context.find("AgentActivity", id),
    "agentSession": lambda context, id: context.find("AgentSession", id),
    "agentSessions": _all("AgentSession"),
    "viewer": lambda context: context.viewer,
    "organization": lambda context: context.store.rows("Organization")[0],
    "teams": _all("Team"),
    "issue": lambda context, id: context.find_issue(id),
    "issues": _all("Issue"),
    "issueLabels": _all("IssueLabel"),
    "users": _all("User"),
    "comments": _all("Comment"),
    "comment": lambda context, id=None: context.find("Comment", id),
    "webhooks": lambda context, **arguments: setup.list_webhooks(
        context, lambda: _all("Webhook")(context, **arguments)
    ),
}


# --- connections: filter, order, and one page ------------------------------------------------------------------------
# A cursor is the id of a row, as in Linear; a page starts after the current position of that row, so rows that move
# between two requests can be missed or repeated, as in Linear.

DEFAULT_PAGE, LARGEST_PAGE = 50, 250
COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "in": lambda value, wanted: value in wanted,
    "gt": lambda value, wanted: value > wanted,
    "gte": lambda value, wanted: value >= wanted,
    "eqIgnoreCase": lambda value, wanted: value.lower() == wanted.lower(),
    "containsIgnoreCase": lambda value, wanted: wanted.lower() in value.lower(),
}
Follow = Callable[[Any, str], Any]


def connection(rows: Sequence[Row], arguments: Mapping[str, Any], follow: Follow) -> dict[str, Any]:
    """`nodes` and `pageInfo` of the rows that match, newest first, without archived ones unless `includeArchived`.

    `follow` returns what a filter's field names on a row: a column or another row."""
    ordered = sorted(rows, key=lambda row: (row["createdAt"], row["id"]), reverse=True)
    later = ordered[_start(ordered, arguments.get("after")) :]
    condition = arguments.get("filter") or {}
    archived = bool(arguments.get("includeArchived"))
    found = [row for row in later if (archived or not row["archivedAt"]) and matches(row, condition, follow)]
    size = _size(arguments.get("first"))
    nodes = found[:size]
    end = nodes[-1]["id"] if nodes else None
    return {"nodes": nodes, "pageInfo": {"hasNextPage": len(found) > size, "endCursor": end}}


def matches(value: Any, condition: Mapping[str, Any], follow: Follow) -> bool:
    """Whether a row or a column fits one of Linear's filter inputs. The schema has refused unknown fields already."""
    return all(_fits(value, name, wanted, follow) for name, wanted in condition.items() if wanted is not None)


def _fits(value: Any, name: str, wanted: Any, follow: Follow) -> bool:
    if name == "or":
        return any(matches(value, part, follow) for part in wanted)
    if name == "null":
        return (value is None) is wanted
    if value is None:
        return False
    if name in COMPARATORS:
        return COMPARATORS[name](value, wanted)
    return matches(follow(value, name), wanted, follow)


def _size(first: int | None) -> int:
    if first is not None and not 1 <= first <= LARGEST_PAGE:
        raise invalid("first", "max", f"first must be between 1 and {LARGEST_PAGE}")
    return DEFAULT_PAGE if first is None else first


def _start(ordered: Sequence[Row], cursor: str | None) -> int:
    """The index of the first row after the cursor."""
    if cursor is None:
        return 0
    if cursor not in (ids := [row["id"] for row in ordered]):
        raise not_found("cursor")
    return ids.index(cursor) + 1
