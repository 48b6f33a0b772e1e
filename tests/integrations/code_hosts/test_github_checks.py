"""Checks, failures with their logs, and further attempts: the adapter on the stand-in, and the shortening of logs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.code_hosts.github.code_host import GitHub
from integrations.code_hosts.github.logs import CHARACTERS, LINES, Step, shorten_log
from integrations.errors import Forbidden
from integrations.ports.pull_request import HostCheck
from tests.integrations.code_hosts.live_github import LiveGitHub, push

PLACE = "octo/calc-0"
RERUN = "POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs"
REREQUEST = "POST /repos/{owner}/{repo}/check-runs/{check_run_id}/rerequest"
BUILD: dict[str, Any] = {"name": "build", "conclusions": ["failure", "success"], "log": "E   assert 1 == 2"}
SCAN: dict[str, Any] = {"name": "scan", "kind": "check_run", "conclusions": ["failure", "success"]}


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


def script(live: LiveGitHub, *checks: dict[str, Any], apply: str = "") -> None:
    body = {"repository": PLACE, "checks": checks, "apply": apply}
    requests.post(f"{live.url}/_ci", json=body, timeout=10).raise_for_status()


def red(checks: tuple[HostCheck, ...]) -> tuple[HostCheck, ...]:
    return tuple(one for one in checks if one.conclusion == "failure")


def test_checks_of_all_kinds_are_read(live: LiveGitHub, github: GitHub) -> None:
    status = {"name": "deploy", "kind": "status", "conclusions": ["pending"], "url": "https://ci.acme.test/7"}
    script(live, BUILD, SCAN, status, {"name": "lint", "conclusions": ["skipped"]})
    sha = push(github, PLACE, "fix", calc="x = 1\n")

    found = {one.name: (one.kind, one.conclusion) for one in github.fetch_checks(PLACE, sha)}

    assert found == {
        "build": ("job", "failure"),
        "scan": ("check_run", "failure"),
        "deploy": ("status", "pending"),
        "lint": ("job", "skipped"),
    }


def test_failure_of_a_job_has_step_annotations_and_the_end_of_the_log(live: LiveGitHub, github: GitHub) -> None:
    note = {"path": "calc.py", "line": 2, "message": "wrong sign"}
    script(live, {**BUILD, "annotations": [note], "step": "Unit tests"}, {**SCAN, "summary": "1 alert"})
    sha = push(github, PLACE, "fix", calc="x = 1\n")

    build, scan = sorted(github.fetch_failures(PLACE, red(github.fetch_checks(PLACE, sha))), key=lambda one: one.name)

    assert (build.step, build.annotations) == ("Unit tests", ("calc.py:2: failure: wrong sign",))
    assert build.log.endswith("E   assert 1 == 2\n##[error]Process completed with exit code 1.")
    assert "checkout" not in build.log
    assert "1 alert" in scan.log
    assert (build.note, scan.note) == ("", "")


def test_log_of_hundreds_of_megabytes_is_read_with_little_memory(live: LiveGitHub, github: GitHub) -> None:
    script(live, {**BUILD, "padding_megabytes": 60})
    sha = push(github, PLACE, "fix", calc="x = 1\n")
    checks = red(github.fetch_checks(PLACE, sha))
    tracemalloc.start()

    (failure,) = github.fetch_failures(PLACE, checks)

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 16_000_000
    assert "E   assert 1 == 2" in failure.log
    assert len(failure.log) <= CHARACTERS


def test_missing_permission_is_named_in_the_failure(live: LiveGitHub) -> None:
    app = live.as_app()
    script(live, BUILD)
    sha = push(app, PLACE, "fix", calc="x = 1\n")
    checks = red(app.fetch_checks(PLACE, sha))
    live.revoke("actions")

    (failure,) = app.fetch_failures(PLACE, checks)

    assert "actions: read" in failure.note
    with pytest.raises(Forbidden):
        app.rerun_checks(PLACE, checks)
    app.close()


def test_jobs_are_read_without_a_permission_for_check_runs(live: LiveGitHub) -> None:
    app = live.as_app()
    script(live, BUILD, SCAN, {"name": "deploy", "kind": "status"})
    sha = push(app, PLACE, "fix", calc="x = 1\n")
    live.revoke("checks")

    found = {(one.name, one.group, one.conclusion, one.kind) for one in app.fetch_checks(PLACE, sha)}

    assert found == {("build", "CI", "failure", "job"), ("deploy", "", "success", "status")}
    app.close()
    live.revoke("actions")
    live.revoke("statuses")
    with closing(live.as_app()) as stripped, pytest.raises(Forbidden):
        stripped.fetch_checks(PLACE, sha)


@pytest.mark.parametrize("fault", ["", "lost_reply"])
def test_further_attempts_start_once(live: LiveGitHub, github: GitHub, fault: str) -> None:
    script(live, BUILD, SCAN, {"name": "lint", "conclusions": ["failure"]})
    sha = push(github, PLACE, "fix", calc="x = 1\n")
    checks = red(github.fetch_checks(PLACE, sha))
    if fault:
        live.inject_fault(RERUN, fault)
        live.inject_fault(REREQUEST, fault)

    for _ in range(2):
        assert sorted(github.rerun_checks(PLACE, checks)) == ["build", "lint", "scan"]

    assert (live.writes(RERUN, PLACE), live.writes(REREQUEST, PLACE)) == (1, 1)
    attempts = [one.conclusion for one in github.fetch_checks(PLACE, sha) if one.name == "build"]
    assert attempts == ["success", "failure"], "the newest first"


def line(second: int, text: str) -> bytes:
    return f"2026-01-01T00:00:{second:02}.1234567Z {text}".encode()


STEP = Step("Run tests", "2026-01-01T00:00:10", "2026-01-01T00:00:20")


def test_log_is_cut_to_the_step_and_cleaned() -> None:
    lines = [
        b"\xef\xbb\xbf" + line(1, "setup"),
        line(10, "##[group]Run pytest"),
        line(11, "\x1b[31mred\x1b[0m"),
        line(11, "10%\r50%\r100%"),
        line(11, "::add-mask::hunter2"),
        line(11, "##[endgroup]"),
        line(12, "##[error]boom"),
        line(20, "last"),
        line(22, "Post checkout"),
    ]

    assert shorten_log(lines, STEP).splitlines() == ["Run pytest", "red", "100%", "##[error]boom", "last"]


def test_log_without_lines_in_the_step_has_its_own_end() -> None:
    assert shorten_log([line(50, "a"), b"no time"], STEP) == "a\nno time"


def test_log_keeps_errors_before_its_end() -> None:
    lines = [line(11, "##[error]the cause"), *(line(12, f"noise {n}") for n in range(5 * LINES))]

    found = shorten_log(lines, STEP)

    assert found.startswith("##[error]the cause\n[…]\n")
    assert found.endswith(f"noise {5 * LINES - 1}")


def test_log_with_an_endless_line_is_bounded() -> None:
    assert len(shorten_log([line(11, "x" * 5_000_000)], STEP)) <= CHARACTERS
