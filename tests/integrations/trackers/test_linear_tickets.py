"""The full read of a ticket, against the live stand-in: everything that surrounds it on the board."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
import requests
from structlog.testing import capture_logs

from integrations.errors import Rejected
from integrations.ports.tracker import TicketSearch
from integrations.standins.linear.seed import stable_id
from integrations.trackers.linear.responses import MAX_EDITS, REMARK_CHARACTERS
from integrations.trackers.linear.tracker import Linear
from integrations.values import Link, NewRelation, Ticket, TicketId
from tests.integrations.trackers.linear_boards import ADA_KEY, OUR_KEY, standin

CREATE = "mutation($input: IssueCreateInput!) { issueCreate(input: $input) { issue { id } } }"
RELATE = "mutation($input: IssueRelationCreateInput!) { issueRelationCreate(input: $input) { success } }"
ATTACH = "mutation($input: AttachmentCreateInput!) { attachmentCreate(input: $input) { success } }"
COMMENT = "mutation($input: CommentCreateInput!) { commentCreate(input: $input) { success } }"
UPDATE = "mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }"


class Person:
    """Ada, who uses the API as the board's page does."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        payload = {"query": query, "variables": variables}
        answer = requests.post(self._url, json=payload, headers={"Authorization": ADA_KEY}, timeout=20).json()
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def create(self, title: str, **more: Any) -> TicketId:
        wanted = {"title": title, "teamId": stable_id("Team", "ENG"), **more}
        return TicketId(self.ask(CREATE, input=wanted)["issueCreate"]["issue"]["id"])

    def relate(self, one: str, kind: str, other: str) -> None:
        self.ask(RELATE, input={"issueId": one, "relatedIssueId": other, "type": kind})


@pytest.fixture
def place() -> Iterator[tuple[Person, Linear]]:
    with standin() as (url, _), closing(Linear(url, OUR_KEY)) as linear:
        yield Person(url), linear


def test_ticket_has_its_parent_with_description_and_its_children(place: tuple[Person, Linear]) -> None:
    ada, linear = place
    parent = ada.create("Amounts", description="all amounts are integers in cents")
    child = ada.create("Add alpha", parentId=parent)
    done = stable_id("WorkflowState", "ENG", "Done")
    sibling = ada.create("Add beta", parentId=parent, stateId=done)
    above = linear.fetch(child).parent
    assert above
    assert (above.id, above.title, above.description) == (parent, "Amounts", "all amounts are integers in cents")
    children = {one.id: (one.title, one.column, one.closed, one.description) for one in linear.fetch(parent).children}
    assert children == {child: ("Add alpha", "Backlog", False, ""), sibling: ("Add beta", "Done", True, "")}


def test_ticket_is_created_once_below_its_parent_with_relations(place: tuple[Person, Linear]) -> None:
    ada, linear = place
    parent, first, second = ada.create("Totals"), TicketId(str(uuid4())), TicketId(str(uuid4()))
    linear.create_ticket("ENG", "First part", "", first, parent_id=parent)
    relations = (NewRelation(kind="blocked_by", ticket_id=first), NewRelation(kind="related", ticket_id=parent))
    for _ in range(2):
        created = linear.create_ticket("ENG", "Second part", "", second, parent_id=parent, relations=relations)

    assert created.parent and created.parent.id == parent and [one.id for one in created.siblings] == [first]
    assert {(one.kind, one.ticket.id) for one in created.relations} == {("blocked_by", first), ("related", parent)}
    assert [(one.kind, one.ticket.id) for one in linear.fetch(first).relations] == [("blocks", second)]


@pytest.mark.parametrize(
    ("kind", "from_one", "from_other"),
    [
        ("blocks", "blocks", "blocked_by"),
        ("duplicate", "duplicate_of", "duplicated_by"),
        ("related", "related", "related"),
    ],
)
def test_ticket_has_its_relations_from_its_own_side(
    place: tuple[Person, Linear], kind: str, from_one: str, from_other: str
) -> None:
    ada, linear = place
    one, other = ada.create("One"), ada.create("Other")
    ada.relate(one, kind, other)

    def relations(ticket: Ticket) -> list[tuple[str, str]]:
        return [(relation.kind, relation.ticket.id) for relation in ticket.relations]

    assert relations(linear.fetch(one)) == [(from_one, other)]
    assert relations(linear.fetch(other)) == [(from_other, one)]


def test_ticket_has_priority_due_date_people_and_links(place: tuple[Person, Linear]) -> None:
    ada, linear = place
    bot, us = stable_id("User", "bot@example.com"), stable_id("User", "loopline@example.com")
    ticket_id = ada.create("One", priority=1, dueDate="2026-12-01", assigneeId=us)
    ada.ask(UPDATE, id=ticket_id, input={"delegateId": bot})
    ada.ask(ATTACH, input={"issueId": ticket_id, "url": "https://acme.test/design", "title": "Design"})
    ticket = linear.fetch(ticket_id)
    assert (ticket.priority, ticket.due_date) == (1, "2026-12-01")
    assert ticket.assignee
    assert ticket.assignee.is_us
    assert ticket.delegate
    assert (ticket.delegate.id, ticket.delegate.is_bot, ticket.delegate.is_us) == (bot, True, False)
    assert ticket.links == (Link(url="https://acme.test/design", title="Design"),)
    assert ticket.column_id == stable_id("WorkflowState", "ENG", "Backlog")
    [listed] = linear.in_columns("ENG", ["Backlog"])
    assert (listed.priority, listed.due_date, listed.links) == (1, "2026-12-01", ())


def test_tickets_are_found_by_project_and_change(place: tuple[Person, Linear]) -> None:
    ada, linear = place
    first = ada.create("One", projectId=stable_id("Project", "Totals"))
    ada.create("Two")

    def find(**given: Any) -> list[str]:
        return [one.id for one in linear.find_tickets(TicketSearch(team="ENG", **given), 10)]

    assert find(project="totals") == [first]
    assert len(find(since=time.time() - 60)) == 2
    assert find(since=time.time() + 60) == []
    with pytest.raises(Rejected, match="'HR'"):
        list(linear.find_tickets(TicketSearch(team="HR"), 10))


def test_ticket_has_the_other_children_of_its_parent(place: tuple[Person, Linear]) -> None:
    ada, linear = place
    parent = ada.create("Amounts")
    child, sibling = ada.create("Add alpha", parentId=parent), ada.create("Add beta", parentId=parent)
    assert [one.id for one in linear.fetch(child).siblings] == [sibling]


def test_ticket_has_the_comments_of_others_oldest_first_in_the_same_request(place: tuple[Person, Linear]) -> None:
    ada, linear = place
    ticket_id = ada.create("One")
    ada.ask(COMMENT, input={"issueId": ticket_id, "body": "whole cents only"})
    linear.comment(ticket_id, "ours", str(uuid4()))
    ada.ask(COMMENT, input={"issueId": ticket_id, "body": "never floats" + "!" * 20_000})
    linear.viewer()
    with capture_logs() as logs:
        ticket = linear.fetch(ticket_id)
    first, second = ticket.remarks
    assert (first.text, first.author.name, first.author.may_steer) == ("whole cents only", "Ada", True)
    assert first.at < second.at and len(second.text) == REMARK_CHARACTERS and not ticket.has_more_remarks
    assert [log["operation"] for log in logs if log["event"] == "linear response"] == ["Ticket"]


def test_ticket_keeps_the_newest_comments_that_fit(place: tuple[Person, Linear]) -> None:
    ada, linear = place
    ticket_id = ada.create("One")
    for number in range(9):
        ada.ask(COMMENT, input={"issueId": ticket_id, "body": f"{number}" + "x" * REMARK_CHARACTERS})
    ticket = linear.fetch(ticket_id)
    assert [one.text[0] for one in ticket.remarks] == ["2", "3", "4", "5", "6", "7", "8"]
    assert ticket.has_more_remarks


def test_ticket_has_the_newest_edits_of_its_description(place: tuple[Person, Linear]) -> None:
    ada, linear = place
    ticket_id = ada.create("Add alpha", description="0")
    for text in range(1, 8):
        ada.ask(UPDATE, id=ticket_id, input={"description": str(text)})
    ada.ask(UPDATE, id=ticket_id, input={"title": "Add beta"})
    edits = linear.fetch_move(ticket_id, "", None).ticket.edits
    assert [one.by for one in edits] == [("Ada",)] * MAX_EDITS
    assert [one.at for one in edits] == sorted(one.at for one in edits)
