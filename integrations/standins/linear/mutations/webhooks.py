"""Subscriptions to webhooks; only an admin of the workspace may have them. Called through `MUTATIONS` only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from integrations.standins.linear.context import Change, Context
from integrations.standins.linear.errors import forbidden, invalid
from integrations.standins.linear.seed import ENTITIES

Input = Mapping[str, Any]
NEVER_SENT = """
    AgentSessionEvent AppUserNotification Customer CustomerNeed Cycle Document Initiative InitiativeUpdate IssueSLA
    OAuthAuthorization PermissionChange Project ProjectLabel ProjectUpdate Release ReleaseNote User
"""
RESOURCE_TYPES = {*NEVER_SENT.split(), *ENTITIES}


def create(context: Context, input: Input) -> dict[str, Any]:
    """Subscribe a URL to changes of one team or of all public ones; the secret is made when none is given."""
    _only_admins(context)
    webhook_id, team_id = context.new_id("Webhook", input.get("id")), input.get("teamId")
    if bool(team_id) == bool(input.get("allPublicTeams")):
        raise invalid("teamId", "isNotEmpty", "exactly one of teamId and allPublicTeams should be given")
    team = _team(context, team_id) if team_id else None
    _check(input)
    webhook = context.stamp(
        "Webhook",
        webhook_id,
        url=input["url"],
        label=input.get("label"),
        enabled=input.get("enabled") is not False,
        secret=input.get("secret") or f"lin_wh_{secrets.token_urlsafe(24)}",
        resourceTypes=list(input["resourceTypes"]),
        allPublicTeams=team is None,
        teamId=team,
        creatorId=context.viewer["id"],
    )
    return _save(context, "webhookCreate", input, Change("create", webhook))


def update(context: Context, id: str, input: Input) -> dict[str, Any]:
    """Change address, types, secret, or switch it off and on."""
    _only_admins(context)
    before = context.find("Webhook", id)
    _check(input)
    columns = {name: value for name, value in input.items() if value is not None}
    return _save(
        context, "webhookUpdate", {"id": id, **input}, Change("update", context.touched(before, **columns), before)
    )


def delete(context: Context, id: str) -> dict[str, Any]:
    """End the subscription."""
    _only_admins(context)
    return context.drop("webhookDelete", "Webhook", id)


def _save(context: Context, operation: str, input: Input, change: Change) -> dict[str, Any]:
    shown = {name: value for name, value in input.items() if name != "secret"}
    sync_id = context.write(operation, shown, change.row["id"], change)
    return {"success": True, "lastSyncId": sync_id, "webhook": change.row}


def _only_admins(context: Context) -> None:
    if not context.viewer["admin"]:
        raise forbidden("Only admins of the workspace can manage webhooks")


def _team(context: Context, name: str) -> str:
    """The team's id, by id or key."""
    by_key = [row["id"] for row in context.store.rows("Team") if row["key"] == name]
    return str(by_key[0] if by_key else context.find("Team", name)["id"])


def _check(input: Input) -> None:
    unknown = sorted(set(input.get("resourceTypes") or []) - RESOURCE_TYPES)
    if unknown:
        raise invalid("resourceTypes", "isIn", f"resourceTypes {unknown} must be among {sorted(RESOURCE_TYPES)}")
    if input.get("url") is not None and not re.match(r"https?://[^/\s]", input["url"]):
        raise invalid("url", "isUrl", "url must be a URL")
