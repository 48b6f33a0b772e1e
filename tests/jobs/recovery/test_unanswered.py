"""Unanswered escalations: when and how often Loopline sends a reminder, and what counts as an answer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from integrations.events import EVENT, EscalationUnanswered, Event, TicketCommented, TicketReacted
from integrations.ports.tracker import Comment, Reaction
from integrations.values import Person, Ticket
from jobs.loop.state import LOOP, Escalation, Loop, Stage
from jobs.recovery.polling import escalation_event, reaction_events
from jobs.runtime import keys
from jobs.sweep import sweep
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE
from tests.loops import loop_with

HOUR = 3600.0
US = Person(id="us", is_us=True)
ANA = Person(id="ana", may_steer=True)


def waiting(ticket: Ticket | None = None, **changes: Any) -> Loop:
    """A loop with an escalation at second 0."""
    ticket = ticket or Ticket(id="t", identifier="ENG-1", title="T", team="ENG", column="Needs Human")
    known = {"generation": 2, "stage": Stage.NEEDS_HUMAN, "escalation": Escalation(kind="spinning", at=0.0)}
    return loop_with(ticket, **known | changes)


# --- the rule, without a clock ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "said"), [(3.99, False), (4.0, True), (50.0, True)])
def test_escalation_is_due_for_a_reminder_after_the_wait(hours: float, said: bool) -> None:
    assert (escalation_event(waiting(), hours * HOUR, 4.0) is not None) is said


@pytest.mark.parametrize(("raised", "said"), [(1, True), (2, True), (3, True), (4, False)])
def test_escalation_is_followed_by_two_reminders_and_an_end(raised: int, said: bool) -> None:
    loop = waiting(escalation=Escalation(kind="budget", at=0.0, raised=raised))
    assert (escalation_event(loop, 5 * HOUR, 4.0) is not None) is said


@pytest.mark.parametrize(
    "change",
    [
        {"stage": Stage.MAKING},
        {"escalation": None},
        {"escalation": Escalation(kind="budget", at=0.0, acknowledged=True)},
    ],
)
def test_escalation_that_is_settled_or_acknowledged_is_not_repeated(change: dict[str, Any]) -> None:
    assert escalation_event(waiting(**change), 5 * HOUR, 4.0) is None


def test_escalation_event_id_is_unique_per_reminder() -> None:
    def name(at: float, raised: int, now: float) -> str:
        event = escalation_event(waiting(escalation=Escalation(kind="budget", at=at, raised=raised)), now, 4.0)
        assert event and event.at == now and event.generation == 2
        return event.event_id

    assert name(0.0, 1, 5 * HOUR) == name(0.0, 1, 6 * HOUR)
    assert len({name(0.0, 1, 9 * HOUR), name(0.0, 2, 9 * HOUR), name(HOUR, 1, 9 * HOUR)}) == 3


def test_reactions_count_only_with_permission_and_since_the_escalation() -> None:
    def on(author: Person, who: Person, at: str, name: str) -> Comment:
        return Comment(f"c-{name}", "t", "x", author, at, (Reaction(name, "+1", who, at),))

    later, before = "2026-11-20T09:05:00Z", "2026-11-20T08:00:00Z"
    since = 1_795_163_400.0  # 08:30
    found = reaction_events(
        waiting(escalation=Escalation(kind="budget", at=since)),
        [
            on(US, ANA, later, "counts"),
            on(US, ANA, before, "old"),
            on(US, US, later, "ours"),
            on(US, Person(id="guest"), later, "guest"),
            on(ANA, ANA, later, "talk"),
        ],
    )
    assert [(event.event_id, event.comment_id) for event in found] == [("reaction:counts", "c-counts")]


# --- the sweep, on a board -------------------------------------------------------------------------------------------

Called = Callable[..., list[Event]]


@pytest.fixture
def called(board: Board) -> Called:
    """Sweep a board with an escalation `hours` ago; returns the events found."""

    def called(hours: float = 5.0, column: str = "Needs Human", **changes: Any) -> list[Event]:
        board.ana.drag(BUG, column)
        ticket = board.world.tracker.fetch(board.ticket_id(BUG))
        at = time.time() - hours * HOUR
        loop = waiting(ticket, started_at=at, escalation=Escalation(kind="spinning", at=at), **changes)
        board.world.redis.set(keys.loop(ticket.id), LOOP.encode(loop))
        board.world.redis.sadd(keys.LOOPS, ticket.id)
        for _ in range(2):
            sweep()
        found: Any = board.world.redis.lrange(keys.mailbox(ticket.id), 0, -1)
        return [EVENT.decode(raw) for raw in found]

    return called


def our_comment(board: Board) -> str:
    comment_id = str(uuid.uuid4())
    board.world.tracker.comment(board.ticket_id(BUG), "**Needs you**", comment_id)
    return comment_id


def test_sweep_reminds_once_of_an_escalation(board: Board, called: Called) -> None:
    our_comment(board)
    (event,) = called()
    assert isinstance(event, EscalationUnanswered)
    assert time.time() - event.at < 60


def test_sweep_does_not_remind_before_the_wait_is_over(called: Called) -> None:
    assert called(hours=3.0) == []


def test_reaction_whose_webhook_was_lost_prevents_the_reminder(board: Board, called: Called) -> None:
    board.ana.react(our_comment(board))
    (event,) = called()
    assert isinstance(event, TicketReacted)
    assert event.author and event.author.name == "Ana Flores"


def test_answer_whose_webhook_was_lost_prevents_the_reminder(board: Board, called: Called) -> None:
    board.ana.say(BUG, "tomorrow")
    (event,) = called()
    assert isinstance(event, TicketCommented)


@pytest.mark.parametrize("column", ["Backlog", "In Progress"])
def test_moved_card_prevents_the_reminder(called: Called, column: str) -> None:
    assert called(column=column) == []


@pytest.mark.parametrize(("triage", "column"), [("", "Needs Human"), ("Backlog", "Backlog")])
def test_ticket_goes_to_triage_where_there_is_such_a_column(
    board: Board, called: Called, triage: str, column: str
) -> None:
    called(hours=0.0)
    team = board.world.policy.teams["ENG"]
    named = replace(team, columns=team.columns | ({"triage": triage} if triage else {}))
    board.world.policy = replace(board.world.policy, teams={"ENG": named})
    t = board.ticket_id(BUG)
    board.world.redis.rpush(
        keys.outbox(t, "outer"), '{"id": "x", "command": {"kind": "MoveTicket", "column": "triage"}}'
    )
    board.drive(BUG)
    assert board.ana.board()[BUG]["column"] == column
    assert board.world.store.list_commands(t, "outer") == [] and board.world.store.next_event(t) is None


@pytest.mark.parametrize(("reason", "shared"), [("the disk is full", True), ("no free port", False)])
def test_sweep_reports_whether_another_ticket_waits_for_the_same_cause(
    board: Board, called: Called, reason: str, shared: bool
) -> None:
    ticket = board.world.tracker.fetch(board.ticket_id(FEATURE))
    other = waiting(ticket, reason=reason, escalation=Escalation(kind="spinning", at=time.time()))
    board.world.redis.set(keys.loop(ticket.id), LOOP.encode(other))
    board.world.redis.sadd(keys.LOOPS, ticket.id)
    (event,) = called(reason="the disk is full")
    assert isinstance(event, EscalationUnanswered) and event.shared is shared
