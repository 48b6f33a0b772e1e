"""Values as the inputs of Linear's mutations. Pure."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from integrations.ports.tracker import Activity, Attachment
from integrations.texts import cut
from integrations.values import NewRelation, TicketId

BODY_LIMIT, TITLE_LIMIT = 65_536, 255  # characters; Linear publishes no limits, these are GitHub's


def describe_activity(activity: Activity) -> dict[str, Any]:
    """The fields of Linear's `AgentActivityCreateInput` (linear.app/developers/agent-interaction)."""
    body = cut(activity.body, BODY_LIMIT)
    content = {"type": activity.kind, "body": body}
    if activity.kind == "action":
        content = {"type": "action", "action": body, "parameter": activity.parameter}
    described: dict[str, Any] = {"content": content, "ephemeral": activity.ephemeral}
    if activity.choices:
        described |= {"signal": "select", "signalMetadata": {"options": [{"value": c} for c in activity.choices]}}
    return described


def attachment_values(attachment: Attachment) -> dict[str, Any]:
    """The variables of an upsert, except the ticket."""
    title, subtitle = cut(attachment.title, TITLE_LIMIT), cut(attachment.subtitle, TITLE_LIMIT)
    return {**vars(attachment), "title": title, "subtitle": subtitle, "metadata": dict(attachment.metadata)}


def describe_relation(ticket_id: TicketId, relation: NewRelation) -> dict[str, str]:
    """The fields of Linear's `IssueRelationCreateInput`; the id makes the creation idempotent."""
    ends = (relation.ticket_id, ticket_id) if relation.kind == "blocked_by" else (ticket_id, relation.ticket_id)
    kind = "related" if relation.kind == "related" else "blocks"
    name = hashlib.sha256("/".join((*ends, kind)).encode()).digest()
    return {
        "id": str(uuid.UUID(bytes=name[:16], version=4)),
        "issueId": ends[0],
        "relatedIssueId": ends[1],
        "type": kind,
    }
