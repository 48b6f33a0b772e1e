"""Check suites, annotations, and Actions: runs, jobs, their logs, and new attempts."""

from __future__ import annotations

import secrets
import time
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from integrations.standins.github.actions_app import ACTIONS
from integrations.standins.github.ci import (
    emit_suite,
    find_check,
    jobs_of,
    run_workflow,
    start_check_run,
    suite_runs,
    write_log,
)
from integrations.standins.github.hub import Hub
from integrations.standins.github.operations import Call, Reply, operation
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.records import CheckRun, CheckSuite, WorkflowRun
from integrations.standins.github.routes.checks import COMMIT, RUNS, commit_of
from integrations.standins.github.shapes import checks as shapes

SUITES = "/repos/{owner}/{repo}/check-suites/{check_suite_id}"
WORKFLOW_RUNS = "/repos/{owner}/{repo}/actions/runs"
WORKFLOW = "/repos/{owner}/{repo}/actions/workflows/{workflow_id}"
WORKFLOW_RUN = WORKFLOW_RUNS + "/{run_id}"
JOB = "/repos/{owner}/{repo}/actions/jobs/{job_id}"
LOG_SECONDS = 60.0
PASSED = ("success", "neutral", "skipped")


@operation("GET", RUNS + "/{check_run_id}", needs="checks:read")
def get_run(call: Call) -> Reply:
    """One check run."""
    return Reply(shapes.check_run(call.view, call.repository, _find_run(call, "check_run_id")))


@operation("GET", RUNS + "/{check_run_id}/annotations", needs="checks:read")
def list_annotations(call: Call) -> Reply:
    """The annotations of a check run."""
    run = _find_run(call, "check_run_id")
    return Reply([shapes.annotation(call.view, run, one) for one in run.annotations])


@operation("POST", RUNS + "/{check_run_id}/rerequest", needs="checks:write", role="write")
def rerequest_run(call: Call) -> Reply:
    """Let its App run a check again; GitHub refuses it for a job of Actions."""
    run = _find_run(call, "check_run_id")
    if run.app_id == ACTIONS.id or not run.suite_id:
        raise Problem(422, "This check run is not rerequestable")
    _rerequest(call, run.suite_id, run.name)
    return Reply({}, 201)


@operation("GET", COMMIT + "/check-suites", needs="checks:read")
def list_suites(call: Call) -> Reply:
    """The check suites of a commit."""
    repository = call.repository
    sha = commit_of(repository, call.request.params["ref"])
    found = call.hub.store.all(CheckSuite, repository=repository.name, sha=sha)
    shown = [shapes.check_suite(call.view, repository, one, suite_runs(call.hub, one)) for one in found]
    return Reply({"total_count": len(shown), "check_suites": shown})


@operation("POST", SUITES + "/rerequest", needs="checks:write", role="write")
def rerequest_suite(call: Call) -> Reply:
    """Let the App run all checks of the suite again."""
    _rerequest(call, call.number("check_suite_id"))
    return Reply({}, 201)


def _rerequest(call: Call, suite_id: int, name: str = "") -> None:
    suite, repository = call.hub.store.get(CheckSuite, suite_id), call.repository
    if suite is None or suite.repository != repository.name:
        raise not_found()
    for run in suite_runs(call.hub, suite):
        if name in ("", run.name):
            start_check_run(call.view, repository, suite, find_check(call.hub, repository.name, run.name))
    emit_suite(call.view, repository, suite)


@operation("GET", WORKFLOW_RUNS, needs="actions:read")
def list_workflow_runs(call: Call) -> Reply:
    """The workflow runs of the repository, newest first; `head_sha`, `branch` and `status` filter."""
    return _list_runs(call)


@operation("GET", WORKFLOW + "/runs", needs="actions:read")
def list_runs_of_workflow(call: Call) -> Reply:
    """Those of one workflow."""
    return _list_runs(call, call.number("workflow_id"))


def _list_runs(call: Call, workflow: int = 0) -> Reply:
    query = call.request.query
    same = {field: query[name] for name, field in (("head_sha", "sha"), ("branch", "branch")) if query.get(name)}
    runs = call.hub.store.all(WorkflowRun, repository=call.repository.name, **same)[::-1]
    shown = [shapes.workflow_run(call.view, call.repository, one, jobs_of(call.hub, one)) for one in runs]
    if workflow:
        shown = [one for one in shown if one["workflow_id"] == workflow]
    if status := query.get("status"):
        shown = [one for one in shown if status in (one["status"], one["conclusion"])]
    return Reply({"total_count": len(shown), "workflow_runs": shown})


@operation("GET", WORKFLOW_RUN, needs="actions:read")
def get_workflow_run(call: Call) -> Reply:
    """One workflow run."""
    run = _find_workflow_run(call)
    return Reply(shapes.workflow_run(call.view, call.repository, run, jobs_of(call.hub, run)))


@operation("GET", WORKFLOW_RUN + "/jobs", needs="actions:read")
def list_jobs(call: Call) -> Reply:
    """The jobs of the last attempt, of all attempts with `filter=all`."""
    run = _find_workflow_run(call)
    jobs = jobs_of(call.hub, run)
    if call.request.query.get("filter") == "all":
        jobs = call.hub.store.all(CheckRun, repository=run.repository, run_id=run.id)
    shown = [shapes.job(call.view, call.repository, one, run) for one in jobs]
    return Reply({"total_count": len(shown), "jobs": shown})


@operation("GET", JOB, needs="actions:read")
def get_job(call: Call) -> Reply:
    """One job with its steps."""
    job, run = _find_job(call)
    return Reply(shapes.job(call.view, call.repository, job, run))


@operation("GET", JOB + "/logs", needs="actions:read")
def get_log(call: Call) -> Reply:
    """A redirect to the log on another host, whose address is valid for one minute."""
    job, _ = _find_job(call)
    if job.status != "completed":
        raise not_found()
    ticket = secrets.token_urlsafe(24)
    call.hub.logs[ticket] = (job.id, time.time() + LOG_SECONDS)
    parts = urlsplit(call.request.base)
    host = "localhost" if parts.hostname == "127.0.0.1" else "127.0.0.1"
    return Reply(None, 302, {"Location": f"{parts.scheme}://{host}:{parts.port}/_logs/{ticket}"})


@operation("POST", WORKFLOW_RUN + "/rerun-failed-jobs", needs="actions:write", role="write")
def rerun_failed_jobs(call: Call) -> Reply:
    """Start a further attempt of the jobs that did not pass. GitHub refuses it while the run is in progress."""
    run = _find_workflow_run(call)
    jobs = jobs_of(call.hub, run)
    if shapes.state_of(jobs)[0] != "completed":
        raise Problem(403, "This workflow is already running")
    _rerun(call, run, [job.name for job in jobs if job.conclusion not in PASSED])
    return Reply({}, 201)


@operation("POST", JOB + "/rerun", needs="actions:write", role="write")
def rerun_job(call: Call) -> Reply:
    """Start a further attempt of one job."""
    job, run = _find_job(call)
    if job.status != "completed":
        raise Problem(403, "The workflow run containing this job is already running")
    _rerun(call, run, [job.name])
    return Reply({}, 201)


def _rerun(call: Call, run: WorkflowRun, names: list[str]) -> None:
    checks = [find_check(call.hub, run.repository, name) for name in names]
    run_workflow(call.view, call.repository, run.branch, run.sha, run.name, checks)


def _find_run(call: Call, name: str) -> CheckRun:
    run = call.hub.store.get(CheckRun, call.number(name))
    if run is None or run.repository != call.repository.name:
        raise not_found()
    return run


def _find_job(call: Call) -> tuple[CheckRun, WorkflowRun]:
    job = _find_run(call, "job_id")
    run = call.hub.store.get(WorkflowRun, job.run_id)
    if run is None:
        raise not_found()
    return job, run


def _find_workflow_run(call: Call) -> WorkflowRun:
    run = call.hub.store.get(WorkflowRun, call.number("run_id"))
    if run is None or run.repository != call.repository.name:
        raise not_found()
    return run


def blueprint(hub: Hub) -> Blueprint:
    """The other host, which has the logs. As GitHub's, it refuses the credentials of the API."""
    logs = Blueprint("logs", __name__)

    @logs.get("/_logs/<ticket>")
    def log(ticket: str) -> Response:
        job_id, until = hub.logs.get(ticket, (0, 0.0))
        job = hub.store.get(CheckRun, job_id)
        if request.headers.get("Authorization"):
            return Response("InvalidAuthenticationInfo", 400, content_type="text/plain")
        if job is None or time.time() > until:
            return Response("The address has expired", 403, content_type="text/plain")
        return Response(write_log(job), content_type="text/plain; charset=utf-8")

    return logs
