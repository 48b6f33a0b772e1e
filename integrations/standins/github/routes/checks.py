"""Commit statuses, and check runs, which only GitHub Apps may write. Check runs send no webhooks here."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from integrations.standins.github.changes import newest_check_runs
from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, check_link, not_found
from integrations.standins.github.records import CheckRun, Status
from integrations.standins.github.seed import App
from integrations.standins.github.shapes.people import app as app_shape
from integrations.standins.github.shapes.people import user
from integrations.standins.github.shapes.repositories import commit
from integrations.standins.github.shapes.view import View, fields_of, node_id

COMMIT = "/repos/{owner}/{repo}/commits/{ref}"
RUNS = "/repos/{owner}/{repo}/check-runs"
NO_CONCLUSION = (
    'Invalid request.\n\nNo subschema in "anyOf" matched.\n"conclusion" wasn\'t supplied.\n'
    'completed is not a member of ["queued", "in_progress"].'
)

# --- commit statuses ------------------------------------------------------------------------------------------------


class NewStatus(Input):
    state: Literal["error", "failure", "pending", "success"]
    context: str = "default"
    description: str | None = None
    target_url: str | None = None


@operation("POST", "/repos/{owner}/{repo}/statuses/{sha}", needs="statuses:write", role="write")
def create_status(call: Call) -> Reply:
    """Add a status, which is then the newest of its context."""
    repository, wanted = call.repository, call.read(NewStatus)
    check_link("Status", "target_url", wanted.target_url)
    sha = _commit_of(repository, call.request.params["sha"])
    columns = wanted.context, wanted.state, wanted.description, wanted.target_url
    status = Status(call.hub.store.new_id(), repository.name, sha, *columns, call.actor.login, now())
    call.hub.store.put(status)
    _emit_status(call, repository, status)
    return Reply(_status(call.view, status), 201)


@operation("GET", COMMIT + "/statuses", needs="statuses:read")
def list_statuses(call: Call) -> Reply:
    """All statuses, newest first."""
    sha = _commit_of(call.repository, call.request.params["ref"])
    found = call.hub.store.all(Status, repository=call.repository.name, sha=sha)
    return Reply([_status(call.view, one) for one in reversed(found)])


def _commit_of(repository: Repository, name: str) -> str:
    """The sha that a sha, branch or tag names. Raises a 422 `Problem`."""
    sha = repository.git.head(name) or repository.git.sha_of(name)
    if sha is None:
        raise Problem(422, f"No commit found for SHA: {name}")
    return sha


def _emit_status(call: Call, repository: Repository, status: Status) -> None:
    shape, url = _status(call.view, status), call.view.repository_url(repository.name)
    head = {"sha": status.sha, "url": f"{url}/commits/{status.sha}"}
    branches = [name for name, sha in repository.git.branches().items() if sha == status.sha]
    shared = ("id", "state", "context", "description", "target_url", "avatar_url", "created_at", "updated_at")
    call.aftermath.emit(
        "status",
        **{name: shape[name] for name in shared},
        sha=status.sha,
        name=repository.name,
        commit=commit(call.view, repository, repository.git.commit(status.sha)),
        branches=[{"name": name, "commit": head, "protected": False} for name in branches],
    )


# --- check runs -----------------------------------------------------------------------------------------------------


class Output(Input):
    title: str
    summary: str


class RunPatch(Input):
    """None leaves a value unchanged."""

    name: str | None = None
    status: Literal["queued", "in_progress", "completed"] | None = None
    conclusion: Literal["success", "failure"] | None = None
    external_id: str | None = None
    details_url: str | None = None
    output: Output | None = None


class NewRun(RunPatch):
    name: str
    head_sha: str


Patch = TypeVar("Patch", bound=RunPatch)


@operation("POST", RUNS, needs="checks:write", role="write")
def create_run(call: Call) -> Reply:
    """A new check run on a commit."""
    app, repository, wanted = _app(call), call.repository, _read(call, NewRun)
    where = repository.name, _commit_of(repository, wanted.head_sha), wanted.name, app.id
    run = CheckRun(call.hub.store.new_id(), *where, "queued", None, "", None, now(), None)
    _apply(run, wanted)
    call.hub.store.put(run)
    return Reply(_check_run(call.view, repository, run), 201)


@operation("PATCH", RUNS + "/{check_run_id}", needs="checks:write")
def change_run(call: Call) -> Reply:
    """Report progress or the conclusion of the App's own check run."""
    app, repository, wanted = _app(call), call.repository, _read(call, RunPatch)
    run = call.hub.store.get(CheckRun, call.number("check_run_id"))
    if run is None or run.repository != repository.name:
        raise not_found()
    if run.app_id != app.id:
        raise Problem(
            403, f"Invalid app_id `{app.id}` - check run can only be modified by the GitHub App that created it."
        )
    _apply(run, wanted)
    call.hub.store.put(run)
    return Reply(_check_run(call.view, repository, run))


@operation("GET", COMMIT + "/check-runs", needs="checks:read")
def list_runs(call: Call) -> Reply:
    """The check runs of a commit, the newest of each name unless `filter=all`."""
    repository, query = call.repository, call.request.query
    sha = _commit_of(repository, call.request.params["ref"])
    runs = newest_check_runs(call.hub.store, repository.name, sha)
    if query.get("filter") == "all":
        runs = call.hub.store.all(CheckRun, repository=repository.name, sha=sha)[::-1]
    runs = [run for run in runs if query.get("check_name", run.name) == run.name]
    return Reply({"total_count": len(runs), "check_runs": [_check_run(call.view, repository, run) for run in runs]})


def _read(call: Call, model: type[Patch]) -> Patch:
    """The App's report. Completed without a conclusion is GitHub's 422."""
    wanted = call.read(model)
    if wanted.status == "completed" and wanted.conclusion is None:
        raise Problem(422, NO_CONCLUSION)
    check_link("CheckRun", "details_url", wanted.details_url)
    return wanted


def _app(call: Call) -> App:
    if call.actor.app is None:
        raise Problem(403, "You must authenticate via a GitHub App.")
    return call.actor.app


def _apply(run: CheckRun, wanted: RunPatch) -> None:
    """Set the given values. A conclusion completes the run."""
    for field in ("name", "external_id", "details_url"):
        if (value := getattr(wanted, field)) is not None:
            setattr(run, field, value)
    if wanted.output is not None:
        run.output = wanted.output.model_dump()
    if wanted.conclusion is not None:
        run.status, run.conclusion, run.completed_at = "completed", wanted.conclusion, now()
    elif wanted.status is not None:
        run.status, run.conclusion, run.completed_at = wanted.status, None, None


def _status(view: View, one: Status) -> dict[str, Any]:
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


def _check_run(view: View, repository: Repository, run: CheckRun) -> dict[str, Any]:
    """`check-run`."""
    url = f"{view.repository_url(repository.name)}/check-runs/{run.id}"
    texts = {key: run.output.get(key) for key in ("title", "summary", "text")}
    return {
        **fields_of(run, "id", "name", "external_id", "status", "conclusion", "started_at", "completed_at"),
        "node_id": node_id("CR", run.id),
        "head_sha": run.sha,
        "url": url,
        "html_url": f"{view.base}/{repository.name}/runs/{run.id}",
        "details_url": run.details_url or view.base,
        "output": {**texts, "annotations_count": 0, "annotations_url": f"{url}/annotations"},
        "check_suite": None,
        "app": next((app_shape(view, one) for one in view.hub.seed.apps if one.id == run.app_id), None),
        "pull_requests": [],
    }
