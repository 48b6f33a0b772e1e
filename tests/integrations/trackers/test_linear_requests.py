"""What the adapter asks for, how often, and what it does when somebody was faster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.errors import Conflict, Rejected
from integrations.trackers.linear.tracker import Linear
from integrations.values import Ticket

TICKET = Ticket(id="t1", identifier="ENG-1", title="T", team="ENG", column="Agent")
VIEWER = {"id": "us", "name": "Loopline"}
CONFLICT = {"errors": [{"message": "conflict on insert of IssueLabel", "extensions": {"userError": True}}]}


@pytest.fixture
def linear(wire: Any) -> Iterator[Linear]:
    tracker = Linear(wire.url, "key")
    yield tracker
    tracker.close()


def columns(*names: str) -> dict[str, Any]:
    states = [{"id": f"id-{name}", "name": name, "position": place} for place, name in enumerate(names)]
    return {"data": {"teams": {"nodes": [{"states": {"nodes": states[::-1]}}]}}}


def labels(*, there: bool, known: bool) -> dict[str, Any]:
    issue = {"team": {"id": "team"}, "labels": {"nodes": [{"id": "label"}] * there}}
    return {"data": {"issue": issue, "issueLabels": {"nodes": [{"id": "label"}] * known}}}


def done(root: str) -> dict[str, Any]:
    return {"data": {root: {"success": True}}}


def sent(wire: Any) -> list[str]:
    return [seen.body["operationName"] for seen in wire.seen]


def test_columns_are_asked_for_once(linear: Linear, wire: Any, answer: Any) -> None:
    answer(columns("Backlog", "Agent"))
    for _ in range(3):
        linear.check_columns("ENG", ["Agent", "Backlog"])
    assert sent(wire) == ["TeamColumns"]


def test_a_new_column_is_found_without_a_restart(linear: Linear, wire: Any, answer: Any) -> None:
    answer(columns("Backlog"))
    answer(columns("Backlog", "Agent"))
    linear.check_columns("ENG", ["Backlog"])
    linear.check_columns("ENG", ["Agent"])
    assert sent(wire) == ["TeamColumns"] * 2


def test_a_missing_column_is_looked_for_once_and_the_others_listed_in_order(
    linear: Linear, wire: Any, answer: Any
) -> None:
    answer(columns("Backlog", "Agent", "Done"))
    with pytest.raises(Rejected, match="Linear team ENG has no column 'Agnt': its columns are Backlog, Agent, Done;"):
        linear.check_columns("ENG", ["Agnt"])
    assert len(wire.seen) == 1


def test_a_ticket_moves_by_the_team_it_is_in_now(linear: Linear, wire: Any, answer: Any) -> None:
    answer({"data": {"issue": {"team": {"key": "OPS"}, "state": {"id": "id-Backlog"}}}})
    answer(columns("Backlog", "Done"))
    answer(done("issueUpdate"))
    linear.move(TICKET, "Done")
    assert wire.seen[1].body["variables"] == {"key": "OPS"}
    assert wire.seen[2].body["variables"] == {"id": "t1", "stateId": "id-Done"}


def test_a_ticket_that_is_there_is_not_moved(linear: Linear, wire: Any, answer: Any) -> None:
    answer({"data": {"issue": {"team": {"key": "ENG"}, "state": {"id": "id-Done"}}}})
    answer(columns("Agent", "Done"))
    linear.move(TICKET, "Done")
    assert sent(wire) == ["TicketPlace", "TeamColumns"]


def test_tickets_are_asked_for_page_by_page_as_they_are_wanted(linear: Linear, wire: Any, answer: Any) -> None:
    issue = {"id": "t1", "identifier": "ENG-1", "title": "T", "state": {"name": "Agent"}, "team": {"key": "ENG"}}
    page = {"nodes": [issue], "pageInfo": {"hasNextPage": True, "endCursor": "t1"}}
    answer(columns("Agent"))
    answer({"data": {"issues": page}})
    answer({"data": {"issues": page | {"pageInfo": {"hasNextPage": False}}}})
    found = linear.in_columns("ENG", ["Agent"])
    assert [next(found).id, len(wire.seen), next(found).id, next(found, None)] == ["t1", 2, "t1", None]
    assert wire.seen[2].body["variables"] == {"stateIds": ["id-Agent"], "after": "t1"}


def test_who_we_are_is_asked_once(linear: Linear, wire: Any, answer: Any) -> None:
    answer({"data": {"viewer": VIEWER}})
    answer({"data": {"comment": {"id": "c1", "user": VIEWER}}})
    assert linear.viewer().is_us
    assert [linear.fetch_comment("c1").author.is_us for _ in range(2)] == [True, True]
    assert sent(wire) == ["Viewer", "Comment", "Comment"]


def test_a_label_that_is_there_is_not_added(linear: Linear, wire: Any, answer: Any) -> None:
    answer(labels(there=True, known=True))
    linear.add_label(TICKET, "bug")
    assert sent(wire) == ["TicketLabels"]


def test_a_label_that_is_known_is_not_made(linear: Linear, wire: Any, answer: Any) -> None:
    answer(labels(there=False, known=True))
    answer(done("issueAddLabel"))
    linear.add_label(TICKET, "bug")
    assert sent(wire) == ["TicketLabels", "AddLabel"]


def test_a_label_that_somebody_made_a_moment_ago_is_used(linear: Linear, wire: Any, answer: Any) -> None:
    answer(labels(there=False, known=False))
    answer(CONFLICT)
    answer(labels(there=False, known=True))
    answer(done("issueAddLabel"))
    linear.add_label(TICKET, "bug")
    assert sent(wire) == ["TicketLabels", "CreateLabel", "TicketLabels", "AddLabel"]


def test_a_label_that_cannot_be_made_says_why(linear: Linear, answer: Any) -> None:
    answer(labels(there=False, known=False))
    answer(CONFLICT)
    answer(labels(there=False, known=False))
    with pytest.raises(Conflict, match="conflict on insert of IssueLabel"):
        linear.add_label(TICKET, "bug")


def test_a_label_that_is_not_there_is_not_removed(linear: Linear, wire: Any, answer: Any) -> None:
    answer(labels(there=False, known=True))
    linear.remove_label(TICKET, "bug")
    assert sent(wire) == ["TicketLabels"]
