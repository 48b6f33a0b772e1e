"""Shapes of webhooks and their deliveries."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.hub import Repository
from integrations.standins.github.records import Delivery
from integrations.standins.github.seed import FIRST_COMMIT
from integrations.standins.github.shapes.view import View
from integrations.standins.github.webhooks import Target


def hook(view: View, repository: Repository, one: Target) -> dict[str, Any]:
    """`hook`; the secret is never shown."""
    url = f"{view.repository_url(repository.name)}/hooks/{one.hook_id}"
    return {
        "type": "Repository",
        "id": one.hook_id,
        "name": "web",
        "active": True,
        "events": ["*"],
        "config": {"content_type": "json", "insecure_ssl": "0", "url": one.url, "secret": "********"},
        "updated_at": FIRST_COMMIT,
        "created_at": FIRST_COMMIT,
        "url": url,
        "test_url": f"{url}/test",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": {"code": None, "status": "unused", "message": None},
    }


def delivery_item(one: Delivery) -> dict[str, Any]:
    """`hook-delivery-item`."""
    shared = ("id", "guid", "delivered_at", "redelivery", "duration", "status", "status_code", "event", "action")
    return {
        **{name: getattr(one, name) for name in shared},
        "installation_id": one.installation_id,
        "repository_id": one.repository_id,
        "throttled_at": None,
    }
