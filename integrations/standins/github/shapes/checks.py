"""Shapes of commit statuses and check runs."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.hub import Repository
from integrations.standins.github.records import CheckRun, Status
from integrations.standins.github.shapes.people import app, user
from integrations.standins.github.shapes.view import View, node_id


def status(view: View, one: Status) -> dict[str, Any]:
    """`status`."""
    creator = user(view, one.author)
    return {
        "url": f"{view.repository_url(one.repository)}/statuses/{one.sha}",
        "avatar_url": creator["avatar_url"],
        "id": one.id,
        "node_id": node_id("SC", one.id),
        "state": one.state,
        "description": one.description,
        "target_url": one.target_url,
        "context": one.context,
        "created_at": one.created_at,
        "updated_at": one.created_at,
        "creator": creator,
    }


def check_run(view: View, repository: Repository, run: CheckRun) -> dict[str, Any]:
    """`check-run`."""
    url = f"{view.repository_url(repository.name)}/check-runs/{run.id}"
    texts = {key: run.output.get(key) for key in ("title", "summary", "text")}
    return {
        "id": run.id,
        "name": run.name,
        "node_id": node_id("CR", run.id),
        "head_sha": run.sha,
        "external_id": run.external_id,
        "url": url,
        "html_url": f"{view.base}/{repository.name}/runs/{run.id}",
        "details_url": run.details_url or view.base,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "output": {**texts, "annotations_count": 0, "annotations_url": f"{url}/annotations"},
        "check_suite": None,
        "app": _app_of(view, run.app_id),
        "pull_requests": [],
    }


def _app_of(view: View, app_id: int) -> dict[str, Any] | None:
    """The App with this id, None when the seed has it no more."""
    return next((app(view, one) for one in view.hub.seed.apps if one.id == app_id), None)
