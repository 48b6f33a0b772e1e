"""What an administrator sets up in Linear: columns of a team and webhooks."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from integrations.standins.linear.context import Change, Context
from integrations.standins.linear.errors import conflict, forbidden, invalid
from integrations.standins.linear.seed import STATE_TYPES

Input = Mapping[str, Any]
CREATABLE = tuple(kind for kind in STATE_TYPES if kind not in ("triage", "duplicate"))


def create_column(context: Context, input: Input) -> dict[str, Any]:
    """A column of a team. Names are unique in a team."""
    _require_admin(context, "You don't have permission to edit the workflow of this team.")
    team = context.find("Team", input["teamId"])
    if input["type"] not in CREATABLE:
        raise invalid("type", "isIn", f"type must be one of the following values: {', '.join(CREATABLE)}")
    if not input["name"].strip():
        raise invalid("name", "isNotEmpty", "name should not be empty")
    states = context.related("WorkflowState", "teamId", team)
    for state in states:
        if state["name"].lower() == input["name"].lower():
            raise conflict("WorkflowState", state["id"])
    last = max((float(state["position"]) for state in states), default=0.0)
    columns = {"name": input["name"], "type": input["type"], "color": input["color"], "teamId": team["id"]}
    position = float(input["position"]) if input.get("position") is not None else last + 1.0
    row = context.stamp("WorkflowState", context.new_id("WorkflowState", None), **columns, position=position)
    context.write("workflowStateCreate", input, Change("create", row))
    return {"success": True}


def create_webhook(context: Context, input: Input) -> dict[str, Any]:
    """A webhook of one team or of all public ones; the secret is generated unless it is given."""
    _require_admin(context, "You need to be an admin to create webhooks.")
    url = urlsplit(input["url"])
    if url.scheme not in ("https", "http") or not url.hostname:
        raise invalid("url", "isUrl", "url must be a URL address")
    if not input.get("teamId") and not input.get("allPublicTeams"):
        raise invalid("teamId", "isNotEmpty", "either teamId or allPublicTeams is required")
    team_id = context.find("Team", input["teamId"])["id"] if input.get("teamId") else None
    columns = {
        "url": input["url"],
        "secret": input.get("secret") or f"lin_wh_{secrets.token_hex(16)}",
        "label": input.get("label"),
        "enabled": True,
        "allPublicTeams": bool(input.get("allPublicTeams")),
        "teamId": team_id,
        "resourceTypes": list(input["resourceTypes"]),
    }
    row = context.stamp("Webhook", context.new_id("Webhook", None), **columns)
    logged = {name: value for name, value in input.items() if name != "secret"}
    context.write("webhookCreate", logged, Change("create", row))
    return {"success": True}


def list_webhooks(context: Context, read: Callable[[], Any]) -> Any:
    """The webhooks, which only an administrator sees."""
    _require_admin(context, "You need to be an admin to view webhooks.")
    return read()


def _require_admin(context: Context, refusal: str) -> None:
    if not context.viewer["admin"]:
        raise forbidden(refusal)
