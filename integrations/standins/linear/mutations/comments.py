"""Comments and reactions. Called through `MUTATIONS` only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.standins.linear.context import Change, Context
from integrations.standins.linear.errors import conflict, invalid
from integrations.standins.linear.store import Row

Input = Mapping[str, Any]


def create(context: Context, input: Input) -> dict[str, Any]:
    """A comment on an issue, under the client's id where it brings one."""
    comment_id = context.new_id("Comment", input.get("id"))
    issue = context.find_issue(input.get("issueId"))
    comment = context.stamp(
        "Comment",
        comment_id,
        body=_body(input),
        issueId=issue["id"],
        parentId=_root(context, input.get("parentId"), issue),
        userId=context.viewer["id"],
        editedAt=None,
        resolvedAt=None,
    )
    also = [] if input.get("doNotSubscribeToIssue") else _subscribed(context, issue)
    sync_id = context.write("commentCreate", input, comment_id, Change("create", comment), also=also)
    return {"success": True, "lastSyncId": sync_id, "comment": comment}


def update(context: Context, id: str, input: Input, skipEditedAt: bool | None = None) -> dict[str, Any]:
    """Replace the text."""
    before = context.find("Comment", id)
    after = context.touched(before, body=_body(input))
    if not skipEditedAt:
        after["editedAt"] = after["updatedAt"]
    sync_id = context.write("commentUpdate", {"id": id, **input}, id, Change("update", after, before))
    return {"success": True, "lastSyncId": sync_id, "comment": after}


def delete(context: Context, id: str) -> dict[str, Any]:
    """Take the comment away; its id can be used no more for reading."""
    return context.drop("commentDelete", "Comment", id)


def react(context: Context, input: Input) -> dict[str, Any]:
    """An emoji on a comment or an issue; the same one by the same person is a conflict."""
    reaction_id = context.new_id("Reaction", input.get("id"))
    target = _target(context, input)
    same = {**target, "emoji": input["emoji"], "userId": context.viewer["id"]}
    for row in context.store.rows("Reaction"):
        if same.items() <= row.items():
            raise conflict("Reaction", row["id"])
    reaction = context.stamp("Reaction", reaction_id, **same)
    sync_id = context.write("reactionCreate", input, reaction_id, Change("create", reaction))
    return {"success": True, "lastSyncId": sync_id, "reaction": reaction}


def delete_reaction(context: Context, id: str) -> dict[str, Any]:
    """Take the emoji away."""
    return context.drop("reactionDelete", "Reaction", id)


def _body(input: Input) -> str:
    body = str(input.get("body") or "")
    if not body.strip():
        raise invalid("body", "isNotEmpty", "body should not be empty")
    return body


def _root(context: Context, parent_id: str | None, issue: Row) -> str | None:
    """Comments nest one level: an answer hangs on the first comment of its thread."""
    if parent_id is None:
        return None
    parent = context.find("Comment", parent_id)
    if parent["issueId"] != issue["id"]:
        raise invalid("parentId", "isOfIssue", "parentId must be a comment of the issue")
    return str(parent["parentId"] or parent["id"])


def _subscribed(context: Context, issue: Row) -> list[Row]:
    """The issue with the viewer among its subscribers, when that is new."""
    viewer = context.viewer["id"]
    return [] if viewer in issue["subscriberIds"] else [{**issue, "subscriberIds": [*issue["subscriberIds"], viewer]}]


def _target(context: Context, input: Input) -> Row:
    if input.get("commentId"):
        return {"commentId": context.find("Comment", input["commentId"])["id"], "issueId": None}
    if input.get("issueId"):
        return {"commentId": None, "issueId": context.find_issue(input["issueId"])["id"]}
    raise invalid("commentId", "isNotEmpty", "commentId or issueId should not be empty")
