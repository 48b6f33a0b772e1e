"""The deliveries for which the adapter requests redelivery."""

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


def redelivered(server: Answering, github: GitHub, *attempts: dict[str, Any], at: str = LISTED) -> list[int]:
    """The ids of the redelivered attempts when GitHub lists these attempts, newest first."""
    server.on(f"GET {at}", Answer(body=list(attempts)))
    for one in attempts:
        server.on(f"POST {at}/{one['id']}/attempts", Answer(202, {}))
    assert github.redeliver("o/r", NEW_YEAR) == sum(one.method == "POST" for one in server.asked)
    return [int(one.path.split("/")[-2]) for one in server.asked if one.method == "POST"]


def test_redelivery_requests_failed_events_oldest_first(server: Answering, github: GitHub) -> None:
    assert redelivered(server, github, delivery(9, "b"), delivery(8, "a")) == [8, 9]


def test_redelivery_skips_an_event_that_arrived(server: Answering, github: GitHub) -> None:
    good = delivery(9, "a", status="OK", status_code=200)
    assert redelivered(server, github, good, delivery(8, "a")) == []


def test_redelivery_repeats_the_newest_failed_attempt(server: Answering, github: GitHub) -> None:
    assert redelivered(server, github, delivery(9, "a"), delivery(8, "a")) == [9]


def test_redelivery_skips_an_event_after_five_attempts(server: Answering, github: GitHub) -> None:
    assert redelivered(server, github, *(delivery(n, "a", status="Invalid HTTP Response: 401") for n in range(5))) == []


def test_redelivery_skips_events_that_are_too_old(server: Answering, github: GitHub) -> None:
    assert redelivered(server, github, delivery(9), delivery(8, "b", delivered_at="2025-12-31T23:59:59Z")) == [9]


@pytest.mark.parametrize("hook", [{"active": False}, {"config": {"url": "https://ci.test/github"}}])
def test_redelivery_skips_hooks_of_other_services(server: Answering, github: GitHub, hook: dict[str, object]) -> None:
    server.on("GET /repos/o/r/hooks", Answer(body=[HOOK | hook]))
    assert redelivered(server, github, delivery(9)) == []


def test_redelivery_as_an_app_uses_its_hook_and_jwt(server: Answering, private_key: str) -> None:
    host = GitHub(server.url, app=AppCredentials("42", private_key), backoff=0)
    assert redelivered(server, host, delivery(9), at="/app/hook/deliveries") == [9]
    assert all(one.headers["authorization"].count(".") == 2 for one in server.asked), "a JWT has two dots"
    host.close()


def test_redelivery_without_permission_is_rejected(server: Answering, github: GitHub) -> None:
    server.on("GET /repos/o/r/hooks", Answer(403, {"message": "Resource not accessible by personal access token"}))
    with pytest.raises(Rejected):
        github.redeliver("o/r", NEW_YEAR)
