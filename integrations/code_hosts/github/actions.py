"""Checks of commits on GitHub: their results, the details of failures, and further attempts.

Called by `code_host`. A check is a check run (a job of Actions has the same id) or a commit status. A permission that
is missing shortens the details and is named in `CheckFailure.note`. Further attempts are idempotent: a check that was
started again has another id or has not ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from integrations.code_hosts.github import payloads
from integrations.code_hosts.github.api import GitHubApi, Grant, LostReply, build_path
from integrations.code_hosts.github.logs import Step, fetch_log_tail
from integrations.errors import Forbidden, NotFound, Rejected, Unavailable
from integrations.ports.ci import CheckFailure
from integrations.ports.pull_request import CheckConclusion, HostCheck
from integrations.texts import cut
from integrations.values import CommitSha

_CHECKS = (("checks", "read"),)
_STATUSES = (("statuses", "read"),)
_ACTIONS = (("actions", "read"),)
_WRITE_ACTIONS = (("actions", "write"),)
_WRITE_CHECKS = (("checks", "write"),)
_METADATA = (("metadata", "read"),)
ACTIONS = "github-actions"
"""The slug of the App whose check runs are jobs."""
MOST_FAILURES = 8
"""Failures that are read in detail; more only by name."""
MOST_ANNOTATIONS = 20
_TEXT, _NAME = 3_000, 200
_CONCLUSIONS: dict[str, CheckConclusion] = {
    "success": "success",
    "neutral": "neutral",
    "skipped": "skipped",
    "cancelled": "cancelled",
    "stale": "cancelled",
    "timed_out": "timed_out",
    "action_required": "action",
}


class Checks:
    """The checks of all repositories that `api` has access to."""

    def __init__(self, api: GitHubApi) -> None:
        self._api = api

    def fetch_checks(self, repository: str, sha: CommitSha) -> tuple[HostCheck, ...]:
        """All attempts of all checks of a commit, the newest first. A fine-grained personal token has no permission for
        check runs, so with it only jobs and statuses are read. Raises `NotFound` for an unknown commit, `Forbidden`
        when nothing can be read."""
        commit, refused = build_path("repos", repository, "commits", sha), None
        try:
            found = self._fetch_check_runs(repository, commit)
        except Forbidden as error:
            try:
                found = self._fetch_jobs(repository, sha)
            except Forbidden:
                found, refused = [], error
        with suppress(Forbidden):
            found += self._fetch_statuses(repository, commit)
        if refused and not found:
            raise refused
        return tuple(found)

    def fetch_checks_of_services(self, repository: str, ref: str) -> tuple[HostCheck, ...]:
        """The newest checks of a branch or commit that are no jobs of Actions, of each name one: check runs and
        statuses of other services. Raises `Forbidden` when neither can be read."""
        commit, found, refused = build_path("repos", repository, "commits", ref), list[HostCheck](), list[Forbidden]()
        for read in (self._fetch_check_runs, self._fetch_statuses):
            try:
                found += read(repository, commit)
            except Forbidden as error:
                refused.append(error)
        if len(refused) == 2:
            raise refused[0]
        newest = {one.name: one for one in reversed(found)}
        return tuple(one for one in newest.values() if one.kind != "job")

    def _fetch_check_runs(self, repository: str, commit: str) -> list[HostCheck]:
        grant = Grant(repository, _CHECKS)
        runs = self._api.paginate(payloads.CheckRun, grant, f"{commit}/check-runs", key="check_runs", filter="all")
        return [_to_check(run) for run in sorted(runs, key=lambda run: -run.id)]

    def _fetch_jobs(self, repository: str, sha: CommitSha) -> list[HostCheck]:
        grant, where = Grant(repository, _ACTIONS), build_path("repos", repository, "actions/runs")
        runs = list(self._api.paginate(payloads.WorkflowRun, grant, where, key="workflow_runs", head_sha=sha))
        jobs = [
            (run, job)
            for run in runs
            for job in self._api.paginate(payloads.Job, grant, f"{where}/{run.id}/jobs", key="jobs", filter="all")
        ]
        return [_job_to_check(run, job) for run, job in sorted(jobs, key=lambda one: -one[1].id)]

    def _fetch_statuses(self, repository: str, commit: str) -> list[HostCheck]:
        statuses = self._api.paginate(payloads.Status, Grant(repository, _STATUSES), f"{commit}/statuses")
        return [_status_to_check(status) for status in statuses]

    def fetch_required_checks(self, repository: str, branch: str) -> tuple[str, ...]:
        """The names of the checks that the rules of this branch require."""
        where = build_path("repos", repository, "rules/branches", branch)
        rules = list(self._api.paginate(payloads.BranchRule, Grant(repository, _METADATA), where))
        given = [rule.parameters for rule in rules if rule.parameters]
        named = [check.context for one in given for check in one.required_status_checks]
        return tuple(dict.fromkeys(named))

    def fetch_failures(self, repository: str, checks: Sequence[HostCheck]) -> tuple[CheckFailure, ...]:
        """The details of each of these checks; for a job with the end of the log of its failing step."""
        return tuple(
            self._fetch_failure(repository, check) if number < MOST_FAILURES else _to_failure(check)
            for number, check in enumerate(checks)
        )

    def _fetch_failure(self, repository: str, check: HostCheck) -> CheckFailure:
        if check.kind == "status" or not check.id:
            return _to_failure(check)
        step, log, notes = "", "", list[str]()
        if check.kind == "job":
            try:
                job = self._fetch_job(repository, check.id)
                failed = next((one for one in job.steps if one.conclusion not in _PASSED), None)
                step = failed.name if failed else ""
                log = fetch_log_tail(self._find_log(repository, check.id), _to_step(failed))
            except (Rejected, Unavailable) as error:
                notes.append(_explain(error, "the log", "actions: read"))
        annotations, summary = tuple[str, ...](), ""
        try:
            summary = "" if log else self._fetch_summary(repository, check.id)
            annotations = tuple(self._fetch_annotations(repository, check.id))
        except (Rejected, Unavailable) as error:
            notes.append(_explain(error, "the annotations", "checks: read"))
        return CheckFailure(
            id=check.id,
            name=check.name,
            conclusion=check.conclusion,
            group=check.group,
            step=step,
            annotations=annotations,
            log=log or summary or cut(check.summary, _TEXT),
            url=check.url,
            note=". ".join(notes),
        )

    def _fetch_job(self, repository: str, job: str) -> payloads.Job:
        where = build_path("repos", repository, "actions/jobs", job)
        return self._api.get(payloads.Job, Grant(repository, _ACTIONS), where)

    def _find_log(self, repository: str, job: str) -> str:
        where = build_path("repos", repository, "actions/jobs", job, "logs")
        return self._api.find_redirect(Grant(repository, _ACTIONS), where)

    def _fetch_summary(self, repository: str, run: str) -> str:
        found = self._fetch_run(repository, run).output
        return cut("\n".join(part for part in (found.title, found.summary, found.text) if part), _TEXT)

    def _fetch_run(self, repository: str, run: str) -> payloads.CheckRun:
        where = build_path("repos", repository, "check-runs", run)
        return self._api.get(payloads.CheckRun, Grant(repository, _CHECKS), where)

    def _fetch_annotations(self, repository: str, run: str) -> Iterable[str]:
        where = build_path("repos", repository, "check-runs", run, "annotations")
        found = self._api.paginate(payloads.Annotation, Grant(repository, _CHECKS), where)
        for number, one in enumerate(found):
            if number >= MOST_ANNOTATIONS:
                return
            title = f"{one.title}: " if one.title else ""
            yield cut(f"{one.path}:{one.start_line}: {one.annotation_level}: {title}{one.message}", 500)

    def rerun_checks(self, repository: str, checks: Sequence[HostCheck]) -> tuple[str, ...]:
        """Start a further attempt of each check; returns the names of those that have one now.

        The jobs of one workflow are started together. Raises `Forbidden` without the permission, and `Unavailable`
        while the workflow has other jobs that have not ended."""
        started = [check.name for check in checks if check.kind == "check_run" and self._rerequest(repository, check)]
        of_runs: dict[int, list[HostCheck]] = {}
        for check in checks:
            if check.kind == "job":
                of_runs.setdefault(self._fetch_job(repository, check.id).run_id, []).append(check)
        for run, jobs in of_runs.items():
            self._rerun_failed_jobs(repository, run, jobs)
            started += [check.name for check in jobs]
        return tuple(started)

    def _rerun_failed_jobs(self, repository: str, run: int, jobs: Sequence[HostCheck]) -> None:
        where = build_path("repos", repository, "actions/runs", run)
        if self._has_new_attempt(repository, run, jobs):
            return
        try:
            self._api.send_only(Grant(repository, _WRITE_ACTIONS), "POST", f"{where}/rerun-failed-jobs", {})
        except LostReply:
            if not self._has_new_attempt(repository, run, jobs):
                raise
        except Rejected:
            status = self._api.get(payloads.WorkflowRun, Grant(repository, _ACTIONS), where).status
            if status != "completed":
                raise Unavailable(f"The workflow run {run} of {repository} has not ended yet", 30.0) from None
            raise

    def _has_new_attempt(self, repository: str, run: int, jobs: Sequence[HostCheck]) -> bool:
        """Whether the last attempt of the run no longer has one of these jobs."""
        where = build_path("repos", repository, "actions/runs", run, "jobs")
        latest = self._api.paginate(payloads.Job, Grant(repository, _ACTIONS), where, key="jobs", filter="latest")
        return not {job.id for job in jobs} <= {str(job.id) for job in latest}

    def _rerequest(self, repository: str, check: HostCheck) -> bool:
        """Ask the App of a check run for another one; False if GitHub refuses that."""
        where = build_path("repos", repository, "check-runs", check.id)
        if self._is_replaced(repository, check):
            return True
        try:
            self._api.send_only(Grant(repository, _WRITE_CHECKS), "POST", f"{where}/rerequest")
        except LostReply:
            if not self._is_replaced(repository, check):
                raise
        except Forbidden:
            raise
        except Rejected:
            return False
        return True

    def _is_replaced(self, repository: str, check: HostCheck) -> bool:
        """Whether the check run has begun again, or a newer one of its name exists."""
        run = self._fetch_run(repository, check.id)
        if run.status != "completed":
            return True
        where = build_path("repos", repository, "commits", run.head_sha, "check-runs")
        grant = Grant(repository, _CHECKS)
        same = self._api.paginate(payloads.CheckRun, grant, where, key="check_runs", check_name=check.name)
        return any(one.id > run.id for one in same)


_PASSED = {"", "success", "neutral", "skipped"}


def _to_check(run: payloads.CheckRun) -> HostCheck:
    is_job = run.app is not None and run.app.slug == ACTIONS
    return HostCheck(
        name=cut(run.name, _NAME),
        conclusion=_to_conclusion(run.status, run.conclusion),
        kind="job" if is_job else "check_run",
        id=str(run.id),
        url=run.details_url,
        group="" if is_job or run.app is None else run.app.name,
        summary=cut(run.output.title, 200),
    )


def _job_to_check(run: payloads.WorkflowRun, job: payloads.Job) -> HostCheck:
    return HostCheck(
        name=cut(job.name, _NAME),
        conclusion=_to_conclusion(job.status, job.conclusion),
        kind="job",
        id=str(job.id),
        url=job.html_url,
        group=cut(run.name, _NAME),
    )


def _to_conclusion(status: str, conclusion: str) -> CheckConclusion:
    return _CONCLUSIONS.get(conclusion, "failure") if status == "completed" else "pending"


def _status_to_check(status: payloads.Status) -> HostCheck:
    known: dict[str, CheckConclusion] = {"success": "success", "pending": "pending"}
    return HostCheck(
        name=cut(status.context, _NAME),
        conclusion=known.get(status.state, "failure"),
        kind="status",
        url=status.target_url,
        summary=cut(status.description, 200),
    )


def _to_failure(check: HostCheck) -> CheckFailure:
    return CheckFailure(
        id=check.id,
        name=check.name,
        conclusion=check.conclusion,
        group=check.group,
        log=cut(check.summary, _TEXT),
        url=check.url,
    )


def _to_step(step: payloads.JobStep | None) -> Step:
    return Step(step.name, step.started_at[:19], step.completed_at[:19]) if step else Step()


def _explain(error: Exception, part: str, permission: str) -> str:
    """Why a part is missing, in one sentence without a full stop."""
    if isinstance(error, Forbidden):
        return f"Loopline has no access to {part}: grant the permission {permission}"
    if isinstance(error, NotFound):
        return f"GitHub has no longer {part}"
    return f"Loopline could not read {part}: {cut(str(error), 200)}"
