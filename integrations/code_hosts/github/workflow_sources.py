"""Failed checks of the base branch, and flaky jobs, as source items. Called by `sources`.

The newest run of each workflow counts, so a failure that was fixed is no item. Requests are bounded: one page of runs,
the jobs of at most `MOST_JOB_LISTS` runs, the details of at most `MOST_FAILURES` failures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile

from integrations.code_hosts.github import payloads
from integrations.code_hosts.github.actions import Checks
from integrations.code_hosts.github.api import GitHubApi, Grant, build_path
from integrations.errors import Forbidden
from integrations.findings import SourceItem
from integrations.ports.ci import CheckFailure
from integrations.ports.pull_request import HostCheck
from integrations.ports.source_items import DETAIL, SUMMARY, TITLE, SourceQuery, SourceReading
from integrations.signatures import build_name_key, sign_facts, sign_log
from integrations.texts import cut

_ACTIONS = (("actions", "read"),)
_RED, _GREEN = frozenset({"failure", "timed_out", "startup_failure"}), frozenset({"success"})
_OF_PULL_REQUESTS = frozenset({"pull_request", "pull_request_target"})
"""Runs whose branch can be that of a fork with the name of the base branch."""
_OWN = "loopline"
MOST_RUNS, FLAKY_RUNS, MOST_JOB_LISTS = 100, 50, 30
MOST_WORKFLOWS, RUNS_OF_WORKFLOW = 10, 20
RECENT_DAYS = 14
"""A workflow that was removed or renamed keeps its last run for ever."""


@dataclass(frozen=True)
class _Streak:
    """The red runs of a workflow since its last green one, the newest first, and the failed jobs of the newest one. A
    run without jobs did not start."""

    runs: Sequence[payloads.WorkflowRun]
    green: payloads.WorkflowRun | None
    jobs: Sequence[payloads.Job]

    def describe(self) -> str:
        first = self.runs[-1]
        since = f"red for {len(self.runs)} runs since {_describe_run(first)}" if self.runs[1:] else "red since this run"
        return f"{since}; passed last at {_describe_run(self.green)}" if self.green else since


class WorkflowSources:
    """Reads with the credentials of `api`."""

    def __init__(self, api: GitHubApi, checks: Checks) -> None:
        self._api, self._checks = api, checks

    def read_checks(self, query: SourceQuery) -> SourceReading:
        """The checks of the base branch that fail now: jobs of Actions, and check runs and statuses of other services.
        Raises `Forbidden` when neither can be read."""
        streaks, others, refused, over = list[_Streak](), list[HostCheck](), list[Forbidden](), 0
        try:
            histories = self._list_histories(query)
            over = len(histories) - MOST_JOB_LISTS
            streaks = self._find_streaks(query, histories[:MOST_JOB_LISTS])
        except Forbidden as error:
            refused.append(error)
        try:
            others = self._find_others(query)
        except Forbidden as error:
            refused.append(error)
        if len(refused) == 2:
            raise refused[0]
        found = {str(job.id): (streak, job) for streak in streaks for job in streak.jobs}
        checks = [_to_check(streak.runs[0], job) for streak, job in found.values()] + others
        failures = self._checks.fetch_failures(query.repository, checks[: query.limit + 1])
        items = [_to_item(one, *found.get(one.id, (None, None))) for one in failures]
        items += [_to_unstarted(one) for one in streaks if not one.jobs]
        notes = (f"the jobs of {over} further workflows were not read",) if over > 0 else ()
        return SourceReading(tuple(items), tuple(map(str, refused)), notes)

    def read_flaky(self, query: SourceQuery) -> SourceReading:
        """The jobs that failed and passed on the same commit, or that failed on the base branch again and again with
        successes in between, among the last runs of all branches."""
        most = int(query.filter.get("runs", FLAKY_RUNS))
        runs = [one for one in self._list_runs(query, most, status="completed") if query.matches("workflow", one.name)]
        suspect = [one for one in runs if one.conclusion in _RED or one.run_attempt > 1]
        records = defaultdict[tuple[str, str], _JobRecord](_JobRecord)
        for run in suspect[:MOST_JOB_LISTS]:
            for job in self._fetch_jobs(query.repository, run, "all"):
                records[run.name, job.name].add(run, job)
        flaky = [(name, one) for name, one in records.items() if one.is_flaky(runs, name[0], query.branch)]
        flaky = sorted(flaky, key=lambda one: (-len(one[1].failures), one[0]))[: query.limit]
        checks = [_to_check(*one.failures[0]) for _, one in flaky]
        failures = self._checks.fetch_failures(query.repository, checks)
        items = [
            _to_flaky(name, record, failure, sum(run.name == name[0] for run in runs))
            for (name, record), failure in zip(flaky, failures, strict=True)
        ]
        over = len(suspect) - MOST_JOB_LISTS
        notes = (f"{over} older runs with failures were not read",) if over > 0 else ()
        return SourceReading(tuple(items), notes=notes)

    def _find_streaks(self, query: SourceQuery, histories: Sequence[list[payloads.WorkflowRun]]) -> list[_Streak]:
        """The workflows that fail on the base branch: in a run in progress, else in the newest one that ended."""
        found = []
        for own in histories:
            going = [run for run in own[:1] if run.status == "in_progress"]
            ended = [run for run in own if run.conclusion]
            red = list(takewhile(lambda run: run.conclusion in _RED, ended))
            green = next(iter(ended[len(red) :]), None)
            for runs in ([*going, *red] if going else [], red):
                jobs = self._fetch_jobs(query.repository, runs[0], "latest") if runs else []
                failed = [job for job in jobs if job.conclusion in _RED and query.matches("job", job.name)]
                is_unstarted = bool(runs) and runs[0].conclusion == "startup_failure" and not query.names("job")
                if failed or is_unstarted:
                    found.append(_Streak(runs, green, failed))
                    break
        return found

    def _list_histories(self, query: SourceQuery) -> list[list[payloads.WorkflowRun]]:
        """The runs of each workflow on the base branch, the newest first, if that one goes on or failed recently.

        A run of a rare workflow can be older than the newest page of all runs; it is then found by its failure."""
        runs = self._list_runs(query, MOST_RUNS, branch=query.branch)
        of_workflow = _group_by_workflow(runs)
        if len(runs) == MOST_RUNS:
            failed = self._list_runs(query, MOST_RUNS, branch=query.branch, status="failure")
            for workflow in [key for key in _group_by_workflow(failed) if key not in of_workflow][:MOST_WORKFLOWS]:
                own = self._list_runs(query, RUNS_OF_WORKFLOW, f"workflows/{workflow}/runs", branch=query.branch)
                of_workflow |= _group_by_workflow(own)
        return [
            own
            for own in of_workflow.values()
            if own[0].conclusion not in _GREEN
            and query.matches("workflow", own[0].name)
            and query.count_days(_read_time(own[0]) or query.now) <= RECENT_DAYS
        ]

    def _list_runs(self, query: SourceQuery, most: int, place: str = "runs", **more: str) -> list[payloads.WorkflowRun]:
        where, grant = build_path("repos", query.repository, "actions", place), Grant(query.repository, _ACTIONS)
        more = {"per_page": str(most), **more}
        runs = self._api.paginate(payloads.WorkflowRun, grant, where, key="workflow_runs", **more)
        return list(islice(runs, most))

    def _fetch_jobs(self, repository: str, run: payloads.WorkflowRun, kind: str) -> list[payloads.Job]:
        where = build_path("repos", repository, "actions/runs", run.id, "jobs")
        jobs = self._api.paginate(payloads.Job, Grant(repository, _ACTIONS), where, key="jobs", filter=kind)
        return list(islice(jobs, 10 * MOST_RUNS))

    def _find_others(self, query: SourceQuery) -> list[HostCheck]:
        """The failing checks of other services on the head of the base branch."""
        if query.names("workflow"):
            return []
        return [
            one
            for one in self._checks.fetch_checks_of_services(query.repository, query.branch)
            if one.conclusion in ("failure", "timed_out")
            and not one.name.lower().startswith(_OWN)
            and query.matches("job", one.name)
        ]


@dataclass
class _JobRecord:
    """The results of one job in the runs that were read, the newest first."""

    failures: list[tuple[payloads.WorkflowRun, payloads.Job]] = field(default_factory=list)
    passed: set[tuple[str, str]] = field(default_factory=set)
    """Trigger and commit: a run for a pull request tests its merge with the base branch."""

    def add(self, run: payloads.WorkflowRun, job: payloads.Job) -> None:
        if job.conclusion in _RED:
            self.failures.append((run, job))
        elif job.conclusion in _GREEN:
            self.passed.add(_tested(run))

    def is_flaky(self, runs: Iterable[payloads.WorkflowRun], workflow: str, branch: str) -> bool:
        """Whether it passed on a commit on which it failed, or failed in two separate streaks on the base branch.
        Fills `passed` with the commits of green runs."""
        same = [run for run in runs if run.name == workflow]
        self.passed |= {_tested(run) for run in same if run.conclusion in _GREEN}
        failed = {run.id for run, _ in self.failures}
        history = [
            run.id in failed
            for run in same
            if run.head_branch == branch and run.event not in _OF_PULL_REQUESTS and run.conclusion in _RED | _GREEN
        ]
        streaks = sum(now and not before for before, now in zip([False, *history], history, strict=False))
        return bool(self.failures) and (self.count_same_commit() > 0 or streaks > 1)

    def count_same_commit(self) -> int:
        """The failures on a commit on which the job passed too."""
        return sum(_tested(run) in self.passed for run, _ in self.failures)


def _tested(run: payloads.WorkflowRun) -> tuple[str, str]:
    return run.event, run.head_sha


def _group_by_workflow(runs: Iterable[payloads.WorkflowRun]) -> dict[int | str, list[payloads.WorkflowRun]]:
    """The runs that passed, failed or go on, by workflow. Two workflows can have the same name."""
    found = defaultdict[int | str, list[payloads.WorkflowRun]](list)
    for run in runs:
        counts = run.conclusion in _RED | _GREEN or run.status == "in_progress"
        if counts and run.event not in _OF_PULL_REQUESTS:
            found[run.workflow_id or run.name].append(run)
    return dict(found)


def _to_check(run: payloads.WorkflowRun, job: payloads.Job) -> HostCheck:
    return HostCheck(
        name=cut(job.name, TITLE),
        conclusion="timed_out" if job.conclusion == "timed_out" else "failure",
        kind="job",
        id=str(job.id),
        url=job.html_url,
        group=cut(run.name, TITLE),
    )


def _find_step(job: payloads.Job | None) -> str:
    """The step that failed. Read from the list of jobs, so that a log that cannot be read does not change the key."""
    steps = job.steps if job else ()
    return next((step.name for step in steps if step.conclusion in _RED), "")


def _to_item(failure: CheckFailure, streak: _Streak | None, job: payloads.Job | None) -> SourceItem:
    step = _find_step(job)
    run = streak.runs[0] if streak else None
    parts = [f"the step {step!r} failed" if step else failure.conclusion, streak.describe() if streak else ""]
    annotations = "\n".join(failure.annotations)
    evidence = failure.log or ("" if failure.note else annotations)
    return SourceItem(
        key=build_name_key("check", failure.group, failure.name, step),
        kind="check",
        title=cut(f"{failure.group}: {failure.name}" if failure.group else failure.name, TITLE),
        url=failure.url,
        at=_format_time(run),
        summary=cut("; ".join(part for part in parts if part), SUMMARY),
        detail=cut("\n".join(filter(None, (failure.note, annotations, failure.log))), DETAIL, DETAIL // 2),
        signature=sign_log(evidence, failure.conclusion, step) if evidence else "",
        severity="high",
    )


def _to_unstarted(streak: _Streak) -> SourceItem:
    """A run without a job: its workflow file is invalid."""
    run = streak.runs[0]
    return SourceItem(
        key=build_name_key("check", run.name),
        kind="check",
        title=cut(f"{run.name}: the workflow does not start", TITLE),
        url=run.html_url,
        at=_format_time(run),
        summary=cut(f"its file in .github/workflows is invalid; {streak.describe()}", SUMMARY),
        signature=sign_facts("startup_failure"),
        severity="high",
    )


def _to_flaky(name: tuple[str, str], record: _JobRecord, failure: CheckFailure, runs: int) -> SourceItem:
    workflow, job = name
    steps = sorted({_find_step(one) for _, one in record.failures} - {""})
    same = record.count_same_commit()
    times = f"failed {len(record.failures)} times in {runs} runs"
    lines = [
        f"{_describe_run(run)} on {run.head_branch}: {_find_step(one) or one.conclusion}"
        f"{', passed on the same commit' if _tested(run) in record.passed else ''} {one.html_url}"
        for run, one in record.failures[:20]
    ]
    return SourceItem(
        key=build_name_key("flaky", workflow, job),
        kind="flaky",
        title=cut(f"{workflow}: {job} is flaky", TITLE),
        url=failure.url,
        at=_format_time(record.failures[0][0]),
        summary=cut(f"{times}, {same} times on a commit on which it passed too; steps: {', '.join(steps)}", SUMMARY),
        detail=cut("\n".join([*lines, failure.note, failure.log]), DETAIL, DETAIL // 2),
        signature=sign_facts(*steps),
    )


def _describe_run(run: payloads.WorkflowRun) -> str:
    return f"run #{run.run_number} of {_format_time(run)[:10]} at {run.head_sha[:10]}"


def _format_time(run: payloads.WorkflowRun | None) -> str:
    at = (run.created_at or run.updated_at) if run else None
    return at.isoformat(timespec="seconds") if at else ""


def _read_time(run: payloads.WorkflowRun) -> float:
    """When the run began; 0 if GitHub does not show it."""
    at = run.created_at or run.updated_at
    return at.timestamp() if at else 0.0
