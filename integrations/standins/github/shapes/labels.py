"""Shapes of labels, milestones and teams."""

from __future__ import annotations

import zlib
from typing import Any
from urllib.parse import quote

from integrations.standins.github.hub import Repository
from integrations.standins.github.records import Milestone
from integrations.standins.github.shapes.people import account_id, user
from integrations.standins.github.shapes.view import View, fields_of, node_id


def label(view: View, one: Repository, name: str) -> dict[str, Any]:
    """`label`, in the color of those that GitHub creates itself."""
    id = zlib.crc32(f"{one.name}/{name.lower()}".encode())
    url = f"{view.repository_url(one.name)}/labels/{quote(name)}"
    parts = {"name": name, "description": "", "color": "ededed", "default": False}
    return {"id": id, "node_id": node_id("LA", id), "url": url, **parts}


def milestone(view: View, one: Milestone) -> dict[str, Any]:
    """`milestone`."""
    url = f"{view.repository_url(one.repository)}/milestones/{one.number}"
    return {
        **fields_of(one, "id", "number", "title", "created_at"),
        "url": url,
        "html_url": f"{view.base}/{one.repository}/milestone/{one.number}",
        "labels_url": f"{url}/labels",
        "node_id": node_id("MI", one.id),
        "state": "open",
        "creator": user(view, one.author),
        "updated_at": one.created_at,
        **dict.fromkeys(("open_issues", "closed_issues"), 0),
        **dict.fromkeys(("description", "closed_at", "due_on")),
    }


def team(view: View, owner: str, slug: str) -> dict[str, Any]:
    """`team-simple`."""
    id = zlib.crc32(f"{owner}/{slug}".encode())
    url = f"{view.base}/teams/{id}"
    return {
        "id": id,
        "node_id": node_id("T", id),
        "url": url,
        "html_url": f"{view.base}/orgs/{owner}/teams/{slug}",
        "type": "organization",
        "organization_id": account_id(owner),
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "name": slug,
        "slug": slug,
        "description": None,
        "permission": "push",
        "parent": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
    }
