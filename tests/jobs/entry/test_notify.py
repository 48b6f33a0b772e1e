"""Notifications of escalations: queued by the ticket's command, sent once to each target, whatever a target does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from integrations import failpoints
from integrations.events import CommandFailed
from integrations.notifications import identify_target
from integrations.values import Ticket
from jobs import notify as job
from jobs.config.environment import parse_settings
from jobs.drive import drive
from jobs.effects.notifying import DEAD_AFTER, notify_of_escalation, queue_notification
from jobs.inform import inform
from jobs.loop.state import LOOP, Escalation, Loop, Stage
from jobs.notify import notify
from jobs.runtime import keys, queues
from jobs.runtime.freeze import Freeze, set_freeze, thaw
from jobs.runtime.notices import list_notices
from jobs.store.escalation_groups import COLLECT_SECONDS
from jobs.store.notifications import Notification, Notifications
from service.doctor.notifications import probe_notifications
from tests.jobs.board import Board
from tests.jobs.story import BUG
from tests.loops import loop_with
from tests.support.receivers import Received, receive_http


@pytest.fixture
def target() -> Iterator[Received]:
    with receive_http() as received:
        yield received


def point(board: Board, *targets: str, kind: str = "escalations") -> None:
    """Set the team's targets."""
    value = json.dumps({"ENG": {kind: list(targets)}})
    board.world.settings = parse_settings(board.environ | {"LOOPLINE_NOTIFY": value})


def url_of(received: Received, path: str = "hooks") -> str:
    return f"json://127.0.0.1:{received.port}/{path}"


def escalate(board: Board, reason: str = "the tracker is broken", name: str = "e1") -> Loop:
    """Let the bug's loop escalate."""
    ticket = board.world.tracker.fetch(board.ticket_id(BUG))
    loop = loop_with(ticket, generation=1, stage=Stage.MAKING)
    board.world.redis.set(keys.loop(ticket.id), LOOP.encode(loop))
    board.world.redis.sadd(keys.LOOPS, ticket.id)
    event = CommandFailed(
        event_id=name, ticket_id=ticket.id, at=board.world.now(), generation=1, command="StartRun", reason=reason
    )
    board.world.store.deliver(event)
    drive(ticket.id)
    found = board.world.store.load(ticket.id)
    assert found
    return found


def queue(board: Board, name: str, at: float | None = None) -> None:
    at = board.world.now() if at is None else at
    one = Notification(id=name, team="ENG", title=name, body="text", at=at)
    queue_notification("escalations", one, board.world)


def count_due(board: Board) -> list[Any]:
    return board.world.redis.zrange(queues.LATER, 0, -1)


def make_due(board: Board, *received: Received) -> None:
    """End the backoff of these targets."""
    for one in received:
        key = keys.target_backoff(identify_target(url_of(one)))
        if board.world.redis.exists(key):
            board.world.redis.hset(key, "due", 0)


def test_escalation_is_sent_once_with_reason_and_link(board: Board, target: Received) -> None:
    point(board, url_of(target))
    loop = escalate(board)
    assert loop.stage is Stage.NEEDS_HUMAN
    notify()
    drive(loop.ticket.id)
    notify()
    (message,) = target.messages
    assert message["title"] == f"{BUG} needs you: infrastructure problem"
    assert "the tracker is broken" in message["message"] and loop.ticket.url in message["message"]


def test_escalation_of_a_hostile_ticket_is_sent_without_mentions_links_and_secrets(
    board: Board, target: Received
) -> None:
    point(board, url_of(target, "secret-token-of-the-target-0123456789"))
    escalate(board, "<!channel> @everyone [click](https://evil.test) \x1b[31m" + "x" * 5_000)
    notify()
    (message,) = target.messages
    for piece in ("<!", "@everyone", "](", "https://evil", "\x1b", "secret-token"):
        assert piece not in message["message"]
    assert len(message["message"]) < 2_000


def test_escalation_without_targets_queues_nothing(board: Board) -> None:
    escalate(board)
    assert not board.world.redis.keys("notifications*")


def test_escalations_of_one_cause_are_one_notification_at_once_and_one_later(board: Board, target: Received) -> None:
    point(board, url_of(target))
    now = board.world.now()
    for n in range(50):
        ticket = Ticket(id=f"t{n}", identifier=f"ENG-{n}", title="T", team="ENG")
        call = Escalation(kind="infrastructure", at=now)
        loop = loop_with(ticket, stage=Stage.NEEDS_HUMAN, escalation=call, reason=f"ENG-{n}: the disk is full")
        for _ in range(2):  # the command is retried
            notify_of_escalation(loop, f"command-{n}", board.world)
    notify()
    inform()
    notify()
    assert [one["title"] for one in target.messages] == ["ENG-0 needs you: infrastructure problem"]
    board.world.now = lambda: now + COLLECT_SECONDS + 1  # type: ignore[method-assign]
    for _ in range(2):
        inform()
        notify()
    assert [one["title"] for one in target.messages[1:]] == ["49 more tickets need you: infrastructure problem"]
    assert "ENG-1, ENG-2" in target.messages[1]["message"] and "and 29 more" in target.messages[1]["message"]


def test_command_performed_again_after_a_crash_queues_the_notification_once(board: Board, target: Received) -> None:
    point(board, url_of(target))
    for _ in range(2):
        queue(board, "same")
    notify()
    queue(board, "same")
    notify()
    assert [one["title"] for one in target.messages] == ["same"]


def test_notification_is_retried_after_a_failure_in_order(board: Board, target: Received) -> None:
    target.statuses = [503]
    point(board, url_of(target))
    for name in ("first", "second"):
        queue(board, name)
    notify()
    assert target.messages == []
    assert count_due(board)
    notify()
    assert target.messages == []  # in backoff
    make_due(board, target)
    notify()
    assert [one["title"] for one in target.messages] == ["first", "second"]


@pytest.mark.parametrize(("phase", "arrived"), [("before", ["next"]), ("done", ["interrupted", "next"])])
def test_notification_interrupted_by_a_crash_is_not_repeated(
    board: Board, target: Received, phase: str, arrived: list[str]
) -> None:
    point(board, url_of(target))
    for name in ("interrupted", "next"):
        queue(board, name)
    failpoints.arm(f"notification.send:{phase}:1:raise", board.world.settings.home)
    try:
        with pytest.raises(failpoints.FailpointError):
            notify()
    finally:
        failpoints.arm("", board.world.settings.home)
    for _ in range(2):
        notify()
    assert [one["title"] for one in target.messages] == arrived


def test_notification_without_a_response_is_not_repeated(board: Board, target: Received) -> None:
    target.hang_seconds = 0.6
    point(board, url_of(target, "hooks?rto=0.2"))
    for name in ("silent", "next"):
        queue(board, name)
    notify()
    target.hang_seconds = 0.0
    board.world.redis.hset(keys.target_backoff(identify_target(url_of(target, "hooks?rto=0.2"))), "due", 0)
    notify()
    assert [one["title"] for one in target.messages if one["title"] == "next"] == ["next"]
    assert len([one for one in target.messages if one["title"] == "silent"]) <= 1


def test_dead_target_is_one_notice_and_delays_no_other(board: Board, target: Received) -> None:
    with receive_http() as dead:
        dead.statuses = [500] * 100
        point(board, url_of(dead), url_of(target))
        for name in ("a", "b", "c"):
            queue(board, name)
        for _ in range(DEAD_AFTER + 1):
            notify()
            make_due(board, dead)
        assert [one["title"] for one in target.messages] == ["a", "b", "c"]
        (notice,) = [one for one in list_notices(board.world.redis) if "LOOPLINE_NOTIFY" in one]
        assert "json of ENG (it responded with status 500)" in notice and str(dead.port) not in notice
        dead.statuses = []
        notify()
        assert [one["title"] for one in dead.messages] == ["a", "b", "c"]
    assert not [one for one in list_notices(board.world.redis) if "LOOPLINE_NOTIFY" in one]


def test_notification_is_given_up_when_it_is_old(board: Board, target: Received) -> None:
    point(board, url_of(target))
    queue(board, "old", board.world.now() - job.LIFE_SECONDS - 1)
    queue(board, "new")
    notify()
    assert [one["title"] for one in target.messages] == ["new"]


def test_notification_waits_while_the_service_is_frozen(board: Board, target: Received) -> None:
    point(board, url_of(target))
    queue(board, "one")
    world = board.world
    set_freeze(world.redis, world.settings.home, Freeze("f1", world.now(), "ana", "test"))
    notify()
    assert target.messages == [] and count_due(board)
    thaw(world.redis, world.settings.home, world.now(), world.now() + 1)
    notify()
    assert [one["title"] for one in target.messages] == ["one"]


def test_backoff_does_not_last_after_the_clock_went_back(board: Board, target: Received) -> None:
    point(board, url_of(target))
    queue(board, "one")
    known = Notifications(board.world.redis)
    known.set_backoff(identify_target(url_of(target)), replace(known.read_backoff("x"), failures=1, due=9e9))
    notify()
    assert [one["title"] for one in target.messages] == ["one"]


def test_doctor_sends_a_test_to_each_target_on_request_only(board: Board, target: Received) -> None:
    point(board, url_of(target), url_of(target), "json://127.0.0.1:1/hooks")
    settings = board.world.settings
    (shown,) = probe_notifications(settings, send_test=False)
    assert "sent to json" in shown.text and target.messages == []
    sent, failed = probe_notifications(settings, send_test=True)
    assert "a test was sent to json" in sent.text and len(target.messages) == 1
    assert failed.level == "problem" and "it cannot be reached" in failed.text and "127.0.0.1" not in failed.text
