"""The CI of a repository, as a script: which checks a commit gets, with which result, log and annotations.

`POST /_ci` with a `Script` replaces the script of a repository. It runs at every push of a branch, as that of Actions
and of other services would, and at each re-run, where a check continues with its next conclusion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import ValidationError

from integrations.standins.github.actions_app import ACTIONS, OTHER_CI
from integrations.standins.github.bare import GitFailed
from integrations.standins.github.hub import Hub, Repository, now
from integrations.standins.github.records import CheckRun, CheckSuite, Status, WorkflowRun
from integrations.standins.github.seed import Strict
from integrations.standins.github.shapes import checks as shapes
from integrations.standins.github.shapes.statuses import status_payload
from integrations.standins.github.shapes.view import View
from integrations.standins.github.webhooks import Webhooks

Conclusion = Literal[
    "success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required", "error", "pending"
]


class Annotation(Strict):
    path: str
    message: str
    line: int = 1
    level: Literal["notice", "warning", "failure"] = "failure"
    title: str = ""


class ScriptedCheck(Strict):
    """One check. It is on the commits of branches that match the glob `branch`, or on the commit `sha`, and only where
    the tree has the file `file` with the text `contains`. The first match of a name counts.

    `conclusions` are those of the attempts on one commit, the last one of all further ones; 'pending' never ends."""

    name: str
    kind: Literal["job", "check_run", "status"] = "job"
    workflow: str = "CI"
    branch: str = "*"
    sha: str = ""
    file: str = ""
    contains: str = ""
    conclusions: tuple[Conclusion, ...] = ("success",)
    step: str = "Run tests"
    log: str = ""
    padding_megabytes: int = 0
    summary: str = ""
    url: str = ""
    annotations: tuple[Annotation, ...] = ()


class Script(Strict):
    """The checks of a repository; `apply` is a branch on whose head it runs at once."""

    repository: str
    checks: tuple[ScriptedCheck, ...]
    apply: str = ""


def blueprint(hub: Hub) -> Blueprint:
    """The control that sets a script."""
    controls = Blueprint("ci", __name__)

    @controls.post("/_ci")
    def set_script() -> Response | tuple[Response, int]:
        try:
            script = Script.model_validate(request.get_json())
        except ValidationError as error:
            return jsonify({"error": str(error)}), 400
        with hub.lock:
            repository = hub.repository(script.repository)
            hub.ci[repository.name] = script.checks
            if script.apply and (sha := repository.git.head(script.apply)):
                run_script(View(hub, request.host_url.rstrip("/")), repository, script.apply, sha)
        return jsonify({})

    return controls


def run_script(view: View, repository: Repository, branch: str, sha: str) -> None:
    """Run the script on a commit. A check that is in progress there gets its result, others a further attempt."""
    wanted: dict[str, ScriptedCheck] = {}
    for one in view.hub.ci.get(repository.name, ()):
        if one.name not in wanted and _applies(one, repository, branch, sha):
            wanted[one.name] = one
    jobs = [one for one in wanted.values() if one.kind == "job"]
    for name in dict.fromkeys(one.workflow for one in jobs):
        run_workflow(view, repository, branch, sha, name, [one for one in jobs if one.workflow == name])
    others = [one for one in wanted.values() if one.kind == "check_run"]
    if others:
        suite = _find_suite(view.hub, repository, branch, sha, OTHER_CI.id)
        for one in others:
            start_check_run(view, repository, suite, one)
        emit_suite(view, repository, suite)
    for one in wanted.values():
        if one.kind == "status":
            _set_status(view, repository, sha, one)


def _applies(one: ScriptedCheck, repository: Repository, branch: str, sha: str) -> bool:
    if (one.sha and one.sha != sha) or not fnmatchcase(branch, one.branch):
        return False
    if not one.file:
        return True
    try:
        return one.contains in repository.git.run("show", "--end-of-options", f"{sha}:{one.file}")
    except GitFailed:
        return False


def find_check(hub: Hub, repository: str, name: str) -> ScriptedCheck:
    """The scripted check of this name; one that passes for a check that the script no longer has."""
    return next((one for one in hub.ci.get(repository, ()) if one.name == name), ScriptedCheck(name=name))


def run_workflow(
    view: View, repository: Repository, branch: str, sha: str, name: str, checks: Sequence[ScriptedCheck]
) -> None:
    """Run the jobs of a workflow: its first run on this commit, or a further attempt of it."""
    store = view.hub.store
    found = store.all(WorkflowRun, repository=repository.name, sha=sha, name=name)
    if found:
        run = replace(found[-1], attempt=found[-1].attempt + 1)
    else:
        suite = CheckSuite(store.new_id(), repository.name, sha, branch, ACTIONS.id, now())
        store.put(suite)
        number = 1 + len(store.all(WorkflowRun, repository=repository.name, name=name))
        run = WorkflowRun(store.new_id(), repository.name, sha, branch, name, number, suite.id, now())
    store.put(run)
    owned = store.get(CheckSuite, run.suite_id)
    assert owned
    emit(view, repository, "workflow_run", "requested", **_workflow_parts(view, repository, run))
    for one in checks:
        start_check_run(view, repository, owned, one, run)
    emit_suite(view, repository, owned)
    if shapes.state_of(jobs_of(view.hub, run))[0] == "completed":
        emit(view, repository, "workflow_run", "completed", **_workflow_parts(view, repository, run))


def jobs_of(hub: Hub, run: WorkflowRun) -> list[CheckRun]:
    """The jobs of a run, of each name the newest."""
    newest = {one.name: one for one in hub.store.all(CheckRun, repository=run.repository, run_id=run.id)}
    return list(newest.values())


def start_check_run(
    view: View, repository: Repository, suite: CheckSuite, one: ScriptedCheck, workflow: WorkflowRun | None = None
) -> None:
    """Start one check run or job and finish it, unless it is scripted as pending."""
    store = view.hub.store
    same = store.all(CheckRun, repository=repository.name, sha=suite.sha, name=one.name, app_id=suite.app_id)
    going = next((run for run in same if run.status != "completed"), None)
    attempt = len(same) + (going is None)
    run = going or CheckRun(
        *(store.new_id(), repository.name, suite.sha, one.name, suite.app_id, "in_progress", None, ""),
        *(one.url or None, now(), None),
        suite_id=suite.id,
        run_id=workflow.id if workflow else 0,
        attempt=attempt,
        step=one.step,
    )
    if going is None:
        store.put(run)
        _emit_check_run(view, repository, run, "created", "in_progress", workflow)
    conclusion = one.conclusions[min(attempt, len(one.conclusions)) - 1]
    if conclusion == "pending":
        return
    run.status, run.conclusion = "completed", "failure" if conclusion == "error" else conclusion
    run.completed_at = shapes.start_of_step(run, len(shapes.STEPS))
    run.log, run.padding_megabytes = one.log, one.padding_megabytes
    run.output = {"title": run.conclusion, "summary": one.summary} if one.summary else {}
    run.annotations = [note.model_dump() for note in one.annotations]
    store.put(run)
    _emit_check_run(view, repository, run, "completed", "completed", workflow)


def _emit_check_run(
    view: View, repository: Repository, run: CheckRun, action: str, job_action: str, workflow: WorkflowRun | None
) -> None:
    suite = view.hub.store.get(CheckSuite, run.suite_id)
    assert suite
    shape = shapes.check_run(view, repository, run)
    of_suite = shapes.check_suite(view, repository, suite, suite_runs(view.hub, suite))
    emit(view, repository, "check_run", action, check_run={**shape, "check_suite": of_suite})
    if workflow:
        parts = {"workflow_job": shapes.job(view, repository, run, workflow)}
        emit(view, repository, "workflow_job", job_action, **parts)


def suite_runs(hub: Hub, suite: CheckSuite) -> list[CheckRun]:
    """The check runs of a suite, of each name the newest."""
    newest = {one.name: one for one in hub.store.all(CheckRun, repository=suite.repository, suite_id=suite.id)}
    return list(newest.values())


def emit_suite(view: View, repository: Repository, suite: CheckSuite) -> None:
    """Send `check_suite` once all of its check runs have ended."""
    runs = suite_runs(view.hub, suite)
    if shapes.state_of(runs)[0] == "completed":
        emit(
            view, repository, "check_suite", "completed", check_suite=shapes.check_suite(view, repository, suite, runs)
        )


def _workflow_parts(view: View, repository: Repository, run: WorkflowRun) -> dict[str, Any]:
    shape = shapes.workflow_run(view, repository, run, jobs_of(view.hub, run))
    url = f"{view.repository_url(repository.name)}/actions/workflows/{shape['workflow_id']}"
    workflow = {
        "id": shape["workflow_id"],
        "node_id": "W_1",
        "name": run.name,
        "path": shape["path"],
        "state": "active",
        "url": url,
        "html_url": f"{view.base}/{repository.name}/blob/main/{shape['path']}",
        "badge_url": f"{view.base}/{repository.name}/workflows/{run.name}/badge.svg",
        **dict.fromkeys(("created_at", "updated_at"), run.created_at),
    }
    return {"workflow_run": shape, "workflow": workflow}


def emit(view: View, repository: Repository, event: str, action: str | None, **parts: Any) -> None:
    """Send a webhook; the sender is the owner of the repository."""
    Webhooks(view.hub).emit(view, repository, repository.owner, event, action, parts)


def _find_suite(hub: Hub, repository: Repository, branch: str, sha: str, app_id: int) -> CheckSuite:
    """The suite of an App on this commit, which is created if it does not exist."""
    found = hub.store.all(CheckSuite, repository=repository.name, sha=sha, app_id=app_id)
    if found:
        return found[-1]
    suite = CheckSuite(hub.store.new_id(), repository.name, sha, branch, app_id, now())
    hub.store.put(suite)
    return suite


def _set_status(view: View, repository: Repository, sha: str, one: ScriptedCheck) -> None:
    store = view.hub.store
    ended = [
        status
        for status in store.all(Status, repository=repository.name, sha=sha, context=one.name)
        if status.state != "pending"
    ]
    state = one.conclusions[min(len(ended), len(one.conclusions) - 1)]
    text = one.summary or f"{one.name}: {state}"
    columns = one.name, state if state in ("success", "error", "pending") else "failure", text, one.url or None
    status = Status(store.new_id(), repository.name, sha, *columns, repository.owner, now())
    store.put(status)
    emit(view, repository, "status", None, **status_payload(view, repository, status))


# --- logs -----------------------------------------------------------------------------------------------------------


def write_log(run: CheckRun) -> Iterator[str]:
    """The log of a job as Actions writes it: all steps, each line with its time."""
    yield "\ufeff"
    own = shapes.STEPS.index("")
    for number, name in enumerate(shapes.step_names(run)):
        stamp = _stamp(run, number)
        yield f"{stamp} ##[group]{name}\n{stamp} shell: /usr/bin/bash -e {{0}}\n{stamp} ##[endgroup]\n"
        if number != own:
            yield f"{stamp} ok\n"
            continue
        line = f"{stamp} \x1b[36;1m... collected {'x' * 900}\x1b[0m\n"
        for _ in range(run.padding_megabytes):
            yield line * (1_000_000 // len(line) + 1)
        for text in run.log.splitlines():
            yield f"{stamp} {text}\n"
        if run.conclusion == "failure":
            yield f"{stamp} ##[error]Process completed with exit code 1.\n"


def _stamp(run: CheckRun, step: int) -> str:
    moment = datetime.fromisoformat(shapes.start_of_step(run, step)) + timedelta(milliseconds=250)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "0Z")
