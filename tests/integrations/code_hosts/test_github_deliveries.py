"""Which deliveries GitHub is asked to try again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.code_hosts.github.app import AppCredentials
from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Rejected
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.canned import HOOK, delivery

LISTED = "/repos/o/r/hooks/3/deliveries"
NEW_YEAR = 1767225600.0


@pytest.fixture
def github(server: Answering) -> Iterator[GitHub]:
    server.on("GET /repos/o/r/hooks", Answer(body=[HOOK]))
    host = GitHub(server.url, token="t", backoff=0)
    yield host
    host.close()


def asked_again(server: Answering, github: GitHub, *tries: dict[str, Any], at: str = LISTED) -> list[int]:
    """The ids of the tries that are asked for when GitHub lists these, the newest first."""
    server.on(f"GET {at}", Answer(body=list(tries)))
    for one in tries:
        server.on(f"POST {at}/{one['id']}/attempts", Answer(202, {}))
    assert github.redeliver("o/r", NEW_YEAR) == sum(one.method == "POST" for one in server.asked)
    return [int(one.path.split("/")[-2]) for one in server.asked if one.method == "POST"]


def test_events_that_never_arrived_are_asked_for_the_oldest_first(server: Answering, github: GitHub) -> None:
    assert asked_again(server, github, delivery(9, "b"), delivery(8, "a")) == [8, 9]


def test_an_event_that_arrived_at_some_try_is_left_alone(server: Answering, github: GitHub) -> None:
    good = delivery(9, "a", status="OK", status_code=200)
    assert asked_again(server, github, good, delivery(8, "a")) == []


def test_of_several_failed_tries_the_newest_is_repeated(server: Answering, github: GitHub) -> None:
    assert asked_again(server, github, delivery(9, "a"), delivery(8, "a")) == [9]


def test_what_was_refused_again_and_again_is_left_alone(server: Answering, github: GitHub) -> None:
    assert asked_again(server, github, *(delivery(n, "a", status="Invalid HTTP Response: 401") for n in range(5))) == []


def test_what_is_too_old_is_left_alone(server: Answering, github: GitHub) -> None:
    assert asked_again(server, github, delivery(9), delivery(8, "b", delivered_at="2025-12-31T23:59:59Z")) == [9]


@pytest.mark.parametrize("hook", [{"active": False}, {"config": {"url": "https://ci.test/github"}}])
def test_hooks_that_do_not_lead_to_us_are_left_alone(
    server: Answering, github: GitHub, hook: dict[str, object]
) -> None:
    server.on("GET /repos/o/r/hooks", Answer(body=[HOOK | hook]))
    assert asked_again(server, github, delivery(9)) == []


def test_an_app_asks_for_its_own_hook_with_its_own_token(server: Answering, private_key: str) -> None:
    host = GitHub(server.url, app=AppCredentials("42", private_key), backoff=0)
    assert asked_again(server, host, delivery(9), at="/app/hook/deliveries") == [9]
    assert all(one.headers["authorization"].count(".") == 2 for one in server.asked), "a JWT has two dots"
    host.close()


def test_a_token_that_may_not_see_hooks_is_said(server: Answering, github: GitHub) -> None:
    server.on("GET /repos/o/r/hooks", Answer(403, {"message": "Resource not accessible by personal access token"}))
    with pytest.raises(Rejected):
        github.redeliver("o/r", NEW_YEAR)
