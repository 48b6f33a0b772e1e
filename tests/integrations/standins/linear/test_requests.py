"""Credentials, documents, allowances and faults: the answers before and around a resolver."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.integrations.standins.linear.conftest import WRITES, Linear, Start

ME = "{ viewer { name app guest } }"
COMMENT = {"input": {"issueId": "ENG-1", "body": "hello"}}


@pytest.mark.parametrize(
    ("token", "name", "app", "guest"),
    [
        ("lin_api_ana", "Ana Silva", False, False),
        ("lin_api_ben", "Ben Okafor", False, True),
        ("lin_oauth_loop", "Loopline", True, False),
    ],
)
def test_viewer_is_the_person_of_the_token(linear: Linear, token: str, name: str, app: bool, guest: bool) -> None:
    assert linear.ask(ME, token=token)["viewer"] == {"name": name, "app": app, "guest": guest}


@pytest.mark.parametrize(
    "header",
    ["", "lin_api_nobody", "Bearer lin_api_ana", "lin_oauth_loop", "Bearer ", "Basic lin_api_ana", "lin_api_gone"],
)
def test_other_credentials_are_linears_401(linear: Linear, published_errors: dict[str, Any], header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.post(f"{linear.url}/graphql", json={"query": ME}, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()) == (401, published_errors["unauthenticated"])


@pytest.mark.parametrize("body", [b"", b"[]", b'{"query": 1}', b"{"])
def test_body_without_a_document_is_400(linear: Linear, body: bytes) -> None:
    headers = {"Authorization": "lin_api_ana", "Content-Type": "application/json"}
    assert requests.post(f"{linear.url}/graphql", data=body, headers=headers, timeout=10).status_code == 400


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "GRAPHQL_VALIDATION_FAILED"),
        ("{ nobody }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($id: String!) { issue(id: $id) { id } }", "BAD_USER_INPUT"),
    ],
)
def test_invalid_document_or_variable_is_400(linear: Linear, document: str, code: str) -> None:
    answer = linear.post(document, {"id": {"a": 1}})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, code)


def test_allowance_is_per_person_and_ends_in_ratelimited(start: Start) -> None:
    linear = start(requests_per_hour=3)
    answers = [linear.post(ME) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    assert [answer.headers["X-RateLimit-Requests-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert int(answers[0].headers["X-RateLimit-Requests-Reset"]) > 1_700_000_000_000
    assert linear.post(ME, token="lin_oauth_loop").status_code == 200


def test_lost_reply_is_executed_and_then_cut_off(linear: Linear) -> None:
    linear.fault(operation="commentCreate", kind="lost_reply")
    with pytest.raises(requests.ConnectionError):
        linear.post(WRITES["commentCreate"], COMMENT)
    assert [entry["operation"] for entry in linear.log()] == ["commentCreate"]


@pytest.mark.parametrize(("kind", "status"), [("ratelimited", 400), ("500", 500)])
def test_refusing_fault_is_not_executed(
    linear: Linear, published_errors: dict[str, Any], kind: str, status: int
) -> None:
    linear.fault(operation="commentCreate", kind=kind)
    assert linear.post(ME).status_code == 200
    answer = linear.post(WRITES["commentCreate"], COMMENT)
    assert answer.status_code == status and linear.log() == []
    if kind == "ratelimited":
        assert answer.json() == published_errors["rate limited"]
