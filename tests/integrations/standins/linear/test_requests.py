"""Credentials, documents, costs, allowances and faults: the answers before and around a resolver."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from graphql import parse

from integrations.standins.linear.execute import schema
from integrations.standins.linear.limits import Bucket, complexity
from integrations.trackers.linear_client import documents
from tests.integrations.standins.linear.conftest import WRITES, Linear, Start

ME = "{ viewer { name app guest active } }"
COMMENT = {"input": {"issueId": "ENG-1", "body": "hello"}}

# --- credentials ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "name", "app", "guest"),
    [
        ("lin_api_ana", "Ana Silva", False, False),
        ("lin_api_ben", "Ben Okafor", False, True),
        ("lin_oauth_loop", "Loopline", True, False),
    ],
)
def test_viewer_is_the_person_of_the_token(linear: Linear, token: str, name: str, app: bool, guest: bool) -> None:
    assert linear.ask(ME, token=token)["viewer"] == {"name": name, "app": app, "guest": guest, "active": True}


@pytest.mark.parametrize(
    "header",
    ["", "lin_api_nobody", "Bearer lin_api_ana", "lin_oauth_loop", "Bearer ", "Basic lin_api_ana", "lin_api_gone"],
)
def test_other_credentials_are_linears_401(linear: Linear, published_errors: dict[str, Any], header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.post(f"{linear.url}/graphql", json={"query": ME}, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()) == (401, published_errors["unauthenticated"])


# --- documents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"[]", b'{"query": 1}', b"{"])
def test_body_without_a_document_is_400(linear: Linear, body: bytes) -> None:
    headers = {"Authorization": "lin_api_ana", "Content-Type": "application/json"}
    assert requests.post(f"{linear.url}/graphql", data=body, headers=headers, timeout=10).status_code == 400


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "GRAPHQL_VALIDATION_FAILED"),
        ("{ nobody }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ issues(filter: { cycle: {} }) { nodes { id } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($id: String!) { issue(id: $id) { id } }", "BAD_USER_INPUT"),
    ],
)
def test_invalid_document_or_variable_is_400(linear: Linear, document: str, code: str) -> None:
    answer = linear.post(document, {"id": {"a": 1}})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, code)


# --- costs and allowances -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "points"),  # measured on live answers, or Linear's published rule
    [
        (documents()["Viewer"], 1),
        (parse('{ issue(id: "x") { id identifier title state { id name type } } }'), 3),
        (parse("{ teams(first: 5) { nodes { id key name } } }"), 7),
        (parse("{ issues(first: 50) { nodes { id title state { id } } pageInfo { hasNextPage } } }"), 5),
    ],
)
def test_complexity_is_the_measured_one(document: Any, points: int) -> None:
    assert complexity(schema(), document) == points


def test_answer_has_linears_headers(linear: Linear) -> None:
    headers = linear.post('{ issue(id: "ENG-1") { id state { name } } }').headers
    assert (headers["X-Complexity"], headers["X-RateLimit-Requests-Limit"]) == ("3", "5000")
    assert 0 < int(headers["X-RateLimit-Requests-Remaining"]) < 5000
    assert int(headers["X-RateLimit-Complexity-Reset"]) > 1_700_000_000_000


def test_allowance_is_per_person_and_ends_in_ratelimited(start: Start) -> None:
    linear = start(requests_per_hour=3)
    assert [linear.post(ME).status_code for _ in range(4)] == [200, 200, 200, 400]
    assert linear.post(ME, token="lin_oauth_loop").status_code == 200


def test_document_beyond_10000_points_is_refused(linear: Linear) -> None:
    document = "{ teams(first: 250) { nodes { states(first: 250) { nodes { id name } } } } }"
    assert "too complex" in linear.post(document).json()["errors"][0]["message"]


def test_bucket_gives_no_more_than_it_holds() -> None:
    bucket = Bucket(10)
    assert [bucket.take(6), bucket.take(6), bucket.take(4)] == [True, False, True]


# --- faults ---------------------------------------------------------------------------------------------------------


def test_lost_reply_is_executed_and_then_cut_off(linear: Linear) -> None:
    linear.fault(operation="commentCreate", kind="lost_reply")
    with pytest.raises(requests.ConnectionError):
        linear.post(WRITES["commentCreate"], COMMENT)
    assert [entry["operation"] for entry in linear.log()] == ["commentCreate"]
    assert linear.comment()


def test_ratelimited_is_linears_400_and_not_executed(linear: Linear, published_errors: dict[str, Any]) -> None:
    linear.fault(operation="commentCreate", kind="ratelimited", times=2)
    for _ in range(2):
        answer = linear.post(WRITES["commentCreate"], COMMENT)
        assert (answer.status_code, answer.json()) == (400, published_errors["rate limited"])
        assert "X-RateLimit-Requests-Reset" in answer.headers
    assert linear.log() == []
    assert linear.comment()


def test_500_is_not_executed(linear: Linear) -> None:
    linear.fault(kind="500")
    answer = linear.post(WRITES["commentCreate"], COMMENT)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["type"]) == (500, "internal error")
    assert linear.log() == []


def test_fault_of_one_operation_leaves_others_alone(linear: Linear) -> None:
    linear.fault(operation="issueUpdate", kind="500")
    assert linear.comment()
    assert requests.get(f"{linear.url}/_faults", timeout=10).json()[0]["times"] == 1
