"""The adapter against broken objects, odd refusals, and settings of the host that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Misconfigured, Rejected, Unavailable, WrongEndpoint
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.canned import ANSWERS, BRANCH, OCTOCAT, SHA, pull

REVIEWS = "GET /repos/o/r/pulls/7/reviews"
REVIEW = {"id": 1, "state": "APPROVED", "user": OCTOCAT, "body": "x", "commit_id": SHA}


@pytest.fixture
def server() -> Iterator[Answering]:
    server = Answering()
    for route, answer in ANSWERS.items():
        server.on(route, answer)
    yield server
    server.close()


@pytest.fixture
def github(server: Answering) -> GitHub:
    return GitHub(server.url, "ghp_do_not_show", backoff=0.001)


@pytest.mark.parametrize("broken", [None, {}, {**REVIEW, "id": None}, {**REVIEW, "state": "SUPERSEDED"}, 5])
def test_github_broken_review_does_not_hide_the_others(server: Answering, github: GitHub, broken: Any) -> None:
    server.on(REVIEWS, Answer(body=[broken, REVIEW]))
    with capture_logs() as logs:
        assert [review.id for review in github.reviews("o/r", 7)] == ["1"]
    assert [log["event"] for log in logs] == ["broken items of a list ignored"]


def test_github_list_of_broken_objects_only_is_rejected(server: Answering, github: GitHub) -> None:
    server.on(REVIEWS, Answer(body=[{}, None]))
    with pytest.raises(Rejected, match="is invalid"):
        github.reviews("o/r", 7)


def test_github_broken_pull_request_does_not_hide_the_others(server: Answering, github: GitHub) -> None:
    server.on("GET /repos/o/r/pulls", Answer(body=[pull(9, head=None), pull(7)]))
    found = github.find_pull_request("o/r", BRANCH)
    assert found and found.number == 7


@pytest.mark.parametrize("user", [None, {}, {"login": None}, {"login": "", "type": None}])
def test_github_review_of_a_deleted_account_has_no_author(server: Answering, github: GitHub, user: Any) -> None:
    server.on(REVIEWS, Answer(body=[{**REVIEW, "user": user}]))
    assert [review.author for review in github.reviews("o/r", 7)] == [""]


def test_github_text_with_half_a_character_does_not_hide_the_others(server: Answering, github: GitHub) -> None:
    server.on(
        REVIEWS, Answer(body=rb'[{"id":1,"state":"APPROVED","body":"\ud83d \u0000"},{"id":2,"state":"APPROVED"}]')
    )
    assert [review.body for review in github.reviews("o/r", 7)] == ["\ufffd \ufffd", ""]


def test_github_text_that_cannot_be_stored_is_sent_in_a_form_that_can(server: Answering, github: GitHub) -> None:
    github.comment("o/r", 7, "half \ud83d, NUL \0", "m")
    assert server.asked[-1].body["body"].startswith("half \ufffd, NUL \ufffd")


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "-5"}, {"X-RateLimit-Remaining": "0"}])
def test_github_rate_limit_without_a_usable_time_is_retried(
    server: Answering, github: GitHub, headers: dict[str, str]
) -> None:
    server.on("GET /repos/o/r", Answer(403, {"message": "API rate limit exceeded for user ID 1."}, headers))
    with pytest.raises(Unavailable) as raised:
        github.repository("o/r")
    assert raised.value.retry_after == 60


def test_github_merge_that_did_not_happen_is_no_success(server: Answering, github: GitHub) -> None:
    server.on("PUT /repos/o/r/pulls/7/merge", Answer(body={"sha": SHA, "merged": False}))
    with pytest.raises(Unavailable):
        github.merge("o/r", 7, SHA, "Fix")


def test_github_token_that_is_repeated_in_a_refusal_is_not_shown(server: Answering, github: GitHub) -> None:
    server.on("GET /repos/o/r", Answer(403, {"message": "no access for ghp_do_not_show"}))
    with pytest.raises(Misconfigured) as raised:
        github.repository("o/r")
    assert "ghp_do_not_show" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REQUESTS_CA_BUNDLE", "/nonexistent"),
        ("CURL_CA_BUNDLE", "/nonexistent"),
        ("HTTPS_PROXY", "socks5://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://[bad"),
    ],
)
def test_github_waits_for_a_host_setting_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongEndpoint) as raised:
        GitHub("https://github.invalid", "ghp_x", backoff=0.001).repository("o/r")
    assert name in str(raised.value) and value not in str(raised.value)
