"""Issues and labels: create, change, archive, delete. Called through `MUTATIONS` only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.standins.linear.context import Change, Context, must_be_uuid4
from integrations.standins.linear.errors import conflict, invalid
from integrations.standins.linear.seed import GREY
from integrations.standins.linear.store import Row

Input = Mapping[str, Any]
PLAIN = ("title", "description", "priority", "parentId", "sortOrder", "assigneeId", "delegateId")
REACHED = {"started": "startedAt", "completed": "completedAt", "canceled": "canceledAt"}


def create(context: Context, input: Input) -> dict[str, Any]:
    """A new issue, in the team's first backlog column unless `stateId` says otherwise."""
    issue_id = context.new_id("Issue", input.get("id"))
    team = context.find("Team", input["teamId"])
    team = {**team, "issueCount": team["issueCount"] + 1}
    if not (input.get("title") or "").strip():
        raise invalid("title", "isNotEmpty", "title should not be empty")
    issue = context.stamp(
        "Issue",
        issue_id,
        number=team["issueCount"],
        title=input["title"],
        description=input.get("description") or "",
        priority=0,
        teamId=team["id"],
        stateId=_first_state(context, team)["id"],
        labelIds=[],
        creatorId=context.viewer["id"],
        assigneeId=None,
        delegateId=None,
        parentId=None,
        subscriberIds=[context.viewer["id"]],
        sortOrder=float(-team["issueCount"]),
        trashed=None,
    )
    issue = {**issue, **_columns(context, issue, input), "addedToTeamAt": issue["createdAt"]}
    sync_id = context.write("issueCreate", input, issue_id, Change("create", issue), also=[team])
    return {"success": True, "lastSyncId": sync_id, "issue": issue}


def update(context: Context, id: str, input: Input) -> dict[str, Any]:
    """Change the given columns. An update that changes nothing is accepted and announces nothing."""
    issue = context.find_issue(id)
    return _change(context, "issueUpdate", {"id": id, **input}, issue, _columns(context, issue, input))


def add_label(context: Context, id: str, labelId: str) -> dict[str, Any]:
    """Put a label on; one that is there already changes nothing."""
    issue = context.find_issue(id)
    columns = _columns(context, issue, {"addedLabelIds": [labelId]})
    return _change(context, "issueAddLabel", {"id": id, "labelId": labelId}, issue, columns)


def remove_label(context: Context, id: str, labelId: str) -> dict[str, Any]:
    """Take a label off; one that is not there changes nothing."""
    issue = context.find_issue(id)
    columns = _columns(context, issue, {"removedLabelIds": [labelId]})
    return _change(context, "issueRemoveLabel", {"id": id, "labelId": labelId}, issue, columns)


def archive(context: Context, id: str, trash: bool | None = None) -> dict[str, Any]:
    """Hide the issue from lists; `updatedAt` stays, as in Linear."""
    if trash:
        return delete(context, id)
    return _archive(context, "issueArchive", id, archivedAt=context.store.now())


def unarchive(context: Context, id: str) -> dict[str, Any]:
    """Bring an archived or trashed issue back."""
    return _archive(context, "issueUnarchive", id, archivedAt=None, trashed=None)


def delete(context: Context, id: str, permanentlyDelete: bool | None = None) -> dict[str, Any]:
    """Put the issue into the trash, or away for good."""
    before = context.find_issue(id)
    trashed = {**before, "trashed": True, "archivedAt": context.store.now()}
    gone = [before, *_belongings(context, before)] if permanentlyDelete else []
    also = [] if permanentlyDelete else [trashed]
    sync_id = context.write("issueDelete", {"id": id}, before["id"], Change("remove", trashed), also=also, gone=gone)
    return {"success": True, "lastSyncId": sync_id, "entity": trashed}


def create_label(context: Context, input: Input, replaceTeamLabels: bool | None = None) -> dict[str, Any]:
    """A label of a team, or of the workspace without `teamId`. Names are unique where they are seen."""
    if replaceTeamLabels:
        raise invalid("replaceTeamLabels", "isEmpty", "replaceTeamLabels is not offered here")
    label_id, team_id = context.new_id("IssueLabel", input.get("id")), input.get("teamId")
    if team_id:
        context.find("Team", team_id)
    for label in context.store.rows("IssueLabel"):
        if label["name"].lower() == input["name"].lower() and label["teamId"] in (team_id, None):
            raise conflict("IssueLabel", label["id"])
    label = context.stamp(
        "IssueLabel",
        label_id,
        name=input["name"],
        color=input.get("color") or GREY,
        description=input.get("description"),
        isGroup=bool(input.get("isGroup")),
        parentId=input.get("parentId"),
        teamId=team_id,
        creatorId=context.viewer["id"],
    )
    sync_id = context.write("issueLabelCreate", input, label_id, Change("create", label))
    return {"success": True, "lastSyncId": sync_id, "issueLabel": label}


def _belongings(context: Context, issue: Row) -> list[Row]:
    """What goes away together with an issue."""
    kinds = ("Comment", "Attachment", "Reaction")
    own = [row for kind in kinds for row in context.store.rows(kind) if row["issueId"] == issue["id"]]
    comments = {row["id"] for row in own if row["__typename"] == "Comment"}
    return own + [row for row in context.store.rows("Reaction") if row["commentId"] in comments]


def _change(context: Context, operation: str, input: Input, issue: Row, columns: Row) -> dict[str, Any]:
    changed = {name: value for name, value in columns.items() if value != issue.get(name)}
    if not changed:
        return {"success": True, "lastSyncId": context.store.version, "issue": issue}
    after = context.touched(issue, **changed)
    sync_id = context.write(operation, input, issue["id"], Change("update", after, issue))
    return {"success": True, "lastSyncId": sync_id, "issue": after}


def _archive(context: Context, operation: str, id: str, **columns: Any) -> dict[str, Any]:
    before = context.find_issue(id)
    after = {**before, **columns}
    sync_id = context.write(operation, {"id": id}, before["id"], Change("update", after, before))
    return {"success": True, "lastSyncId": sync_id, "entity": after}


def _columns(context: Context, issue: Row, input: Input) -> Row:
    """What an input sets, checked: every id has to be of something that exists and fits."""
    columns: Row = {name: input[name] for name in PLAIN if name in input}
    for name, kind in (("assigneeId", "User"), ("delegateId", "User"), ("parentId", "Issue")):
        if columns.get(name) is not None:
            must_be_uuid4(name, columns[name])
            context.find(kind, columns[name])
    if columns.get("delegateId") and not context.find("User", columns["delegateId"])["app"]:
        raise invalid("delegateId", "isApp", "delegateId must be an app user")
    if not 0 <= (columns.get("priority") or 0) <= 4:
        raise invalid("priority", "max", "priority must be between 0 and 4")
    if input.get("stateId") is not None:
        columns |= _into_state(context, issue, input["stateId"])
    return columns | _labels(context, issue, input)


def _into_state(context: Context, issue: Row, state_id: str) -> Row:
    must_be_uuid4("stateId", state_id)
    state = context.find("WorkflowState", state_id)
    if state["teamId"] != issue["teamId"]:
        raise invalid("stateId", "isOfTeam", "stateId must be a state of the issue's team")
    if state_id == issue["stateId"]:
        return {}
    times: Row = {column: None for name, column in REACHED.items() if name != "started" and issue.get(column)}
    if reached := REACHED.get(state["type"]):
        times[reached] = issue.get(reached) or context.store.now()
    return {"stateId": state_id, **times}


def _labels(context: Context, issue: Row, input: Input) -> Row:
    wanted: Sequence[str] = issue["labelIds"] if input.get("labelIds") is None else input["labelIds"]
    added, removed = input.get("addedLabelIds") or [], input.get("removedLabelIds") or []
    for label_id in [*wanted, *added, *removed]:
        context.find("IssueLabel", label_id)
    kept = dict.fromkeys(label_id for label_id in [*wanted, *added] if label_id not in removed)
    return {"labelIds": list(kept)} if list(kept) != issue["labelIds"] else {}


def _first_state(context: Context, team: Row) -> Row:
    states = [row for row in context.store.rows("WorkflowState") if row["teamId"] == team["id"]]
    backlog = [row for row in states if row["type"] == "backlog"]
    return min(backlog or states, key=lambda row: float(row["position"]))
