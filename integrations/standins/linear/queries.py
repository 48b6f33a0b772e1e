"""The root fields of `Query`. Called by `execute`; they only read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from integrations.standins.linear.connections import connection
from integrations.standins.linear.context import Context
from integrations.standins.linear.errors import invalid
from integrations.standins.linear.fields import follower
from integrations.standins.linear.store import Row

Resolver = Callable[..., Any]


def _one(kind: str) -> Resolver:
    return lambda context, id: context.find(kind, id)


def _all(kind: str) -> Resolver:
    def resolve(context: Context, **arguments: Any) -> dict[str, Any]:
        return connection(context.store.rows(kind), arguments, follower(context))

    return resolve


def _team(context: Context, id: str) -> Row:
    """By UUID or by key."""
    by_key = [row for row in context.store.rows("Team") if row["key"] == id]
    return by_key[0] if by_key else context.find("Team", id)


def _comment(context: Context, id: str | None = None, hash: str | None = None) -> Row:
    if hash is not None or id is None:
        raise invalid("hash", "isEmpty", "hash is not offered here, ask by id")
    return context.find("Comment", id)


def _users(context: Context, includeDisabled: bool = False, **arguments: Any) -> dict[str, Any]:
    rows = [row for row in context.store.rows("User") if row["active"] or includeDisabled]
    return connection(rows, arguments, follower(context))


def _attachments_for_url(context: Context, url: str, **arguments: Any) -> dict[str, Any]:
    rows = [row for row in context.store.rows("Attachment") if row["url"] == url]
    return connection(rows, arguments, follower(context))


def _by_branch(context: Context, branchName: str) -> Row | None:
    """The issue whose identifier stands in the branch's name, as `ana/eng-1-retry-the-export`."""
    for key, number in re.findall(r"(?<![a-z0-9])([a-z][a-z0-9]*)-(\d+)(?![0-9])", branchName.lower()):
        for team in context.store.rows("Team"):
            if team["key"].lower() == key:
                issues = (row for row in context.store.rows("Issue") if row["teamId"] == team["id"])
                return next((row for row in issues if row["number"] == int(number)), None)
    return None


def _rate_limit_status(context: Context) -> Mapping[str, Any]:
    return {"identifier": context.viewer["id"], "kind": "apiKey", "limits": context.allowance}


QUERIES: dict[str, Resolver] = {
    "viewer": lambda context: context.viewer,
    "organization": lambda context: context.store.rows("Organization")[0],
    "team": _team,
    "teams": _all("Team"),
    "user": lambda context, id: context.viewer if id == "me" else context.find("User", id),
    "users": _users,
    "workflowState": _one("WorkflowState"),
    "workflowStates": _all("WorkflowState"),
    "issue": lambda context, id: context.find_issue(id),
    "issues": _all("Issue"),
    "issueVcsBranchSearch": _by_branch,
    "issueLabel": _one("IssueLabel"),
    "issueLabels": _all("IssueLabel"),
    "comment": _comment,
    "comments": _all("Comment"),
    "attachment": _one("Attachment"),
    "attachments": _all("Attachment"),
    "attachmentsForURL": _attachments_for_url,
    "webhook": _one("Webhook"),
    "webhooks": _all("Webhook"),
    "rateLimitStatus": _rate_limit_status,
}
