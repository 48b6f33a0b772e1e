"""Check runs, which only GitHub Apps may write."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import Field

from integrations.standins.github.hub import Repository, now
from integrations.standins.github.operations import Call, Input, Reply, operation
from integrations.standins.github.problems import Problem, check_link, not_found
from integrations.standins.github.records import CheckRun, CheckSuite
from integrations.standins.github.routes.statuses import COMMIT, commit_of
from integrations.standins.github.seed import App
from integrations.standins.github.shapes.checks import check_run, webhook_check_suite
from integrations.standins.github.verdicts import newest_check_runs, suite_conclusion

RUNS = "/repos/{owner}/{repo}/check-runs"
NO_CONCLUSION = (
    'Invalid request.\n\nNo subschema in "anyOf" matched.\n"conclusion" wasn\'t supplied.\n'
    'completed is not a member of ["queued", "in_progress"].'
)

RunStatus = Literal["queued", "in_progress", "completed"]
Conclusion = Literal["action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out"]


class Output(Input):
    title: str
    summary: str
    text: str | None = None
    annotations: list[dict[str, Any]] = Field(default_factory=list)
    images: list[dict[str, Any]] = Field(default_factory=list)


class RunPatch(Input):
    """What is None stays."""

    name: str | None = None
    status: RunStatus | None = None
    conclusion: Conclusion | None = None
    external_id: str | None = None
    details_url: str | None = None
    started_at: str | None = None
    completed_at: str | None = None
    output: Output | None = None
    actions: list[dict[str, Any]] = Field(default_factory=list)


class NewRun(RunPatch):
    name: str
    head_sha: str


Patch = TypeVar("Patch", bound=RunPatch)


@operation("POST", RUNS, needs="checks:write")
def create_run(call: Call) -> Reply:
    """Start, or report at once, a check on a commit."""
    app, repository, wanted = _app(call), call.repository, _read(call, NewRun)
    sha = commit_of(call, repository, wanted.head_sha)
    suite = _suite(call, repository, app, sha)
    new = call.hub.store.new_id(), repository.name, sha, wanted.name, app.id, suite.id
    run = CheckRun(*new, "queued", None, "", None, now(), None)
    _apply(run, wanted)
    call.hub.store.put(run)
    call.emit("check_run", "created", check_run=_webhook_run(call, repository, run))
    _emit_completion(call, repository, run, suite)
    return Reply(check_run(call.view, repository, run), 201)


@operation("PATCH", RUNS + "/{check_run_id}", needs="checks:write")
def change_run(call: Call) -> Reply:
    """Report progress or the conclusion of one's own check."""
    app, (repository, run), wanted = _app(call), _find(call), _read(call, RunPatch)
    if run.app_id != app.id:
        raise Problem(
            403, f"Invalid app_id `{app.id}` - check run can only be modified by the GitHub App that created it."
        )
    was = run.status
    _apply(run, wanted)
    call.hub.store.put(run)
    suite = call.hub.store.get(CheckSuite, run.suite_id)
    if suite is not None and was != "completed":
        _emit_completion(call, repository, run, suite)
    return Reply(check_run(call.view, repository, run))


@operation("GET", RUNS + "/{check_run_id}", needs="checks:read")
def get_run(call: Call) -> Reply:
    """One check run."""
    repository, run = _find(call)
    return Reply(check_run(call.view, repository, run))


@operation("GET", COMMIT + "/check-runs", needs="checks:read")
def list_runs(call: Call) -> Reply:
    """The check runs of a commit, the newest of each name unless `filter=all`."""
    repository, query = call.repository, call.request.query
    sha = commit_of(call, repository, call.request.params["ref"])
    runs = newest_check_runs(call.hub.store, repository.name, sha)
    if query.get("filter") == "all":
        runs = call.hub.store.all(CheckRun, repository=repository.name, sha=sha)[::-1]
    for field, key in (("name", "check_name"), ("status", "status"), ("app_id", "app_id")):
        runs = [run for run in runs if query.get(key) in (None, str(getattr(run, field)))]
    shapes = [check_run(call.view, repository, run) for run in runs]
    return Reply({"total_count": len(shapes), "check_runs": shapes})


def _read(call: Call, model: type[Patch]) -> Patch:
    """What the App reports. Completed without a conclusion is GitHub's 422."""
    wanted = call.read(model)
    if wanted.status == "completed" and wanted.conclusion is None:
        raise Problem(422, NO_CONCLUSION)
    check_link("CheckRun", "details_url", wanted.details_url)
    return wanted


def _app(call: Call) -> App:
    if call.actor.app is None:
        raise Problem(403, "You must authenticate via a GitHub App.")
    return call.actor.app


def _find(call: Call) -> tuple[Repository, CheckRun]:
    repository, run = call.repository, call.hub.store.get(CheckRun, call.number("check_run_id"))
    if run is None or run.repository != repository.name:
        raise not_found()
    return repository, run


def _suite(call: Call, repository: Repository, app: App, sha: str) -> CheckSuite:
    """The App's suite on the commit, made with its first run."""
    for suite in call.hub.store.all(CheckSuite, repository=repository.name, sha=sha, app_id=app.id):
        return suite
    branch = next((name for name, head in repository.git.branches().items() if head == sha), None)
    suite = CheckSuite(call.hub.store.new_id(), repository.name, sha, app.id, branch, now())
    call.hub.store.put(suite)
    return suite


def _apply(run: CheckRun, wanted: RunPatch) -> None:
    """Write what was given into the run. A conclusion completes it."""
    for field in ("name", "external_id", "details_url", "started_at"):
        if (value := getattr(wanted, field)) is not None:
            setattr(run, field, value)
    if wanted.output is not None:
        run.output = wanted.output.model_dump(include={"title", "summary", "text"})
    if wanted.conclusion is not None:
        run.status, run.conclusion = "completed", wanted.conclusion
        run.completed_at = wanted.completed_at or now()
    elif wanted.status is not None:
        run.status, run.conclusion, run.completed_at = wanted.status, None, None


def _webhook_run(call: Call, repository: Repository, run: CheckRun) -> dict[str, Any]:
    """The run inside a webhook, which shows its whole suite."""
    suite = call.hub.store.get(CheckSuite, run.suite_id)
    shape = check_run(call.view, repository, run)
    return {**shape, "check_suite": webhook_check_suite(call.view, repository, suite)} if suite else shape


def _emit_completion(call: Call, repository: Repository, run: CheckRun, suite: CheckSuite) -> None:
    if run.status != "completed":
        return
    call.emit("check_run", "completed", check_run=_webhook_run(call, repository, run))
    if suite_conclusion(call.hub.store.all(CheckRun, suite_id=suite.id)):
        call.emit("check_suite", "completed", check_suite=webhook_check_suite(call.view, repository, suite))
