"""The root fields of `Mutation`. Called by `execute` with the store's lock held."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from integrations.standins.linear import sessions, setup
from integrations.standins.linear.context import Change, Context, must_be_uuid4
from integrations.standins.linear.errors import conflict, invalid
from integrations.standins.linear.seed import GREY, ISSUE, stable_id
from integrations.standins.linear.store import Row

Input = Mapping[str, Any]
Payload = dict[str, Any]
DONE: Payload = {"success": True}
REFERENCES = {"parentId": "Issue", "projectId": "Project", "assigneeId": "User", "delegateId": "User"}

# --- issues and labels ----------------------------------------------------------------------------------------------


def create_issue(context: Context, input: Input) -> Payload:
    """A new issue, in the team's first backlog column unless `stateId` names another."""
    issue_id = context.new_id("Issue", input.get("id"))
    team = context.find("Team", input["teamId"])
    team = {**team, "issueCount": team["issueCount"] + 1}
    issue = context.stamp(
        "Issue",
        issue_id,
        **ISSUE,
        number=team["issueCount"],
        title=_required(input, "title"),
        description=input.get("description") or "",
        teamId=team["id"],
        stateId=_first_state(context, team)["id"],
        creatorId=context.viewer["id"],
        sortOrder=float(-team["issueCount"]),
    )
    issue |= _columns(context, issue, input)
    context.write("issueCreate", input, Change("create", issue), also=[team])
    return {"success": True, "issue": issue}


def update_issue(context: Context, id: str, input: Input) -> Payload:
    """Change the given columns. A new delegate that is an app gets a session."""
    issue = context.find_issue(id)
    changed = _change(context, "issueUpdate", {"id": id, **input}, issue, _columns(context, issue, input))
    sessions.follow_issue(context, issue, changed["issue"])
    return changed


def delete_issue(context: Context, id: str) -> Payload:
    """Move the issue to the trash; `updatedAt` stays, as in Linear."""
    before = context.find_issue(id)
    trashed = {**before, "trashed": True, "archivedAt": context.store.now()}
    context.write("issueDelete", {"id": id}, Change("remove", trashed), also=[trashed])
    return DONE


def add_label(context: Context, id: str, labelId: str) -> Payload:
    """Add a label; one that is there already changes nothing."""
    issue, label = context.find_issue(id), context.find("IssueLabel", labelId)["id"]
    labels = [*dict.fromkeys([*issue["labelIds"], label])]
    return _change(context, "issueAddLabel", {"id": id, "labelId": labelId}, issue, {"labelIds": labels})


def remove_label(context: Context, id: str, labelId: str) -> Payload:
    """Remove a label; one that is not there changes nothing."""
    issue, label = context.find_issue(id), context.find("IssueLabel", labelId)
    labels = [one for one in issue["labelIds"] if one != label["id"]]
    return _change(context, "issueRemoveLabel", {"id": id, "labelId": labelId}, issue, {"labelIds": labels})


def create_relation(context: Context, input: Input) -> Payload:
    """A relation from one issue to another; a second one between the two replaces the first, as in Linear's clients."""
    relation_id = context.new_id("IssueRelation", input.get("id"))
    issue, other = context.find_issue(input["issueId"]), context.find_issue(input["relatedIssueId"])
    if issue["id"] == other["id"]:
        raise invalid("relatedIssueId", "isOther", "an issue cannot be related to itself")
    columns = {"issueId": issue["id"], "relatedIssueId": other["id"], "type": input["type"]}
    relation = context.stamp("IssueRelation", relation_id, **columns)
    old = [row for row in context.related("IssueRelation", "issueId", issue) if row["relatedIssueId"] == other["id"]]
    context.write("issueRelationCreate", input, Change("create", relation), gone=old)
    return DONE


def create_label(context: Context, input: Input) -> Payload:
    """A label of a team, or of the workspace without `teamId`. Names are unique where they are visible."""
    team_id = input.get("teamId")
    if team_id:
        context.find("Team", team_id)
    for label in context.store.rows("IssueLabel"):
        if label["name"].lower() == input["name"].lower() and label["teamId"] in (team_id, None):
            raise conflict("IssueLabel", label["id"])
    columns = {"name": input["name"], "color": GREY, "parentId": None, "teamId": team_id}
    label = context.stamp("IssueLabel", context.new_id("IssueLabel", None), **columns)
    context.write("issueLabelCreate", input, Change("create", label))
    return {"success": True, "issueLabel": label}


def _change(context: Context, operation: str, input: Input, issue: Row, columns: Row) -> Payload:
    """Write the columns that differ; when none does, the update is accepted and nothing is announced."""
    changed = {name: value for name, value in columns.items() if value != issue[name]}
    if not changed:
        return {"success": True, "issue": issue}
    after = context.touched(issue, **changed)
    context.write(operation, input, Change("update", after, issue), also=_history(context, issue, after))
    return {"success": True, "issue": after}


def _history(context: Context, before: Row, after: Row) -> list[Row]:
    """The entry of a move or an edit of the description: its actor is a user, or none for an automation of the
    board."""
    moved, edited = (before[name] != after[name] for name in ("stateId", "description"))
    if not (moved or edited):
        return []
    columns = {"issueId": after["id"], "fromStateId": None, "toStateId": None, "updatedDescription": edited or None}
    columns |= {"fromStateId": before["stateId"], "toStateId": after["stateId"]} if moved else {}
    columns["descriptionUpdatedBy"] = [context.viewer] if edited and context.bot is None else None
    bot = {"id": stable_id("Integration", context.bot), "name": context.bot} if context.bot else None
    actor = {"actorId": context.viewer["id"] if context.bot is None else None, "botActor": bot}
    return [context.stamp("IssueHistory", context.new_id("IssueHistory", None), **columns, **actor)]


def _columns(context: Context, issue: Row, input: Input) -> Row:
    """The columns that an input sets, checked."""
    columns = {name: input[name] for name in ("title", "description", "priority") if input.get(name) is not None}
    columns |= {name: input[name] for name in ("dueDate", *REFERENCES) if name in input}
    for name, kind in REFERENCES.items():
        if columns.get(name):
            columns[name] = (context.find_issue if kind == "Issue" else partial(context.find, kind))(columns[name])[
                "id"
            ]
    if (team_id := input.get("teamId")) is not None and team_id != issue["teamId"] and "number" in issue:
        columns |= _columns_in_team(context, context.find("Team", team_id), issue)
        issue = {**issue, **columns}
    if (state_id := input.get("stateId")) is not None:
        must_be_uuid4("stateId", state_id)
        if context.find("WorkflowState", state_id)["teamId"] != issue["teamId"]:
            raise invalid("stateId", "isOfTeam", "stateId must be a state of the issue's team")
        columns["stateId"] = state_id
    return _as_delegate(context, columns)


def _as_delegate(context: Context, columns: Row) -> Row:
    """An app that is assigned becomes the delegate, and the assignee stays; only an app can be a delegate."""
    assigned = context.store.get("User", columns.get("assigneeId"))
    if assigned and assigned["app"]:
        columns = {name: value for name, value in columns.items() if name != "assigneeId"}
        columns["delegateId"] = assigned["id"]
    if columns.get("delegateId") and not context.find("User", columns["delegateId"])["app"]:
        raise invalid("delegateId", "isApp", "delegateId must be an app user")
    return columns


def _columns_in_team(context: Context, team: Row, issue: Row) -> Row:
    """An issue in another team: a number there, and the column of the same name, else the first one."""
    name = context.find("WorkflowState", issue["stateId"])["name"]
    states = [row for row in context.related("WorkflowState", "teamId", team) if row["name"] == name]
    number = max((row["number"] for row in context.related("Issue", "teamId", team)), default=0) + 1
    state = states[0] if states else _first_state(context, team)
    return {"teamId": team["id"], "number": number, "stateId": state["id"]}


def update_state(context: Context, id: str, input: Input) -> Payload:
    """Rename or reorder a column."""
    before = context.find("WorkflowState", id)
    columns = {name: input[name] for name in ("name", "position") if input.get(name) is not None}
    context.write(
        "workflowStateUpdate", {"id": id, **input}, Change("update", context.touched(before, **columns), before)
    )
    return DONE


def archive_state(context: Context, id: str) -> Payload:
    """Archive a column; Linear refuses one that has issues."""
    before = context.find("WorkflowState", id)
    if any(not row["archivedAt"] for row in context.related("Issue", "stateId", before)):
        raise invalid("id", "isEmpty", "a state with issues cannot be archived")
    after = context.touched(before, archivedAt=context.store.now())
    context.write("workflowStateArchive", {"id": id}, Change("update", after, before))
    return DONE


def _first_state(context: Context, team: Row) -> Row:
    states = context.related("WorkflowState", "teamId", team)
    backlog = [row for row in states if row["type"] == "backlog"]
    return min(backlog or states, key=lambda row: float(row["position"]))


def _required(input: Input, name: str) -> str:
    text = str(input.get(name) or "")
    if not text.strip():
        raise invalid(name, "isNotEmpty", f"{name} should not be empty")
    return text


# --- comments and reactions -----------------------------------------------------------------------------------------


def create_comment(context: Context, input: Input) -> Payload:
    """A comment on an issue, under the client's id if it sends one."""
    comment_id = context.new_id("Comment", input.get("id"))
    parent = context.find("Comment", parent_id) if (parent_id := input.get("parentId")) else None
    issue = context.find_issue(parent["issueId"] if parent else input.get("issueId"))
    root = (parent["parentId"] or parent["id"]) if parent else None  # threads have one level
    columns = {"issueId": issue["id"], "userId": context.viewer["id"], "editedAt": None, "parentId": root}
    comment = context.stamp("Comment", comment_id, body=_required(input, "body"), **columns)
    context.write("commentCreate", input, Change("create", comment))
    sessions.follow_comment(context, comment)
    return DONE


def update_comment(context: Context, id: str, input: Input) -> Payload:
    """Replace the text."""
    before = context.find("Comment", id)
    after = context.touched(before, body=_required(input, "body"))
    after["editedAt"] = after["updatedAt"]
    context.write("commentUpdate", {"id": id, **input}, Change("update", after, before))
    return DONE


def delete_comment(context: Context, id: str) -> Payload:
    """Delete the comment with its reactions; replies stay."""
    row = context.find("Comment", id)
    gone = [row, *context.related("Reaction", "commentId", row)]
    context.write("commentDelete", {"id": id}, Change("remove", row), gone=gone)
    return DONE


def create_reaction(context: Context, input: Input) -> Payload:
    """An emoji on a comment; the same one by the same person is a conflict."""
    reaction_id = context.new_id("Reaction", input.get("id"))
    comment = context.find("Comment", input.get("commentId"))
    columns = {"commentId": comment["id"], "emoji": input["emoji"], "userId": context.viewer["id"]}
    for row in context.store.rows("Reaction"):
        if columns.items() <= row.items():
            raise conflict("Reaction", row["id"])
    context.write("reactionCreate", input, Change("create", context.stamp("Reaction", reaction_id, **columns)))
    return DONE


def delete_reaction(context: Context, id: str) -> Payload:
    """Remove the emoji."""
    row = context.find("Reaction", id)
    context.write("reactionDelete", {"id": id}, Change("remove", row), gone=[row])
    return DONE


# --- attachments ----------------------------------------------------------------------------------------------------


def upsert_attachment(context: Context, input: Input) -> Payload:
    """Create the attachment, or update the one with this URL on this issue.

    Metadata must be an object, as the description in Linear's schema says."""
    issue, url = context.find_issue(input["issueId"]), input["url"]
    columns = {name: input[name] for name in ("title", "subtitle", "metadata") if input.get(name) is not None}
    if not isinstance(columns.get("metadata", {}), dict):
        raise invalid("metadata", "isObject", "metadata must be an object")
    if not re.match(r"https?://[^/\s]", url):
        raise invalid("url", "isUrl", "url must be a URL")
    found = next((row for row in context.related("Attachment", "issueId", issue) if row["url"] == url), None)
    if found:
        change = Change("update", context.touched(found, **columns), found)
    else:
        columns = {"subtitle": None, "metadata": {}, **columns, "issueId": issue["id"], "url": url}
        change = Change("create", context.stamp("Attachment", context.new_id("Attachment", None), **columns))
    context.write("attachmentCreate", input, change)
    return DONE


MUTATIONS: dict[str, Callable[..., Payload]] = {
    "issueCreate": create_issue,
    "issueUpdate": update_issue,
    "issueDelete": delete_issue,
    "issueAddLabel": add_label,
    "issueRemoveLabel": remove_label,
    "issueLabelCreate": create_label,
    "issueRelationCreate": create_relation,
    "workflowStateArchive": archive_state,
    "workflowStateUpdate": update_state,
    "commentCreate": create_comment,
    "commentUpdate": update_comment,
    "commentDelete": delete_comment,
    "reactionCreate": create_reaction,
    "reactionDelete": delete_reaction,
    "attachmentCreate": upsert_attachment,
    **sessions.MUTATIONS,
    "workflowStateCreate": setup.create_column,
    "webhookCreate": setup.create_webhook,
}
