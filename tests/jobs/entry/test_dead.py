"""Dead letters: an item that fails five times is moved, the ticket gets a comment, and an operator can retry it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from integrations.events import CommandFailed, TicketCommented, TicketMoved
from jobs.loop.commands import COMMAND, PrepareWorkspace
from jobs.loop.state import LOOP, Loop, Stage
from jobs.runtime import keys
from jobs.runtime.audit_check import read_records
from jobs.runtime.dead_processes import count_deaths, release_leases_of_dead_processes
from jobs.store.dead_letters import GIVE_UP_AFTER, DeadLetter, DeadLetters
from jobs.workflow.limits import REPLIES_TO_MEMBERS
from service import operator
from service.switch import find_operator
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, hand_over, said
from tests.loops import run_finished
from tests.support.checkout import REPOSITORY


def broken(board: Board, identifier: str = BUG) -> Loop:
    """A loop that should have a contract and has none: the checker's report meets an assertion."""
    loop = hand_over(board, identifier)
    board.world.raise_faults = False
    odd = replace(loop, contract=None, stage=Stage.CHECKING, run_id="r")
    board.world.redis.set(keys.loop(loop.ticket.id), LOOP.encode(odd))
    event = run_finished("checker", event_id="poison", ticket_id=loop.ticket.id, run_id="r", generation=1)
    board.world.store.deliver(event)
    return loop


def worn_out(board: Board, identifier: str = BUG) -> DeadLetter:
    """Tried as often as it may be."""
    for _ in range(GIVE_UP_AFTER - 1):
        board.drive(identifier)
        assert DeadLetters(board.world.redis).all() == []
    board.drive(identifier)
    (letter,) = DeadLetters(board.world.redis).all()
    return letter


def mended(board: Board, loop: Loop) -> None:
    board.world.redis.set(keys.loop(loop.ticket.id), LOOP.encode(loop))


def test_event_that_fails_five_times_becomes_a_dead_letter_and_is_reported_on_the_ticket(board: Board) -> None:
    broken(board)

    letter = worn_out(board)

    assert (letter.identifier, letter.kind, letter.cause[:14]) == (BUG, "RunFinished", "AssertionError")
    assert json.loads(letter.item)["event_id"] == "poison"
    assert len([body for body in said(board, BUG) if f"redrive {letter.id}`" in body]) == 1
    assert board.world.store.next_event(board.ticket_id(BUG)) is None


def test_command_that_fails_five_times_becomes_a_dead_letter_and_escalates(board: Board) -> None:
    home = board.world.settings.home
    home.mkdir(exist_ok=True)
    (home / "repos").write_text("in place of the folder")
    board.world.raise_faults = False
    board.ana.drag(BUG, "Agent")
    board.world.store.deliver(TicketMoved(event_id="m", ticket_id=board.ticket_id(BUG), at=1.0))

    letter = worn_out(board)

    assert (letter.box, letter.kind) == ("outer", "PrepareWorkspace")
    assert letter.cause.startswith(("FileExistsError", "NotADirectoryError"))
    assert any("**Needs you: " in body for body in said(board, BUG))
    assert any(f"redrive {letter.id}`" in body for body in said(board, BUG))


DIES = """
import os, sys
from pathlib import Path
from redis import Redis
from jobs.runtime.lease import hold
from jobs.runtime.dead_processes import register_process
register_process(Path(sys.argv[1]))
with hold(Redis.from_url(sys.argv[2]), sys.argv[3]):
    os.kill(os.getpid(), 9)
"""


def deadly(board: Board, lease: str, times: int) -> None:
    """So many processes die while they hold the lease."""
    home, redis = board.world.settings.home, board.world.redis
    for _ in range(times):
        address = board.world.settings.redis_url.get_secret_value()
        subprocess.run([sys.executable, "-c", DIES, str(home), address, lease], cwd=REPOSITORY, check=False)
        release_leases_of_dead_processes(redis, home)


def test_item_that_kills_five_processes_in_a_row_becomes_a_dead_letter(board: Board) -> None:
    loop = hand_over(board, BUG)
    t = loop.ticket.id
    for name in ("poison", "harmless"):
        board.world.store.deliver(TicketCommented(event_id=name, ticket_id=t, comment_id=name))
    deadly(board, t, GIVE_UP_AFTER - 1)
    assert count_deaths(board.world.redis, t) == GIVE_UP_AFTER - 1
    deadly(board, t, 1)

    board.drive(BUG)

    (letter,) = DeadLetters(board.world.redis).all()
    assert (json.loads(letter.item)["event_id"], letter.cause[:11]) == ("poison", "ProcessDied")
    assert board.world.store.next_event(t) is None
    assert count_deaths(board.world.redis, t) == 0


def test_progress_of_a_run_resets_its_count_of_deaths(board: Board) -> None:
    run_id = hand_over(board, BUG).run_id
    deadly(board, f"run:{run_id}", 2)
    assert count_deaths(board.world.redis, f"run:{run_id}") == 2

    board.world.redis.xadd(keys.transcript(run_id), {"kind": "note"})
    assert count_deaths(board.world.redis, f"run:{run_id}") == 0


def test_dead_letter_does_not_affect_other_tickets(board: Board) -> None:
    broken(board)
    board.drive(BUG)
    board.world.raise_faults = True

    assert hand_over(board, FEATURE).stage is Stage.MAKING


@pytest.mark.parametrize("wanted", ["id", "all"])
def test_dead_letter_is_redriven_once(board: Board, wanted: str) -> None:
    loop = broken(board)
    letter = worn_out(board)
    mended(board, replace(loop, run_id="r", stage=Stage.CHECKING))

    first, second = io.StringIO(), io.StringIO()
    operator.redrive(board.world.redis, first, letter.id if wanted == "id" else None, board.world.audit)
    operator.redrive(board.world.redis, second, None, board.world.audit)
    after = board.drive(BUG)

    assert first.getvalue() == f"{letter.id}: RunFinished queued for retry\n"
    assert second.getvalue() == ""
    records = list(read_records(board.world.settings.home / "audit", BUG))
    assert [(r["item"], r["id"], r["actor"]) for r in records if r["kind"] == "redrive"] == [
        ("RunFinished", letter.id, find_operator())
    ]
    assert after
    assert (after.attempt.iteration, len(after.attempt.tried)) == (2, 1)


def test_command_of_an_older_generation_is_not_redriven(board: Board) -> None:
    loop = hand_over(board, BUG)
    command = PrepareWorkspace(generation=0, repository="acme/shop")
    item = json.dumps({"id": "x", "command": COMMAND.to_builtins(command)})
    letter = DeadLetter(
        id="a", box="outer", kind="PrepareWorkspace", cause="c", at=1.0, ticket_id=loop.ticket.id, item=item
    )
    DeadLetters(board.world.redis).keep(letter)
    out = io.StringIO()

    operator.redrive(board.world.redis, out, "a", board.world.audit)

    assert "skipped: it belongs to generation 0" in out.getvalue()
    assert DeadLetters(board.world.redis).all() == [letter]


def test_items_of_a_newer_release_become_dead_letters_and_can_be_redriven(board: Board) -> None:
    loop = hand_over(board, BUG)
    t = loop.ticket.id
    event = json.dumps({"kind": "TicketSang", "event_id": "n", "ticket_id": t})
    command = json.dumps({"id": "n/0", "command": {"kind": "SingBack"}})
    board.world.redis.rpush(keys.mailbox(t), event)
    board.world.redis.rpush(keys.outbox(t, "inner"), command)
    board.world.redis.rpush(keys.outbox(t, "outer"), command)

    after = board.drive(BUG)
    assert after and replace(after, comments=replace(after.comments, replies=())) == loop
    assert [letter.box for letter in DeadLetters(board.world.redis).all()] == ["inner", "outer", "mailbox"]
    operator.redrive(board.world.redis, io.StringIO(), None, board.world.audit)
    assert board.world.redis.lrange(keys.mailbox(t), 0, -1) == [event.encode()]
    assert board.world.redis.lrange(keys.outbox(t, "outer"), 0, -1) == [command.encode()]


def test_loop_that_cannot_be_parsed_does_not_block_other_tickets(board: Board) -> None:
    hand_over(board, FEATURE)
    board.world.redis.set(keys.loop(hand_over(board, BUG).ticket.id), "{")

    assert [loop.identifier for loop in board.world.store.loops()] == [FEATURE]


def test_dead_letters_beyond_the_limit_drop_the_oldest(board: Board) -> None:
    letters = [DeadLetter(id=str(n), box="inbox", kind="k", cause="c", at=float(n)) for n in range(3)]
    kept = DeadLetters(board.world.redis, limit=2)

    for letter in letters:
        kept.keep(letter)

    assert kept.all() == letters[1:]


def test_dead_letters_beyond_the_memory_limit_drop_the_oldest_and_keep_the_newest(board: Board) -> None:
    letters = [DeadLetter(id=str(n), box="inbox", kind="k", cause="c" * 900, at=float(n)) for n in range(5)]
    largest = replace(letters[0], id="l", cause="c" * 9000, at=9.0)
    kept = DeadLetters(board.world.redis, max_bytes=3500)

    for letter in letters:
        kept.keep(letter)
    assert kept.all() == letters[2:]

    kept.keep(largest)
    assert kept.all() == [largest]


def test_dead_letters_are_listed_and_redriven_by_the_command_line(board: Board) -> None:
    broken(board)
    letter = worn_out(board)

    def loopline(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service", *words, "--env-file", "none"]
        return subprocess.run(command, cwd=REPOSITORY, env=board.environ, capture_output=True, text=True, check=False)

    assert letter.cause.strip(": ") in loopline("dead-letters").stdout
    assert letter.item in loopline("dead-letters").stdout
    assert [loopline("redrive", letter.id).returncode for _ in range(2)] == [0, 1]
    assert loopline("dead-letters").stdout == "0 dead letters.\n"


def test_failures_of_a_storm_are_reported_within_the_limit_of_replies(board: Board) -> None:
    loop = hand_over(board, BUG)
    before = len(said(board, BUG))
    for number in range(REPLIES_TO_MEMBERS + 5):
        failed = CommandFailed(
            event_id=f"f{number}",
            ticket_id=loop.ticket.id,
            at=time.time(),
            generation=1,
            command="BranchPushed",
            reason=f"failure {number}",
            put_aside=True,
        )
        board.world.store.deliver(failed)

    board.drive(BUG)

    written = said(board, BUG)[before:]
    assert written[:2] == ["failure 0", "failure 1"] and len(written) == REPLIES_TO_MEMBERS + 1
    assert "no further replies until" in written[-1]


def test_comment_that_cannot_be_posted_is_not_reported_in_a_comment(board: Board) -> None:
    loop = hand_over(board, BUG)
    failed = CommandFailed(
        event_id="p", ticket_id=loop.ticket.id, generation=1, command="PostComment", reason="x", put_aside=True
    )
    board.world.store.deliver(failed)
    before = said(board, BUG)

    board.drive(BUG)

    assert said(board, BUG) == before
