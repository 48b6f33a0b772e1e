"""Misbehaviour on request: each kind does what it says, as often as it was asked to."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.integrations.standins.linear.conftest import COMMENT, Linear
from tests.support.linear_payloads import error_responses

INPUT = {"input": {"issueId": "ENG-1", "body": "hello"}}


def test_a_lost_reply_is_done_and_then_cut_off(linear: Linear) -> None:
    linear.fault(operation="commentCreate", kind="lost_reply")
    with pytest.raises(requests.ConnectionError):
        linear.post(COMMENT, INPUT)
    assert [entry["operation"] for entry in linear.log()] == ["commentCreate"]
    assert linear.comment()


def test_ratelimited_is_linears_400_and_nothing_is_done(linear: Linear) -> None:
    linear.fault(operation="commentCreate", kind="ratelimited", times=2)
    for _ in range(2):
        answer = linear.post(COMMENT, INPUT)
        assert (answer.status_code, answer.json()) == (400, error_responses()["rate limited"]["body"])
        assert "X-RateLimit-Requests-Reset" in answer.headers
    assert linear.log() == []
    assert linear.comment()


def test_500_does_nothing(linear: Linear) -> None:
    linear.fault(kind="500")
    answer = linear.post("{ viewer { id } }")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["type"]) == (500, "internal error")


def test_a_timeout_is_done_but_answers_late(linear: Linear) -> None:
    linear.fault(operation="commentCreate", kind="timeout", seconds=0.3)
    started = time.monotonic()
    assert linear.comment()
    assert time.monotonic() - started >= 0.3


def test_a_fault_of_one_operation_leaves_others_alone(linear: Linear) -> None:
    linear.fault(operation="issueUpdate", kind="500")
    assert linear.comment()
    assert requests.get(f"{linear.url}/_faults", timeout=10).json()[0]["times"] == 1


def test_faults_can_be_taken_back(linear: Linear) -> None:
    linear.fault(kind="500", times=100)
    assert requests.delete(f"{linear.url}/_faults", timeout=10).json() == []
    assert linear.comment()


@pytest.mark.parametrize("fault", [{"kind": "explode"}, {}, {"kind": "500", "times": "many"}])
def test_an_unknown_fault_is_refused_in_a_sentence(linear: Linear, fault: dict[str, Any]) -> None:
    answer = linear.fault(**fault)
    assert answer.status_code == 400
    assert answer.json()["error"]
