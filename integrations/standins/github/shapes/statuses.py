"""Shapes of commit statuses."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.changes import newest_statuses
from integrations.standins.github.hub import Repository
from integrations.standins.github.records import Status
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.repositories import commit
from integrations.standins.github.shapes.repositories import repository as repository_shape
from integrations.standins.github.shapes.view import View, fields_of, node_id


def status_shape(view: View, one: Status) -> dict[str, Any]:
    """`status`."""
    creator = user(view, one.author)
    return {
        "url": f"{view.repository_url(one.repository)}/statuses/{one.sha}",
        "avatar_url": creator["avatar_url"],
        "node_id": node_id("SC", one.id),
        **fields_of(one, "id", "state", "description", "target_url", "context", "created_at"),
        "updated_at": one.created_at,
        "creator": creator,
    }


def status_payload(view: View, repository: Repository, status: Status) -> dict[str, Any]:
    """The webhook of a new status."""
    shape, url = status_shape(view, status), view.repository_url(repository.name)
    head = {"sha": status.sha, "url": f"{url}/commits/{status.sha}"}
    branches = [name for name, sha in repository.git.branches().items() if sha == status.sha]
    shared = ("id", "state", "context", "description", "target_url", "avatar_url", "created_at", "updated_at")
    return {
        **{name: shape[name] for name in shared},
        "sha": status.sha,
        "name": repository.name,
        "commit": commit(view, repository, repository.git.commit(status.sha)),
        "branches": [{"name": name, "commit": head, "protected": False} for name in branches],
    }


def combined_status(view: View, repository: Repository, sha: str) -> dict[str, Any]:
    """`combined-commit-status`; it is pending without any status."""
    statuses = newest_statuses(view.hub.store, repository.name, sha)
    states = {one.state for one in statuses}
    is_red = states & {"failure", "error"}
    url = f"{view.repository_url(repository.name)}/commits/{sha}"
    return {
        "state": "failure" if is_red else "success" if states == {"success"} else "pending",
        "sha": sha,
        "total_count": len(statuses),
        "statuses": [status_shape(view, one) for one in statuses],
        "repository": repository_shape(view, repository),
        "commit_url": url,
        "url": f"{url}/status",
    }
