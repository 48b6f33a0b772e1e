"""Tickets that wait for the work of others on a real board: the same files, reviews of people, unreviewed lines."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import TicketMoved
from integrations.results import Plan
from jobs.loop.state import Loop, Stage
from jobs.recovery.rebuild import rebuild
from jobs.store.merged_lines import MergedPullRequest, count_unreviewed, list_merged
from jobs.sweep import sweep
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, finish, hand_over, in_review, said, say

PATHS = ("tally/report.py",)


def scout(board: Board, identifier: str, *paths: str) -> Loop:
    """Hand the ticket over; its scout comes back with a plan for these files."""
    board.ana.drag(identifier, "Agent")
    ticket_id = board.ticket_id(identifier)
    board.world.store.deliver(TicketMoved(event_id=f"moved-{identifier}", ticket_id=ticket_id, at=1.0))
    loop = board.drive(identifier)
    assert loop
    if loop.stage is Stage.PREFLIGHT:
        loop = finish(board, loop)
    return finish(board, loop, plan=Plan(summary="look", paths=paths)) if loop.stage is Stage.SCOUTING else loop


def test_ticket_on_the_same_files_waits_and_starts_when_the_other_is_stopped(board: Board) -> None:
    first = scout(board, BUG, *PATHS)
    second = scout(board, FEATURE, *PATHS)
    board.drive(BUG)

    assert (first.stage, second.stage) == (Stage.MAKING, Stage.WAITING)
    assert any(f"{BUG} is editing `tally/report.py`" in body for body in said(board, FEATURE))
    assert any(f"{FEATURE} has to edit `tally/report.py` too" in body for body in said(board, BUG))
    assert len(board.world.runs.list_unfinished()) == 1

    say(board, BUG, "/stop")
    after = board.drive(FEATURE)

    assert after and after.stage is Stage.MAKING
    assert any(f"{BUG} is no longer in the way" in body for body in said(board, FEATURE))


def test_ticket_that_waits_for_files_starts_anyway_when_a_person_asks(board: Board) -> None:
    scout(board, BUG, *PATHS)
    scout(board, FEATURE, *PATHS)

    say(board, FEATURE, "run anyway")
    loop = board.drive(FEATURE)

    assert loop and loop.stage is Stage.MAKING
    assert any("expect a conflict" in body for body in said(board, FEATURE))
    board.drive(BUG)
    assert any("expect a conflict" in body for body in said(board, BUG))


def test_wait_for_files_ends_by_the_sweep_when_the_wake_up_is_lost(board: Board) -> None:
    first = scout(board, BUG, *PATHS)
    second = scout(board, FEATURE, *PATHS)
    board.world.redis.delete(f"index:waits:{first.ticket.id}")
    say(board, BUG, "/stop")
    waiting = board.drive(FEATURE)
    assert waiting and waiting.stage is Stage.WAITING

    sweep()
    after = board.drive(second.identifier)

    assert after and after.stage is Stage.MAKING


def limit_reviews(board: Board, number: int) -> None:
    board.world.policy = replace(board.world.policy, review_limit=number)


def test_new_ticket_waits_while_too_many_pull_requests_wait_for_people(board: Board) -> None:
    limit_reviews(board, 1)
    shown = in_review(board)

    held = hand_over(board, FEATURE)

    assert held.stage is Stage.WAITING and "1 verified pull request waits for a review (limit 1)" in held.reason
    comment = next(body for body in said(board, FEATURE) if "Waits for people" in body)
    assert f"[{BUG}]({shown.pull_request.url})" in comment and "/run anyway" in comment
    assert not board.world.runs.list_unfinished()

    for words in ("/approve", "/merge"):
        say(board, BUG, words)
    board.drive(BUG)
    after = board.drive(FEATURE)

    assert after and after.stage is Stage.PREFLIGHT
    assert any("People have reviewed enough" in body for body in said(board, FEATURE))


def merged_lines(board: Board) -> list[MergedPullRequest]:
    return list_merged(board.world.redis, "acme/tally")


def test_merged_lines_count_as_unreviewed_without_an_approval_or_a_comment(board: Board) -> None:
    loop = in_review(board)
    board.ana.merge(loop.pull_request.number)
    sweep()
    after = board.drive(BUG)

    (merged,) = merged_lines(board)
    assert after and after.merged and (after.merged.lines, after.merged.reviewed) == (merged.lines, False)
    assert merged.lines > 0 and merged.identifier == BUG
    assert count_unreviewed(merged_lines(board), merged.at + 60) == merged.lines
    assert count_unreviewed(merged_lines(board), merged.at + 8 * 86_400) == 0

    board.world.run_folder(BUG).mkdir(parents=True)
    board.world.redis.flushdb()
    assert [ticket.identifier for ticket, _ in rebuild(board.world)] == [BUG]
    assert merged_lines(board) == [merged]


def test_merged_lines_are_reviewed_after_an_approval_on_the_ticket(board: Board) -> None:
    in_review(board)
    for words in ("/approve", "/merge"):
        say(board, BUG, words)
    board.drive(BUG)

    assert [one.reviewed for one in merged_lines(board)] == [True]
