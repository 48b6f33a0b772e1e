"""The providers' clocks: read from their responses, used where times are compared."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import formatdate

import jwt
import pytest
from structlog.testing import capture_logs

from integrations.agents.anthropic.refusals import seconds_until_reset
from integrations.code_hosts.github.api import Grant
from integrations.code_hosts.github.app import AppCredentials, InstallationTokens
from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Unauthorized, Unavailable
from integrations.server_time import ServerClock, read_date, server_clock
from integrations.trackers.linear.client import LinearClient
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.conftest import private_key

__all__ = ["private_key"]
READ = Grant("o/r", (("contents", "read"),))
MINT = "POST /app/installations/7/access_tokens"


@pytest.fixture
def server() -> Iterator[Answering]:
    server = Answering()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def agreeing_clocks() -> Iterator[None]:
    yield
    for name in ("linear", "github"):
        server_clock(name).offset = 0.0


def date(offset: float = 0.0) -> dict[str, str]:
    return {"Date": formatdate(time.time() + offset, usegmt=True)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "0",
        "Thu, 99 Nov 2026 00:00:00 GMT",
        "Thu, 26 Nov 99999 00:00:00 GMT",
        "2026-11-26T00:00:00Z",
        "a, b",
    ],
)
def test_date_that_cannot_be_read_is_ignored(text: str) -> None:
    assert read_date({"Date": text}) is None


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
def test_date_does_not_depend_on_the_hosts_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert read_date({"Date": "Thu, 26 Nov 2026 12:00:00 GMT"}) == 1_795_694_400.0
        reset = {"anthropic-ratelimit-tokens-reset": "2026-11-26T12:00:00"}
        assert seconds_until_reset(reset, 1_795_694_390.0) == 10.0
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("offset", [-600.0, 600.0, -86_400.0, 86_400.0, -1.7e9, 3e8])
def test_clock_that_differs_is_corrected_and_reported_once(offset: float) -> None:
    clock = ServerClock("linear")
    with capture_logs() as logs:
        for _ in range(3):
            clock.observe(date(offset), 0.1)

    assert clock.now() == pytest.approx(time.time() + offset, abs=3)
    assert [line["event"] for line in logs] == ["host clock differs"]
    assert clock.sentence

    with capture_logs() as logs:
        clock.observe(date(), 0.1)
    assert [line["event"] for line in logs] == ["host clock agrees again"]
    assert (clock.offset, clock.sentence) == (0.0, "")


def test_time_of_this_host_is_converted_to_that_of_the_provider() -> None:
    clock = ServerClock("x")
    assert clock.convert(100.0) == 100.0
    clock.observe(date(-3_600.0), 0.0)
    assert abs(clock.convert(5_000.0) - 1_400.0) < 2


def test_corrected_clock_never_goes_back_between_two_responses() -> None:
    clock, later = ServerClock("linear"), 600.0
    times = []
    for tenth in range(40):  # a Date has whole seconds
        date = int(time.time() + later + tenth / 10)
        clock.observe({"Date": formatdate(date - tenth / 10, usegmt=True)}, 0.0)
        times.append(clock.now())
    assert times == sorted(times)
    assert later - 1.0 <= clock.offset <= later


@pytest.mark.parametrize(
    ("offset", "more", "elapsed"),
    [(20.0, {}, 0.1), (-600.0, {}, 45.0), (-600.0, {"Age": "600"}, 0.1), (-600.0, {"Date": "?"}, 0.1)],
    ids=["small difference", "slow response", "from a cache", "invalid date"],
)
def test_response_that_proves_nothing_is_ignored(offset: float, more: dict[str, str], elapsed: float) -> None:
    clock = ServerClock("linear")
    clock.observe(date(offset) | more, elapsed)

    assert clock.offset == 0.0


@pytest.mark.parametrize("offset", [-600.0, 600.0, 86_400.0])
def test_github_app_signs_again_with_the_time_of_the_refusal(
    server: Answering, private_key: str, offset: float
) -> None:
    expires = datetime.fromtimestamp(time.time() + offset + 3_600, UTC).isoformat()
    refused = Answer(401, {"message": "'Issued at' claim ('iat') is in the future"}, date(offset))
    server.on(MINT, refused, Answer(201, {"token": "ghs_one", "expires_at": expires}, date(offset)))
    tokens = InstallationTokens(server.url, AppCredentials("42", private_key, 7))

    assert [tokens.token(READ), tokens.token(READ)] == ["ghs_one", "ghs_one"]
    tokens.close()
    assert server.count(MINT) == 2
    signed = server.asked[-1].headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(signed, options={"verify_signature": False})
    assert claims["iat"] == pytest.approx(time.time() + offset - 60, abs=5)


def test_github_app_lists_its_deliveries_with_the_time_of_the_refusal(server: Answering, private_key: str) -> None:
    listing = "GET /app/hook/deliveries"
    refused = Answer(401, {"message": "'Expiration time' claim ('exp') must be in the future"}, date(600.0))
    server.on(listing, refused, Answer(200, [], date(600.0)))
    github = GitHub(server.url, app=AppCredentials("42", private_key, 7))

    assert github.redeliver("o/r", time.time()) == 0
    github.close()
    assert server.count(listing) == 2


def test_github_app_that_is_refused_without_a_wrong_clock_signs_once(server: Answering, private_key: str) -> None:
    server.on(MINT, Answer(401, {"message": "Bad credentials"}))
    tokens = InstallationTokens(server.url, AppCredentials("42", private_key, 7))

    with pytest.raises(Unauthorized):
        tokens.token(READ)
    tokens.close()
    assert server.count(MINT) == 1


@pytest.mark.parametrize("offset", [-600.0, 600.0])
def test_github_rate_limit_reset_is_counted_from_githubs_time(
    server: Answering, private_key: str, offset: float
) -> None:
    reset = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time() + offset + 120))}
    server.on(MINT, Answer(403, {"message": "rate limit"}, date(offset) | reset))
    tokens = InstallationTokens(server.url, AppCredentials("42", private_key, 7))

    with pytest.raises(Unavailable) as refused:
        tokens.token(READ)
    tokens.close()
    assert refused.value.retry_after == pytest.approx(121, abs=3)


@pytest.mark.parametrize("offset", [-600.0, 600.0])
def test_linear_rate_limit_reset_is_counted_from_linears_time(server: Answering, offset: float) -> None:
    reset = {"X-RateLimit-Requests-Remaining": "0"}
    reset["X-RateLimit-Requests-Reset"] = str(int((time.time() + offset + 10) * 1000))
    server.on("POST /graphql", Answer(429, {"errors": [{"message": "slow down"}]}, date(offset) | reset))
    client = LinearClient(f"{server.url}/graphql", "lin_api_x")

    with pytest.raises(Unavailable) as refused:
        client.run("Viewer")
    client.close()
    assert refused.value.retry_after == pytest.approx(10, abs=3)
    assert server_clock("linear").offset == pytest.approx(offset, abs=3)
