"""Costs and allowances: the numbers that Linear's answers were measured to carry."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphql import DocumentNode, parse

from integrations.standins.linear.execute import schema
from integrations.standins.linear.limits import Bucket, complexity
from tests.integrations.standins.linear.conftest import Linear, Start

MEASURED = {
    "AttachmentUpsert": 3,
    "Bootstrap": 2,
    "CommentCreate": 3,
    "CommentThread": 183,
    "IssueAttachmentsForUrl": 37,
    "IssueFull": 165,
    "IssueUpdate": 5,
    "IssuesByIds": 12,
    "IssuesInState": 6,
    "IssuesUpdatedSince": 13,
    "TeamBySelector": 9,
    "TeamWorkflow": 97,
    "UsersByEmail": 38,
    "Viewer": 1,
}


@pytest.mark.parametrize("name", MEASURED)
def test_an_operation_costs_what_was_measured(name: str) -> None:
    document = parse(Path(__file__).with_name("operations.graphql").read_text())
    wanted = {name, "IssueCore"}
    nodes = [node for node in document.definitions if getattr(getattr(node, "name", None), "value", "") in wanted]
    assert complexity(schema(), DocumentNode(definitions=tuple(nodes)), {"first": 50}) == MEASURED[name]


def test_every_answer_carries_linears_headers(linear: Linear) -> None:
    headers = linear.post('{ issue(id: "ENG-1") { id state { name } } }').headers
    assert headers["X-Complexity"] == "3"
    assert headers["X-RateLimit-Requests-Limit"] == "5000"
    assert 0 < int(headers["X-RateLimit-Requests-Remaining"]) < 5000
    assert int(headers["X-RateLimit-Complexity-Reset"]) > 1_700_000_000_000


def test_the_hours_allowance_ends_in_ratelimited(start: Start) -> None:
    linear = start(requests_per_hour=3)
    codes = [linear.post("{ viewer { id } }").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 400]
    assert linear.post("{ viewer { id } }", token="lin_oauth_loop").status_code == 200


def test_a_document_beyond_10000_points_is_refused(linear: Linear) -> None:
    document = "{ teams(first: 250) { nodes { issues(first: 250) { nodes { id } } } } }"
    assert "too complex" in linear.post(document).json()["errors"][0]["message"]


def test_rate_limit_status_tells_what_is_left(linear: Linear) -> None:
    document = "{ rateLimitStatus { kind limits { type allowedAmount remainingAmount period } } }"
    requests, points = linear.ask(document)["rateLimitStatus"]["limits"]
    assert (requests["type"], requests["allowedAmount"], requests["period"]) == ("requests", 5000, 3_600_000)
    assert points["remainingAmount"] < points["allowedAmount"]


def test_a_bucket_gives_no_more_than_it_holds() -> None:
    bucket = Bucket(10)
    assert [bucket.take(6), bucket.take(6), bucket.take(4)] == [True, False, True]
