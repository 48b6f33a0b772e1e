"""From `/merge` to merged in repositories with rules: the list of what is missing, the merge queue, auto-merge."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from redis import Redis

from integrations.events import ChecksReported, MergeGroupRequested, PullRequestDequeued, TimePassed
from integrations.standins.demo.stack import DEMO_REPOSITORY, TALLY
from jobs.config.settings import Settings
from jobs.loop.state import Loop, Stage
from tests.jobs.board import Board, open_board
from tests.jobs.story import BUG, in_review, said, say

NAME = "acme/tally"
REVIEW = {"type": "pull_request", "parameters": {"required_approving_review_count": 1}}
BUILD = {"required_status_checks": [{"context": "build"}], "strict_required_status_checks_policy": False}
CHECKS = {"type": "required_status_checks", "parameters": BUILD}
QUEUE = {"type": "merge_queue", "parameters": {"merge_method": "SQUASH"}}
OWN = {"required_status_checks": [{"context": "loopline/verdict"}], "strict_required_status_checks_policy": False}


Ruled = Callable[..., Board]


@pytest.fixture
def ruled(tmp_path: Path, redis: Redis, settings: Settings) -> Iterator[Ruled]:
    """Opens the board with a code host whose repositories have these keys, as `rules`."""
    with ExitStack() as opened:

        def open_ruled(policy: str = "", **keys: object) -> Board:
            folder = shutil.copytree(DEMO_REPOSITORY, tmp_path / "tally")
            file = folder / "WORKFLOW.md"
            file.write_text(file.read_text().replace("loop:\n", f"loop:\n{policy}", 1))
            projects = (replace(TALLY, folder=folder),)
            return opened.enter_context(open_board(tmp_path, redis, settings, of_repositories=keys, projects=projects))

        yield open_ruled


def ask(board: Board, method: str, path: str, body: object = None) -> Any:
    """A request of Ana to the code host."""
    url = f"{board.urls['pull_requests']}/{path}"
    answer = requests.request(method, url, json=body, headers=board.ana.github_headers, timeout=20)
    assert answer.ok, answer.text
    return answer.json()


def report(board: Board, sha: str, state: str, name: str = "build") -> None:
    ask(board, "POST", f"repos/{NAME}/statuses/{sha}", {"state": state, "context": name})


def last(board: Board) -> str:
    return said(board, BUG)[-1]


def load(board: Board) -> Loop:
    loop = board.world.store.load(board.ticket_id(BUG))
    assert loop
    return loop


def look_up(board: Board) -> Loop:
    """The deadline of the merge passes."""
    due = load(board).due_at
    assert due
    event = TimePassed(event_id=f"due:{due}", ticket_id=board.ticket_id(BUG), at=time.time(), due=due)
    board.world.store.deliver(event)
    after = board.drive(BUG)
    assert after
    return after


def test_merge_lists_what_the_rules_ask_for_and_merges_once_it_is_there(ruled: Ruled) -> None:
    board = ruled(rules=[REVIEW, CHECKS], merge_methods=["merge"])
    loop = in_review(board)
    number, sha = loop.pull_request.number, loop.pull_request.pushed_sha
    say(board, BUG, "/approve")
    say(board, BUG, "/merge")

    assert load(board).stage is Stage.REVIEW
    assert "the check [`build`]" in last(board) and "one more approving review" in last(board)
    assert f"/acme/tally/pull/{number}" in last(board) and "/merge anyway" not in last(board)

    say(board, BUG, "/merge anyway")
    assert load(board).stage is Stage.REVIEW and "one more approving review" in last(board)

    ask(board, "POST", f"repos/{NAME}/pulls/{number}/reviews", {"event": "APPROVE"})
    report(board, sha, "failure")
    say(board, BUG, "/merge")
    assert "the check [`build`]" in last(board) and "failed" in last(board) and "approving" not in last(board)

    report(board, sha, "success")
    begin = time.monotonic()
    say(board, BUG, "/merge")
    assert load(board).stage is Stage.DONE and last(board).startswith("**Merged.**"), last(board)
    assert time.monotonic() - begin < 10
    assert ask(board, "GET", f"repos/{NAME}/pulls/{number}")["merged"]


def test_merge_of_a_red_check_that_no_rule_requires_needs_a_person_who_insists(ruled: Ruled) -> None:
    board = ruled("  ci: {advisory: [ci/*]}\n")
    sha = in_review(board).pull_request.pushed_sha
    report(board, sha, "failure", "ci/build")
    seen = {"ticket_id": board.ticket_id(BUG), "repository": NAME, "head_sha": sha}
    board.world.store.deliver(ChecksReported(event_id="c1", **seen, name="ci/build", conclusion="failure"))
    board.drive(BUG)
    look_up(board)
    say(board, BUG, "/approve")
    assert "It has failing checks: `ci/build`." in last(board)
    say(board, BUG, "/merge")
    assert load(board).stage is Stage.REVIEW
    assert "`ci/build`" in last(board) and "`/merge anyway`" in last(board)

    say(board, BUG, "/merge anyway")
    assert load(board).stage is Stage.DONE


def test_merge_goes_through_the_merge_queue_and_its_outcome_is_reported(ruled: Ruled) -> None:
    board = ruled(rules=[QUEUE, CHECKS])
    loop = in_review(board)
    number, sha = loop.pull_request.number, loop.pull_request.pushed_sha
    host = board.world.code_host
    report(board, sha, "success")
    say(board, BUG, "/approve")
    fault = {"operation": "mutation enqueuePullRequest", "kind": "lost_reply"}
    assert requests.post(f"{board.urls['pull_requests']}/_faults", json=fault, timeout=5).ok
    say(board, BUG, "/merge")
    assert (load(board).stage, load(board).merging.waits) == (Stage.MERGING, "queue")
    assert last(board).startswith("**In the merge queue.**")
    say(board, BUG, "/merge")
    log = requests.get(f"{board.urls['pull_requests']}/_log", timeout=5).json()
    assert [entry["operation"] for entry in log].count("mutation enqueuePullRequest") == 1

    report(board, group(board), "failure")
    assert not host.fetch_facts(NAME, number).queued
    removed = PullRequestDequeued(
        event_id="d1", ticket_id=loop.ticket.id, repository=NAME, number=number, reason="ci_failure"
    )
    board.world.store.deliver(removed)
    board.drive(BUG)
    assert load(board).stage is Stage.REVIEW and "a required check failed on the merge result" in last(board)

    say(board, BUG, "/merge")
    assert load(board).merging.waits == "queue"
    assert look_up(board).merging.waits == "queue"
    say(board, BUG, "/stop")
    assert load(board).stage is Stage.REVIEW and not host.fetch_facts(NAME, number).queued

    say(board, BUG, "/merge")
    report(board, group(board), "success")
    assert look_up(board).stage is Stage.DONE
    assert last(board).startswith("**Merged.**")


def group(board: Board) -> str:
    """The head of the merge group."""
    fields = "mergeQueueEntry { headCommit { oid } }"
    number = load(board).pull_request.number
    query = f'{{ repository(owner: "acme", name: "tally") {{ pullRequest(number: {number}) {{ {fields} }} }} }}'
    pull = ask(board, "POST", "graphql", {"query": query})["data"]["repository"]["pullRequest"]
    return str(pull["mergeQueueEntry"]["headCommit"]["oid"])


def test_merge_that_waits_for_a_required_check_is_left_to_auto_merge(ruled: Ruled) -> None:
    board = ruled(rules=[CHECKS], allow_auto_merge=True)
    loop = in_review(board)
    sha = loop.pull_request.pushed_sha
    report(board, sha, "pending")
    say(board, BUG, "/approve")
    say(board, BUG, "/merge")
    assert load(board).merging.waits == "auto_merge"
    assert last(board).startswith("**Auto-merge is enabled.**") and "`build`" in last(board)

    say(board, BUG, "/changes name it")
    assert load(board).stage is not Stage.MERGING
    assert not board.world.code_host.fetch_facts(NAME, loop.pull_request.number).auto_merge


def test_merge_group_gets_the_status_that_the_queue_waits_for(ruled: Ruled) -> None:
    board = ruled(rules=[QUEUE, {"type": "required_status_checks", "parameters": OWN}])
    loop = in_review(board)
    number = loop.pull_request.number
    say(board, BUG, "/approve")
    say(board, BUG, "/merge")
    assert load(board).merging.waits == "queue"
    asked = MergeGroupRequested(
        event_id="g1", ticket_id=loop.ticket.id, repository=NAME, number=number, head_sha=group(board)
    )
    board.world.store.deliver(asked)
    board.drive(BUG)
    assert look_up(board).stage is Stage.DONE
    assert ask(board, "GET", f"repos/{NAME}/pulls/{number}")["merged"]
