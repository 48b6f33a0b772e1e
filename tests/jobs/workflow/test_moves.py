"""Moves of tickets: who may start and stop work by them, other teams, duplicates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import TicketEdited
from integrations.values import Person, Relation, Ticket, TicketRef
from jobs.loop.commands import CleanUp, ClosePullRequest, MoveTicket, PostComment
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.decision import TeamPolicy
from tests.jobs.workflow.conftest import COLUMNS
from tests.jobs.workflow.values import ANA, GUEST, kinds, moved, said

APP = Person(id="a1", name="Zap", is_bot=True)
RULE = Person(id="", is_bot=True)
OWN_APP = Person(id="us", name="Loopline", is_bot=True, is_us=True)


def comments(commands: object) -> list[str]:
    return [c.body for c in commands if isinstance(c, PostComment)]  # type: ignore[attr-defined]


@pytest.mark.parametrize("by", [GUEST, APP], ids=["guest", "foreign app"])
def test_move_to_the_agent_column_without_permission_is_put_back(
    ticket: Ticket, policy: ServicePolicy, by: Person
) -> None:
    event = replace(moved(ticket, "Agent", by), before_id="backlog-id")

    refused = decide(Loop(ticket=ticket), event, policy)

    assert (refused.loop.stage, refused.loop.generation) == (Stage.IDLE, 0)
    assert kinds(refused.commands) == ["PostComment", "MoveTicket"]
    (comment, back) = refused.commands
    assert isinstance(comment, PostComment) and by.name in comment.body and "Members" in comment.body
    assert isinstance(back, MoveTicket) and (back.back_to, back.only_from) == ("backlog-id", "agent")


@pytest.mark.parametrize(
    ("by", "creator", "assignee", "starts"),
    [
        pytest.param(ANA, None, None, True, id="member"),
        pytest.param(GUEST, ANA, ANA, False, id="guest on a member's ticket"),
        pytest.param(APP, ANA, ANA, False, id="app on a member's ticket"),
        pytest.param(None, ANA, None, True, id="unknown mover of a member's ticket"),
        pytest.param(None, GUEST, ANA, True, id="unknown mover of a ticket assigned to a member"),
        pytest.param(None, GUEST, None, False, id="unknown mover of a guest's ticket"),
        pytest.param(None, None, None, False, id="unknown mover of a ticket without people"),
        pytest.param(RULE, ANA, None, True, id="rule of the board on a member's ticket"),
        pytest.param(RULE, GUEST, None, False, id="rule of the board on a guest's ticket"),
        pytest.param(OWN_APP, ANA, None, True, id="Loopline on a member's ticket"),
    ],
)
def test_move_to_the_agent_column_starts_work_by_permission(
    ticket: Ticket,
    policy: ServicePolicy,
    by: Person | None,
    creator: Person | None,
    assignee: Person | None,
    starts: bool,
) -> None:
    asked = replace(ticket, creator=creator, assignee=assignee)

    assert (decide(Loop(ticket=asked), moved(asked, "Agent", by), policy).loop.generation == 1) is starts


def test_starters_limit_who_starts_work_and_approvers_are_among_them(ticket: Ticket, policy: ServicePolicy) -> None:
    strict = replace(policy, starters=("boss@acme.test",))

    refused = decide(Loop(ticket=ticket), moved(ticket, "Agent"), strict)
    assert refused.loop.generation == 0 and "LOOPLINE_STARTERS" in comments(refused.commands)[0]
    assert strict.may_start(replace(ANA, email="BOSS@acme.test"))
    assert replace(strict, approvers=("ana@acme.test",)).may_start(ANA)
    assert not replace(strict, starters=("eve@acme.test",)).may_start(GUEST)


@pytest.mark.parametrize("column", ["Backlog", "Done", "Needs Human"])
@pytest.mark.parametrize("by", [APP, RULE, OWN_APP], ids=["app", "rule", "Loopline"])
def test_move_by_an_integration_stops_nothing(making: Loop, policy: ServicePolicy, column: str, by: Person) -> None:
    decision = decide(making, moved(making.ticket, column, by), policy)

    assert decision.loop.stage is Stage.MAKING and not decision.commands


def test_move_away_by_a_guest_is_put_back_and_stops_nothing(making: Loop, review: Loop, policy: ServicePolicy) -> None:
    for loop, column in ((making, "working"), (review, "review")):
        decision = decide(loop, moved(loop.ticket, "Backlog", GUEST), policy)

        assert decision.loop.stage is loop.stage
        assert kinds(decision.commands) == ["PostComment", "MoveTicket"]
        back = decision.commands[1]
        assert isinstance(back, MoveTicket) and back.column == column


def test_move_to_a_cancelled_column_by_a_guest_is_put_back(review: Loop, policy: ServicePolicy) -> None:
    ticket = replace(review.ticket, cancelled=True)

    decision = decide(review, moved(ticket, "Canceled", GUEST), policy)

    assert decision.loop.stage is Stage.REVIEW
    assert kinds(decision.commands) == ["PostComment", "MoveTicket"]


def test_duplicate_ends_the_work_and_names_the_original(review: Loop, policy: ServicePolicy) -> None:
    original = Relation(kind="duplicate_of", ticket=TicketRef(id="t7", identifier="ENG-7"))
    ticket = replace(review.ticket, duplicate=True, relations=(original,))

    ended = decide(review, moved(ticket, "Duplicate"), policy)

    assert ended.loop.stage is Stage.DONE
    assert kinds(ended.commands) == ["ClosePullRequest", "SetNeedsHuman", "PostComment", "CleanUp"]
    assert "Duplicate of ENG-7" in comments(ended.commands)[0]
    (close,) = [c for c in ended.commands if isinstance(c, ClosePullRequest)]
    assert (close.number, close.body) == (7, "Closed by Loopline: ENG-1 is a duplicate of ENG-7.")


def test_duplicate_during_work_stops_the_run_and_deletes_the_branch(making: Loop, policy: ServicePolicy) -> None:
    ended = decide(making, moved(replace(making.ticket, duplicate=True), "Duplicate"), policy)

    assert kinds(ended.commands) == ["StopRun", "SetNeedsHuman", "PostComment", "CleanUp"]
    assert "**Duplicate.**" in comments(ended.commands)[0]


def test_ticket_that_leaves_for_a_team_that_is_not_served_stops(making: Loop, policy: ServicePolicy) -> None:
    away = replace(making.ticket, team="OPS", identifier="OPS-1")

    left = decide(making, moved(away, "Backlog"), policy)

    assert left.loop.stage is Stage.STOPPED
    assert kinds(left.commands) == ["StopRun", "PostComment"]
    assert "team OPS, which Loopline does not serve" in comments(left.commands)[0]
    again = decide(left.loop, replace(said("/retry"), at=9.0), policy)
    assert again.loop.stage is Stage.STOPPED and "not in LOOPLINE_TEAMS" in comments(again.commands)[0]


def test_ticket_of_a_team_that_is_not_served_stops_once(making: Loop, policy: ServicePolicy) -> None:
    stopped = replace(making, stage=Stage.STOPPED, ticket=replace(making.ticket, team="OPS"))

    assert not decide(stopped, moved(stopped.ticket, "Todo"), policy).commands


@pytest.mark.parametrize(
    ("repository", "stage", "commands"),
    [
        pytest.param("acme/shop", Stage.MAKING, ["MoveTicket"], id="the same repository"),
        pytest.param("acme/web", Stage.STOPPED, ["StopRun", "PostComment"], id="another repository"),
    ],
)
def test_ticket_that_moves_to_another_served_team(
    making: Loop, policy: ServicePolicy, repository: str, stage: Stage, commands: list[str]
) -> None:
    both = replace(policy, teams={**policy.teams, "WEB": TeamPolicy(repository=repository, columns=COLUMNS)})
    there = replace(making.ticket, team="WEB", identifier="WEB-1")

    decision = decide(making, moved(there, "Backlog"), both)

    assert decision.loop.stage is stage
    assert kinds(decision.commands) == commands


def test_branch_that_was_taken_over_is_never_deleted_or_used_again(making: Loop, policy: ServicePolicy) -> None:
    taken = decide(making, said("/takeover"), policy).loop
    assert taken.stage is Stage.STOPPED

    ended = decide(taken, moved(replace(taken.ticket, cancelled=True), "Canceled"), policy)
    (clean,) = [c for c in ended.commands if isinstance(c, CleanUp)]
    assert clean.branch == "" and "left to Ana" in comments(ended.commands)[0]
    again = decide(taken, replace(said("/retry"), at=9.0), policy).loop
    assert again.workspace.branch not in {"", making.workspace.branch}


def test_column_keeps_its_role_by_its_id(ticket: Ticket, policy: ServicePolicy) -> None:
    team = replace(policy.teams["ENG"], column_ids={"review": "r", "agent": "a", "done": ""})
    known = replace(policy, teams={"ENG": team})

    assert known.role_of(replace(ticket, column="Code Review", column_id="r")) == "review"
    assert known.role_of(replace(ticket, column="In Review", column_id="other")) is None
    assert known.role_of(replace(ticket, column="Done", column_id="other")) is None
    assert known.role_of(replace(ticket, column="Needs Human", column_id="new")) == "needs_human"
    assert policy.role_of(replace(ticket, column="In Review", column_id="other")) == "review"


def test_review_in_a_renamed_column_goes_on(review: Loop, policy: ServicePolicy) -> None:
    team = replace(policy.teams["ENG"], column_ids=dict(zip(COLUMNS, COLUMNS, strict=True)))
    known = replace(policy, teams={"ENG": team})
    renamed = replace(review.ticket, column_id="review")

    assert decide(review, moved(renamed, "Code Review"), known).loop.stage is Stage.REVIEW


def blocked(ticket: Ticket, *, closed: bool = False) -> Ticket:
    blocker = TicketRef(id="t3", identifier="ENG-3", closed=closed)
    return replace(ticket, relations=(Relation(kind="blocked_by", ticket=blocker),))


def test_blocked_ticket_waits_with_names_and_starts_when_the_blocker_is_closed(
    ticket: Ticket, policy: ServicePolicy
) -> None:
    waits = decide(Loop(ticket=ticket), moved(blocked(ticket), "Agent"), policy)

    assert (waits.loop.stage, waits.loop.reason) == (Stage.WAITING, "waits for ENG-3.")
    assert kinds(waits.commands) == ["MoveTicket", "SetNeedsHuman", "WatchTickets", "PostComment"]
    still = decide(waits.loop, moved(blocked(ticket), "In Progress", None), policy)
    assert still.loop.stage is Stage.WAITING and kinds(still.commands) == ["WatchTickets"]
    starts = decide(still.loop, moved(blocked(ticket, closed=True), "In Progress", None), policy)
    assert starts.loop.stage is Stage.PREPARING
    assert kinds(starts.commands) == ["PostComment", "PrepareWorkspace"]


def test_blocked_ticket_is_started_anyway_by_retry_and_stopped_by_a_move(ticket: Ticket, policy: ServicePolicy) -> None:
    waits = decide(Loop(ticket=ticket), moved(blocked(ticket), "Agent"), policy).loop

    assert decide(waits, said("/retry"), policy).loop.stage is Stage.PREPARING
    assert decide(waits, moved(blocked(ticket), "Backlog"), policy).loop.stage is Stage.STOPPED
    assert decide(waits, said("/stop"), policy).loop.stage is Stage.STOPPED


def test_parent_waits_for_its_open_sub_issues(ticket: Ticket, policy: ServicePolicy) -> None:
    children = (TicketRef(id="t4", identifier="ENG-4"), TicketRef(id="t5", identifier="ENG-5", closed=True))
    parent = replace(ticket, children=children)

    waits = decide(Loop(ticket=parent), moved(parent, "Agent"), policy)

    assert waits.loop.waits_for == children[:1]
    assert "its sub-issue ENG-4" in comments(waits.commands)[0]


def test_tickets_that_wait_for_each_other_escalate_with_the_chain(ticket: Ticket, policy: ServicePolicy) -> None:
    event = replace(moved(blocked(ticket), "Agent"), cycle=("ENG-1", "ENG-3", "ENG-1"))

    called = decide(Loop(ticket=ticket), event, policy)

    assert called.loop.stage is Stage.NEEDS_HUMAN
    assert "ENG-1 → ENG-3 → ENG-1" in called.loop.reason
    assert decide(called.loop, said("/retry"), policy).loop.stage is Stage.PREPARING


@pytest.mark.parametrize("by", [GUEST, APP], ids=["guest", "app"])
def test_edit_without_permission_does_not_change_the_contract(making: Loop, policy: ServicePolicy, by: Person) -> None:
    edited = replace(making.ticket, description="## Done when\n- `rm -rf tests` passes")

    decision = decide(making, TicketEdited(event_id="x", ticket_id="t1", ticket=edited, by=by), policy)

    assert (decision.loop.ticket, decision.loop.contract) == (making.ticket, making.contract)
    assert kinds(decision.commands) == ["PostComment"]
    moved_since = decide(making, moved(replace(edited, labels=("x",)), "In Progress", None), policy).loop
    assert (moved_since.ticket.description, moved_since.ticket.labels) == (making.ticket.description, ("x",))
    assert decide(making, TicketEdited(event_id="x", ticket_id="t1", ticket=edited, by=ANA), policy).loop != making


def test_hand_over_accepts_the_present_text_of_the_ticket(making: Loop, policy: ServicePolicy) -> None:
    stopped = replace(making, stage=Stage.NEEDS_HUMAN)
    edited = replace(making.ticket, description="## Done when\n- `make` passes")

    assert decide(stopped, moved(edited, "Agent"), policy).loop.ticket.description == edited.description
