"""The body of a webhook: Linear's `EntityWebhookPayload`. Pure; it only reads rows.

Called by `webhooks` at the moment of the write. The shapes are those of Linear's published types, with the properties
of its real traffic: nulls are left out of `data`, `updatedFrom` has raw column names, `url` is set on issues only and
not on their removal, `reactionData` is a list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.standins.linear.context import Change, Context, identifier, issue_url, profile_url
from integrations.standins.linear.store import Row

Child = dict[str, Any]


def envelope(context: Context, change: Change) -> dict[str, Any]:
    """The body of a delivery without `webhookId` and `webhookTimestamp`."""
    row = change.row
    body: dict[str, Any] = {
        "type": row["__typename"],
        "action": change.action,
        "createdAt": context.store.now(),
        "organizationId": context.store.rows("Organization")[0]["id"],
        "actor": {**_user(context, context.viewer["id"]), "type": "user"},
        "data": _data(context, row),
    }
    if change.action == "update":
        body["updatedFrom"] = _updated_from(change)
    if row["__typename"] == "Issue" and change.action != "remove":
        body["url"] = issue_url(context, row)
    return body


def _updated_from(change: Change) -> dict[str, Any]:
    """The old values of the columns that differ."""
    before = change.before or {}
    return {name: before.get(name) for name, value in change.row.items() if value != before.get(name)}


def _data(context: Context, row: Row) -> dict[str, Any]:
    more = {"Issue": _issue, "Comment": _comment, "Reaction": _reaction}[row["__typename"]]
    return {name: value for name, value in row.items() if value is not None and name != "__typename"} | dict(
        more(context, row)
    )


def _issue(context: Context, row: Row) -> Mapping[str, Any]:
    labels = [context.find("IssueLabel", label_id) for label_id in row["labelIds"]]
    return {
        "identifier": identifier(context, row),
        "url": issue_url(context, row),
        "priorityLabel": "No priority",
        "prioritySortOrder": row["sortOrder"],
        "previousIdentifiers": [],
        "releases": [],
        "reactionData": [],
        "creator": _user(context, row["creatorId"]),
        "state": _pick(context.find("WorkflowState", row["stateId"]), "id", "color", "name", "type"),
        "team": _team(context, row),
        "labels": [_pick(label, "id", "color", "name", "parentId") for label in labels],
    }


def _comment(context: Context, row: Row) -> Mapping[str, Any]:
    issue = context.find("Issue", row["issueId"])
    names = {"identifier": identifier(context, issue), "url": issue_url(context, issue)}
    child = {**_pick(issue, "id", "title", "teamId"), **names, "team": _team(context, issue)}
    return {"reactionData": [], "user": _user(context, row["userId"]), "issue": child}


def _reaction(context: Context, row: Row) -> Mapping[str, Any]:
    comment = _pick(context.find("Comment", row["commentId"]), "id", "body", "userId", "issueId")
    return {"user": _user(context, row["userId"]), "comment": comment}


def _user(context: Context, user_id: str) -> Child:
    row = context.find("User", user_id)
    return {**_pick(row, "id", "name", "email"), "url": profile_url(context, row)}


def _team(context: Context, issue: Row) -> Child:
    return _pick(context.find("Team", issue["teamId"]), "id", "key", "name")


def _pick(row: Row, *names: str) -> Child:
    return {name: row[name] for name in names}
