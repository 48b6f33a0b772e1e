"""Translation of failed calls: pure."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from anthropic import APIConnectionError, APIStatusError, APITimeoutError

from integrations.agents.anthropic.refusals import (
    PromptTooLong,
    may_be_billed,
    seconds_until_reset,
    translate_error,
)
from integrations.errors import Misconfigured, NotFound, Rejected, Unauthorized, Unavailable, Unusable
from integrations.waits import LONGEST_WAIT

NOW = 1_795_608_000.0  # 2026-11-25 12:00 UTC
REQUEST = httpx2.Request("POST", "https://api.anthropic.com/v1/messages")
PREFIX = "anthropic-ratelimit-"


def status(code: int, kind: str = "", message: str = "no", **headers: str) -> APIStatusError:
    body: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": message}}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return APIStatusError(message, response=httpx2.Response(code, request=REQUEST, headers=given), body=body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (status(401), Unauthorized),
        (status(402), Unauthorized),
        (status(403, "permission_error"), Misconfigured),
        (status(403), Misconfigured),
        (status(200, "authentication_error"), Unauthorized),
        (status(400, "invalid_request_error", "Your credit balance is too low"), Unauthorized),
        (status(400, "invalid_request_error", "This organization has been disabled."), Unauthorized),
        (
            status(400, "invalid_request_error", "You have reached your specified workspace API usage limits."),
            Unavailable,
        ),
        (status(400, "invalid_request_error", "prompt is too long: 250000 tokens > 200000 maximum"), PromptTooLong),
        (
            status(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 9 > 10"),
            PromptTooLong,
        ),
        (status(407), Misconfigured),
        (status(400, "invalid_request_error", "max_tokens: too large"), Rejected),
        (status(404, "not_found_error", "model: x"), NotFound),
        (status(404, "not_found_error", "Not Found"), Misconfigured),
        (status(404), Misconfigured),
        (status(301), Misconfigured),
        (status(408), Unavailable),
        (status(500, "api_error"), Unavailable),
        (status(529, "overloaded_error"), Unavailable),
        (status(200, "overloaded_error"), Unavailable),
        (status(200, "coffee_error"), Unusable),
        (status(200), Unusable),
        (status(200, "invalid_request_error"), Rejected),
        (status(413, "request_too_large"), PromptTooLong),
        (status(405), Misconfigured),
        (APITimeoutError(request=REQUEST), Unavailable),
        (APIConnectionError(request=REQUEST), Unavailable),
        (ValueError("no JSON"), Unusable),
    ],
)
def test_error_of_the_sdk_is_translated(error: Exception, kind: type[Exception]) -> None:
    assert type(translate_error(error)) is kind


@pytest.mark.parametrize("text", ["inf", "nan", "-3", "soon", "1e400"])
def test_retry_after_that_is_no_time_is_ignored(text: str) -> None:
    found = translate_error(status(529, retry_after=text))
    assert isinstance(found, Unavailable) and found.retry_after is None


def test_retry_after_is_bounded() -> None:
    found = translate_error(status(429, retry_after="1000000000"))
    assert isinstance(found, Unavailable) and found.retry_after == LONGEST_WAIT


@pytest.mark.parametrize("date", ["2026-99-99", "9999-12-31"])
def test_usage_limit_with_an_odd_date_is_bounded(date: str) -> None:
    found = translate_error(status(400, "invalid_request_error", f"regain access on {date} at 23:59 UTC"))
    assert getattr(found, "retry_after", None) in (None, LONGEST_WAIT)


def test_message_of_the_provider_can_be_stored() -> None:
    assert str(translate_error(status(529, message="half \ud800"))).encode().endswith("half \ufffd".encode())


def test_retry_after_comes_from_the_headers() -> None:
    found = translate_error(status(429, retry_after="17"))
    assert isinstance(found, Unavailable) and found.retry_after == 17


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"tokens-reset": "2026-11-25T12:01:00Z"}, 60),
        ({"tokens-reset": "2026-11-25T12:01:00Z", "tokens-remaining": "0", "requests-reset": "2026-11-25T13:00:00Z",
          "requests-remaining": "40"}, 60),
        ({"tokens-reset": "2026-11-25T12:01:00Z", "requests-reset": "2026-11-25T12:02:00Z"}, 120),
        ({"unified-reset": "1795608030"}, 30),
        ({"tokens-reset": "2026-11-25T11:00:00Z"}, 1),
        ({"tokens-reset": "soon"}, None),
    ],
)  # fmt: skip
def test_rate_limit_headers_give_the_seconds_until_reset(headers: dict[str, str], wait: float | None) -> None:
    assert seconds_until_reset({PREFIX + name: value for name, value in headers.items()}, NOW) == wait


@pytest.mark.parametrize(
    ("cause", "billed"),
    [(httpx2.ConnectError("x"), False), (httpx2.ConnectTimeout("x"), False), (httpx2.ReadTimeout("x"), True)],
)
def test_billing_is_possible_only_for_a_sent_request(cause: Exception, billed: bool) -> None:
    error = APIConnectionError(request=REQUEST)
    error.__cause__ = cause
    assert may_be_billed(translate_error(error), error) is billed
    assert not may_be_billed(translate_error(status(529)), status(529))
