"""The adapter against Linear's errors, broken proxies and a broken network."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import structlog

from integrations.errors import (
    Conflict,
    Forbidden,
    IntegrationError,
    NotFound,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    WrongEndpoint,
)
from integrations.ports.tracker import Attachment
from integrations.trackers.linear.client import (
    MIN_WAIT,
    seconds_until_refill,
)
from integrations.trackers.linear.tracker import Linear
from integrations.values import Identifier, Ticket, TicketId
from integrations.waits import LONGEST_WAIT
from tests.support.linear_payloads import error_responses
from tests.support.tls import untrusted_server

KEY = "lin_api_do_not_show"
DONE = {"data": {"commentUpdate": {"success": True}}}
VIEWER = {"data": {"viewer": {"id": "u1", "name": "Ada", "active": True, "app": False, "guest": False}}}
CASES = {
    "unauthenticated": Unauthorized,
    "create with an id that exists already": Conflict,
    "referenced entity missing": NotFound,
    "usage limit (free plan, 250 active issues)": Rejected,
    "rate limited": RateLimited,
    "scope missing on the token": Forbidden,
    "argument validation": Rejected,
}


@pytest.fixture
def linear(wire: Any) -> Iterator[Linear]:
    tracker = Linear(wire.url, KEY, timeout=1)
    yield tracker
    tracker.close()


@pytest.fixture
def published() -> dict[str, Any]:
    return error_responses()


def error(kind: str = "", message: str = "no", **extensions: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"type": kind, **extensions}}], "data": None}


def raised(call: Callable[[], object]) -> IntegrationError:
    with pytest.raises(IntegrationError) as caught:
        call()
    return caught.value


# --- errors of Linear -----------------------------------------------------------------------------------------------


def test_linear_errors_that_are_published_are_all_covered(published: dict[str, Any]) -> None:
    assert published.keys() == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_linear_error_that_is_published_is_classified(linear: Linear, answer: Any, published: Any, case: str) -> None:
    answer(published[case]["body"], published[case]["status"], published[case]["headers"])
    assert type(raised(lambda: linear.edit_comment("c1", "x"))) is CASES[case]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, error("internal error"), Unavailable),
        (500, error("internal error", userError=False), Unavailable),
        (400, error("lock timeout"), Unavailable),
        (200, error("unknown"), Unavailable),
        (200, error("forbidden"), Forbidden),
        (200, error("other", userError=True), Rejected),
        (500, error("invalid input"), Rejected),
        (400, error("graphql error", code="GRAPHQL_VALIDATION_FAILED"), Rejected),
        (400, error(code="RATELIMITED"), RateLimited),
        (429, error("user error", userError=True), RateLimited),
        (401, error(), Unauthorized),
        (200, {"errors": ["what?"]}, Unavailable),
        (200, {"errors": [{"message": None, "extensions": []}], "data": {}}, Unavailable),
        (200, {"data": {"commentUpdate": {"success": False}}}, Rejected),
        (200, {"data": {"commentUpdate": None}}, Rejected),
        (502, "<html>Bad Gateway</html>", Unavailable),
        (503, "", Unavailable),
        (429, "slow down", RateLimited),
        (408, "", Unavailable),
        (401, "who are you?", Unauthorized),
        (404, "<html>", WrongEndpoint),
        (200, "<html>Log in to the hotel network</html>", Unavailable),
        (200, {"data": None}, Unavailable),
        (200, {"errors": "no", "data": {}}, Unavailable),
        (200, [], Unavailable),
        (200, 5, Unavailable),
        (200, "[" * 100_000, Unavailable),
    ],
)
def test_linear_error_is_classified(linear: Linear, answer: Any, status: int, body: Any, expected: type) -> None:
    answer(body, status)
    assert type(raised(lambda: linear.edit_comment("c1", "x"))) is expected


def test_linear_error_shows_the_message_for_users(linear: Linear, answer: Any, published: Any) -> None:
    answer(published["argument validation"]["body"])
    assert str(raised(lambda: linear.edit_comment("c1", "x"))) == (
        "Linear refused EditComment: stateId must be a UUID."
    )


def test_linear_error_message_is_truncated(linear: Linear, answer: Any) -> None:
    answer(error("forbidden", "x" * 10_000))
    assert len(str(raised(lambda: linear.edit_comment("c1", "x")))) < 400


@pytest.mark.parametrize("create", [lambda it: it.comment("t1", "x", "c1"), lambda it: it.react("c1", "eyes", "r1")])
def test_linear_conflict_on_a_client_generated_id_is_success(
    linear: Linear, answer: Any, published: Any, create: Callable[[Linear], None]
) -> None:
    answer(published["create with an id that exists already"]["body"])
    create(linear)


@pytest.mark.parametrize(("data", "expected"), [({"issue": None}, NotFound), ({"issue": {"id": "t1"}}, Rejected)])
def test_linear_ticket_missing_in_a_response_is_an_error(
    linear: Linear, answer: Any, data: dict[str, Any], expected: type
) -> None:
    answer({"data": data})
    assert type(raised(lambda: linear.fetch("ENG-1"))) is expected


def test_linear_response_without_a_field_names_its_path(linear: Linear, answer: Any) -> None:
    answer({"data": {"viewer": {"name": "Ada"}}})
    assert str(raised(linear.viewer)) == "Linear's response to Viewer is invalid at viewer.id"


def test_linear_pagination_with_a_repeated_cursor_ends(linear: Linear, answer: Any) -> None:
    page = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "again"}}
    answer({"data": {"issue": {"attachments": page}}})
    assert "repeats its pagination cursor" in str(raised(lambda: list(linear.attachments("t1"))))


# --- the network ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["drop", "cut", "silence"])
def test_linear_mutation_is_never_retried(linear: Linear, wire: Any, answer: Any, fault: str) -> None:
    answer(DONE, fault=fault)
    assert type(raised(lambda: linear.edit_comment("c1", "x"))) is Unavailable
    assert len(wire.seen) == 1


@pytest.mark.parametrize("fault", ["drop", "cut"])
def test_linear_query_is_tried_three_times(linear: Linear, wire: Any, answer: Any, fault: str) -> None:
    answer(VIEWER, fault=fault)
    assert type(raised(linear.viewer)) is Unavailable
    assert len(wire.seen) == 3


def test_linear_query_survives_two_dropped_connections(linear: Linear, answer: Any) -> None:
    answer(fault="drop")
    answer(fault="drop")
    answer(VIEWER)
    assert linear.viewer().name == "Ada"


def test_linear_timeout_is_not_retried(linear: Linear, wire: Any, answer: Any) -> None:
    answer(fault="silence")
    began = time.monotonic()
    assert type(raised(linear.viewer)) is Unavailable
    assert (len(wire.seen), time.monotonic() - began < 5) == (1, True)


def test_linear_connect_timeout_is_not_retried() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        began = time.monotonic()
        failed = raised(Linear(f"http://127.0.0.1:{full.getsockname()[1]}/graphql", KEY, timeout=1).viewer)
        for client in waiting:
            client.close()
    assert str(failed).startswith("Linear cannot be reached for Viewer (ConnectTimeout)")
    assert time.monotonic() - began < 2


def test_linear_redirect_is_not_followed(linear: Linear, wire: Any, answer: Any) -> None:
    answer("", 307, {"Location": wire.url})
    failed = raised(linear.viewer)
    assert type(failed) is WrongEndpoint and "LINEAR_API_URL" in str(failed)
    assert len(wire.seen) == 1


def test_linear_web_page_names_the_setting_of_the_url(linear: Linear, answer: Any) -> None:
    answer("<html>Welcome</html>", 200, {"Content-Type": "text/html; charset=utf-8"})
    failed = raised(linear.viewer)
    assert type(failed) is WrongEndpoint and "LINEAR_API_URL" in str(failed)


def test_linear_server_error_is_not_retried_at_once(linear: Linear, wire: Any, answer: Any) -> None:
    answer("", 503)
    assert type(raised(linear.viewer)) is Unavailable
    assert len(wire.seen) == 1


def test_linear_certificate_that_is_not_trusted_names_the_setting(tmp_path: Path) -> None:
    with untrusted_server(tmp_path) as url:
        failed = raised(Linear(f"{url}/graphql", KEY).viewer)
    assert type(failed) is WrongEndpoint and "LINEAR_API_URL" in str(failed)


def test_linear_refused_connection_is_unavailable(wire: Any) -> None:
    wire.server_close()
    assert type(raised(Linear(wire.url, KEY).viewer)) is Unavailable


@pytest.mark.parametrize("url", ["api.linear.app/graphql", "http://", "ftp://127.0.0.1/graphql"])
def test_linear_invalid_url_names_its_setting(url: str) -> None:
    failed = raised(Linear(url, KEY).viewer)
    assert type(failed) is WrongEndpoint
    assert "LINEAR_API_URL" in str(failed)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REQUESTS_CA_BUNDLE", "/nonexistent"),
        ("CURL_CA_BUNDLE", "/nonexistent"),
        ("HTTPS_PROXY", "socks5://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://[bad"),
        ("HTTPS_PROXY", "http://127.0.0.1:port"),
    ],
)
def test_linear_waits_for_a_host_setting_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(name, value)
    failed = raised(Linear("https://linear.invalid/graphql", KEY).viewer)
    assert type(failed) is WrongEndpoint and name in str(failed) and value not in str(failed)


@pytest.mark.parametrize("kind", [["a"], {"a": 1}, 5, True])
def test_linear_error_with_a_type_that_is_no_text_is_retried(linear: Linear, answer: Any, kind: Any) -> None:
    answer(error(kind))
    assert type(raised(linear.viewer)) is Unavailable


def test_linear_key_that_is_repeated_in_an_error_is_not_shown(linear: Linear, answer: Any) -> None:
    answer(error("forbidden", f"no access for {KEY}"))
    assert KEY not in str(raised(linear.viewer))


@pytest.mark.parametrize("status", [403, 407])
def test_linear_refusal_by_a_proxy_waits(linear: Linear, answer: Any, status: int) -> None:
    answer("blocked by the firewall", status)
    assert type(raised(linear.viewer)) is WrongEndpoint


PLACE = {"data": {"issue": {"team": {"key": "ENG"}, "state": {"id": "todo"}}}}
MISSING = error("invalid input", "Entity not found: WorkflowState", userError=True)


def columns(*ids: str) -> dict[str, Any]:
    nodes = [{"id": one, "name": "Agent", "position": place} for place, one in enumerate(ids)]
    return {"data": {"teams": {"nodes": [{"states": {"nodes": nodes}}]}}}


def test_linear_column_replaced_by_one_of_the_same_name_is_found(linear: Linear, wire: Any, answer: Any) -> None:
    ticket = Ticket(id=TicketId("t1"), identifier=Identifier("ENG-1"), title="T", team="ENG")
    for response in (columns("old"), MISSING, PLACE, columns("new"), {"data": {"issueUpdate": {"success": True}}}):
        answer(response)
    linear.move(ticket, "Agent")
    assert len(wire.seen) == 5


def test_linear_move_of_a_missing_ticket_is_not_repeated(linear: Linear, wire: Any, answer: Any) -> None:
    ticket = Ticket(id=TicketId("t1"), identifier=Identifier("ENG-1"), title="T", team="ENG")
    for response in (columns("old"), MISSING, PLACE, columns("old")):
        answer(response)
    assert type(raised(lambda: linear.move(ticket, "Agent"))) is NotFound
    assert len(wire.seen) == 4


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_linear_values_that_are_not_json_are_rejected_unsent(linear: Linear, wire: Any, value: Any) -> None:
    failed = raised(lambda: linear.attach("t1", Attachment("https://x", "T", metadata={"head": value})))
    assert (type(failed), wire.seen) == (Rejected, [])


def test_linear_connection_is_per_thread(linear: Linear, wire: Any, answer: Any) -> None:
    answer(DONE)
    for _ in range(2):
        linear.edit_comment("c1", "x")
    thread = threading.Thread(target=linear.edit_comment, args=("c1", "x"))
    thread.start()
    thread.join()
    ports = [seen.port for seen in wire.seen]
    assert ports[0] == ports[1] != ports[2]


def test_linear_connection_is_not_shared_with_a_forked_child(wire: Any, answer: Any) -> None:
    answer(DONE)
    script = (
        "import os, sys; from integrations.trackers.linear.tracker import Linear; linear = Linear(sys.argv[1], 'k')\n"
        "linear.edit_comment('c', 'x'); child = os.fork(); linear.edit_comment('c', 'x'); child and os.wait()"
    )
    subprocess.run([sys.executable, "-c", script, wire.url], check=True, timeout=60)
    assert len({seen.port for seen in wire.seen}) == 2


# --- the credential -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        ({"api_key": KEY}, KEY),
        ({"access_token": "tok"}, "Bearer tok"),
        ({"api_key": KEY, "access_token": "tok"}, "Bearer tok"),
    ],
)
def test_linear_credential_is_sent_bare_for_a_key_and_as_bearer_for_a_token(
    wire: Any, answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, credential: dict[str, Any], header: str
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password else")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    answer(VIEWER)
    Linear(wire.url, **credential).viewer()
    assert wire.seen[0].headers["authorization"] == header


@pytest.mark.parametrize(
    ("credential", "name"), [({"api_key": KEY}, "LINEAR_API_KEY"), ({"access_token": KEY}, "LINEAR_ACCESS_TOKEN")]
)
def test_linear_credential_that_is_refused_is_named_and_not_shown(
    wire: Any, answer: Any, published: Any, credential: dict[str, Any], name: str
) -> None:
    answer(published["unauthenticated"]["body"], 401)
    with structlog.testing.capture_logs() as logged:
        failed = raised(Linear(wire.url, **credential).viewer)
    assert name in str(failed)
    assert KEY not in f"{failed} {failed.__cause__!r} {logged}"


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "ключ"])
def test_linear_credential_invalid_in_a_header_is_rejected_at_once(key: str) -> None:
    failed = raised(lambda: Linear("http://127.0.0.1:9/graphql", key))
    assert type(failed) is Unauthorized
    assert "LINEAR_API_KEY" in str(failed)
    assert not key or key not in str(failed)


# --- the rate limit -------------------------------------------------------------------------------------------------


def test_linear_rate_limit_error_has_retry_after(linear: Linear, answer: Any, published: Any) -> None:
    limited = published["rate limited"]
    reset = {"X-RateLimit-Requests-Reset": str(int((time.time() + 90) * 1000))}
    answer(limited["body"], limited["status"], limited["headers"] | reset)
    failed = raised(linear.viewer)
    assert isinstance(failed, Unavailable)
    assert failed.retry_after == MIN_WAIT


NOW = 1_795_000_000.0


def limits(**of: tuple[object, object]) -> dict[str, str]:
    """Headers from name=(remaining, seconds until the reset); the header has epoch milliseconds."""
    named = {f"x-ratelimit-{name.replace('_', '-')}": values for name, values in of.items()}
    remaining = {f"{name}-remaining": str(value) for name, (value, _) in named.items()}
    return remaining | {f"{name}-reset": _milliseconds(value) for name, (_, value) in named.items()}


def _milliseconds(value: object) -> str:
    return str(int((NOW + value) * 1000)) if isinstance(value, int) else str(value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "7"} | limits(requests=(0, 30)), 7),
        ({"retry-after": formatdate(NOW + 300, usegmt=True)}, 300),
        (limits(requests=(0, 14)), 14),
        (limits(requests=(0, 14), complexity=(5, 900)), 14),
        (limits(requests=(3, 14), complexity=(0, 3_000)), 30),
        (limits(requests=(0, 900)), MIN_WAIT),
        (limits(requests=(3, 900), endpoint_requests=(2, 10)), 10),
        (limits(requests=(0, str(int(NOW) + 14))), 14),
        (limits(requests=(0, 98_000)), LONGEST_WAIT / 100),
        (limits(requests=(0, "soon")), None),
        (limits(requests=(0, "9" * 30)), None),
    ],
)
def test_linear_retry_after_is_that_of_the_exhausted_bucket(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_until_refill(headers, now=NOW) == seconds
