"""The root fields of `Query`. Called by `execute`; they only read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integrations.standins.linear.connections import connection
from integrations.standins.linear.context import Context
from integrations.standins.linear.fields import follower

Resolver = Callable[..., Any]


def _all(kind: str) -> Resolver:
    def resolve(context: Context, **arguments: Any) -> dict[str, Any]:
        return connection(context.store.rows(kind), arguments, follower(context))

    return resolve


QUERIES: dict[str, Resolver] = {
    "viewer": lambda context: context.viewer,
    "teams": _all("Team"),
    "issue": lambda context, id: context.find_issue(id),
    "issues": _all("Issue"),
    "issueLabels": _all("IssueLabel"),
    "comment": lambda context, id=None: context.find("Comment", id),
}
