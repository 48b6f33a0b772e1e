"""The checks of a commit in the GraphQL endpoint: check runs and commit statuses in one list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from integrations.standins.github.changes import newest_check_runs, newest_statuses
from integrations.standins.github.graphql.errors import refuse
from integrations.standins.github.graphql.objects import Context, Shape, actor_shape, need, paged
from integrations.standins.github.hub import Repository
from integrations.standins.github.protection import protection_of
from integrations.standins.github.records import CheckRun, Pull, Status, WorkflowRun
from integrations.standins.github.shapes.view import node_id

WAITS = {"queued": "QUEUED", "in_progress": "IN_PROGRESS"}


def rollup(context: Context, one: Repository, sha: str) -> Shape | None:
    """`StatusCheckRollup`: null without a check, or without permission to read checks and statuses."""
    need(context, "checks:read")
    need(context, "statuses:read")
    store = context.hub.store
    contexts = [_check_run(context, one, run) for run in reversed(newest_check_runs(store, one.name, sha))]
    contexts += [_status(context, one, status) for status in reversed(newest_statuses(store, one.name, sha))]
    if not contexts:
        return None
    return {"id": node_id("SCR", sha), "state": _combine(contexts), "contexts": paged("contexts", lambda: contexts)}


def _combine(contexts: Sequence[Shape]) -> str:
    states = {one.get("state") or one.get("conclusion") or "PENDING" for one in contexts}
    if states <= {"SUCCESS", "NEUTRAL", "SKIPPED"}:
        return "SUCCESS"
    return "PENDING" if states <= {"SUCCESS", "NEUTRAL", "SKIPPED", "PENDING"} else "FAILURE"


def _check_run(context: Context, one: Repository, run: CheckRun) -> Shape:
    """`CheckRun`."""
    app = next((app for app in context.hub.seed.apps if app.id == run.app_id), None)
    shown = app and {"id": node_id("A", app.id), "databaseId": app.id, "name": app.name or app.slug, "slug": app.slug}
    url = f"{context.view.base}/{one.name}/runs/{run.id}"
    suite = {"id": node_id("CS", f"{run.app_id}:{run.sha}"), "app": shown}
    return {
        "__typename": "CheckRun",
        "id": node_id("CR", run.id),
        "databaseId": run.id,
        "name": run.name,
        "status": WAITS.get(run.status, run.status.upper()),
        "conclusion": run.conclusion.upper() if run.conclusion else None,
        "detailsUrl": run.details_url or url,
        "url": url,
        "title": run.output.get("title"),
        "summary": run.output.get("summary"),
        "startedAt": run.started_at,
        "completedAt": run.completed_at,
        "externalId": run.external_id,
        "isRequired": _is_required(context, one, run.name),
        "checkSuite": {**suite, "workflowRun": _workflow_run(context, one, run)},
    }


def _workflow_run(context: Context, one: Repository, job: CheckRun) -> Shape | None:
    """`WorkflowRun`: null for a check run of another App."""
    run = context.hub.store.get(WorkflowRun, job.run_id) if job.run_id else None
    if run is None:
        return None
    return {
        "id": node_id("WFR", run.id),
        "databaseId": run.id,
        "url": f"{context.view.base}/{one.name}/actions/runs/{run.id}",
        "workflow": {"id": node_id("W", run.name), "name": run.name},
    }


def _status(context: Context, one: Repository, status: Status) -> Shape:
    """`StatusContext`."""
    return {
        "__typename": "StatusContext",
        "id": node_id("SC", status.id),
        "context": status.context,
        "state": status.state.upper(),
        "description": status.description,
        "targetUrl": status.target_url,
        "createdAt": status.created_at,
        "creator": actor_shape(context, status.author),
        "isRequired": _is_required(context, one, status.context),
    }


def _is_required(context: Context, one: Repository, name: str) -> Callable[..., bool]:
    def resolve(_: Any, pullRequestNumber: int | None = None, pullRequestId: str | None = None) -> bool:
        pulls = context.hub.store.all(Pull, repository=one.name)
        for pull in pulls:
            if pull.number == pullRequestNumber or node_id("PR", pull.id) == pullRequestId:
                return name in protection_of(one, pull.base).checks
        raise refuse("UNPROCESSABLE", "A pull request ID or pull request number is required.")

    return resolve
