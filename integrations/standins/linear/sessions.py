"""Agent sessions: how they begin, the activities in them, their states. Called by `mutations`.

A session begins when a person delegates or assigns an issue to an app, or mentions the app in a comment. `response`,
`elicitation` and `error` appear as comments in the session's thread too, and a person's reply there is a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from integrations.standins.linear.context import Change, Context, issue_url, profile_url
from integrations.standins.linear.errors import invalid, not_found
from integrations.standins.linear.store import Row

Input = Mapping[str, Any]
Payload = dict[str, Any]
STALE_AFTER = timedelta(minutes=30)
FIELDS: Mapping[str, tuple[str, ...]] = {
    "thought": ("body",),
    "action": ("action", "parameter"),
    "elicitation": ("body",),
    "response": ("body",),
    "error": ("body",),
}
"""The required texts of each type of activity that an app can create."""
STATE_AFTER = {
    "thought": "active",
    "action": "active",
    "elicitation": "awaitingInput",
    "response": "complete",
    "error": "error",
}
ENDED = ("complete", "error")
COMMENTED = ("elicitation", "response", "error")
"""The types that appear as comments in the thread."""
ROOT_COMMENT = "This thread is for an agent session with {}."


# --- beginning ------------------------------------------------------------------------------------------------------


def follow_issue(context: Context, before: Row, after: Row) -> None:
    """Open a session for a new delegate, and notify an app whose delegation was removed."""
    old, new = (_find_app(context, row["delegateId"]) for row in (before, after))
    if old == new:
        return
    if old and old["id"] != context.viewer["id"]:
        _notify(context, old, "issueUnassignedFromYou", after)
    if new and new["id"] != context.viewer["id"]:
        _notify(context, new, "issueAssignedToYou", after)
        open_session(context, new, after, context.viewer)


def follow_comment(context: Context, comment: Row) -> None:
    """Open a session when the comment mentions an app; a reply in a session's thread is a prompt."""
    if context.viewer["app"]:
        return
    root = comment["parentId"] or comment["id"]
    session = next((row for row in context.store.rows("AgentSession") if row["commentId"] == root), None)
    if session:
        _add_prompt(context, session, {"body": comment["body"]}, comment_id=comment["id"])
        return
    for app in (row for row in context.store.rows("User") if row["app"]):
        if _mentions(context, comment["body"], app):
            issue = context.find("Issue", comment["issueId"])
            source = comment["id"] if comment["parentId"] else None
            open_session(context, app, issue, context.viewer, root, source)


def _mentions(context: Context, text: str, user: Row) -> bool:
    name = re.escape(user["displayName"])
    return bool(re.search(rf"(?<![\w/])@{name}\b", text, re.IGNORECASE)) or profile_url(context, user) in text


def open_session(
    context: Context,
    app: Row,
    issue: Row,
    creator: Row | None,
    comment_id: str = "",
    source_comment_id: str | None = None,
    links: list[Row] | None = None,
) -> Row:
    """A new session, in the thread of a comment or in one of its own."""
    if not comment_id:
        columns = {"issueId": issue["id"], "userId": app["id"], "editedAt": None, "parentId": None}
        body = ROOT_COMMENT.format(app["displayName"])
        root = context.stamp("Comment", context.new_id("Comment", None), body=body, **columns)
        context.write("commentCreate", {}, Change("create", root))
        comment_id = root["id"]
    session = context.stamp(
        "AgentSession",
        context.new_id("AgentSession", None),
        issueId=issue["id"],
        commentId=comment_id,
        sourceCommentId=source_comment_id,
        appUserId=app["id"],
        creatorId=creator["id"] if creator else None,
        status="pending",
        plan=None,
        externalLinks=links or [],
        startedAt=None,
        endedAt=None,
        dismissedAt=None,
    )
    context.write("agentSessionCreate", {}, Change("create", session))
    return session


def create_on_issue(context: Context, input: Input) -> Payload:
    """A session that the app opens by itself."""
    issue = context.find_issue(input["issueId"])
    return _answer(context, open_session(context, _viewing_app(context), issue, None, links=_links(input)))


def create_on_comment(context: Context, input: Input) -> Payload:
    """The same in the thread of a root comment."""
    comment = context.find("Comment", input["commentId"])
    if comment["parentId"]:
        raise invalid("commentId", "isRoot", "commentId must be a root comment")
    issue = context.find("Issue", comment["issueId"])
    session = open_session(context, _viewing_app(context), issue, None, comment["id"], links=_links(input))
    return _answer(context, session)


# --- activities -----------------------------------------------------------------------------------------------------


def create_activity(context: Context, input: Input) -> Payload:
    """An activity of the app that owns the session."""
    activity_id, session = context.new_id("AgentActivity", input.get("id")), _own_session(context, input)
    content = _check_content(input["content"])
    kind, ephemeral = content["type"], bool(input.get("ephemeral"))
    if ephemeral and kind not in ("thought", "action"):
        raise invalid("ephemeral", "isEphemeral", "only thoughts and actions can be ephemeral")
    _check_signal(kind, input)
    comment = None
    if kind in COMMENTED:
        columns = {"issueId": session["issueId"], "userId": context.viewer["id"], "editedAt": None}
        comment_id = context.new_id("Comment", None)
        comment = context.stamp("Comment", comment_id, body=content["body"], parentId=session["commentId"], **columns)
    activity = _stamp_activity(context, session, activity_id, content, comment["id"] if comment else None)
    activity |= {"ephemeral": ephemeral, "signal": input.get("signal"), "signalMetadata": input.get("signalMetadata")}
    after = _in_state(context, session, STATE_AFTER[kind])
    context.write("agentActivityCreate", input, Change("create", activity), also=[after])
    if comment:
        context.write("commentCreate", {}, Change("create", comment))
    return {"success": True, "lastSyncId": float(context.store.version), "agentActivity": activity}


def create_prompt(context: Context, input: Input) -> Payload:
    """A person's message to the session from Linear's own interface; its stop button sends the signal `stop`."""
    session = context.find("AgentSession", input["agentSessionId"])
    if context.viewer["app"]:
        raise invalid("content", "isAllowed", "only people can create prompts")
    content = {"body": (input["content"].get("body") or "").strip()}
    if not content["body"]:
        raise invalid("body", "isNotEmpty", "body should not be empty")
    wanted, signal = context.new_id("AgentActivity", input.get("id")), input.get("signal")
    activity = _add_prompt(context, session, content, activity_id=wanted, signal=signal)
    return {"success": True, "lastSyncId": float(context.store.version), "agentActivity": activity}


def _add_prompt(
    context: Context,
    session: Row,
    content: Row,
    *,
    activity_id: str = "",
    comment_id: str | None = None,
    signal: str | None = None,
) -> Row:
    activity_id = activity_id or context.new_id("AgentActivity", None)
    activity = _stamp_activity(context, session, activity_id, {"type": "prompt", **content}, comment_id)
    activity |= {"signal": signal}
    context.write(
        "agentActivityCreatePrompt", content, Change("create", activity), also=[_in_state(context, session, "active")]
    )
    return activity


def _stamp_activity(context: Context, session: Row, row_id: str, content: Row, comment_id: str | None) -> Row:
    typename = f"AgentActivity{content['type'].capitalize()}Content"
    return context.stamp(
        "AgentActivity",
        row_id,
        agentSessionId=session["id"],
        content={**content, "__typename": typename},
        ephemeral=False,
        signal=None,
        signalMetadata=None,
        sourceCommentId=comment_id,
        userId=context.viewer["id"],
    )


def _check_content(content: Any) -> Row:
    kind = str(content.get("type")) if isinstance(content, dict) else ""
    if kind not in FIELDS:
        raise invalid("content", "isContent", f"content.type must be one of {', '.join(FIELDS)}")
    for name in FIELDS[kind]:
        if not isinstance(content.get(name), str) or not content[name].strip():
            raise invalid("content", "isContent", f"content.{name} should not be empty")
    known = {"type", *FIELDS[kind], *(("result",) if kind == "action" else ())}
    if unknown := content.keys() - known:
        raise invalid("content", "isContent", f"content has unknown fields: {', '.join(sorted(unknown))}")
    return dict(content)


def _check_signal(kind: str, input: Input) -> None:
    signal, metadata = input.get("signal"), input.get("signalMetadata") or {}
    if signal is None:
        return
    if signal not in ("select", "auth") or kind != "elicitation":
        raise invalid("signal", "isSignal", f"the signal {signal} does not fit a {kind}")
    options = metadata.get("options")
    if signal == "select" and not (options and all(isinstance(o, dict) and o.get("value") for o in options)):
        raise invalid("signalMetadata", "isOptions", "signalMetadata.options must be a list of objects with a value")


# --- states, plan, links --------------------------------------------------------------------------------------------


def update_session(context: Context, id: str, input: Input) -> Payload:
    """Replace the plan, replace or change the links."""
    session = _own_session(context, {"agentSessionId": id})
    columns: Row = {}
    if (plan := input.get("plan")) is not None:
        columns["plan"] = _check_plan(plan)
    links = {link["url"]: link for link in session["externalLinks"]}
    if input.get("externalUrls") is not None:
        links = {link["url"]: dict(link) for link in input["externalUrls"]}
    else:
        links |= {link["url"]: dict(link) for link in input.get("addedExternalUrls") or ()}
        links = {url: link for url, link in links.items() if url not in (input.get("removedExternalUrls") or ())}
    columns["externalLinks"] = list(links.values())
    after = context.touched(session, **columns)
    if columns["externalLinks"] and session["status"] == "pending":
        after["status"] = "active"
    context.write("agentSessionUpdate", {"id": id, **input}, Change("update", after, session))
    return _answer(context, after)


def _check_plan(plan: Any) -> list[Row]:
    states = ("pending", "inProgress", "completed", "canceled")
    if not isinstance(plan, list) or not all(
        isinstance(step, dict) and step.get("content") and step.get("status") in states for step in plan
    ):
        raise invalid("plan", "isPlan", f"plan must be a list of steps with content and status ({', '.join(states)})")
    return plan


def current_status(context: Context, session: Row) -> str:
    """The state, `stale` after 30 minutes without an activity."""
    status: str = session["status"]
    quiet = _time(context.store.now()) - _time(session["activeAt"] if "activeAt" in session else session["createdAt"])
    return "stale" if status in ("pending", "active") and quiet > STALE_AFTER else status


def _in_state(context: Context, session: Row, status: str) -> Row:
    now = context.store.now()
    ended = now if status in ENDED else None
    started = session["startedAt"] or now
    return {**session, "status": status, "updatedAt": now, "activeAt": now, "startedAt": started, "endedAt": ended}


def _links(input: Input) -> list[Row]:
    return [dict(link) for link in input.get("externalUrls") or ()]


def _find_app(context: Context, user_id: str | None) -> Row | None:
    user = context.store.get("User", user_id)
    return user if user and user["app"] else None


def _viewing_app(context: Context) -> Row:
    if not context.viewer["app"]:
        raise invalid("actor", "isApp", "only an app can open a session for itself")
    return context.viewer


def _own_session(context: Context, input: Input) -> Row:
    """The session, if it is the viewer's. Raises Linear's "Entity not found"."""
    session = context.find("AgentSession", input["agentSessionId"])
    if session["appUserId"] != context.viewer["id"]:
        raise not_found("AgentSession")
    return session


def _answer(context: Context, session: Row) -> Payload:
    return {"success": True, "lastSyncId": float(context.store.version), "agentSession": session}


def _notify(context: Context, app: Row, kind: str, issue: Row) -> None:
    row_id = context.new_id("AppUserNotification", None)
    columns = {"type": kind, "userId": app["id"], "actorId": context.viewer["id"], "issueId": issue["id"]}
    context.write(kind, {}, Change("create", context.stamp("AppUserNotification", row_id, **columns)))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def session_url(context: Context, session: Row) -> str:
    """The session's page: its thread on the issue."""
    issue = context.find("Issue", session["issueId"])
    return f"{issue_url(context, issue)}#agent-session-{session['id'][:8]}"


MUTATIONS: dict[str, Callable[..., Payload]] = {
    "agentActivityCreate": create_activity,
    "agentActivityCreatePrompt": create_prompt,
    "agentSessionCreateOnIssue": create_on_issue,
    "agentSessionCreateOnComment": create_on_comment,
    "agentSessionUpdate": update_session,
}
