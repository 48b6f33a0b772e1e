"""The freeze switch on a worker and an agent process: nothing goes out, runs stop, and the thaw continues all of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from redis import Redis

from integrations import failpoints
from integrations.errors import Frozen
from integrations.ports.tracker import Attachment
from jobs.advance_run import advance_run
from jobs.clock import reconcile
from jobs.config.settings import Settings
from jobs.effects.world import World
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys, queues
from jobs.runtime.freeze import (
    FILE,
    MONITOR_SECONDS,
    Freeze,
    find_freeze,
    read_freeze_file,
    set_freeze,
    synchronize_freeze,
    thaw,
)
from jobs.runtime.lease import hold
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.entry.test_advance_run import agent, base, begin, events, finished, model
from tests.jobs.model_runs import Model
from tests.jobs.story import BUG, finish, hand_over, in_review, said

__all__ = ["agent", "base", "model"]
NAME = "acme/tally"


def freeze(world: World, name: str = "f1", since: float = 0.0) -> Freeze:
    given = Freeze(name, since or time.time(), "ana@host", "an incident")
    set_freeze(world.redis, world.settings.home, given)
    wait_for_monitor()
    return given


def end_freeze(world: World) -> None:
    assert thaw(world.redis, world.settings.home, time.time())
    wait_for_monitor()


def wait_for_monitor() -> None:
    time.sleep(MONITOR_SECONDS + 0.05)


def writes(board: Board) -> list[str]:
    """The operations by Loopline that changed board or code host."""
    logs = [requests.get(f"{board.urls[name]}/_log", timeout=5).json() for name in ("board", "pull_requests")]
    own = {board.world.tracker.viewer().id, "loopline-bot"}
    return [entry["operation"] for log in logs for entry in log if entry["actor"] in own]


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_freeze_holds_all_commands_and_the_thaw_performs_each_once(board: Board) -> None:
    loop = hand_over(board, BUG)
    sha = story.candidate(board, loop)
    freeze(board.world)
    before = writes(board)

    loop = finish(board, loop, head_sha=sha)
    loop = finish(board, finish(board, loop, evidence=story.passed(loop)), judgement=story.Judgement(done=True))
    loop = finish(board, loop, verdict=story.verdict(loop))

    assert loop.stage is Stage.PUBLISHING and writes(board) == before
    assert queues.has_delayed_wake(board.world.redis, loop.ticket.id), "it looks for the thaw by itself"
    end_freeze(board.world)
    after = board.drive(BUG)
    assert after and after.stage is Stage.REVIEW
    assert len(board.ana.pull_requests()) == 1
    assert len([body for body in said(board, BUG) if "Verdict: done" in body]) == 1


def test_freeze_command_on_a_ticket_freezes_the_service_and_is_confirmed_after_the_thaw(board: Board) -> None:
    hand_over(board, BUG)
    comments = len(said(board, BUG))

    story.say(board, BUG, "/freeze the key leaked\x1b[2J")

    found = find_freeze(board.world.redis, board.world.settings.home)
    assert found and found.by == "Ana Flores on ENG-1" and found.reason == "the key leaked[2J"
    wait_for_monitor()
    board.drive(BUG)
    assert len(said(board, BUG)) == comments + 1, "only Ana's own"

    story.say(board, BUG, "/thaw")
    assert find_freeze(board.world.redis, board.world.settings.home) is None
    wait_for_monitor()
    board.drive(BUG)
    new = said(board, BUG)[comments:]
    assert [body.startswith("**Frozen and thawed.**") for body in new].count(True) == 1
    assert [body.startswith("**Thawed.**") for body in new].count(True) == 1


@pytest.mark.parametrize("command", ["/freeze now", "/thaw"])
def test_freeze_command_of_a_guest_changes_nothing(board: Board, command: str) -> None:
    hand_over(board, BUG)
    if command == "/thaw":
        freeze(board.world)
    before = find_freeze(board.world.redis, board.world.settings.home)

    board.write_as("lin_api_eve", BUG, command)
    board.drive(BUG)

    assert find_freeze(board.world.redis, board.world.settings.home) == before


def test_freeze_does_not_delay_a_stop(board: Board) -> None:
    loop = hand_over(board, BUG)
    freeze(board.world)

    story.say(board, BUG, "/stop")

    after = board.world.store.load(loop.ticket.id)
    assert after and after.stage is Stage.STOPPED and board.world.runs.must_stop(loop.run_id)


def test_freeze_between_the_requests_of_one_command_keeps_the_later_ones(board: Board) -> None:
    """The label is two writes: it is created, then added."""
    loop = hand_over(board, BUG)
    before, home = writes(board), board.world.settings.home
    failpoints.arm("linear.CreateLabel:done:1:sleep=2.0", home)

    def freeze_in_between() -> None:
        until(lambda: "issueLabelCreate" in writes(board)[len(before) :])
        set_freeze(board.world.redis, home, Freeze("x", 1.0, "ana"))

    switch = threading.Thread(target=freeze_in_between)
    switch.start()
    finish(board, loop, outcome="budget", at=time.time())
    failpoints.arm("", home)
    switch.join()
    wait_for_monitor()
    board.drive(BUG)
    assert writes(board)[len(before) :] == ["commentCreate", "issueLabelCreate"]
    end_freeze(board.world)
    board.drive(BUG)
    assert writes(board)[len(before) + 2 :] == ["issueAddLabel", "issueUpdate", "attachmentCreate", "commentUpdate"]


WRITES: dict[str, Callable[[World, Loop], None]] = {
    "comment": lambda world, loop: world.tracker.comment(loop.ticket.id, "text", str(uuid4())),
    "move": lambda world, loop: world.tracker.move(loop.ticket, "Done"),
    "attach": lambda world, loop: world.tracker.attach(loop.ticket.id, Attachment("https://x.test", "t")),
    "label": lambda world, loop: world.tracker.add_label(loop.ticket, "needs-human"),
    "pull request comment": lambda world, loop: world.code_host.comment(NAME, loop.pull_request.number, "text", "m"),
    "pull request": lambda world, loop: world.code_host.update_pull_request(NAME, loop.pull_request.number, "t", "b"),
    "status": lambda world, loop: world.code_host.set_status(NAME, loop.candidate.head_sha, "c", "failure", "d", "u"),
    "merge": lambda world, loop: merge(world, loop),
    "branch": lambda world, loop: world.code_host.delete_branch(NAME, loop.workspace.branch),
    "push": lambda world, loop: push(world, loop),
}


def test_freeze_refuses_each_write_of_the_clients_and_permits_reads(board: Board) -> None:
    loop = in_review(board)
    before = writes(board)
    freeze(board.world)
    for name, write in WRITES.items():
        with pytest.raises(Frozen, match=r"frozen since .* by ana@host \(an incident\)"):
            write(board.world, loop)
        assert writes(board) == before, name
    assert board.world.tracker.fetch(loop.ticket.id).identifier == BUG
    assert board.world.code_host.branch_head(NAME, loop.workspace.branch) == loop.candidate.head_sha


def merge(world: World, loop: Loop) -> None:
    world.code_host.merge(NAME, loop.pull_request.number, loop.candidate.head_sha, "t")


def push(world: World, loop: Loop) -> None:
    host = world.code_host
    repository = host.repository(NAME)
    mirror = world.mirror(NAME, repository.clone_url, host.git_credentials(NAME))
    mirror.push("loopline/other", loop.candidate.head_sha, None)


def test_freeze_kills_the_long_command_of_a_maker_and_the_thaw_continues_the_run(
    agent: World, base: str, model: Model
) -> None:
    spec = begin(agent, base)
    slow = RepositoryPolicy(loop=LoopPolicy(setup=("sleep 4.25",)))
    agent.redis.delete(keys.run(spec.run_id))
    agent.runs.start(replace(spec, policy=slow))
    job = threading.Thread(target=advance_run, args=[spec.run_id])
    job.start()
    until(lambda: _runs("sleep 4.25"))

    (agent.settings.home / FILE).touch()  # as an operator does without Redis
    began = time.monotonic()
    job.join(5.0)

    assert not job.is_alive() and time.monotonic() - began < 5.0 and not _runs("sleep 4.25")
    assert not model.log() and events(agent.redis, "RunFinished") == []
    assert agent.runs.is_unfinished(spec.run_id) and not agent.redis.exists(keys.lease(f"run:{spec.run_id}"))
    wait_for_monitor()
    advance_run(spec.run_id)
    assert not model.log(), "no model call while frozen"
    end_freeze(agent)
    advance_run(spec.run_id)
    assert finished(agent.redis).outcome == "done"


def _runs(command: str) -> bool:
    lines = (path.read_bytes().replace(b"\0", b" ") for path in Path("/proc").glob("[0-9]*/cmdline") if _exists(path))
    return any(command.encode() in line for line in lines)


def _exists(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


def test_freeze_during_a_model_call_ends_it_without_a_failure_of_the_run(agent: World, base: str, model: Model) -> None:
    spec = begin(agent, base)
    model.misbehave("slow", times=1, seconds=20.0)
    job = threading.Thread(target=advance_run, args=[spec.run_id])
    job.start()
    until(lambda: agent.runs.transcript(spec.run_id))
    time.sleep(0.3)
    freeze(agent)
    job.join(5.0)
    assert not job.is_alive() and events(agent.redis, "RunFinished") == []
    model.mend()
    end_freeze(agent)
    advance_run(spec.run_id)
    assert finished(agent.redis).outcome == "done"


def test_freeze_keeps_the_clock_from_waking_runs_but_not_tickets(agent: World, base: str) -> None:
    spec = begin(agent, base)
    agent.redis.sadd(keys.READY, "t1")
    reconcile(agent.redis, frozen=True)
    assert queues.open_queue(agent.redis, queues.AGENTS).count == 0
    assert queues.open_queue(agent.redis, queues.EVENTS).count == 1
    reconcile(agent.redis)
    assert queues.open_queue(agent.redis, queues.AGENTS).count == 1
    with hold(agent.redis, f"run:{spec.run_id}") as lease:
        assert lease


def test_freeze_survives_the_loss_of_redis_by_its_file(redis: Redis, settings: Settings) -> None:
    given = Freeze("f1", 5.0, "ana@host", "why")
    redis.hset(keys.FREEZES, "f1", '{"id": "f1", "since": 5.0, "by": "ana@host", "reason": "why"}')
    synchronize_freeze(redis, settings.home)
    redis.flushall()
    assert find_freeze(redis, settings.home) == given
    synchronize_freeze(redis, settings.home)
    (settings.home / FILE).unlink()
    assert find_freeze(redis, settings.home) == given


def test_freeze_by_a_touched_file_reaches_the_other_machine_and_is_thawed_from_there(
    redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    here, there = settings.home, tmp_path / "other"
    here.mkdir()
    (here / FILE).touch()
    synchronize_freeze(redis, here)
    assert synchronize_freeze(redis, there) and (there / FILE).exists()

    assert [one.by for one in thaw(redis, there, time.time())] == [f"a file on {os.uname().nodename}"]
    assert synchronize_freeze(redis, here) is None and not (here / FILE).exists()
    assert synchronize_freeze(redis, there) is None and not (there / FILE).exists()


def test_freeze_of_two_machines_is_ended_by_one_thaw(redis: Redis, settings: Settings, tmp_path: Path) -> None:
    homes = [settings.home, tmp_path / "other"]
    for home in homes:
        home.mkdir()
        (home / FILE).touch()
        synchronize_freeze(redis, home)
    thaw(redis, homes[0], time.time())
    assert [synchronize_freeze(redis, home) for home in homes] == [None, None]


def test_freeze_after_a_thaw_is_a_new_one(redis: Redis, settings: Settings) -> None:
    home = settings.home
    set_freeze(redis, home, Freeze("f1", 1.0, "ana"))
    thaw(redis, home, 2.0)
    set_freeze(redis, home, Freeze("f1", 1.0, "ana"))  # a retry of the command
    assert find_freeze(redis, home) is None and read_freeze_file(home) is None
    (home / FILE).touch()
    assert synchronize_freeze(redis, home)


def test_thaw_that_arrives_late_keeps_a_later_freeze(redis: Redis, settings: Settings) -> None:
    set_freeze(redis, settings.home, Freeze("late", 10.0, "ana"))
    assert thaw(redis, settings.home, 20.0, until=9.0) == []
    assert find_freeze(redis, settings.home)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"id": 1}', b"[]", b"x" * 100_000])
def test_freeze_file_with_any_content_freezes(redis: Redis, settings: Settings, content: bytes) -> None:
    settings.home.mkdir()
    (settings.home / FILE).write_bytes(content)
    found = synchronize_freeze(redis, settings.home)
    assert found and "a file on" in found.by
    thaw(redis, settings.home, time.time())
    assert find_freeze(redis, settings.home) is None


def test_freeze_file_that_is_a_pipe_or_a_dangling_link_freezes(redis: Redis, settings: Settings) -> None:
    settings.home.mkdir()
    for create in (os.mkfifo, lambda path: path.symlink_to("/nowhere")):
        create(settings.home / FILE)
        assert synchronize_freeze(redis, settings.home)
        thaw(redis, settings.home, time.time())
        assert find_freeze(redis, settings.home) is None


def test_review_stays_open_while_frozen_and_merges_after_the_thaw(board: Board) -> None:
    in_review(board)
    freeze(board.world)
    before = len(writes(board))
    story.say(board, BUG, "/approve")
    story.say(board, BUG, "/merge")
    (pull,) = board.ana.pull_requests().values()
    assert not pull["merged_at"] and len(writes(board)) == before
    end_freeze(board.world)
    board.drive(BUG)
    (pull,) = board.ana.pull_requests().values()
    assert pull["merged_at"]
