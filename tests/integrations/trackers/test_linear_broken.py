"""Lists of Linear in which one object is broken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from integrations.errors import Rejected
from integrations.trackers.linear.tracker import Linear

ISSUE = {"id": "t1", "identifier": "ENG-1", "title": "T", "state": {"name": "Agent"}, "team": {"key": "ENG"}}
COMMENT = {"id": "c1", "issueId": "t1", "body": "b", "createdAt": "2026-01-01T00:00:00Z"}
LINK = {"url": "https://x", "title": "Loopline", "metadata": {"schema": 1}}
COLUMNS = {"data": {"teams": {"nodes": [{"states": {"nodes": [{"id": "s1", "name": "Agent"}]}}]}}}


@pytest.fixture
def linear(wire: Any) -> Iterator[Linear]:
    tracker = Linear(wire.url, "lin_api_x", timeout=1)
    yield tracker
    tracker.close()


@pytest.mark.parametrize("broken", [None, 5, {}, ISSUE | {"state": None}, ISSUE | {"team": None}, ISSUE | {"id": None}])
def test_broken_ticket_does_not_hide_the_others(linear: Linear, answer: Any, broken: Any) -> None:
    answer(COLUMNS)
    answer({"data": {"issues": {"nodes": [broken, ISSUE]}}})
    with capture_logs() as logs:
        assert [ticket.id for ticket in linear.in_columns("ENG", ["Agent"])] == ["t1"]
    assert "broken nodes of a list ignored" in [log["event"] for log in logs]


def test_list_of_broken_tickets_only_is_rejected(linear: Linear, answer: Any) -> None:
    answer(COLUMNS)
    answer({"data": {"issues": {"nodes": [{}, None]}}})
    with pytest.raises(Rejected, match=r"issues\.nodes"):
        list(linear.in_columns("ENG", ["Agent"]))


@pytest.mark.parametrize("broken", [None, {}, COMMENT | {"createdAt": 5}, COMMENT | {"user": {"name": "gone"}}])
def test_broken_comment_does_not_hide_the_others(linear: Linear, answer: Any, broken: Any) -> None:
    answer({"data": {"viewer": {"id": "u1"}}})
    answer({"data": {"issue": {"comments": {"nodes": [COMMENT, broken]}}}})
    linear.viewer()
    assert [comment.id for comment in linear.comments("t1")] == ["c1"]


@pytest.mark.parametrize("broken", [None, {}, {"id": None, "emoji": "eyes"}])
def test_broken_reaction_does_not_hide_its_comment(linear: Linear, answer: Any, broken: Any) -> None:
    answer({"data": {"viewer": {"id": "u1"}}})
    answer({"data": {"comment": COMMENT | {"reactions": [broken, {"id": "r1", "emoji": "eyes"}]}}})
    linear.viewer()
    assert [reaction.id for reaction in linear.fetch_comment("c1").reactions] == ["r1"]


@pytest.mark.parametrize("broken", [None, {"title": "no URL"}, LINK | {"metadata": [1]}, LINK | {"metadata": "x"}])
def test_broken_attachment_does_not_hide_the_board_memory(linear: Linear, answer: Any, broken: Any) -> None:
    answer({"data": {"issue": {"attachments": {"nodes": [broken, LINK]}}}})
    assert [link.metadata for link in linear.attachments("t1")] == [{"schema": 1}]
