"""Shapes of commit statuses, check runs and check suites."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.hub import Repository
from integrations.standins.github.records import CheckRun, CheckSuite, Pull, Status
from integrations.standins.github.shapes.people import app, user
from integrations.standins.github.shapes.pulls import pull_request_minimal
from integrations.standins.github.shapes.view import View, node_id
from integrations.standins.github.verdicts import suite_conclusion


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
        "check_suite": {"id": run.suite_id},
        "app": _app_of(view, run.app_id),
        "pull_requests": _open_pulls(view, repository, run.sha),
    }


def webhook_check_suite(view: View, repository: Repository, suite: CheckSuite) -> dict[str, Any]:
    """`check_suite` in a webhook."""
    runs = view.hub.store.all(CheckRun, suite_id=suite.id)
    conclusion = suite_conclusion(runs)
    url = f"{view.repository_url(repository.name)}/check-suites/{suite.id}"
    commit = repository.git.commit(suite.sha)
    people = {"author": commit.author, "committer": commit.committer}
    return {
        "id": suite.id,
        "node_id": node_id("CS", suite.id),
        "head_branch": suite.branch,
        "head_sha": suite.sha,
        "status": "completed" if conclusion else "in_progress",
        "conclusion": conclusion,
        "url": url,
        "before": commit.parents[0] if commit.parents else None,
        "after": suite.sha,
        "pull_requests": _open_pulls(view, repository, suite.sha),
        "app": _app_of(view, suite.app_id),
        "created_at": suite.created_at,
        "updated_at": suite.created_at,
        "rerequestable": True,
        "runs_rerequestable": True,
        "latest_check_runs_count": len(runs),
        "check_runs_url": f"{url}/check-runs",
        "head_commit": {
            "id": commit.sha,
            "tree_id": commit.tree,
            "message": commit.message,
            "timestamp": commit.committer.when,
            **{name: {"name": one.name, "email": one.email} for name, one in people.items()},
        },
    }


def _open_pulls(view: View, repository: Repository, sha: str) -> list[dict[str, Any]]:
    """The open pull requests whose head is `sha`."""
    pulls = view.hub.store.all(Pull, repository=repository.name, state="open", head_sha=sha)
    return [pull_request_minimal(view, repository, pull) for pull in pulls]


def _app_of(view: View, app_id: int) -> dict[str, Any] | None:
    """The App with this id, None when the seed has it no more."""
    return next((app(view, one) for one in view.hub.seed.apps if one.id == app_id), None)
