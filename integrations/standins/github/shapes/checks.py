"""Shapes of check runs, check suites, and of the runs and jobs of Actions."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from integrations.standins.github.actions_app import find_app
from integrations.standins.github.hub import Repository
from integrations.standins.github.records import CheckRun, CheckSuite, Pull, WorkflowRun
from integrations.standins.github.shapes.people import app as app_shape
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.repositories import repository as repository_shape
from integrations.standins.github.shapes.view import View, fields_of, node_id

STEPS = ("Set up job", "Run actions/checkout@v4", "", "Complete job")
"""The steps of each job; the third one is the job's own."""


def check_run(view: View, repository: Repository, run: CheckRun) -> dict[str, Any]:
    """`check-run`."""
    url = f"{view.repository_url(repository.name)}/check-runs/{run.id}"
    texts = {key: run.output.get(key) for key in ("title", "summary", "text")}
    app = find_app(view.hub, run.app_id)
    return {
        **fields_of(run, "id", "name", "external_id", "status", "conclusion", "started_at", "completed_at"),
        "node_id": node_id("CR", run.id),
        "head_sha": run.sha,
        "url": url,
        "html_url": _page_of(view, run),
        "details_url": run.details_url or (_page_of(view, run) if run.run_id else view.base),
        "output": {**texts, "annotations_count": len(run.annotations), "annotations_url": f"{url}/annotations"},
        "check_suite": {"id": run.suite_id} if run.suite_id else None,
        "app": app_shape(view, app) if app else None,
        "pull_requests": pulls_of(view, repository, run.sha),
    }


def _page_of(view: View, run: CheckRun) -> str:
    if run.run_id:
        return f"{view.base}/{run.repository}/actions/runs/{run.run_id}/job/{run.id}"
    return f"{view.base}/{run.repository}/runs/{run.id}"


def pulls_of(view: View, repository: Repository, sha: str) -> list[dict[str, Any]]:
    """`pull-request-minimal` of each open pull request with this head."""
    home = {"id": repository.id, "url": view.repository_url(repository.name), "name": repository.name.split("/")[1]}
    return [
        {
            "id": pull.id,
            "number": pull.number,
            "url": f"{home['url']}/pulls/{pull.number}",
            "head": {"ref": pull.branch, "sha": pull.head_sha, "repo": home},
            "base": {"ref": pull.base, "sha": pull.base_sha, "repo": home},
        }
        for pull in view.hub.store.all(Pull, repository=repository.name, state="open", head_sha=sha)
    ]


def annotation(view: View, run: CheckRun, one: dict[str, Any]) -> dict[str, Any]:
    """`check-annotation`."""
    line = one.get("line", 1)
    return {
        "path": one["path"],
        "blob_href": f"{view.repository_url(run.repository)}/git/blobs/{run.sha}",
        **dict.fromkeys(("start_line", "end_line"), line),
        **dict.fromkeys(("start_column", "end_column"), None),
        "annotation_level": one.get("level", "failure"),
        "title": one.get("title", ""),
        "message": one["message"],
        "raw_details": None,
    }


def state_of(runs: Sequence[CheckRun]) -> tuple[str, str | None]:
    """Status and conclusion of all these runs together."""
    if any(run.status != "completed" for run in runs):
        return "in_progress", None
    red = next((run.conclusion for run in runs if run.conclusion not in ("success", "neutral", "skipped")), None)
    return "completed", red or "success"


def check_suite(view: View, repository: Repository, suite: CheckSuite, runs: Sequence[CheckRun]) -> dict[str, Any]:
    """`check-suite`."""
    url = f"{view.repository_url(repository.name)}/check-suites/{suite.id}"
    status, conclusion = state_of(runs)
    app = find_app(view.hub, suite.app_id)
    return {
        "id": suite.id,
        "node_id": node_id("CS", suite.id),
        "head_branch": suite.branch,
        "head_sha": suite.sha,
        "status": status,
        "conclusion": conclusion,
        "url": url,
        "before": "0" * 40,
        "after": suite.sha,
        **dict.fromkeys(("created_at", "updated_at"), suite.created_at),
        "app": app_shape(view, app) if app else None,
        "head_commit": simple_commit(repository, suite.sha),
        "repository": repository_shape(view, repository),
        "latest_check_runs_count": len(runs),
        "check_runs_url": f"{url}/check-runs",
        "rerequestable": True,
        "runs_rerequestable": True,
        "pull_requests": pulls_of(view, repository, suite.sha),
    }


def simple_commit(repository: Repository, sha: str) -> dict[str, Any]:
    """`simple-commit`."""
    found = repository.git.commit(sha)
    return {
        "id": sha,
        "tree_id": found.tree,
        "message": found.message,
        "timestamp": found.committer.when,
        **{
            role: {"name": one.name, "email": one.email}
            for role, one in (("author", found.author), ("committer", found.committer))
        },
    }


def workflow_id(name: str) -> int:
    """The id of a workflow, which is made from its name."""
    return zlib.crc32(name.encode())


def workflow_run(view: View, repository: Repository, run: WorkflowRun, jobs: Sequence[CheckRun]) -> dict[str, Any]:
    """`workflow-run`."""
    home = view.repository_url(repository.name)
    url, status, conclusion = f"{home}/actions/runs/{run.id}", *state_of(jobs)
    shape = repository_shape(view, repository)
    parts = ("jobs", "logs", "cancel", "rerun", "artifacts")
    return {
        "id": run.id,
        "node_id": node_id("WFR", run.id),
        "name": run.name,
        "head_branch": run.branch,
        "head_sha": run.sha,
        "path": f".github/workflows/{run.name.lower()}.yml",
        "display_title": run.name,
        "run_number": run.number,
        "run_attempt": run.attempt,
        "event": "push",
        "status": status,
        "conclusion": conclusion,
        "workflow_id": workflow_id(run.name),
        "check_suite_id": run.suite_id,
        "check_suite_node_id": node_id("CS", run.suite_id),
        "url": url,
        "html_url": f"{view.base}/{repository.name}/actions/runs/{run.id}",
        **dict.fromkeys(("created_at", "updated_at", "run_started_at"), run.created_at),
        **dict.fromkeys(("actor", "triggering_actor"), user(view, repository.owner)),
        "head_commit": simple_commit(repository, run.sha),
        **dict.fromkeys(("head_repository", "repository"), shape),
        **{f"{part}_url": f"{url}/{part}" for part in parts},
        "previous_attempt_url": f"{url}/attempts/{run.attempt - 1}" if run.attempt > 1 else None,
        "check_suite_url": f"{home}/check-suites/{run.suite_id}",
        "workflow_url": f"{home}/actions/workflows/{workflow_id(run.name)}",
        "pull_requests": pulls_of(view, repository, run.sha),
        "referenced_workflows": [],
    }


def job(view: View, repository: Repository, one: CheckRun, workflow: WorkflowRun) -> dict[str, Any]:
    """`job`."""
    home = view.repository_url(repository.name)
    return {
        **fields_of(one, "id", "name", "status", "conclusion", "completed_at"),
        "node_id": node_id("CR", one.id),
        "run_id": workflow.id,
        "run_attempt": one.attempt,
        "run_url": f"{home}/actions/runs/{workflow.id}",
        "head_sha": one.sha,
        "head_branch": workflow.branch,
        "workflow_name": workflow.name,
        "url": f"{home}/actions/jobs/{one.id}",
        "html_url": _page_of(view, one),
        **dict.fromkeys(("created_at", "started_at"), one.started_at),
        "check_run_url": f"{home}/check-runs/{one.id}",
        "labels": ["ubuntu-latest"],
        "runner_id": 1,
        "runner_name": "GitHub Actions 1",
        "runner_group_id": 0,
        "runner_group_name": "GitHub Actions",
        "steps": [
            {
                "name": name,
                "status": one.status,
                "conclusion": _conclusion_of(one, number),
                "number": number + 1,
                "started_at": start_of_step(one, number),
                "completed_at": start_of_step(one, number + 1) if one.status == "completed" else None,
            }
            for number, name in enumerate(step_names(one))
        ],
    }


def step_names(one: CheckRun) -> list[str]:
    """The names of a job's steps."""
    return [name or one.step for name in STEPS]


def _conclusion_of(one: CheckRun, number: int) -> str | None:
    """Only the job's own step fails."""
    if one.status != "completed":
        return None
    return one.conclusion if number == STEPS.index("") else "success"


def start_of_step(one: CheckRun, number: int) -> str:
    """The time of a step: one second after the one before it."""
    began = datetime.fromisoformat(one.started_at or "") + timedelta(seconds=number)
    return began.isoformat(timespec="seconds").replace("+00:00", "Z")
