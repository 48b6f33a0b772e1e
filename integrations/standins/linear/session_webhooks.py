"""The bodies of the webhooks for apps: `AgentSessionEvent` and `AppUserNotification`. Called by `webhooks`."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from integrations.standins.linear.context import Change, Context, identifier, issue_url, profile_url
from integrations.standins.linear.sessions import session_url
from integrations.standins.linear.store import Row

KINDS = ("AgentSession", "AgentActivity", "AppUserNotification")
OAUTH_CLIENT = "4d60803071bd7b18e5663f28000000aa"
Body = dict[str, Any]


def app_envelope(context: Context, change: Change) -> Body | None:
    """The body without `webhookId` and `webhookTimestamp`; None for a change that an app is not notified of."""
    row = change.row
    kind = row["__typename"]
    if kind == "AppUserNotification":
        return {**_common(context, kind, row["type"], row["userId"]), "notification": _notification(context, row)}
    session = context.find("AgentSession", row["agentSessionId"]) if kind == "AgentActivity" else row
    if context.viewer["id"] == session["appUserId"] or change.action != "create":
        return None
    action = "prompted" if kind == "AgentActivity" else "created"
    body = {**_common(context, "AgentSessionEvent", action, session["appUserId"])}
    body["agentSession"] = _session(context, session)
    if kind == "AgentActivity":
        return {**body, "agentActivity": _activity(context, row)}
    return {**body, "guidance": [], "promptContext": _prompt_context(context, session), **_previous(context, session)}


def _common(context: Context, kind: str, action: str, app_id: str) -> Body:
    return {
        "type": kind,
        "action": action,
        "createdAt": context.store.now(),
        "organizationId": context.store.rows("Organization")[0]["id"],
        "appUserId": app_id,
        "oauthClientId": OAUTH_CLIENT,
    }


def _session(context: Context, row: Row) -> Body:
    names = (
        *("id", "createdAt", "updatedAt", "archivedAt", "appUserId", "creatorId", "issueId", "commentId"),
        *("sourceCommentId", "status", "startedAt", "endedAt"),
    )
    organization = context.store.rows("Organization")[0]["id"]
    return {
        **{name: row[name] for name in names},
        "organizationId": organization,
        "type": "commentThread",
        "summary": None,
        "sourceMetadata": None,
        "externalUrls": row["externalLinks"],
        "url": session_url(context, row),
        "creator": _user(context, row["creatorId"]),
        "issue": _issue(context, row["issueId"]),
        "comment": _comment(context, row["commentId"]),
    }


def _activity(context: Context, row: Row) -> Body:
    names = ("id", "createdAt", "updatedAt", "archivedAt", "agentSessionId", "signal", "signalMetadata")
    content = {name: text for name, text in row["content"].items() if name != "__typename"}
    more = {"sourceCommentId": row["sourceCommentId"], "userId": row["userId"], "user": _user(context, row["userId"])}
    return {**{name: row[name] for name in names}, "content": content, **more}


def _notification(context: Context, row: Row) -> Body:
    names = ("id", "type", "createdAt", "updatedAt", "archivedAt", "userId", "actorId", "issueId")
    return {
        **{name: row[name] for name in names},
        "actor": _user(context, row["actorId"]),
        "externalUserActorId": None,
        "issue": _issue(context, row["issueId"]),
    }


def _prompt_context(context: Context, session: Row) -> str:
    """Linear's summary of the issue for a prompt."""
    issue = context.find("Issue", session["issueId"])
    labels = "".join(f"<label>{escape(context.find('IssueLabel', one)['name'])}</label>\n" for one in issue["labelIds"])
    team = quoteattr(context.find("Team", issue["teamId"])["name"])
    return (
        f"<issue identifier={quoteattr(identifier(context, issue))}>\n<title>{escape(issue['title'])}</title>\n"
        f"<description>{escape(issue['description'])}</description>\n<team name={team}/>\n{labels}</issue>"
    )


def _previous(context: Context, session: Row) -> Body:
    """The comments of the thread before the mention; only when the app was mentioned in a thread."""
    if not session["sourceCommentId"]:
        return {}
    thread = [
        row
        for row in context.related("Comment", "issueId", context.find("Issue", session["issueId"]))
        if session["commentId"] in (row["id"], row["parentId"]) and row["id"] != session["sourceCommentId"]
    ]
    return {"previousComments": [_comment(context, row["id"]) for row in thread]}


def _issue(context: Context, issue_id: str) -> Body:
    row = context.find("Issue", issue_id)
    team = context.find("Team", row["teamId"])
    return {
        **{name: row[name] for name in ("id", "title", "teamId", "description")},
        "identifier": identifier(context, row),
        "url": issue_url(context, row),
        "team": {name: team[name] for name in ("id", "key", "name")},
    }


def _comment(context: Context, comment_id: str) -> Body:
    row = context.find("Comment", comment_id)
    return {name: row[name] for name in ("id", "body", "userId", "issueId")}


def _user(context: Context, user_id: str | None) -> Body | None:
    if user_id is None:
        return None
    row = context.find("User", user_id)
    return {**{name: row[name] for name in ("id", "name", "email")}, "url": profile_url(context, row)}
