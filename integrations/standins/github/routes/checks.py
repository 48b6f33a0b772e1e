"""Commit statuses, and check runs, which only GitHub Apps may write. These check runs send no webhooks."""

from __future__ import annotations

from typing import Literal, TypeVar

from integrations.standins.github.changes import newest_check_runs
from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, check_link, not_found
from integrations.standins.github.records import CheckRun, Status
from integrations.standins.github.seed import App
from integrations.standins.github.shapes.checks import check_run
from integrations.standins.github.shapes.statuses import combined_status, status_payload, status_shape

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
    sha = commit_of(repository, call.request.params["sha"])
    columns = wanted.context, wanted.state, wanted.description, wanted.target_url
    status = Status(call.hub.store.new_id(), repository.name, sha, *columns, call.actor.login, now())
    call.hub.store.put(status)
    call.aftermath.emit("status", **status_payload(call.view, repository, status))
    return Reply(status_shape(call.view, status), 201)


@operation("GET", COMMIT + "/statuses", needs="statuses:read")
def list_statuses(call: Call) -> Reply:
    """All statuses, newest first."""
    sha = commit_of(call.repository, call.request.params["ref"])
    found = call.hub.store.all(Status, repository=call.repository.name, sha=sha)
    return Reply([status_shape(call.view, one) for one in reversed(found)])


@operation("GET", COMMIT + "/status", needs="statuses:read")
def get_combined_status(call: Call) -> Reply:
    """The newest status of each context, and their combined state."""
    sha = commit_of(call.repository, call.request.params["ref"])
    return Reply(combined_status(call.view, call.repository, sha))


def commit_of(repository: Repository, name: str) -> str:
    """The sha that a sha, branch or tag names. Raises a 422 `Problem`."""
    sha = repository.git.head(name) or repository.git.sha_of(name)
    if sha is None:
        raise Problem(422, f"No commit found for SHA: {name}")
    return sha


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
    where = repository.name, commit_of(repository, wanted.head_sha), wanted.name, app.id
    run = CheckRun(call.hub.store.new_id(), *where, "queued", None, "", None, now(), None)
    _apply(run, wanted)
    call.hub.store.put(run)
    return Reply(check_run(call.view, repository, run), 201)


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
    return Reply(check_run(call.view, repository, run))


@operation("GET", COMMIT + "/check-runs", needs="checks:read")
def list_runs(call: Call) -> Reply:
    """The check runs of a commit, the newest of each name unless `filter=all`."""
    repository, query = call.repository, call.request.query
    sha = commit_of(repository, call.request.params["ref"])
    runs = newest_check_runs(call.hub.store, repository.name, sha)
    if query.get("filter") == "all":
        runs = call.hub.store.all(CheckRun, repository=repository.name, sha=sha)[::-1]
    runs = [run for run in runs if query.get("check_name", run.name) == run.name]
    return Reply({"total_count": len(runs), "check_runs": [check_run(call.view, repository, run) for run in runs]})


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
