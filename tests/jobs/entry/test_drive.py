"""One ticket driven through the worker's part of the loop, against stand-ins that the product cannot tell from the real
providers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests

from integrations.events import PullRequestCommented, TicketCommented, TicketMoved
from integrations.results import Evidence
from jobs.clock import reconcile
from jobs.config.environment import parse_settings
from jobs.effects import world as worlds
from jobs.effects.build import build_world
from jobs.effects.gather import gather
from jobs.loop.commands import RunSpec
from jobs.loop.state import Stage
from jobs.runtime import keys, queues
from jobs.store.dead_letters import GIVE_UP_AFTER, DeadLetters
from tests.jobs.board import Board
from tests.jobs.story import BUG, VAGUE, candidate, finish, hand_over, in_review, said
from tests.loops import changed


def test_hand_over_moves_the_card_posts_a_comment_and_starts_a_maker(board: Board) -> None:
    loop = hand_over(board, BUG)

    assert loop.stage is Stage.MAKING
    assert board.ana.board()[BUG]["column"] == "In Progress"
    assert said(board, BUG)[0].startswith("**Working** · iteration 1 of 3")
    assert board.world.runs.list_unfinished() == [loop.run_id]


def test_progress_is_one_comment_edited_in_place(board: Board) -> None:
    loop = hand_over(board, BUG)
    failed = (Evidence(name="c1", command="x", exit_code=1, output="no"),)
    loop = finish(board, finish(board, loop, head_sha=loop.workspace.base_sha), evidence=failed)

    assert loop.attempt.iteration == 2
    (only,) = said(board, BUG)
    assert "iteration 2 of 3" in only
    assert "exit 1" in only


def test_vague_ticket_ends_in_a_question_and_no_spend(board: Board) -> None:
    loop = hand_over(board, VAGUE)

    assert loop.stage is Stage.ASKING
    assert board.ana.board()[VAGUE]["column"] == "Needs Human"
    assert any("acceptance criteria before" in body for body in said(board, VAGUE))
    assert board.world.runs.list_unfinished() == []


def test_answer_to_the_question_starts_the_work(board: Board) -> None:
    hand_over(board, VAGUE)
    board.ana.say(VAGUE, "- `python3 -m unittest -q` passes")
    comment = board.ana.board()[VAGUE]["comments"][-1]["id"]
    event = TicketCommented(event_id="c", ticket_id=board.ticket_id(VAGUE), comment_id=comment)
    board.world.store.deliver(event)

    loop = board.drive(VAGUE)

    assert loop and loop.contract
    assert (loop.stage, loop.contract.criteria[0].command) == (Stage.SCOUTING, "python3 -m unittest -q")
    assert board.ana.board()[VAGUE]["column"] == "In Progress"


def test_comments_of_loopline_cause_no_events(board: Board) -> None:
    loop = hand_over(board, BUG)
    ours = board.ana.board()[BUG]["comments"][0]["id"]
    board.world.store.deliver(TicketCommented(event_id="own", ticket_id=loop.ticket.id, comment_id=ours, body="/stop"))

    assert board.drive(BUG) == loop


def test_board_memory_holds_what_a_rebuild_needs(board: Board) -> None:
    loop = hand_over(board, BUG)

    (memory,) = [a["metadata"] for a in board.ana.board()[BUG]["attachments"] if a["title"] == "Loopline"]

    assert (memory["stage"], memory["branch"], memory["base_sha"]) == (
        "making",
        loop.workspace.branch,
        loop.workspace.base_sha,
    )
    assert json.loads(memory["criteria"])["criteria"][0]["id"] == "c1"


def test_verdict_becomes_a_pull_request_under_review(board: Board) -> None:
    loop = in_review(board)

    (pull,) = board.ana.pull_requests().values()
    assert loop.stage is Stage.REVIEW
    assert (pull["head"]["ref"], pull["head"]["sha"], pull["title"][:6]) == (
        loop.workspace.branch,
        loop.candidate.head_sha,
        "ENG-1:",
    )
    assert board.ana.board()[BUG]["column"] == "In Review"
    assert any("Verdict: done" in body for body in said(board, BUG))
    assert pull["html_url"] in {a["url"] for a in board.ana.board()[BUG]["attachments"]}


def test_approve_and_merge_from_the_ticket_end_it(board: Board) -> None:
    loop = in_review(board)
    for n, words in enumerate(("/approve", "/merge")):
        board.ana.say(BUG, words)
        comment = board.ana.board()[BUG]["comments"][-1]["id"]
        board.world.store.deliver(TicketCommented(event_id=f"k{n}", ticket_id=loop.ticket.id, comment_id=comment))
        board.drive(BUG)

    (pull,) = board.ana.pull_requests().values()
    after = board.world.store.load(loop.ticket.id)
    assert after
    assert (bool(pull["merged_at"]), after.stage, board.ana.board()[BUG]["column"]) == (True, Stage.DONE, "Done")
    assert not board.world.run_folder(BUG).exists()
    assert board.world.code_host.branch_head("acme/tally", loop.workspace.branch) is None


def test_takeover_leaves_the_last_candidate_on_the_branch(board: Board) -> None:
    loop = hand_over(board, BUG)
    sha = candidate(board, loop)
    loop = finish(board, loop, head_sha=sha)
    board.ana.say(BUG, "/takeover")
    comment = board.ana.board()[BUG]["comments"][-1]["id"]
    board.world.store.deliver(TicketCommented(event_id="k", ticket_id=loop.ticket.id, comment_id=comment))

    after = board.drive(BUG)

    assert after
    assert (after.stage, after.pull_request.pushed_sha) == (Stage.STOPPED, sha)
    assert board.world.code_host.branch_head("acme/tally", loop.workspace.branch) == sha
    assert board.ana.pull_requests() == {}
    assert any(f"`{sha[:7]}`" in body for body in said(board, BUG))


def test_duplicate_deliveries_change_nothing(board: Board) -> None:
    loop = in_review(board)
    before = (said(board, BUG), board.ana.pull_requests())
    board.world.store.deliver(TicketMoved(event_id="again", ticket_id=loop.ticket.id, at=9.0))

    assert board.drive(BUG) == replace(loop, ticket=board.world.tracker.fetch(loop.ticket.id))
    assert (said(board, BUG), board.ana.pull_requests()) == before


@pytest.mark.parametrize("operation", ["commentCreate", "issueUpdate", "attachmentCreate"])
def test_lost_reply_of_the_board_duplicates_nothing(board: Board, operation: str) -> None:
    loop = hand_over(board, BUG, {"operation": operation, "kind": "lost_reply", "times": 1})
    board.world.redis.delete(keys.retry_at(loop.ticket.id))

    after = board.drive(BUG)

    assert after
    assert after.stage is Stage.PREFLIGHT
    assert len(said(board, BUG)) == 1
    assert board.ana.board()[BUG]["column"] == "In Progress"


def test_repository_without_a_policy_is_reported_on_the_ticket(board: Board) -> None:
    team = changed(board.world.policy.teams["ENG"], repository="acme/nowhere")
    board.world.policy = replace(board.world.policy, teams={"ENG": team})

    loop = hand_over(board, BUG)

    assert loop.stage is Stage.NEEDS_HUMAN
    assert any("acme/nowhere" in body for body in said(board, BUG))


def test_command_that_is_rate_limited_is_not_retried_every_second(board: Board) -> None:
    loop = hand_over(board, BUG)
    fault = {"operation": "TicketMove", "kind": "ratelimited", "times": 1}
    assert requests.post(f"{board.urls['board']}/_faults", json=fault, timeout=5).ok
    board.world.store.deliver(TicketMoved(event_id="again", ticket_id=loop.ticket.id, at=9.0))
    board.drive(BUG)
    redis, waiting = board.world.redis, queues.open_queue(board.world.redis, queues.EVENTS)
    waiting.empty()
    redis.delete(queues.wake_flag(queues.DRIVE, loop.ticket.id))

    reconcile(redis)
    assert (waiting.count, queues.has_delayed_wake(redis, loop.ticket.id)) == (0, True)
    queues.enqueue_due(redis, time.time() + 41)
    assert waiting.count == 1
    redis.delete(keys.bucket("linear"))  # the rate limit has refilled
    board.drive(BUG)
    assert board.world.store.next_event(loop.ticket.id) is None
    assert not queues.has_delayed_wake(redis, loop.ticket.id)


@contextmanager
def revoked(board: Board) -> Iterator[None]:
    """The board answers 401 for a while, as after a key was revoked."""
    given = {**board.environ, "LINEAR_API_KEY": "lin_api_revoked", "LINEAR_ACCESS_TOKEN": ""}
    refused = build_world(parse_settings(given), board.world.redis)
    worlds.install(refused)
    try:
        yield
    finally:
        worlds.install(board.world)
        for part in (refused.tracker, refused.code_host):
            part.close()  # type: ignore[attr-defined]


def driven_often(board: Board, identifier: str) -> None:
    """More attempts than an unexpected error gets, without the waits between."""
    for _ in range(GIVE_UP_AFTER + 1):
        board.world.redis.delete(keys.retry_at(board.ticket_id(identifier)))
        board.drive(identifier)
    board.world.redis.delete(keys.retry_at(board.ticket_id(identifier)))


def test_event_waits_for_a_renewed_credential(board: Board) -> None:
    hand_over(board, BUG)
    board.ana.say(BUG, "use decimals")
    comment = board.ana.board()[BUG]["comments"][-1]["id"]
    t = board.ticket_id(BUG)
    board.world.store.deliver(TicketCommented(event_id="c", ticket_id=t, comment_id=comment))

    with revoked(board):
        driven_often(board, BUG)
    waiting, said_by_provider = board.world.store.next_event(t), board.world.redis.get(keys.REFUSED_CREDENTIALS)
    loop = board.drive(BUG)

    assert waiting
    assert b"refused the credential" in (said_by_provider or b"")
    assert DeadLetters(board.world.redis).all() == []
    assert loop and [words.text for words in loop.comments.guidance] == ["use decimals"]


def test_command_waits_for_a_renewed_credential(board: Board) -> None:
    loop = hand_over(board, BUG)

    with revoked(board):
        finish(board, loop, outcome="budget")
        driven_often(board, BUG)
    board.drive(BUG)

    assert len([body for body in said(board, BUG) if body.startswith("**Needs you: ")]) == 1
    assert board.ana.board()[BUG]["column"] == "Needs Human"


def test_rejected_credential_loses_no_loop(board: Board) -> None:
    loop = hand_over(board, BUG)
    board.world.redis.flushdb()
    board.world.store.deliver(TicketMoved(event_id="m", ticket_id=loop.ticket.id, at=3.0))

    with revoked(board):
        driven_often(board, BUG)
    assert board.world.store.load(loop.ticket.id) is None
    again = board.drive(BUG)

    assert again and again.generation == loop.generation + 1


def test_run_spec_has_everything_that_a_run_needs(board: Board) -> None:
    loop = hand_over(board, BUG)

    spec = board.world.runs.spec(loop.run_id)

    assert isinstance(spec, RunSpec)
    assert (spec.start_sha, spec.role, spec.workspace.repository) == (loop.workspace.base_sha, "maker", "acme/tally")
    assert spec.policy.loop.checks


def test_pull_request_comments_of_loopline_cause_no_events(board: Board) -> None:
    loop = in_review(board)
    board.ana.say(BUG, "/approve")
    comment = board.ana.board()[BUG]["comments"][-1]["id"]
    board.world.store.deliver(TicketCommented(event_id="k", ticket_id=loop.ticket.id, comment_id=comment))
    board.drive(BUG)
    url = f"{board.urls['pull_requests']}/repos/acme/tally/issues/{loop.pull_request.number}/comments"
    (ours,) = requests.get(url, headers=board.ana.github_headers, timeout=5).json()
    given = {
        "event_id": "own",
        "ticket_id": loop.ticket.id,
        "repository": "acme/tally",
        "number": loop.pull_request.number,
    }
    author = {"id": "loopline-bot"}
    event = {**given, "comment_id": "1", "body": ours["body"] + "\n/stop", "author": author}

    assert gather(PullRequestCommented(**event), board.world) is None
