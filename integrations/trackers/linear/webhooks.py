"""Linear's webhooks: verification of signed payloads and translation into events.

Called by the web process (`verify`) and the dispatcher (`translate`). Sans-I/O: no network, no clock, no import of the
GraphQL client, so the web process stays small. Raises only `BadSignature` and `Malformed`, for any input. Sources:
linear.app/developers/webhooks, `@linear/sdk` src/webhooks, and captured deliveries, which omit or retype many fields
that the schema calls non-null; so only the fields in use are validated.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from integrations.errors import BadSignature, Malformed
from integrations.events import (
    Event,
    TicketCommented,
    TicketCommentRemoved,
    TicketDelegated,
    TicketEdited,
    TicketMentioned,
    TicketMoved,
    TicketReacted,
    TicketRemoved,
    TicketUndelegated,
)
from integrations.ports.signed_body import check_content_type, parse_object
from integrations.ports.source import Delivery
from integrations.values import Person, TicketId

MAX_AGE_MS: Final = 60_000  # the SDK's window, both ways

IGNORED: Final = {
    "Attachment", "AuditEntry", "Customer", "CustomerNeed", "Cycle",
    "Document", "Initiative", "InitiativeUpdate", "IssueLabel", "IssueSLA", "OAuthApp", "OAuthAuthorization",
    "PermissionChange", "Project", "ProjectLabel", "ProjectUpdate", "Release", "ReleaseNote", "User",
}  # fmt: skip
"""Known event types without effect on a loop. A type that is not listed raises `Malformed` with its name."""

_PLACE: Final = {"stateId", "teamId", "trashed", "archivedAt"}
_CONTENT: Final = {"title", "description", "descriptionData"}
_ORDER: Final = {"priority", "dueDate", "projectId", "labelIds"}
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OWN_THREAD: Final = "This thread is for an agent session"  # the root comment that a delegation creates
_MAX_KEY_PART: Final = 200  # characters of one part of a content key; longer ones are hashed
_YEAR_5138_MS: Final = 10**14


class LinearWebhooks:
    """`Source` for Linear's webhooks."""

    name = "linear"
    retries_on_503 = True  # after 1 min, 1 h and 6 h

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
        """Check the signature of `body`, then the age by the signed timestamp; the header's is not signed.

        Raises `BadSignature`, `UnsupportedContentType` or `Malformed`.
        """
        _check_signature(headers.get("linear-signature", ""), body, secrets)
        if "content-type" in headers:
            check_content_type(headers["content-type"], "Linear", "check the proxy in front of Loopline")
        payload = parse_object(body, "Linear")
        sent = _read_timestamp(payload)
        kind, action = _get_text(payload, "type"), _get_text(payload, "action")
        given = headers.get("linear-delivery", "")  # not signed, so anything but a UUID is replaced
        return Delivery(
            source=self.name,
            delivery_id=given.lower() if _UUID.fullmatch(given) else hashlib.sha256(body).hexdigest(),
            content_key=_build_content_key(payload),
            body=body,
            event=f"{kind}.{action}",
            stale=abs(now * 1000 - sent) > MAX_AGE_MS,
        )

    def translate(self, delivery: Delivery) -> list[Event]:
        """At most one event of each kind, with ids from the content key. A stale comment loses its text.

        Loopline's own writes are translated too: recognizing them needs a credential, which this process lacks.
        """
        payload = parse_object(delivery.body, "Linear")
        kind, action = _get_text(payload, "type"), _get_text(payload, "action")
        if kind == "Issue":
            return _translate_issue(delivery, payload, action)
        if kind == "Comment":
            return _translate_comment(delivery, payload, action)
        if kind == "Reaction":
            return _translate_reaction(delivery, payload, action)
        if kind == "AgentSessionEvent":
            return _translate_session(delivery, payload, action)
        if kind == "AppUserNotification":
            return _translate_notification(delivery, payload, action)
        if kind in IGNORED:
            return []
        raise _unknown_event(kind)


def _check_signature(given: str, body: bytes, secrets: Sequence[str]) -> None:
    if not given:
        raise BadSignature("the delivery has no Linear-Signature")
    if "," in given:
        raise BadSignature("the delivery has more than one Linear-Signature")
    keys = [secret.encode(errors="surrogateescape") for secret in secrets if secret]
    expected = [hmac.new(key, body, hashlib.sha256).hexdigest().encode() for key in keys]
    matches = [hmac.compare_digest(given.encode(errors="replace"), digest) for digest in expected]
    if not any(matches):
        raise BadSignature("Linear-Signature matches none of the secrets in LINEAR_WEBHOOK_SECRETS")


def _read_timestamp(payload: Mapping[str, Any]) -> float:
    sent = payload.get("webhookTimestamp")
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        raise Malformed("Linear's body has no numeric webhookTimestamp")
    if not 0 <= sent < _YEAR_5138_MS:
        raise Malformed("webhookTimestamp is out of range")
    return sent


def _build_content_key(payload: Mapping[str, Any]) -> str:
    """A key of the delivery's content, which detects a redelivery under another delivery id.

    A retry can have a new webhookTimestamp, so the digest excludes it.
    """
    parts = _build_key_parts(payload)
    if all(isinstance(part, str) and 0 < len(part) <= _MAX_KEY_PART for part in parts):
        return ":".join(parts)
    content = {key: value for key, value in payload.items() if key != "webhookTimestamp"}
    return f"sha256:{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}"


def _build_key_parts(payload: Mapping[str, Any]) -> tuple[Any, ...]:
    kind, action = payload["type"], payload["action"]
    match kind, action:
        case "AgentSessionEvent", "created":
            return kind, _get_object(payload, "agentSession").get("id"), action
        case "AgentSessionEvent", _:
            return kind, _get_object(payload, "agentActivity").get("id"), action
        case "AppUserNotification", _:
            return kind, _get_object(payload, "notification").get("id")
        case ("PermissionChange", _) | ("OAuthApp", _):
            return kind, *(payload.get(key) for key in ("organizationId", "oauthClientId", "createdAt"))
    data = _get_object(payload, "data")
    # Archiving does not change updatedAt, so the key includes the names of the changed fields.
    changed = "+".join(sorted(_get_object(payload, "updatedFrom"))) or "-"
    return kind, data.get("id"), action, data.get("updatedAt"), changed


def _translate_issue(delivery: Delivery, payload: Mapping[str, Any], action: str) -> list[Event]:
    data = _get_object(payload, "data")
    changed = _get_object(payload, "updatedFrom").keys() if action == "update" else set()
    if action not in ("create", "update", "remove"):
        raise _unknown_event(f"Issue.{action}")
    if action == "remove" or (changed and (data.get("trashed") or data.get("archivedAt"))):
        return [TicketRemoved(**_build_fields(delivery, "TicketRemoved", data, "id"))]
    events: list[Event] = []
    if action == "create" or changed & _PLACE:
        column = _get_object(data, "state")
        events.append(
            TicketMoved(
                **_build_fields(delivery, "TicketMoved", data, "id"),
                column=_get_text(column, "name", default=""),
                column_id=_get_text(column, "id", default=""),
                before_id=_get_text(_get_object(payload, "updatedFrom"), "stateId", default=""),
                by=_read_actor(payload),
            )
        )
    if changed & (_CONTENT | _ORDER):
        order_only = not changed & _CONTENT
        fields = _build_fields(delivery, "TicketEdited", data, "id")
        labels, team = _read_new_labels(payload), _get_text(_get_object(data, "team"), "key", default="")
        events.append(
            TicketEdited(**fields, order_only=order_only, by=_read_actor(payload), new_labels=labels, team=team)
        )
    if "delegateId" in changed and payload["updatedFrom"]["delegateId"]:
        by = _get_text(_get_object(payload, "actor"), "id", default="")
        events.append(TicketUndelegated(**_build_fields(delivery, "TicketUndelegated", data, "id"), by=by))
    return events


def _read_new_labels(payload: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the labels that the issue has got."""
    before = _get_object(payload, "updatedFrom").get("labelIds")
    labels = _get_object(payload, "data").get("labels")
    if not isinstance(before, list) or not isinstance(labels, list):
        return ()
    new = (one for one in labels if isinstance(one, dict) and one.get("id") not in before)
    return tuple(name for one in new if isinstance(name := one.get("name"), str))


def _read_actor(payload: Mapping[str, Any]) -> Person:
    """The author of a change, by id and name only. Without an actor it is an automation."""
    actor = _get_object(payload, "actor")
    is_bot = actor.get("type") not in (None, "user")
    name = _get_text(actor, "name", "") or _get_text(actor, "service", "")  # an integration has no name
    return Person(id=_get_text(actor, "id", ""), name=name, is_bot=is_bot or not actor)


def _translate_comment(delivery: Delivery, payload: Mapping[str, Any], action: str) -> list[Event]:
    """An update counts only with another text: reactions and resolved threads update a comment too."""
    if action not in ("create", "update", "remove"):
        raise _unknown_event(f"Comment.{action}")
    data = _get_object(payload, "data")
    if data.get("issueId") is None:
        return []  # on a project update or a document
    comment_id = _get_text(data, "id")
    if action == "remove":
        fields = _build_fields(delivery, "TicketCommentRemoved", data, "issueId")
        return [TicketCommentRemoved(**fields | {"event_id": f"comment:{comment_id}:removed"}, comment_id=comment_id)]
    edited = action == "update"
    if edited and not _get_object(payload, "updatedFrom").keys() & {"body", "bodyData"}:
        return []
    fields = _build_fields(delivery, "TicketCommented", data, "issueId")
    return [
        TicketCommented(
            **fields if edited else fields | {"event_id": f"comment:{comment_id}"},
            comment_id=comment_id,
            body="" if delivery.stale else _get_text(data, "body"),
            author=_read_author(data),
            parent_id=_get_text(data, "parentId", default=""),
            edited=edited,
        )
    ]


def _translate_reaction(delivery: Delivery, payload: Mapping[str, Any], action: str) -> list[Event]:
    """An emoji on a comment of a ticket; those on tickets, project updates and documents are ignored."""
    if action in ("update", "remove"):
        return []
    if action != "create":
        raise _unknown_event(f"Reaction.{action}")
    data = _get_object(payload, "data")
    comment = _get_object(data, "comment")
    if data.get("commentId") is None or comment.get("issueId") is None:
        return []
    return [
        TicketReacted(
            **_build_fields(delivery, "TicketReacted", data | {"issueId": comment["issueId"]}, "issueId")
            | {"event_id": f"reaction:{_get_text(data, 'id')}"},
            comment_id=_get_text(data, "commentId"),
            emoji=_get_text(data, "emoji"),
            author=_read_author(data),
        )
    ]


def _translate_session(delivery: Delivery, payload: Mapping[str, Any], action: str) -> list[Event]:
    """A new session, or a message in one. Those outside of tickets and those that Loopline opened are ignored."""
    session = _get_object(payload, "agentSession")
    if action not in ("created", "prompted"):
        raise _unknown_event(f"AgentSessionEvent.{action}")
    session_id, app_id = _get_text(session, "id"), session.get("appUserId") or payload.get("appUserId")
    if session.get("issueId") is None:
        return []
    if action == "prompted":
        return _translate_prompt(delivery, payload, session)
    if session.get("creatorId") == app_id:
        return []
    common = {
        **_build_fields(delivery, "", session, "issueId"),
        "event_id": f"session:{session_id}:created",
        "session_id": session_id,
        "identifier": _get_text(_get_object(session, "issue"), "identifier", default=""),
    }
    root = _get_object(session, "comment")
    comment_id = session.get("sourceCommentId") or root.get("id")
    if not comment_id or root.get("userId") == app_id or _get_text(root, "body", default="").startswith(_OWN_THREAD):
        return [TicketDelegated(**common)]
    commented = TicketCommented(
        **_build_fields(delivery, "", session, "issueId") | {"event_id": f"comment:{comment_id}"}, comment_id=comment_id
    )
    return [TicketMentioned(**common, comment_id=comment_id), commented]


def _translate_prompt(delivery: Delivery, payload: Mapping[str, Any], session: Mapping[str, Any]) -> list[Event]:
    """A message that is a comment too has the id of the comment's event. The stop button is the command `/stop`."""
    activity = _get_object(payload, "agentActivity")
    prompt_id, stops = _get_text(activity, "id"), activity.get("signal") == "stop"
    comment_id = activity.get("sourceCommentId") if not stops else None
    body = "" if delivery.stale else _get_text(_get_object(activity, "content"), "body", default="")
    return [
        TicketCommented(
            event_id=f"comment:{comment_id}" if comment_id else f"prompt:{prompt_id}",
            ticket_id=TicketId(_get_text(session, "issueId")),
            at=_parse_time(activity.get("createdAt")),
            comment_id=comment_id or f"prompt:{prompt_id}",
            body="/stop" if stops else body,
            author=_read_author(activity),
            session_id=_get_text(session, "id"),
            prompt_id=prompt_id,
        )
    ]


def _translate_notification(delivery: Delivery, payload: Mapping[str, Any], action: str) -> list[Event]:
    """An entry of the app's inbox. Mentions and comments have events of their own, with their sessions."""
    notification = _get_object(payload, "notification")
    if notification.get("issueId") is None:
        return []
    if action == "issueAssignedToYou":
        return [TicketDelegated(**_build_fields(delivery, "TicketDelegated", notification, "issueId"))]
    if action == "issueUnassignedFromYou":
        by = _get_text(notification, "actorId", default="")
        return [TicketUndelegated(**_build_fields(delivery, "TicketUndelegated", notification, "issueId"), by=by)]
    if action == "issueStatusChanged":
        return [TicketMoved(**_build_fields(delivery, "TicketMoved", notification, "issueId"))]
    return []


def _read_author(data: Mapping[str, Any]) -> Person | None:
    """The author by id only: permission is looked up before a comment has an effect."""
    identifier = data.get("userId") or data.get("externalUserId") or ""
    return Person(id=identifier) if identifier and isinstance(identifier, str) else None


def _build_fields(delivery: Delivery, event: str, data: Mapping[str, Any], ticket_key: str) -> dict[str, Any]:
    return {
        "event_id": f"linear:{delivery.content_key}:{event}",
        "ticket_id": _get_text(data, ticket_key),
        "at": _parse_time(data.get("updatedAt")),
    }


def _get_object(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`, empty when it is missing or null."""
    found = value.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{key!r} in Linear's body is a {type(found).__name__}, not an object")
    return found


def _get_text(value: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """The text under `key`. Required and not empty unless there is a default."""
    found = default if value.get(key) is None else value[key]
    if not isinstance(found, str) or (default is None and not found):
        raise Malformed(f"{key!r} in Linear's body is missing or not text")
    return found


def _parse_time(text: object) -> float:
    """An ISO 8601 time as Unix seconds, 0 for anything else."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() if moment else 0.0


def _unknown_event(event: str) -> Malformed:
    return Malformed(f"unknown Linear event {event[:80]!r}")
