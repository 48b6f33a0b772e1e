"""What fails again and again is put aside, the ticket says so, everything else goes on, and a person sends it again."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from redis import Redis

from integrations.events import CommandFailed, RunFinished, TicketMoved
from jobs import failpoints, keys
from jobs.advance_run import DEATHS, advance_run
from jobs.commands import ShowProgress
from jobs.dead import DeadLetter, DeadLetters
from jobs.drive import GIVE_UP_AFTER, drive
from jobs.lease import hold
from jobs.loop import Loop, Stage
from jobs.runs import Runs
from service import repair
from tests.conftest import REPOSITORY

from .conftest import Board
from .test_drive import BUG, FEATURE, hand_over, said


def broken(board: Board, identifier: str = BUG) -> Loop:
    """A loop that should have a contract and has none: the checker's report meets an assertion."""
    loop = hand_over(board, identifier)
    board.world.raise_faults = False
    odd = loop.model_copy(update={"contract": None, "stage": Stage.CHECKING, "run_id": "r"})
    board.world.redis.set(keys.loop(loop.ticket.id), odd.model_dump_json())
    event = RunFinished(
        event_id="poison", ticket_id=loop.ticket.id, run_id="r", generation=1, role="checker", outcome="done"
    )
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
    board.world.redis.set(keys.loop(loop.ticket.id), loop.model_dump_json())


def test_an_event_that_fails_five_times_is_kept_with_cause_and_payload_and_the_ticket_says_so(board: Board) -> None:
    broken(board)

    letter = worn_out(board)

    assert (letter.identifier, letter.kind, letter.cause[:14]) == (BUG, "RunFinished", "AssertionError")
    assert json.loads(letter.item)["event_id"] == "poison"
    assert len([body for body in said(board, BUG) if f"redrive {letter.id}`" in body]) == 1
    assert board.world.store.next_event(board.ticket_id(BUG)) is None


def test_a_command_that_fails_five_times_asks_a_person_and_lets_the_rest_go_on(board: Board) -> None:
    loop = hand_over(board, BUG)
    board.world.raise_faults = False
    teams = board.world.policy
    board.world.policy = teams.model_copy(update={"teams": {}})
    board.world.store.deliver(
        RunFinished(
            event_id="b", ticket_id=loop.ticket.id, run_id=loop.run_id, generation=1, role="maker", outcome="budget"
        )
    )

    letter = worn_out(board)

    assert (letter.box, letter.kind, letter.cause) == ("outer", "MoveTicket", "KeyError: 'ENG'")
    assert any("**Needs you:**" in body for body in said(board, BUG))
    assert any(f"redrive {letter.id}`" in body for body in said(board, BUG))


def killed(work: Callable[[], object], home: Path, name: str, phase: failpoints.Phase, hit: int) -> int:
    """Work in a process that dies at the hit-th pass of the point; returns the signal, 0 where it did not die."""
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm(f"{name}:{phase}:{hit}:kill", home)
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def dies(board: Board, name: str, phase: failpoints.Phase, home: Path, times: int) -> None:
    t = board.ticket_id(BUG)
    for hit in range(1, times + 1):
        assert killed(lambda: drive(t), home, name, phase, hit) == -signal.SIGKILL
        board.world.redis.delete(keys.lease(t))


def test_an_event_that_kills_its_process_is_put_aside(board: Board, tmp_path: Path) -> None:
    loop = hand_over(board, BUG)
    board.world.store.deliver(TicketMoved(event_id="deadly", ticket_id=loop.ticket.id, at=3.0))

    dies(board, "gather", "before", tmp_path, GIVE_UP_AFTER)
    assert DeadLetters(board.world.redis).all() == []
    board.drive(BUG)

    (letter,) = DeadLetters(board.world.redis).all()
    assert (letter.kind, letter.cause) == ("TicketMoved", "its process died 5 times")
    assert any("its process died 5 times" in body for body in said(board, BUG))


def test_a_command_that_kills_its_process_is_put_aside(board: Board, tmp_path: Path) -> None:
    loop = hand_over(board, BUG)
    board.world.store.deliver(
        RunFinished(
            event_id="b", ticket_id=loop.ticket.id, run_id=loop.run_id, generation=1, role="maker", outcome="budget"
        )
    )

    dies(board, "set_needs_human", "done", tmp_path, GIVE_UP_AFTER)
    after = board.drive(BUG)

    (letter,) = DeadLetters(board.world.redis).all()
    assert (letter.kind, letter.cause) == ("SetNeedsHuman", "its process died 5 times")
    assert after and after.stage is Stage.NEEDS_HUMAN
    assert board.ana.board()[BUG]["column"] == "Needs Human"


def test_an_orderly_end_is_no_death(board: Board, tmp_path: Path) -> None:
    loop = hand_over(board, BUG)
    t = loop.ticket.id
    board.world.store.deliver(TicketMoved(event_id="e", ticket_id=t, at=3.0))
    dies(board, "gather", "before", tmp_path, GIVE_UP_AFTER - 1)

    fault = {"operation": "issue", "kind": "500", "times": 100}
    assert requests.post(f"{board.urls['board']}/_faults", json=fault, timeout=5).ok
    for _ in range(GIVE_UP_AFTER):
        board.drive(BUG)
    requests.delete(f"{board.urls['board']}/_faults", timeout=5).raise_for_status()

    assert board.drive(BUG)
    assert board.world.store.next_event(t) is None
    assert DeadLetters(board.world.redis).all() == []
    assert not board.world.redis.exists(keys.failures(t))


def test_a_run_whose_processes_die_ends_and_says_why(board: Board, tmp_path: Path) -> None:
    loop = hand_over(board, BUG)
    run_id = loop.run_id

    def slice_of_it() -> None:
        spec = board.world.runs.spec(run_id)
        assert spec
        with hold(board.world.redis, f"run:{run_id}") as lease:
            assert lease
            board.world.runs.begin(run_id)
            os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(DEATHS):
        assert killed(slice_of_it, tmp_path, "none", "before", 1) == -signal.SIGKILL
        board.world.redis.delete(keys.lease(f"run:{run_id}"))
    advance_run(run_id)
    after = board.drive(BUG)

    assert not board.world.runs.is_unfinished(run_id)
    assert after and "its process died 5 times" in after.tried[-1]


def test_other_tickets_do_not_notice(board: Board) -> None:
    broken(board)
    board.drive(BUG)
    board.world.raise_faults = True

    assert hand_over(board, FEATURE).stage is Stage.MAKING


@pytest.mark.parametrize("wanted", ["id", "all"])
def test_what_is_redriven_is_dealt_with_once(board: Board, wanted: str) -> None:
    loop = broken(board)
    letter = worn_out(board)
    mended(board, loop.model_copy(update={"run_id": "r", "stage": Stage.CHECKING}))

    first, second = io.StringIO(), io.StringIO()
    repair.redrive(board.world.redis, first, letter.id if wanted == "id" else None)
    repair.redrive(board.world.redis, second, None)
    after = board.drive(BUG)

    assert first.getvalue() == f"{letter.id}: RunFinished is on its way again\n"
    assert second.getvalue() == ""
    assert after
    assert (after.iteration, len(after.tried)) == (2, 1)


def test_a_command_of_an_older_generation_is_not_redriven(board: Board) -> None:
    loop = hand_over(board, BUG)
    item = json.dumps({"id": "x", "command": ShowProgress(generation=0, body="old").model_dump()})
    letter = DeadLetter(
        id="a", box="outer", kind="ShowProgress", cause="c", at=1.0, ticket_id=loop.ticket.id, item=item
    )
    DeadLetters(board.world.redis).keep(letter)
    out = io.StringIO()

    repair.redrive(board.world.redis, out, "a")

    assert "left alone: it belongs to generation 0" in out.getvalue()
    assert DeadLetters(board.world.redis).all() == [letter]


def test_what_a_newer_release_has_queued_is_parked_and_comes_back(board: Board) -> None:
    loop = hand_over(board, BUG)
    t = loop.ticket.id
    event = json.dumps({"kind": "TicketSang", "event_id": "n", "ticket_id": t})
    command = json.dumps({"id": "n/0", "command": {"kind": "SingBack"}})
    board.world.redis.rpush(keys.mailbox(t), event)
    board.world.redis.rpush(keys.outbox(t, "inner"), command)
    board.world.redis.rpush(keys.outbox(t, "outer"), command)

    assert board.drive(BUG) == loop
    assert [letter.box for letter in DeadLetters(board.world.redis).all()] == ["inner", "outer", "mailbox"]
    repair.redrive(board.world.redis, io.StringIO(), None)
    assert board.world.redis.lrange(keys.mailbox(t), 0, -1) == [event.encode()]
    assert board.world.redis.lrange(keys.outbox(t, "outer"), 0, -1) == [command.encode()]


def test_a_state_that_cannot_be_read_holds_up_no_other_ticket(board: Board) -> None:
    hand_over(board, FEATURE)
    board.world.redis.set(keys.loop(hand_over(board, BUG).ticket.id), "{")

    assert [loop.identifier for loop in board.world.store.loops()] == [FEATURE]


def test_letters_beyond_the_limit_drop_the_oldest(board: Board) -> None:
    letters = [DeadLetter(id=str(n), box="inbox", kind="k", cause="c", at=float(n)) for n in range(3)]
    kept = DeadLetters(board.world.redis, limit=2)

    for letter in letters:
        kept.keep(letter)

    assert kept.all() == letters[1:]


def test_the_commands_list_and_redrive(board: Board) -> None:
    broken(board)
    letter = worn_out(board)

    def loopline(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service", *words, "--env-file", "none"]
        return subprocess.run(command, cwd=REPOSITORY, env=board.environ, capture_output=True, text=True, check=False)

    assert letter.cause.strip(": ") in loopline("dead").stdout
    assert letter.item in loopline("dead").stdout
    assert [loopline("redrive", letter.id).returncode for _ in range(2)] == [0, 1]
    assert loopline("dead").stdout == "0 dead letters.\n"


def test_words_that_cannot_be_posted_are_not_told_in_words(board: Board) -> None:
    loop = hand_over(board, BUG)
    failed = CommandFailed(
        event_id="p", ticket_id=loop.ticket.id, generation=1, command="PostComment", reason="x", put_aside=True
    )
    board.world.store.deliver(failed)
    before = said(board, BUG)

    board.drive(BUG)

    assert said(board, BUG) == before


def test_a_step_forward_between_two_deaths_begins_the_count_again(redis: Redis) -> None:
    runs = Runs(redis)
    assert [runs.begin("r") for _ in range(3)] == [1, 2, 3]
    redis.xadd(keys.transcript("r"), {"kind": "turn"})
    assert [runs.begin("r") for _ in range(2)] == [1, 2]
