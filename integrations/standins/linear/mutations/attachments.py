"""Attachments: the upsert by address, and the two link mutations that are none. Called through `MUTATIONS` only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from integrations.standins.linear.context import Change, Context
from integrations.standins.linear.errors import duplicate_url, invalid
from integrations.standins.linear.store import Row

Input = Mapping[str, Any]
PULL_REQUEST = re.compile(r"https?://[^/]+/(?P<repository>[^/]+/[^/]+)/pull/(?P<number>\d+)")


def create(context: Context, input: Input) -> dict[str, Any]:
    """Create the attachment, or update the one with this URL on this issue, whatever `id` says."""
    issue = context.find_issue(input["issueId"])
    columns = _columns(input)
    if found := _find(context, issue, input["url"]):
        return _save(context, "attachmentCreate", input, Change("update", context.touched(found, **columns), found))
    attachment_id = context.new_id("Attachment", input.get("id"))
    attachment = _new(context, attachment_id, issue, input["url"], **columns)
    return _save(context, "attachmentCreate", input, Change("create", attachment))


def update(context: Context, id: str, input: Input) -> dict[str, Any]:
    """Change title, subtitle or metadata."""
    before = context.find("Attachment", id)
    after = context.touched(before, **_columns(input))
    return _save(context, "attachmentUpdate", {"id": id, **input}, Change("update", after, before))


def delete(context: Context, id: str) -> dict[str, Any]:
    """Take the attachment off its issue."""
    return context.drop("attachmentDelete", "Attachment", id)


def link_url(
    context: Context, issueId: str, url: str, title: str | None = None, id: str | None = None, **unmodelled: Any
) -> dict[str, Any]:
    """Link any address; a repeat is an error."""
    return _link(context, "attachmentLinkURL", issueId, url, title or url, "unknown", id, unmodelled)


def link_github_pr(
    context: Context, issueId: str, url: str, title: str | None = None, id: str | None = None, **unmodelled: Any
) -> dict[str, Any]:
    """Link a pull request by its address; a repeat is an error."""
    found = PULL_REQUEST.fullmatch(url)
    if found is None:
        raise invalid("url", "isUrl", "url must be the address of a pull request")
    name = title or f"{found['repository']}#{found['number']}"
    return _link(context, "attachmentLinkGitHubPR", issueId, url, name, "github", id, unmodelled)


def _link(
    context: Context,
    operation: str,
    issue_id: str,
    url: str,
    title: str,
    source: str,
    id: str | None,
    unmodelled: Input,
) -> dict[str, Any]:
    for name, value in unmodelled.items():
        if value is not None:
            raise invalid(name, "isEmpty", f"{name} is not offered here")
    issue = context.find_issue(issue_id)
    if _find(context, issue, url):
        raise duplicate_url()
    about = {"title": title, "sourceType": source, "source": {"type": source}}
    attachment = _new(context, context.new_id("Attachment", id), issue, _web(url), **about)
    input = {"issueId": issue_id, "url": url, "title": title, "id": id}
    return _save(context, operation, input, Change("create", attachment))


def _save(context: Context, operation: str, input: Input, change: Change) -> dict[str, Any]:
    sync_id = context.write(operation, input, change.row["id"], change)
    return {"success": True, "lastSyncId": sync_id, "attachment": change.row}


def _find(context: Context, issue: Row, url: str) -> Row | None:
    rows = context.store.rows("Attachment")
    return next((row for row in rows if (row["issueId"], row["url"]) == (issue["id"], url)), None)


def _new(context: Context, attachment_id: str, issue: Row, url: str, **columns: Any) -> Row:
    nothing: Row = {"subtitle": None, "metadata": {}, "groupBySource": False, "sourceType": None, "source": None}
    about = {"issueId": issue["id"], "url": _web(url), "creatorId": context.viewer["id"], "originalIssueId": None}
    return context.stamp("Attachment", attachment_id, **about, **{**nothing, **columns})


def _columns(input: Input) -> Row:
    """What an input sets. Metadata is an object with values, as the schema's description says."""
    columns = {name: input[name] for name in ("title", "subtitle", "groupBySource") if input.get(name) is not None}
    if input.get("metadata") is not None:
        if not isinstance(input["metadata"], dict):
            raise invalid("metadata", "isObject", "metadata must be an object")
        columns["metadata"] = input["metadata"]
    return columns


def _web(url: str) -> str:
    if not re.match(r"https?://[^/\s]", url):
        raise invalid("url", "isUrl", "url must be a URL")
    return url
