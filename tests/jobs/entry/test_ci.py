"""Checks of the code host from push to review, on a real board, code host and Redis: case 13 and its siblings."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from typing import Any

import pytest
import requests

from integrations.events import ChecksReported
from jobs.clock import deliver_deadlines
from jobs.loop.commands import RunSpec
from jobs.loop.state import LOOP, Loop, Stage
from jobs.recovery.rebuild import rebuild
from jobs.roles.briefs import build_maker_brief
from jobs.runtime import keys
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.story import BUG, finish, hand_over, in_review, said

REPOSITORY, RERUN = "acme/tally", "POST /repos/{owner}/{repo}/actions/runs/{run_id}/rerun-failed-jobs"
LOG = "collected 5 items\nE   assert total() == 6\nFAILED test_tally.py::test_total - assert 5 == 6"
ON_MAIN: dict[str, Any] = {"name": "build", "branch": "main"}
RED: dict[str, Any] = {"name": "build", "conclusions": ["failure"], "log": LOG}
NOTE = {"path": "tally.py", "line": 3, "message": "total is wrong"}


@pytest.fixture(autouse=True)
def without_a_quiet_period(board: Board) -> None:
    board.world.policy = replace(board.world.policy, checks_quiet_seconds=0.0)


def script(board: Board, *checks: dict[str, Any], apply: str = "") -> None:
    """Set the CI of the repository, and run it on a branch."""
    wanted = {"repository": REPOSITORY, "checks": checks, "apply": apply}
    requests.post(f"{board.urls['pull_requests']}/_ci", json=wanted, timeout=10).raise_for_status()


def pass_time(board: Board, seconds: float) -> Loop:
    """Let the clock deliver the deadlines of the next `seconds`, one after the other."""
    deliver_deadlines(board.world.redis, time.time() + seconds)
    loop = board.drive(BUG)
    assert loop
    return loop


def report(board: Board, loop: Loop, name: str = "build") -> Loop:
    """The webhook of a check arrives, and its quiet period passes."""
    place = {"repository": REPOSITORY, "head_sha": loop.pull_request.pushed_sha, "ticket_id": loop.ticket.id}
    board.world.store.deliver(
        ChecksReported(event_id=f"hint-{time.time_ns()}", name=name, conclusion="failure", **place)
    )
    board.drive(BUG)
    return pass_time(board, 1.0)


def replace_loop(board: Board, loop: Loop) -> Loop:
    """Store this state of the loop."""
    board.world.redis.set(keys.loop(loop.ticket.id), LOOP.encode(loop))
    return loop


def spec_of(board: Board, loop: Loop) -> RunSpec:
    spec = board.world.runs.spec(loop.run_id)
    assert spec
    return spec


def commit(board: Board, loop: Loop, name: str) -> str:
    """A further commit of the maker, with a file of this name."""
    folder = board.world.settings.home / "repos" / "acme__tally.git"
    email = board.world.settings.commit_email
    who = {
        f"GIT_{role}_{part}": text
        for role in ("AUTHOR", "COMMITTER")
        for part, text in (("NAME", "x"), ("EMAIL", email))
    }

    def git(*arguments: str, given: str = "") -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, input=given, env=os.environ | who, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    blob, head = git("hash-object", "-w", "--stdin", given=name), loop.candidate.head_sha
    tree = git("mktree", given=f"{git('ls-tree', head)}\n100644 blob {blob}\t{name}\n")
    return git("commit-tree", tree, "-p", head, "-m", name)


def fix(board: Board, loop: Loop, name: str) -> Loop:
    """The maker commits, gate, judge and checker accept it, and it is pushed."""
    loop = finish(board, loop, head_sha=commit(board, loop, name))
    loop = finish(board, loop, evidence=story.passed(loop))
    loop = finish(board, loop)
    return finish(board, loop, verdict=story.verdict(loop))


def test_check_that_fails_is_fixed_before_the_review(board: Board) -> None:
    script(board, ON_MAIN, {"name": "build", "file": "fixed.txt"}, {**RED, "annotations": [NOTE]}, apply="main")

    began = time.monotonic()
    working = in_review(board)
    seconds = time.monotonic() - began

    assert (working.stage, working.ci.rounds) == (Stage.MAKING, 1)
    brief = build_maker_brief(spec_of(board, working))
    assert all(
        part in brief for part in ("assert total() == 6", "tally.py:3", "Run tests", "Failing checks of the code host")
    )
    assert "The checker accepted the work so far" in brief
    assert "round 1 of 3" in said(board, BUG)[-1]
    assert board.ana.board()[BUG]["column"] == "In Progress"
    assert seconds < 30

    loop = fix(board, working, "fixed.txt")

    assert loop.stage is Stage.REVIEW
    assert board.ana.board()[BUG]["column"] == "In Review"
    assert "1 passed" in said(board, BUG)[-1]


def test_check_that_fails_after_the_review_began_is_fixed(board: Board) -> None:
    """The situation of the case: a ticket in review, and a check that reports a failure for its commit."""
    loop = in_review(board)
    assert loop.stage is Stage.REVIEW

    script(board, RED, apply=loop.workspace.branch)
    loop = report(board, loop)

    assert loop.stage is Stage.MAKING
    assert "build`" in said(board, BUG)[-1]


def test_check_that_fails_on_the_base_too_is_named(board: Board) -> None:
    script(board, {**RED, "branch": "*"}, apply="main")

    loop = in_review(board)

    assert (loop.stage, loop.ci.rounds) == (Stage.REVIEW, 0)
    assert "`build` fails on the base too" in said(board, BUG)[-1]


def test_flaky_check_is_run_again_and_named(board: Board) -> None:
    flaky = {"name": "build", "conclusions": ["failure", "success"], "log": "read: ECONNRESET"}
    script(board, ON_MAIN, flaky, apply="main")

    loop = in_review(board)
    assert loop.stage is Stage.CI
    assert loop.ci.reruns == 1
    loop = pass_time(board, 1.0)

    assert loop.stage is Stage.REVIEW
    assert "`build` flaky" in said(board, BUG)[-1]
    assert count(board, RERUN) == 1


def count(board: Board, operation: str) -> int:
    entries = requests.get(f"{board.urls['pull_requests']}/_log", timeout=5).json()
    return sum(entry["operation"] == operation for entry in entries)


@pytest.mark.parametrize("kind", ["lost_reply", "502"])
def test_further_attempt_is_started_once(board: Board, kind: str) -> None:
    flaky = {"name": "build", "conclusions": ["failure", "success"], "log": "read: ECONNRESET"}
    script(board, ON_MAIN, flaky, apply="main")
    fault = {"operation": RERUN, "kind": kind}
    assert requests.post(f"{board.urls['pull_requests']}/_faults", json=fault, timeout=5).ok

    in_review(board)
    board.world.redis.delete(*board.world.redis.keys("retry:*"), "none")
    board.drive(BUG)
    loop = pass_time(board, 1.0)

    assert (loop.stage, count(board, RERUN)) == (Stage.REVIEW, 1)


def test_last_round_ends_with_an_escalation_and_its_log(board: Board) -> None:
    last = {"name": "build", "file": "3.txt", "conclusions": ["failure"], "log": "E   another failure"}
    script(board, ON_MAIN, last, RED, apply="main")
    loop = in_review(board)
    assert (loop.stage, loop.ci.rounds) == (Stage.MAKING, 1)
    loop = replace_loop(board, replace(loop, ci=replace(loop.ci, rounds=3)))

    loop = fix(board, loop, "3.txt")

    assert loop.stage is Stage.NEEDS_HUMAN
    assert loop.escalation and loop.escalation.kind == "ci"
    assert "E   another failure" in said(board, BUG)[-1]
    assert board.ana.board()[BUG]["column"] == "Needs Human"

    script(board, {"name": "build"}, apply=loop.workspace.branch)
    assert report(board, loop).stage is Stage.REVIEW


def test_check_that_never_comes_is_reported_once(board: Board) -> None:
    script(board, ON_MAIN, apply="main")
    loop = in_review(board)
    assert loop.stage is Stage.CI
    replace_loop(board, replace(loop, ci=replace(loop.ci, since=loop.ci.since - 900)))

    loop = pass_time(board, 600.0)

    assert loop.stage is Stage.REVIEW
    assert len([body for body in said(board, BUG) if "No check came" in body]) == 1


def test_check_that_does_not_end_is_reported_once_and_waited_for(board: Board) -> None:
    script(board, ON_MAIN, {"name": "build", "conclusions": ["pending"]}, apply="main")
    loop = in_review(board)
    assert loop.stage is Stage.CI
    loop = replace_loop(board, replace(loop, ci=replace(loop.ci, since=loop.ci.since - 3_600)))

    for _ in range(2):
        loop = report(board, loop)
    assert loop.stage is Stage.CI
    assert len([body for body in said(board, BUG) if "Still waiting" in body]) == 1

    script(board, {"name": "build"}, apply=loop.workspace.branch)
    assert report(board, loop).stage is Stage.REVIEW


def test_lost_webhooks_of_checks_are_made_up_for_by_the_clock(board: Board) -> None:
    script(board, ON_MAIN, {"name": "build", "conclusions": ["pending"]}, apply="main")
    loop = in_review(board)

    script(board, {"name": "build"}, apply=loop.workspace.branch)

    assert pass_time(board, 600.0).stage is Stage.REVIEW


def test_loop_that_waits_for_checks_is_rebuilt(board: Board) -> None:
    script(board, ON_MAIN, {"name": "build", "conclusions": ["pending"]}, apply="main")
    loop = in_review(board)
    board.world.redis.flushdb()
    script(board, {"name": "build"}, apply=loop.workspace.branch)

    list(rebuild(board.world))
    again = board.drive(BUG)
    assert again and again.stage is Stage.CI
    assert again.ci.head_sha == loop.ci.head_sha

    assert pass_time(board, 1.0).stage is Stage.REVIEW


def test_fixing_round_is_rebuilt_with_its_failures(board: Board) -> None:
    script(board, ON_MAIN, RED, apply="main")
    loop = in_review(board)
    board.world.redis.flushdb()

    list(rebuild(board.world))
    again = board.drive(BUG)
    assert again

    again = story.looked_around(board, again)
    assert (again.stage, again.ci.rounds) == (Stage.MAKING, 1)
    assert "assert total() == 6" in build_maker_brief(spec_of(board, again))
    assert loop.run_id != again.run_id


def test_brief_has_no_line_that_looks_like_a_secret(board: Board) -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    script(board, ON_MAIN, {**RED, "log": f"E   first\nTOKEN={token}\nE   last"}, apply="main")

    brief = build_maker_brief(spec_of(board, in_review(board)))

    assert token not in brief
    assert "E   first" in brief and "E   last" in brief


def test_ticket_without_checks_costs_few_requests(board: Board) -> None:
    asked = []
    session = board.world.code_host._api._thread.session  # type: ignore[attr-defined]
    send = session.send
    session.send = lambda request, **more: (
        asked.append(f"{request.method} {request.path_url}"),
        send(request, **more),
    )[1]

    loop = hand_over(board, BUG)
    in_review(board, loop)

    assert len(asked) <= 20, asked
