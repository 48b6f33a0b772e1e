"""Signed deliveries as Linear sends them, for the tests of its webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from integrations.events import Event
from integrations.ports.source import Delivery, Source
from integrations.trackers.linear.webhooks import LinearWebhooks

SECRET = "lin_wh_test_secret_0123456789"
NOW = 1_795_165_500.0
TICKET = "11111111-1111-4111-8111-0000000000d1"
DELIVERY_ID = "234D1A4E-B617-4388-90FE-ADC3633D6B72"

linear: Source = LinearWebhooks()


def sign(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(body: bytes, now: float = NOW, headers: Mapping[str, str] = MappingProxyType({})) -> Delivery:
    """A delivery with a valid signature and additional headers."""
    return linear.verify({"linear-signature": sign(body), **headers}, body, [SECRET], now)


def issue(action: str = "update", changed: tuple[str, ...] = (), **data: Any) -> bytes:
    """A delivery about a ticket in which the `changed` fields got new values."""
    state = {"id": "s2", "name": "Agent", "type": "started"}
    data = {"id": TICKET, "updatedAt": "2026-11-20T09:05:00.000Z", "title": "T", "state": state} | data
    body = {"type": "Issue", "action": action, "data": data, "webhookTimestamp": NOW * 1000}
    return json.dumps(body | ({"updatedFrom": dict.fromkeys(changed)} if changed else {})).encode()


def comment(action: str = "create", changed: tuple[str, ...] = (), **data: Any) -> bytes:
    data = {"id": "c1", "issueId": TICKET, "userId": "u1", "body": "/stop", "updatedAt": "2026-11-20T09:05:00Z"} | data
    body = {"type": "Comment", "action": action, "data": data, "webhookTimestamp": NOW * 1000}
    return json.dumps(body | ({"updatedFrom": dict.fromkeys(changed)} if changed else {})).encode()


def reaction(action: str = "create", **data: Any) -> bytes:
    """A 👍 on a comment of the ticket."""
    fields = {"commentId": "c1", "comment": {"id": "c1", "issueId": TICKET}, "issueId": None, "userId": "u1"}
    data = {"id": "e1", "emoji": "+1", "updatedAt": "2026-11-20T09:05:00Z"} | fields | data
    body = {"type": "Reaction", "action": action, "data": data, "webhookTimestamp": NOW * 1000}
    return json.dumps(body).encode()


def events(body: bytes, now: float = NOW) -> list[Event]:
    return linear.translate(verify(body, now))


def kinds(body: bytes) -> list[str]:
    return [event.kind for event in events(body)]
