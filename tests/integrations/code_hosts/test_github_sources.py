"""The typed sources of automations: the adapter on the stand-in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.code_hosts.github import workflow_sources
from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Forbidden, Rejected, Unavailable
from integrations.findings import SourceItem
from integrations.ports.source_items import HOST_SOURCES, SourceQuery, SourceReading
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.live_github import LiveGitHub, push

PLACE = "octo/calc-0"
DAY = 86_400.0
BUILD: dict[str, Any] = {"name": "build", "conclusions": ["failure"], "log": "E   assert 1 == 2"}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveGitHub]:
    live = LiveGitHub(tmp_path)
    yield live
    live.close()


@pytest.fixture
def github(live: LiveGitHub) -> Iterator[GitHub]:
    github = live.as_person()
    yield github
    github.close()


def script(live: LiveGitHub, *checks: dict[str, Any], apply: str = "main") -> None:
    body = {"repository": PLACE, "checks": checks, "apply": apply}
    requests.post(f"{live.url}/_ci", json=body, timeout=10).raise_for_status()


def add(live: LiveGitHub, **sources: Any) -> None:
    requests.post(f"{live.url}/_sources", json={"repository": PLACE, **sources}, timeout=10).raise_for_status()


def read(
    github: GitHub, kind: str, since: float = 0.0, later: float = 0.0, limit: int = 50, **given: str
) -> SourceReading:
    return github.read_source(SourceQuery(kind, PLACE, "main", since, time.time() + later, given, limit))


def only(reading: SourceReading) -> SourceItem:
    [item] = reading.items
    assert reading.problems == ()
    return item


# --- checks ---------------------------------------------------------------------------------------------------------


def test_source_checks_has_failing_jobs_and_checks_of_other_services(live: LiveGitHub, github: GitHub) -> None:
    scan = {"name": "scan", "kind": "check_run", "conclusions": ["failure"], "summary": "1 alert"}
    status = {"name": "deploy", "kind": "status", "conclusions": ["failure"]}
    own = {"name": "Loopline", "kind": "status", "conclusions": ["failure"]}
    script(live, BUILD, {"name": "lint"}, scan, status, own)

    reading = read(github, "checks")

    assert {one.key for one in reading.items} == {"check:CI/build/Run tests", "check:Acme CI/scan", "check:deploy"}
    build = next(one for one in reading.items if "build" in one.key)
    assert build.detail.endswith("E   assert 1 == 2\n##[error]Process completed with exit code 1.")
    assert (build.severity, build.url.startswith(live.url), bool(build.signature)) == ("high", True, True)


def test_source_checks_that_pass_again_are_no_items(live: LiveGitHub, github: GitHub) -> None:
    script(live, {**BUILD, "conclusions": ["failure", "success"]})
    script(live, {**BUILD, "conclusions": ["failure", "success"]})

    assert read(github, "checks") == SourceReading()


def test_source_checks_on_ten_mornings_have_one_key_and_one_signature(live: LiveGitHub, github: GitHub) -> None:
    seen = set()
    for morning in range(10):
        lines = ["E   assert 1 == 2", f"2026-11-{morning + 10}T06:00:00Z error in /tmp/run-{morning}/x", "collected"]
        script(live, {**BUILD, "log": "\n".join(lines[::-1] if morning % 2 else lines)})
        if morning % 3 == 0:
            push(github, PLACE, "main", **{f"day{morning}": "x = 1\n"})
        item = only(read(github, "checks"))
        seen.add((item.key, item.signature))

    assert len(seen) == 1
    script(live, {**BUILD, "log": "E   ZeroDivisionError"})
    other = only(read(github, "checks"))
    assert (other.key, other.signature) not in seen and other.key in {key for key, _ in seen}


def test_source_checks_has_the_failed_job_of_a_run_in_progress(live: LiveGitHub, github: GitHub) -> None:
    slow = {"name": "e2e", "conclusions": ["pending"]}
    script(live, BUILD, slow)
    assert only(read(github, "checks")).key == "check:CI/build/Run tests"


def test_source_checks_stay_red_until_a_run_has_passed(live: LiveGitHub, github: GitHub) -> None:
    script(live, BUILD)
    script(live, {**BUILD, "conclusions": ["pending"]}, apply="")
    push(github, PLACE, "main", step="x = 1\n")
    assert "red since this run" in only(read(github, "checks")).summary


def test_source_checks_names_since_when_a_job_is_red(live: LiveGitHub, github: GitHub) -> None:
    script(live, {**BUILD, "conclusions": ["success"]})
    script(live, BUILD, apply="")
    red = [push(github, PLACE, "main", **{f"step{number}": "x = 1\n"}) for number in range(2)]

    item = only(read(github, "checks"))

    assert f"red for 2 runs since run #2 of {time.strftime('%Y-%m-%d', time.gmtime())} at {red[0][:10]}" in item.summary
    assert "passed last at run #1" in item.summary


def test_source_checks_ignores_other_branches_and_what_the_filter_leaves_out(live: LiveGitHub, github: GitHub) -> None:
    script(live, {**BUILD, "branch": "fix"}, apply="")
    push(github, PLACE, "fix", calc="x = 1\n")
    assert read(github, "checks") == SourceReading()
    script(live, BUILD, {**BUILD, "name": "docs", "workflow": "Docs"})
    assert only(read(github, "checks", workflow="docs")).key == "check:Docs/docs/Run tests"
    assert only(read(github, "checks", job="build, other")).key == "check:CI/build/Run tests"


def test_source_checks_without_one_permission_reads_the_rest_and_names_it(live: LiveGitHub) -> None:
    script(live, BUILD, {"name": "scan", "kind": "check_run", "conclusions": ["failure"]})
    live.revoke("actions")
    app = live.as_app()

    reading = read(app, "checks")

    assert [one.key for one in reading.items] == ["check:Acme CI/scan"]
    assert "actions: read" in " ".join(reading.problems)
    app.close()


def test_source_check_whose_log_is_gone_keeps_its_key(live: LiveGitHub, github: GitHub) -> None:
    script(live, BUILD)
    before = only(read(github, "checks"))
    live.inject_fault("GET /repos/{owner}/{repo}/actions/jobs/{job_id}", "rate_limit")

    after = only(read(github, "checks"))

    assert (after.key, after.signature) == (before.key, "")
    assert "could not read the log" in after.detail


def test_source_checks_without_access_to_check_runs_reads_jobs_and_statuses(live: LiveGitHub) -> None:
    """As with a fine-grained personal token, which cannot have that permission."""
    scan = {"name": "scan", "kind": "check_run", "conclusions": ["failure"]}
    script(live, BUILD, scan, {"name": "deploy", "kind": "status", "conclusions": ["failure"]})
    live.revoke("checks")
    app = live.as_app()

    reading = read(app, "checks")

    assert {one.key for one in reading.items} == {"check:CI/build/Run tests", "check:deploy"}
    assert reading.problems == ()
    build = next(one for one in reading.items if "build" in one.key)
    assert build.signature and "grant the permission checks: read" in build.detail
    app.close()


def test_source_checks_of_a_workflow_that_no_longer_runs_end(live: LiveGitHub, github: GitHub) -> None:
    script(live, BUILD)
    assert len(read(github, "checks", later=10 * DAY).items) == 1
    assert read(github, "checks", later=20 * DAY) == SourceReading()


def test_source_checks_finds_a_red_workflow_behind_many_green_runs(server: Answering, github_on: GitHub) -> None:
    place = "/repos/octo/calc-0"
    known = {"head_sha": "a" * 40, "head_branch": "main", "created_at": "2026-11-27T00:00:00Z"}
    green = [{"id": n, "name": "CI", "workflow_id": 1, "conclusion": "success", **known} for n in range(200, 100, -1)]
    red = [
        {"id": n, "name": name, "workflow_id": n, "conclusion": "failure", **known}
        for n, name in ((7, "Nightly"), (8, "Old"))
    ]
    passed = {**red[1], "id": 9, "conclusion": "success"}
    server.on(f"GET {place}/actions/runs", Answer(body={"workflow_runs": green}), Answer(body={"workflow_runs": red}))
    server.on(f"GET {place}/actions/workflows/7/runs", Answer(body={"workflow_runs": red[:1]}))
    server.on(f"GET {place}/actions/workflows/8/runs", Answer(body={"workflow_runs": [passed, red[1]]}))
    server.on(
        f"GET {place}/actions/runs/7/jobs",
        Answer(body={"jobs": [{"id": 5, "run_id": 7, "name": "all", "conclusion": "failure"}]}),
    )
    for kind, body in (("check-runs", {"check_runs": []}), ("statuses", [])):
        server.on(f"GET {place}/commits/main/{kind}", Answer(body=body))

    item = only(github_on.read_source(SourceQuery("checks", PLACE, "main", 0.0, 1_795_737_600.0)))

    assert item.key == "check:Nightly/all"


def test_source_checks_has_a_workflow_that_does_not_start(server: Answering, github_on: GitHub) -> None:
    place = "/repos/octo/calc-0"
    run = {"id": 7, "name": "CI", "head_sha": "a" * 40, "conclusion": "startup_failure", "html_url": "https://h/7"}
    server.on(f"GET {place}/actions/runs", Answer(body={"workflow_runs": [run]}))
    server.on(f"GET {place}/actions/runs/7/jobs", Answer(body={"jobs": []}))
    for kind, body in (("check-runs", {"check_runs": []}), ("statuses", [])):
        server.on(f"GET {place}/commits/main/{kind}", Answer(body=body))

    item = only(read(github_on, "checks"))

    assert (item.key, item.url, item.severity) == ("check:CI", "https://h/7", "high")
    assert "its file in .github/workflows is invalid" in item.summary


# --- flaky ----------------------------------------------------------------------------------------------------------


def test_source_flaky_has_jobs_that_pass_on_the_same_commit(live: LiveGitHub, github: GitHub) -> None:
    flaky = {**BUILD, "name": "e2e", "conclusions": ["failure", "success"]}
    broken = {**BUILD, "branch": "fix"}
    script(live, flaky, broken)
    push(github, PLACE, "fix", calc="x = 1\n")
    script(live, flaky, broken)

    item = only(read(github, "flaky"))

    assert item.key == "flaky:CI/e2e"
    assert "1 times on a commit on which it passed too" in item.summary
    assert "passed on the same commit" in item.detail and "assert 1 == 2" in item.detail


def test_source_flaky_has_jobs_that_fail_again_and_again_on_the_base_branch(live: LiveGitHub, github: GitHub) -> None:
    for number in range(4):
        script(live, {**BUILD, "conclusions": ["failure" if number % 2 else "success"]}, apply="")
        push(github, PLACE, "main", **{f"step{number}": "x = 1\n"})

    assert only(read(github, "flaky")).summary.startswith("failed 2 times in 4 runs, 0 times")
    assert read(github, "flaky", runs="2") == SourceReading()


def test_source_flaky_leaves_out_a_pull_request_whose_merge_fails(server: Answering, github_on: GitHub) -> None:
    """Its branch alone passes on the same commit."""
    known = {"name": "CI", "workflow_id": 1, "head_sha": "a" * 40, "head_branch": "fix"}
    runs = [
        {"id": 2, "event": "pull_request", "conclusion": "failure", **known},
        {"id": 1, "event": "push", "conclusion": "success", **known},
    ]
    job = {"id": 5, "run_id": 2, "name": "test", "conclusion": "failure"}
    server.on("GET /repos/octo/calc-0/actions/runs", Answer(body={"workflow_runs": runs}))
    server.on("GET /repos/octo/calc-0/actions/runs/2/jobs", Answer(body={"jobs": [job]}))
    assert read(github_on, "flaky") == SourceReading()


def test_source_flaky_bounds_its_requests(server: Answering, github_on: GitHub) -> None:
    runs = [{"id": n, "name": "CI", "head_sha": "a" * 40, "conclusion": "failure"} for n in range(1, 101)]
    server.on("GET /repos/octo/calc-0/actions/runs", Answer(body={"workflow_runs": runs}))
    for n in range(1, 101):
        server.on(f"GET /repos/octo/calc-0/actions/runs/{n}/jobs", Answer(body={"jobs": []}))

    reading = read(github_on, "flaky", runs="100")

    assert len(server.asked) == 1 + workflow_sources.MOST_JOB_LISTS
    assert reading.notes == ("70 older runs with failures were not read",)


@pytest.fixture
def github_on(server: Answering) -> Iterator[GitHub]:
    github = GitHub(server.url, token="github_pat_x", backoff=0.0)
    yield github
    github.close()


# --- issues, pull requests, releases, advisories --------------------------------------------------------------------


def test_source_issues_has_open_issues_that_changed_since(live: LiveGitHub, github: GitHub) -> None:
    old = {"title": "Old", "created_at": "2026-01-01T00:00:00Z", "labels": ["bug", "ui"]}
    add(live, issues=[old, {"title": "New", "labels": ["security"], "body": "It\nleaks"}])
    push(github, PLACE, "fix", calc="x = 1\n")
    github.open_pull_request(PLACE, "fix", "main", "Fix", "Why")

    new, first = read(github, "issues").items

    assert (new.key, new.title, new.severity, new.detail) == ("issue:2", "#2 New", "urgent", "It\nleaks")
    assert (first.severity, "labels: bug, ui" in first.summary) == ("high", True)
    assert [one.key for one in read(github, "issues", since=time.time() - DAY).items] == ["issue:2"]
    assert len(read(github, "issues", since=time.time() - DAY, changed="any").items) == 2
    assert [one.key for one in read(github, "issues", labels="bug").items] == ["issue:1"]
    assert [one.key for one in read(github, "issues", labels="UI, security").items] == ["issue:2", "issue:1"]
    assert read(github, "issues", author="ada, eve") == SourceReading()


def test_source_items_over_the_limit_are_named(live: LiveGitHub, github: GitHub) -> None:
    add(live, issues=[{"title": f"Issue {number}"} for number in range(5)])

    reading = read(github, "issues", limit=3)

    assert len(reading.items) == 3
    assert reading.notes == ("there are more than 3 items: the others were not read",)


def test_source_pull_requests_has_those_that_are_idle(live: LiveGitHub, github: GitHub) -> None:
    for branch in ("one", "two"):
        push(github, PLACE, branch, calc=f"x = '{branch}'\n")
        github.open_pull_request(PLACE, branch, "main", branch.title(), "Why", draft=branch == "two")

    one, two = read(github, "pull_requests", later=8 * DAY).items

    assert (one.key, one.title) == ("pull_request:1", "#1 One")
    assert "open for 8 days; unchanged for 8 days; by loopline-dev" in one.summary
    assert "draft" in two.summary
    assert read(github, "pull_requests", later=8 * DAY, idle_days="9") == SourceReading()
    assert only(read(github, "pull_requests", later=8 * DAY, idle_days="7", draft="no")).key == one.key
    push(github, PLACE, "one", more="y = 1\n")
    assert only(read(github, "pull_requests", draft="no")).signature != one.signature


def test_source_releases_has_new_ones(live: LiveGitHub, github: GitHub) -> None:
    add(live, releases=[{"tag": "v1", "published_at": "2026-01-01T00:00:00Z"}, {"tag": "v2", "body": "Faster"}])

    assert only(read(github, "releases")).key == "release:v2"
    assert only(read(github, "releases", since=time.time() - DAY)).detail == "Faster"
    assert read(github, "releases", since=time.time() + DAY) == SourceReading()


def test_source_advisories_has_the_most_severe_alert_first(live: LiveGitHub, github: GitHub) -> None:
    low = {"advisory": "GHSA-aaaa", "package": "left-pad", "severity": "low", "fixed_in": ""}
    add(live, alerts=[low, {"advisory": "GHSA-bbbb", "package": "tar", "severity": "critical", "affected": "< 6.2.1"}])

    first, second = read(github, "advisories").items

    assert (first.key, first.severity) == ("advisory:GHSA-bbbb/tar/package-lock.json", "urgent")
    assert first.summary.startswith("critical in npm tar < 6.2.1; fixed in 1.0.0; runtime dependency of")
    assert "no fixed version" in second.summary
    assert only(read(github, "advisories", severity="critical,high")).key == first.key


PERMISSIONS = {
    "issues": ("issues", "issues: read"),
    "pull_requests": ("pull_requests", "pull_requests: read"),
    "advisories": ("vulnerability_alerts", "vulnerability_alerts: read"),
    "releases": ("contents", "contents: read"),
    "flaky": ("actions", "actions: read"),
}


@pytest.mark.parametrize("kind", PERMISSIONS)
def test_source_without_its_permission_names_it(live: LiveGitHub, kind: str) -> None:
    permission, needed = PERMISSIONS[kind]
    live.revoke(permission)
    app = live.as_app()
    with pytest.raises(Forbidden, match=needed):
        read(app, kind)
    app.close()


def test_source_that_a_person_may_not_read_names_the_permission(server: Answering, github_on: GitHub) -> None:
    headers = {"X-Accepted-GitHub-Permissions": "vulnerability_alerts=read"}
    refused = Answer(403, {"message": "Resource not accessible by personal access token"}, headers)
    server.on("GET /repos/octo/calc-0/dependabot/alerts", refused)
    with pytest.raises(Forbidden, match="vulnerability_alerts=read"):
        read(github_on, "advisories")


def test_source_that_is_unknown_or_unavailable_raises(live: LiveGitHub, github: GitHub) -> None:
    with pytest.raises(Rejected, match="no source 'wiki'"):
        read(github, "wiki")
    live.inject_fault("GET /repos/{owner}/{repo}/issues", "rate_limit")
    with pytest.raises(Unavailable):
        read(github, "issues")


@pytest.mark.parametrize("kind", sorted(HOST_SOURCES))
def test_source_of_a_quiet_repository_is_empty(github: GitHub, kind: str) -> None:
    assert read(github, kind) == SourceReading()
