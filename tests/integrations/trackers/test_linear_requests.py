"""The requests that the adapter sends, their number, and races against other writers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.errors import Conflict, Rejected
from integrations.ports.tracker import Attachment
from integrations.trackers.linear.tracker import Linear
from integrations.values import Ticket

TICKET = Ticket(id="t1", identifier="ENG-1", title="T", team="ENG", column="Agent")
ISSUE = {"id": "t1", "identifier": "ENG-1", "title": "T", "state": {"name": "Agent"}, "team": {"key": "ENG"}}
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


def labels(*, present: bool, known: bool) -> dict[str, Any]:
    issue = {"team": {"id": "team"}, "labels": {"nodes": [{"id": "label"}] * present}}
    return {"data": {"issue": issue, "issueLabels": {"nodes": [{"id": "label"}] * known}}}


def done(root: str) -> dict[str, Any]:
    return {"data": {root: {"success": True}}}


def sent(wire: Any) -> list[str]:
    return [seen.body["operationName"] for seen in wire.seen]


def test_linear_columns_are_cached(linear: Linear, wire: Any, answer: Any) -> None:
    answer(columns("Backlog", "Agent"))
    answer({"data": {"issues": {"nodes": [], "pageInfo": {"hasNextPage": False}}}})
    for _ in range(2):
        assert list(linear.in_columns("ENG", ["Agent", "Backlog"])) == []
    assert sent(wire) == ["TeamColumns", "TicketsInColumns", "TicketsInColumns"]


def test_linear_columns_are_read_again_by_a_check(linear: Linear, wire: Any, answer: Any) -> None:
    answer(columns("Backlog", "Agent"))
    for _ in range(2):
        linear.check_columns("ENG", ["Agent", "Backlog"])
    assert sent(wire) == ["TeamColumns"] * 2


def test_linear_columns_cache_is_refreshed_for_a_new_column(linear: Linear, wire: Any, answer: Any) -> None:
    answer(columns("Backlog"))
    answer(columns("Backlog", "Agent"))
    linear.check_columns("ENG", ["Backlog"])
    linear.check_columns("ENG", ["Agent"])
    assert sent(wire) == ["TeamColumns"] * 2


def test_linear_columns_error_lists_the_others_after_one_request(linear: Linear, wire: Any, answer: Any) -> None:
    answer(columns("Backlog", "Agent", "Done"))
    with pytest.raises(Rejected, match="Linear team ENG has no column 'Agnt': its columns are Backlog, Agent, Done;"):
        linear.check_columns("ENG", ["Agnt"])
    assert len(wire.seen) == 1


REFUSED = {"errors": [{"message": "stateId must be a state of the issue's team", "extensions": {"userError": True}}]}


def test_linear_move_is_one_request_when_the_columns_are_known(linear: Linear, wire: Any, answer: Any) -> None:
    answer(columns("Backlog", "Done"))
    answer(done("issueUpdate"))
    linear.check_columns("ENG", ["Done"])
    linear.move(TICKET, "Done")
    assert sent(wire) == ["TeamColumns", "MoveTicket"]


def test_linear_move_in_another_team_reads_the_present_one(linear: Linear, wire: Any, answer: Any) -> None:
    answer(columns("Done"))
    answer(REFUSED)
    answer({"data": {"issue": {"team": {"key": "OPS"}, "state": {"id": "id-Backlog"}}}})
    answer({"data": {"teams": {"nodes": [{"states": {"nodes": [{"id": "ops-Done", "name": "Done"}]}}]}}})
    answer(done("issueUpdate"))
    linear.move(TICKET, "Done")
    assert wire.seen[3].body["variables"] == {"key": "OPS"}
    assert wire.seen[4].body["variables"] == {"id": "t1", "stateId": "ops-Done"}


def test_linear_report_is_one_request(linear: Linear, wire: Any, answer: Any) -> None:
    answer({"data": {"attachmentCreate": {"success": True}, "commentUpdate": {"success": True}}})
    linear.show_report(TICKET.id, "text", "c1", Attachment("https://x", "Loopline"), exists=True)
    assert sent(wire) == ["UpdateReport"]


@pytest.mark.parametrize(
    ("exists", "refusal", "operations"),
    [
        (True, "Entity not found: Comment", ["UpdateReport", "CreateReport"]),
        (False, "conflict on insert of Comment", ["CreateReport", "UpdateReport"]),
    ],
)
def test_linear_report_that_is_not_as_expected_is_written(
    linear: Linear, wire: Any, answer: Any, exists: bool, refusal: str, operations: list[str]
) -> None:
    answer({"errors": [{"message": refusal, "extensions": {"userError": True}}], "data": None})
    answer(done("attachmentCreate"))
    linear.show_report(TICKET.id, "text", "c1", Attachment("https://x", "Loopline"), exists=exists)
    assert sent(wire) == operations


def test_linear_changes_are_one_request_for_all_teams(linear: Linear, wire: Any, answer: Any) -> None:
    comment = {"id": "c1", "issueId": "t1", "body": "b", "createdAt": "2026-01-01T00:00:00Z"}
    page = {"nodes": [comment], "pageInfo": {"hasNextPage": True, "endCursor": "c1"}}
    answer({"data": {"viewer": VIEWER, "issues": {"nodes": [ISSUE]}, "comments": page}})
    answer({"data": {"viewer": VIEWER, "comments": {"nodes": [comment | {"id": "c2"}]}}})
    found = linear.changes(["ENG", "OPS"], 1_700_000_000.0)
    assert [ticket.id for ticket in found.tickets] == ["t1"]
    assert [written.id for written in found.comments] == ["c1", "c2"]
    first, second = (seen.body["variables"] for seen in wire.seen)
    assert (first["teams"], first["since"]) == (["ENG", "OPS"], "2023-11-14T22:13:20.000Z")
    assert (second["tickets"], second["commentsAfter"]) == (False, "c1")


@pytest.mark.parametrize("broken", [None, {}, {"id": "t1"}])
def test_linear_change_that_cannot_be_read_is_left_out(linear: Linear, answer: Any, broken: Any) -> None:
    answer({"data": {"viewer": VIEWER, "issues": {"nodes": [broken]}, "comments": {"nodes": [broken]}}})
    assert linear.changes(["ENG"], 0.0).tickets == []


def test_linear_tickets_by_id_are_read_fifty_at_a_time(linear: Linear, wire: Any, answer: Any) -> None:
    answer({"data": {"issues": {"nodes": [ISSUE]}}})
    assert len(list(linear.fetch_many([f"t{n}" for n in range(101)]))) == 3
    assert [len(seen.body["variables"]["ids"]) for seen in wire.seen] == [50, 50, 1]


def test_linear_pagination_of_tickets_is_lazy(linear: Linear, wire: Any, answer: Any) -> None:
    page = {"nodes": [ISSUE], "pageInfo": {"hasNextPage": True, "endCursor": "t1"}}
    answer(columns("Agent"))
    answer({"data": {"issues": page}})
    answer({"data": {"issues": page | {"pageInfo": {"hasNextPage": False}}}})
    found = linear.in_columns("ENG", ["Agent"])
    assert [next(found).id, len(wire.seen), next(found).id, next(found, None)] == ["t1", 2, "t1", None]
    assert wire.seen[2].body["variables"] == {"stateIds": ["id-Agent"], "after": "t1"}


def test_linear_viewer_is_cached(linear: Linear, wire: Any, answer: Any) -> None:
    answer({"data": {"viewer": VIEWER}})
    answer({"data": {"comment": {"id": "c1", "user": VIEWER}}})
    assert linear.viewer().is_us
    assert [linear.fetch_comment("c1").author.is_us for _ in range(2)] == [True, True]
    assert sent(wire) == ["Viewer", "Comment", "Comment"]


def test_linear_label_that_is_present_is_not_added(linear: Linear, wire: Any, answer: Any) -> None:
    answer(labels(present=True, known=True))
    linear.add_label(TICKET, "bug")
    assert sent(wire) == ["TicketLabels"]


def test_linear_label_that_exists_is_not_created(linear: Linear, wire: Any, answer: Any) -> None:
    answer(labels(present=False, known=True))
    answer(done("issueAddLabel"))
    linear.add_label(TICKET, "bug")
    assert sent(wire) == ["TicketLabels", "AddLabel"]


def test_linear_label_created_in_a_race_is_used(linear: Linear, wire: Any, answer: Any) -> None:
    answer(labels(present=False, known=False))
    answer(CONFLICT)
    answer(labels(present=False, known=True))
    answer(done("issueAddLabel"))
    linear.add_label(TICKET, "bug")
    assert sent(wire) == ["TicketLabels", "CreateLabel", "TicketLabels", "AddLabel"]


def test_linear_label_that_cannot_be_created_reports_the_reason(linear: Linear, answer: Any) -> None:
    answer(labels(present=False, known=False))
    answer(CONFLICT)
    answer(labels(present=False, known=False))
    with pytest.raises(Conflict, match="conflict on insert of IssueLabel"):
        linear.add_label(TICKET, "bug")


def test_linear_label_that_is_absent_is_not_removed(linear: Linear, wire: Any, answer: Any) -> None:
    answer(labels(present=False, known=True))
    linear.remove_label(TICKET, "bug")
    assert sent(wire) == ["TicketLabels"]
