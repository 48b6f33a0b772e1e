"""Agent sessions as the board page shows them. Called by `page` with the store's lock held."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from integrations.standins.linear.context import Context
from integrations.standins.linear.sessions import current_status
from integrations.standins.linear.store import Row

UNRESPONSIVE_AFTER = timedelta(seconds=10)


def session_state(context: Context, issue: Row) -> str:
    """The state of the issue's newest session, empty without one."""
    sessions = context.related("AgentSession", "issueId", issue)
    return shown_state(context, sessions[-1]) if sessions else ""


def shown_state(context: Context, session: Row) -> str:
    """The session's state; a pending one is unresponsive after ten seconds."""
    status = current_status(context, session)
    age = datetime.fromisoformat(context.store.now()) - datetime.fromisoformat(session["createdAt"])
    return "unresponsive" if status == "pending" and age > UNRESPONSIVE_AFTER else status


def session_card(context: Context, session: Row) -> dict[str, Any]:
    """State, plan, links, the folded thoughts and actions, and the choices of an open question.

    An ephemeral activity is shown while it is the last one."""
    activities = context.related("AgentActivity", "agentSessionId", session)
    last = activities[-1] if activities else None
    own = [row for row in activities if row["content"]["type"] in ("thought", "action")]
    lasting = [row for row in own if not row["ephemeral"] or row is last]
    state = shown_state(context, session)
    return {
        "row": session,
        "app": context.find("User", session["appUserId"]),
        "state": state,
        "can_stop": state not in ("complete", "error"),
        "current": _describe(last) if last in own and last else "",
        "steps": [_describe(row) for row in lasting],
        "choices": _choices(last) if last and state == "awaitingInput" else [],
    }


def _describe(activity: Row) -> str:
    content = activity["content"]
    if content["type"] == "thought":
        return str(content["body"])
    result = f" → {content['result']}" if content.get("result") else ""
    return f"{content['action']}: {content['parameter']}{result}"


def _choices(activity: Row) -> list[str]:
    options = (activity["signalMetadata"] or {}).get("options", []) if activity["signal"] == "select" else []
    return [str(option["value"]) for option in options]
