"""Who may ask, and what everybody else is told."""

from __future__ import annotations

import pytest
import requests

from tests.integrations.standins.linear.conftest import Linear
from tests.support.linear_payloads import error_responses

ME = "{ viewer { name app admin guest active } }"


@pytest.mark.parametrize(
    ("token", "name"), [("lin_api_ana", "Ana Silva"), ("lin_api_ben", "Ben Okafor"), ("lin_oauth_loop", "Loopline")]
)
def test_a_token_says_who_asks(linear: Linear, token: str, name: str) -> None:
    assert linear.ask(ME, token=token)["viewer"]["name"] == name


@pytest.mark.parametrize(
    ("token", "flags"),
    [
        ("lin_api_ana", [False, True, False]),
        ("lin_api_ben", [False, False, True]),
        ("lin_oauth_loop", [True, False, False]),
    ],
)
def test_the_seeds_flags_are_the_viewers(linear: Linear, token: str, flags: list[bool]) -> None:
    viewer = linear.ask(ME, token=token)["viewer"]
    assert [viewer["app"], viewer["admin"], viewer["guest"]] == flags


@pytest.mark.parametrize(
    "header",
    ["", "lin_api_nobody", "Bearer lin_api_ana", "lin_oauth_loop", "Bearer ", "Basic lin_api_ana", "lin_api_gone"],
)
def test_anything_else_is_linears_401(linear: Linear, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.post(f"{linear.url}/graphql", json={"query": ME}, headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json() == error_responses()["unauthenticated"]["body"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"query": 1}', b"{"])
def test_a_body_without_a_document_is_400(linear: Linear, body: bytes) -> None:
    headers = {"Authorization": "lin_api_ana", "Content-Type": "application/json"}
    assert requests.post(f"{linear.url}/graphql", data=body, headers=headers, timeout=10).status_code == 400


@pytest.mark.parametrize("document", ["{", "{ nobody }", "{ issues(filter: { cycle: {} }) { nodes { id } } }"])
def test_a_document_that_is_not_offered_is_400(linear: Linear, document: str) -> None:
    answer = linear.post(document)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "GRAPHQL_VALIDATION_FAILED")


def test_a_variable_of_the_wrong_type_is_400(linear: Linear) -> None:
    answer = linear.post("query($id: String!) { issue(id: $id) { id } }", {"id": {"a": 1}})
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
