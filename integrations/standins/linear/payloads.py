"""What a webhook says about a change: Linear's `EntityWebhookPayload`. Pure but for the rows it reads.

Called by `webhooks` at the moment of the write. The shapes are those of Linear's published types, with the habits of
its real traffic: nulls are left out of `data`, `updatedFrom` holds raw column names, `url` stands on issues only and
not on their removal, `reactionData` is a list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from integrations.standins.linear import derived
from integrations.standins.linear.context import Change, Context
from integrations.standins.linear.store import Row

Child = dict[str, Any]


def envelope(context: Context, change: Change) -> dict[str, Any]:
    """The body of a delivery, all but `webhookId` and `webhookTimestamp`."""
    row = change.row
    body: dict[str, Any] = {
        "type": row["__typename"],
        "action": change.action,
        "createdAt": context.store.now(),
        "organizationId": context.store.rows("Organization")[0]["id"],
        "actor": {**(_user(context, context.viewer["id"]) or {}), "type": "user"},
        "data": _data(context, row),
    }
    if change.action == "update":
        body["updatedFrom"] = _updated_from(change)
    if row["__typename"] == "Issue" and change.action != "remove":
        body["url"] = derived.issue_url(context, row)
    return body


def team_of(context: Context, row: Row) -> Any:
    """The team whose subscribers hear of a row; None is everybody."""
    above = context.store.get("Comment", row.get("commentId")) or row
    found = row if "teamId" in row else context.store.get("Issue", above.get("issueId"))
    return found["teamId"] if found else None


def _updated_from(change: Change) -> dict[str, Any]:
    """The old values of the columns that differ; a column that was not there was null."""
    before = change.before or {}
    return {name: before.get(name) for name, value in change.row.items() if value != before.get(name)}


def _data(context: Context, row: Row) -> dict[str, Any]:
    columns = {name: value for name, value in row.items() if value is not None and name != "__typename"}
    more = MORE.get(row["__typename"])
    return columns | {name: value for name, value in (more(context, row) if more else {}).items() if value is not None}


def _issue(context: Context, row: Row) -> Mapping[str, Any]:
    labels = [label for label_id in row["labelIds"] if (label := context.store.get("IssueLabel", label_id))]
    return {
        "identifier": derived.identifier(context, row),
        "url": derived.issue_url(context, row),
        "priorityLabel": derived.priority_label(row),
        "prioritySortOrder": row["sortOrder"],
        "previousIdentifiers": [],
        "releases": [],
        "reactionData": [],
        "assignee": _user(context, row["assigneeId"]),
        "delegate": _user(context, row["delegateId"]),
        "creator": _user(context, row["creatorId"]),
        "state": _pick(context.find("WorkflowState", row["stateId"]), "id", "color", "name", "type"),
        "team": _pick(context.find("Team", row["teamId"]), "id", "key", "name"),
        "labels": [_pick(label, "id", "color", "name", "parentId") for label in labels],
    }


def _comment(context: Context, row: Row) -> Mapping[str, Any]:
    return {
        "reactionData": [],
        "user": _user(context, row["userId"]),
        "issue": _issue_child(context, row["issueId"]),
        "parent": _comment_child(context, row["parentId"]),
    }


def _reaction(context: Context, row: Row) -> Mapping[str, Any]:
    return {
        "user": _user(context, row["userId"]),
        "comment": _comment_child(context, row["commentId"]),
        "issue": _issue_child(context, row["issueId"]),
    }


MORE: dict[str, Callable[[Context, Row], Mapping[str, Any]]] = {
    "Issue": _issue,
    "Comment": _comment,
    "Reaction": _reaction,
}


def _user(context: Context, user_id: str | None) -> Child | None:
    row = context.store.get("User", user_id)
    return {**_pick(row, "id", "name", "email"), "url": derived.profile_url(context, row)} if row else None


def _issue_child(context: Context, issue_id: str | None) -> Child | None:
    row = context.store.get("Issue", issue_id)
    if row is None:
        return None
    team = _pick(context.find("Team", row["teamId"]), "id", "key", "name")
    names = {"identifier": derived.identifier(context, row), "url": derived.issue_url(context, row), "team": team}
    return {**_pick(row, "id", "title", "teamId"), **names}


def _comment_child(context: Context, comment_id: str | None) -> Child | None:
    row = context.store.get("Comment", comment_id)
    return _pick(row, "id", "body", "userId", "issueId") if row else None


def _pick(row: Row, *names: str) -> Child:
    return {name: row[name] for name in names}
