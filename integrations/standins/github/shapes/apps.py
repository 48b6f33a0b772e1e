"""Shapes of Apps and their installations."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.auth import client_id
from integrations.standins.github.seed import ALL_PERMISSIONS, FIRST_COMMIT, App, Installation
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.view import View, node_id

EVENTS = (
    *("check_run", "check_suite", "issue_comment", "pull_request", "pull_request_review"),
    *("pull_request_review_comment", "push", "status"),
)


def app(view: View, one: App) -> dict[str, Any]:
    """`integration`."""
    account = one.installations[0].account if one.installations else one.slug
    return {
        "id": one.id,
        "slug": one.slug,
        "client_id": client_id(one),
        "node_id": node_id("A", one.id),
        "owner": user(view, account),
        "name": one.name or one.slug,
        "description": "",
        "external_url": view.base,
        "html_url": f"{view.base}/apps/{one.slug}",
        "created_at": FIRST_COMMIT,
        "updated_at": FIRST_COMMIT,
        "permissions": dict(one.installations[0].permissions if one.installations else ALL_PERMISSIONS),
        "events": list(EVENTS),
    }


def app_of(view: View, app_id: int) -> dict[str, Any] | None:
    """The App with this id, None when the seed has it no more."""
    return next((app(view, one) for one in view.hub.seed.apps if one.id == app_id), None)


def installation(view: View, one: App, installed: Installation) -> dict[str, Any]:
    """`installation`."""
    account = user(view, installed.account)
    return {
        "id": installed.id,
        "account": account,
        "access_tokens_url": f"{view.base}/app/installations/{installed.id}/access_tokens",
        "repositories_url": f"{view.base}/installation/repositories",
        "html_url": f"{view.base}/settings/installations/{installed.id}",
        "app_id": one.id,
        "client_id": client_id(one),
        "app_slug": one.slug,
        "target_id": account["id"],
        "target_type": account["type"],
        "repository_selection": "selected",
        "permissions": dict(installed.permissions),
        "events": list(EVENTS),
        "created_at": FIRST_COMMIT,
        "updated_at": FIRST_COMMIT,
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": None,
    }
