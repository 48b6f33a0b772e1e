"""Shapes of webhooks and their deliveries."""

from __future__ import annotations

import json
from typing import Any

from integrations.standins.github.records import Delivery, Hook
from integrations.standins.github.shapes.view import View


def hook(view: View, one: Hook, last: Delivery | None) -> dict[str, Any]:
    """`hook`; the secret is never shown."""
    url = f"{view.repository_url(one.repository)}/hooks/{one.id}"
    secret = {"secret": "********"} if one.secret else {}
    response = {"code": last.status_code, "status": last.status, "message": last.status} if last else None
    return {
        "type": "Repository",
        "id": one.id,
        "name": "web",
        "active": one.active,
        "events": one.events,
        "config": {"content_type": "json", "insecure_ssl": "0", "url": one.url, **secret},
        "updated_at": one.created_at,
        "created_at": one.created_at,
        "url": url,
        "test_url": f"{url}/test",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": response or {"code": None, "status": "unused", "message": None},
    }


def delivery_item(one: Delivery) -> dict[str, Any]:
    """`hook-delivery-item`."""
    return {
        "id": one.id,
        "guid": one.guid,
        "delivered_at": one.delivered_at,
        "redelivery": one.redelivery,
        "duration": one.duration,
        "status": one.status,
        "status_code": one.status_code,
        "event": one.event,
        "action": one.action,
        "installation_id": one.installation_id,
        "repository_id": one.repository_id,
        "throttled_at": None,
    }


def delivery(one: Delivery, payload: bytes) -> dict[str, Any]:
    """`hook-delivery`: what was sent and what came back."""
    return {
        **delivery_item(one),
        "url": "",
        "request": {"headers": one.request_headers, "payload": json.loads(payload)},
        "response": {"headers": one.response_headers, "payload": one.response_body},
    }
