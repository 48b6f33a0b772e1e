"""Values as the inputs of Linear's mutations. Pure."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.ports.tracker import Activity, Attachment, PlanStep, TicketSearch
from integrations.texts import cut
from integrations.values import NewRelation, TicketId

BODY_LIMIT, TITLE_LIMIT = 65_536, 255  # characters; Linear publishes no limits, these are GitHub's
_PLAN_STATES = {"pending": "pending", "in_progress": "inProgress", "completed": "completed"}


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


def describe_session(plan: Sequence[PlanStep] | None, links: Mapping[str, str] | None) -> dict[str, Any]:
    """The fields of Linear's `AgentSessionUpdateInput`; empty without a change. A link is added once."""
    described: dict[str, Any] = {}
    if plan is not None:
        described["plan"] = [{"content": step.text, "status": _PLAN_STATES[step.state]} for step in plan]
    if links:
        described["addedExternalUrls"] = [{"label": label, "url": url} for url, label in links.items()]
    return described


def describe_attachment(ticket_id: str, attachment: Attachment) -> dict[str, Any]:
    """Linear's `AttachmentCreateInput`, an upsert by ticket and URL."""
    title, subtitle = cut(attachment.title, TITLE_LIMIT), cut(attachment.subtitle, TITLE_LIMIT)
    shown = {"title": title, "subtitle": subtitle, "metadata": dict(attachment.metadata)}
    return {"issueId": ticket_id, "url": attachment.url, **shown}


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


def describe_search(search: TicketSearch, state_ids: Sequence[str]) -> dict[str, Any]:
    """Linear's `IssueFilter`; `state_ids` are those of the search's columns."""
    described: dict[str, Any] = {"team": {"key": {"eq": search.team}}}
    if state_ids:
        described["state"] = {"id": {"in": list(state_ids)}}
    if search.labels:
        described["labels"] = {"some": {"or": [{"name": {"eqIgnoreCase": name}} for name in search.labels]}}
    if search.project:
        described["project"] = {"name": {"eqIgnoreCase": search.project}}
    if search.text:
        described["or"] = [{name: {"containsIgnoreCase": search.text}} for name in ("title", "description")]
    if search.since:
        at = datetime.fromtimestamp(search.since, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        described["updatedAt"] = {"gte": at}
    return described
