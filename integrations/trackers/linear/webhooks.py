"""Linear's webhooks: from signed bytes to our words.

Called by the door (`verify`) and by the dispatcher (`translate`). Sans-I/O: no network, no clock, and no GraphQL client
is imported here, so that the web process stays small. Whatever bytes come in, only `BadSignature` or `Malformed` comes
out. Facts: linear.app/developers/webhooks, `@linear/sdk` src/webhooks, and captured deliveries, which leave out or
retype many fields that the schema calls non-null; so only what is used is looked at.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from integrations.errors import BadSignature, Malformed
from integrations.events import Event, TicketCommented, TicketEdited, TicketMoved, TicketReacted, TicketRemoved
from integrations.ports.source import Delivery
from integrations.values import Person

MAX_AGE_MS: Final = 60_000  # the SDK's window, both ways

IGNORED: Final = frozenset(
    {
        "AgentSessionEvent",
        "AppUserNotification",
        "Attachment",
        "AuditEntry",
        "Customer",
        "CustomerNeed",
        "Cycle",
        "Document",
        "Initiative",
        "InitiativeUpdate",
        "IssueLabel",
        "IssueSLA",
        "OAuthApp",
        "OAuthAuthorization",
        "PermissionChange",
        "Project",
        "ProjectLabel",
        "ProjectUpdate",
        "Release",
        "ReleaseNote",
        "User",
    }
)
"""Event types that Linear is known to send and that change nothing for a loop. A type outside is reported by name."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LONGEST_PART: Final = 200  # characters of one part of a content key; longer ones are hashed
_YEAR_5138_MS: Final = 10**14


class LinearWebhooks:
    """Linear as a sender of webhooks (the `Source` Protocol)."""

    name = "linear"
    retries_on_503 = True  # after 1 min, 1 h and 6 h

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
        """Check the signature over `body`, then the age by the signed timestamp, the only one an attacker cannot set.

        Raises `BadSignature`, also for a body without a timestamp, or `Malformed`.
        """
        _check_signature(headers.get("linear-signature", ""), body, secrets)
        payload = _parse(body)
        sent = _sent_at(payload)
        kind, action = _text(payload, "type"), _text(payload, "action")
        return Delivery(
            source=self.name,
            delivery_id=_delivery_id(headers.get("linear-delivery", ""), body),
            content_key=_content_key(payload),
            body=body,
            event=f"{kind}.{action}",
            stale=abs(now * 1000 - sent) > MAX_AGE_MS,
        )

    def translate(self, delivery: Delivery) -> list[Event]:
        """At most one event of each kind, marked with the content key. A stale comment keeps its id, not its words.

        Our own writes are translated too: who we are is known only to those who hold a credential.
        """
        payload = _parse(delivery.body)
        kind, action = _text(payload, "type"), _text(payload, "action")
        if kind == "Issue":
            return _issue_events(delivery, payload, action)
        if kind == "Comment":
            return _comment_events(delivery, payload, action)
        if kind == "Reaction":
            return _reaction_events(delivery, payload, action)
        if kind in IGNORED:
            return []
        raise _unknown(kind)


# --- the envelope ---------------------------------------------------------------------------------------------------


def _check_signature(given: str, body: bytes, secrets: Sequence[str]) -> None:
    if not given:
        raise BadSignature("the delivery has no Linear-Signature")
    if "," in given:
        raise BadSignature("the delivery has more than one Linear-Signature")
    keys = [secret.encode(errors="surrogateescape") for secret in secrets if secret]
    expected = [hmac.new(key, body, hashlib.sha256).hexdigest().encode() for key in keys]
    matches = [hmac.compare_digest(given.encode(errors="replace"), digest) for digest in expected]
    if not any(matches):
        raise BadSignature("Linear-Signature fits none of the secrets in LINEAR_WEBHOOK_SECRETS")


def _parse(body: bytes) -> dict[str, Any]:
    """The body as a JSON object; stricter than `json.loads`, which takes UTF-16, NaN, 1e999 and lone surrogates."""
    try:
        payload = json.loads(body.decode(), parse_constant=_refuse_constant, parse_float=_finite)
        json.dumps(payload, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise Malformed("Linear's body is not UTF-8") from error
    except UnicodeEncodeError as error:
        raise Malformed("Linear's body holds a lone surrogate") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"Linear's body is not JSON: {error}") from error
    except RecursionError as error:
        raise Malformed("Linear's body is nested too deeply") from error
    except ValueError as error:
        raise Malformed("Linear's body holds a number that is out of range") from error
    if not isinstance(payload, dict):
        raise Malformed(f"Linear's body is a JSON {type(payload).__name__}, not an object")
    return payload


def _refuse_constant(name: str) -> float:
    raise ValueError(name)


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(text)
    return number


def _sent_at(payload: Mapping[str, Any]) -> float:
    sent = payload.get("webhookTimestamp")
    if isinstance(sent, bool) or not isinstance(sent, int | float):
        raise BadSignature("the signed body has no numeric webhookTimestamp")
    if not 0 <= sent < _YEAR_5138_MS:
        raise Malformed("webhookTimestamp is out of range")
    return sent


def _delivery_id(header: str, body: bytes) -> str:
    """Linear's name for the payload. The header is not signed, so anything but a UUID gives way to a digest."""
    return header.lower() if _UUID.fullmatch(header) else hashlib.sha256(body).hexdigest()


def _content_key(payload: Mapping[str, Any]) -> str:
    """What the delivery says, so that a copy under another delivery id is seen.

    A retry may carry a fresh webhookTimestamp, so a digest leaves it out.
    """
    parts = _key_parts(payload)
    if all(isinstance(part, str) and 0 < len(part) <= _LONGEST_PART for part in parts):
        return ":".join(parts)
    said = {key: value for key, value in payload.items() if key != "webhookTimestamp"}
    return f"sha256:{hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()}"


def _key_parts(payload: Mapping[str, Any]) -> tuple[Any, ...]:
    kind, action = payload["type"], payload["action"]
    match kind, action:
        case "AgentSessionEvent", "created":
            return kind, _object(payload, "agentSession").get("id"), action
        case "AgentSessionEvent", _:
            return kind, _object(payload, "agentActivity").get("id"), action
        case "AppUserNotification", _:
            return kind, _object(payload, "notification").get("id")
        case ("PermissionChange", _) | ("OAuthApp", _):
            return kind, *(payload.get(key) for key in ("organizationId", "oauthClientId", "createdAt"))
    data = _object(payload, "data")
    # Archiving does not move updatedAt, so the key also says which fields changed.
    changed = "+".join(sorted(_object(payload, "updatedFrom"))) or "-"
    return kind, data.get("id"), action, data.get("updatedAt"), changed


# --- what happened --------------------------------------------------------------------------------------------------


def _issue_events(delivery: Delivery, payload: Mapping[str, Any], action: str) -> list[Event]:
    data = _object(payload, "data")
    changed = _object(payload, "updatedFrom").keys() if action == "update" else set()
    if action not in ("create", "update", "remove"):
        raise _unknown(f"Issue.{action}")
    if action == "remove" or (changed and (data.get("trashed") or data.get("archivedAt"))):
        return [TicketRemoved(**_about(delivery, "TicketRemoved", data, "id"))]
    events: list[Event] = []
    if action == "create" or changed & {"stateId", "trashed", "archivedAt"}:
        column = _text(_object(data, "state"), "name", default="")
        events.append(TicketMoved(**_about(delivery, "TicketMoved", data, "id"), column=column))
    if changed & {"title", "description", "descriptionData"}:
        events.append(TicketEdited(**_about(delivery, "TicketEdited", data, "id")))
    return events


def _comment_events(delivery: Delivery, payload: Mapping[str, Any], action: str) -> list[Event]:
    if action in ("update", "remove"):
        return []  # a loop has read the words by then, and reads the comment again before it acts on it
    if action != "create":
        raise _unknown(f"Comment.{action}")
    data = _object(payload, "data")
    if data.get("issueId") is None:
        return []  # on a project update or a document
    comment_id = _text(data, "id")
    return [
        TicketCommented(
            **_about(delivery, "TicketCommented", data, "issueId") | {"event_id": f"comment:{comment_id}"},
            comment_id=comment_id,
            body="" if delivery.stale else _text(data, "body"),
            author=_author(data),
        )
    ]


def _reaction_events(delivery: Delivery, payload: Mapping[str, Any], action: str) -> list[Event]:
    """An emoji on a comment of a ticket; those on tickets, project updates and documents answer nothing of ours."""
    if action in ("update", "remove"):
        return []
    if action != "create":
        raise _unknown(f"Reaction.{action}")
    data = _object(payload, "data")
    comment = _object(data, "comment")
    if data.get("commentId") is None or comment.get("issueId") is None:
        return []
    return [
        TicketReacted(
            **_about(delivery, "TicketReacted", data | {"issueId": comment["issueId"]}, "issueId")
            | {"event_id": f"reaction:{_text(data, 'id')}"},
            comment_id=_text(data, "commentId"),
            emoji=_text(data, "emoji"),
            author=_author(data),
        )
    ]


def _author(data: Mapping[str, Any]) -> Person | None:
    """By id only: the rights are looked up before anybody acts on the words."""
    identifier = data.get("userId") or data.get("externalUserId") or ""
    return Person(id=identifier) if identifier and isinstance(identifier, str) else None


def _about(delivery: Delivery, event: str, data: Mapping[str, Any], ticket_key: str) -> dict[str, Any]:
    return {
        "event_id": f"linear:{delivery.content_key}:{event}",
        "ticket_id": _text(data, ticket_key),
        "at": _seconds(data.get("updatedAt")),
    }


# --- values ---------------------------------------------------------------------------------------------------------


def _object(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object under `key`, empty when it is missing or null."""
    found = value.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Malformed(f"{key!r} in Linear's body is a {type(found).__name__}, not an object")
    return found


def _text(value: Mapping[str, Any], key: str, default: str | None = None) -> str:
    """The text under `key`. Without a default it must be there and not be empty."""
    found = default if value.get(key) is None else value[key]
    if not isinstance(found, str) or (default is None and not found):
        raise Malformed(f"{key!r} in Linear's body is missing or not text")
    return found


def _seconds(text: object) -> float:
    """An ISO 8601 time as Unix seconds, 0 when it is none."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() if moment else 0.0


def _unknown(event: str) -> Malformed:
    return Malformed(f"unknown Linear event {event[:80]!r}")
