"""Providers that answer without end, with enormous bodies, or with waiting times and JSON that cannot be meant."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from integrations.code_hosts.github import api as api
from integrations.code_hosts.github.api import GitHubApi, Grant
from integrations.code_hosts.github.app import PersonalToken
from integrations.code_hosts.github.payloads import Repository
from integrations.errors import IntegrationError, NotAttempted, Rejected, Unavailable
from integrations.paging import MAX_EMPTY_PAGES, MAX_ITEMS, MAX_PAGES, PageBounds
from integrations.trackers.linear.tracker import Linear
from integrations.transport import LARGEST_BODY, mount_bounds, parse_json
from integrations.values import TicketId
from integrations.waits import LONGEST_WAIT, SHORTEST_WAIT, clamp_wait, exponential_wait, parse_reset, parse_retry_after
from tests.integrations.endless import Play, http, serve_raw

NOW = 1_795_000_000.0
GRANT = Grant("o/r")


def raised(call: Callable[[], object]) -> IntegrationError:
    with pytest.raises(IntegrationError) as caught:
        call()
    return caught.value


def ask_github(url: str) -> object:
    return list(GitHubApi(url, PersonalToken("t"), backoff=0.0).paginate(Repository, GRANT, "/x"))


def ask_linear(url: str) -> object:
    return list(Linear(url, "k", timeout=1).comments(TicketId("t1")))


# --- pages ----------------------------------------------------------------------------------------------------------

REPOSITORY = {"id": 1, "full_name": "o/r"}
LINKS: dict[str, Callable[[int], str]] = {
    "itself": lambda n: "/x?per_page=100",
    "an earlier page": lambda n: f"/x?page={n % 3}",
    "a fresh page without items": lambda n: f"/empty?page={n}",
    "a fresh page with the same items": lambda n: f"/same?page={n}",
}


@pytest.mark.parametrize("link", LINKS)
def test_github_pages_without_end_are_refused(link: str) -> None:
    count = itertools.count(1)

    def play(client: socket.socket, request: bytes) -> None:
        n = next(count)
        items = [] if "without items" in link else [REPOSITORY if "same" in link else {**REPOSITORY, "id": n}]
        client.sendall(http(json.dumps(items).encode(), f'Link: <{LINKS[link](n)}>; rel="next"'))

    with serve_raw(play) as url:
        failed = raised(lambda: ask_github(url))
    assert type(failed) is Rejected
    assert str(failed).startswith("GitHub's response to /x ") and str(failed).endswith("Loopline stopped reading")
    assert next(count) <= MAX_EMPTY_PAGES + 2


CURSORS: dict[str, tuple[object, bool]] = {
    "itself": ("c", True),
    "null": (None, True),
    "empty": ("", True),
    "an earlier one": ("earlier", True),
    "a fresh one without items": ("fresh", False),
}


@pytest.mark.parametrize("cursor", CURSORS)
def test_linear_pages_without_end_are_refused(cursor: str) -> None:
    count = itertools.count(1)
    end, filled = CURSORS[cursor]

    def play(client: socket.socket, request: bytes) -> None:
        n = next(count)
        named = {"fresh": f"c{n}", "earlier": f"c{n % 3}"}.get(str(end), end)
        nodes = [{"id": f"k{n}", "body": "x"}] if filled else []
        page = {"nodes": nodes, "pageInfo": {"hasNextPage": True, "endCursor": named}}
        client.sendall(http(json.dumps({"data": answer(request, page)}).encode()))

    with serve_raw(play) as url:
        failed = raised(lambda: ask_linear(url))
    assert type(failed) is Rejected and "TicketComments" in str(failed)
    assert next(count) <= MAX_EMPTY_PAGES + 3


def answer(request: bytes, page: object) -> object:
    return {"viewer": {"id": "u"}} if b"query Viewer" in request else {"issue": {"comments": page}}


@pytest.mark.parametrize("connection", [None, {}, {"nodes": None}, {"pageInfo": None}])
def test_linear_connection_that_is_null_or_empty_has_no_items(connection: object) -> None:
    def play(client: socket.socket, request: bytes) -> None:
        client.sendall(http(json.dumps({"data": answer(request, connection)}).encode()))

    with serve_raw(play) as url:
        if connection is None:
            assert "issue.comments" in str(raised(lambda: ask_linear(url)))
        else:
            assert ask_linear(url) == []


def test_page_bounds_stop_at_pages_items_and_seconds() -> None:
    clock = itertools.count(0.0, 0.5)
    small = PageBounds("X", "", clock=lambda: 0.0)
    with pytest.raises(Rejected, match=f"X has more than {MAX_PAGES:,} pages"):
        for n in itertools.count():
            small.check([n], f"c{n}")
    large = PageBounds("X", "", clock=lambda: 0.0)
    with pytest.raises(Rejected, match=f"X has more than {MAX_ITEMS:,} items"):
        for n in itertools.count():
            large.check([n] * 100, f"c{n}")
    slow = PageBounds("X", "", clock=lambda: next(clock) * 100)
    with pytest.raises(Rejected, match="X takes longer than 600 s"):
        for n in itertools.count():
            slow.check([n], f"c{n}")


def test_page_bounds_fit_a_board_with_many_finished_tickets() -> None:
    bounds = PageBounds("X", "", clock=lambda: 0.0)
    for n in range(900):
        bounds.check([(n, m) for m in range(50)], f"c{n}")


# --- time and size of a response ------------------------------------------------------------------------------------


def drip_headers(client: socket.socket, request: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    _drip(client, b"x")


def drip_body(client: socket.socket, request: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    _drip(client, b" ")


def drip_chunks(client: socket.socket, request: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    _drip(client, b"1\r\n \r\n")


def continue_for_ever(client: socket.socket, request: bytes) -> None:
    _drip(client, b"HTTP/1.1 100 Continue\r\n\r\n")


def _drip(client: socket.socket, part: bytes) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        client.sendall(part)
        time.sleep(0.1)


@pytest.mark.parametrize("play", [drip_headers, drip_body, drip_chunks, continue_for_ever])
def test_response_that_drips_ends_at_its_deadline(play: Play) -> None:
    with serve_raw(play) as url:
        began = time.monotonic()
        failed = raised(lambda: Linear(url, "k", timeout=1).viewer())
        assert type(failed) is Unavailable
        assert time.monotonic() - began < 6


def test_response_that_drips_is_read_once_from_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_TIMEOUTS", (1.0, 0.5))
    requested: list[bytes] = []

    def play(client: socket.socket, request: bytes) -> None:
        requested.append(request)
        drip_body(client, request)

    with serve_raw(play) as url:
        assert type(raised(lambda: ask_github(url))) is Unavailable
    assert len(requested) == 1


BOMB = gzip.compress(b" " * (LARGEST_BODY + 1_000), 1)


def pour(client: socket.socket, request: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        client.sendall(b" " * 100_000)


def explode(client: socket.socket, request: bytes) -> None:
    client.sendall(http(BOMB, "Content-Encoding: gzip"))


def explode_twice(client: socket.socket, request: bytes) -> None:
    client.sendall(http(gzip.compress(BOMB), "Content-Encoding: gzip, gzip"))


@pytest.mark.parametrize("play", [pour, explode, explode_twice])
@pytest.mark.parametrize("ask", [ask_github, ask_linear])
def test_response_that_is_enormous_is_refused(play: Play, ask: Callable[[str], object]) -> None:
    with serve_raw(play) as url:
        failed = raised(lambda: ask(url))
    assert type(failed) is Rejected
    assert "cannot be used: the response has more than 32 MB" in str(failed)


def test_response_within_the_bounds_keeps_its_connection() -> None:
    ports: list[int] = []

    def play(client: socket.socket, request: bytes) -> None:
        ports.append(client.getpeername()[1])
        client.sendall(http(b"[]"))

    with serve_raw(play) as url, mount_bounds(requests.Session()) as session:
        assert [session.get(url, timeout=2).json() for _ in range(3)] == [[], [], []]
    assert len(set(ports)) == 1


# --- JSON and statuses ----------------------------------------------------------------------------------------------

UNUSABLE = [b"", b"<html>", b"{", b'{"a": NaN}', b'{"a": Infinity}', b'"\xff"', b"[" * 100_000]


@pytest.mark.parametrize("body", UNUSABLE, ids=lambda body: repr(body[:12]))
def test_json_that_is_invalid_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="column"):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\ud83d\ud83d x"', "\ufffd\ufffd x"),
        (rb'"\udc00\ud83d\ude00"', "\ufffd\U0001f600"),
        (rb'"\\ud83d \\\ud83d"', "\\ud83d \\\ufffd"),
        (rb'{"a\u0000": ["\u0000"], "b": "\n"}', {"a\ufffd": ["\ufffd"], "b": "\n"}),
    ],
)
def test_json_with_text_that_cannot_be_stored_is_read(body: bytes, expected: object) -> None:
    assert parse_json(body) == expected


def test_json_ignores_a_byte_order_mark_and_takes_the_last_of_equal_keys() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "206 Partial Content", "304 Not Modified"])
@pytest.mark.parametrize("ask", [ask_github, ask_linear])
def test_response_without_the_expected_content_is_an_error(status: str, ask: Callable[[str], object]) -> None:
    with serve_raw(lambda client, request: client.sendall(http(b"", status=status))) as url:
        raised(lambda: ask(url))


@pytest.mark.parametrize("body", [b'{"data": {}, "errors": [{}]}', b'{"errors": [7]}', b'{"data": [], "errors": []}'])
def test_linear_errors_of_an_unknown_kind_are_errors(body: bytes) -> None:
    with serve_raw(lambda client, request: client.sendall(http(body))) as url:
        raised(lambda: ask_linear(url))


def test_linear_data_beside_errors_is_not_used() -> None:
    partial = {"data": {"viewer": {"id": "u", "name": "Ada"}}, "errors": [{"message": "half of it failed"}]}
    with serve_raw(lambda client, request: client.sendall(http(json.dumps(partial).encode()))) as url:
        assert "half of it failed" in str(raised(lambda: Linear(url, "k").viewer()))


# --- waiting times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17", 17),
        ("0.5", 0.5),
        ("0", 0),
        ("1000000000", 1_000_000_000),
        ("9" * 400, float("inf")),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e9", None),
        ("٣٠", None),
        ("", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", -NOW),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 - NOW),
        ("Fri, 99 Dec 9999 23:59:59 GMT", None),
    ],
)
def test_retry_after_header_is_a_number_or_a_date(text: str, seconds: float | None) -> None:
    assert parse_retry_after({"retry-after": text}, NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (str(int(NOW) + 60), 60),
        (str((int(NOW) + 60) * 1000), 60),
        ("2026-11-18T11:07:40Z", 60),
        ("9" * 30, None),
        ("٣٠", None),
        ("", None),
        (None, None),
        ("9999-99-99", None),
        ("0001-01-01T00:00:00+23:59", None),
    ],
)
def test_rate_limit_reset_is_in_seconds_milliseconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert parse_reset(text, NOW) in {seconds, *((-62135596800 - 86340 - NOW,) if text and text[0] == "0" else ())}


@pytest.mark.parametrize("seconds", [0, -1, 1e-9, 1e9, 1e300, float("inf"), float("-inf"), float("nan")])
def test_wait_is_bounded_for_every_provider(seconds: float) -> None:
    wait = Unavailable("away", seconds).retry_after
    assert wait == clamp_wait(seconds)
    assert wait in {SHORTEST_WAIT, LONGEST_WAIT}


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0.5), (1, 1.0), (6, 32.0), (7, 60.0), (5_000, 60.0), (10**9, 60.0)]
)
def test_wait_after_failures_is_bounded_after_a_day_of_them(failures: int, seconds: float) -> None:
    assert exponential_wait(failures, 0.5, 60.0) == seconds


def test_wait_of_loopline_itself_lasts_up_to_a_day() -> None:
    assert NotAttempted("the day's budget is used up", 80_000).retry_after == 80_000


@pytest.mark.parametrize("retry_after", ["1000000000", "0", "-1", "nan", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 100])
@pytest.mark.parametrize("ask", [ask_github, ask_linear])
def test_rate_limit_with_any_header_has_a_bounded_wait(retry_after: str, ask: Callable[[str], object]) -> None:
    body = http(b'{"message": "slow down"}', f"Retry-After: {retry_after}", status="429 Too Many Requests")
    with serve_raw(lambda client, request: client.sendall(body)) as url:
        failed: Any = raised(lambda: ask(url))
    assert isinstance(failed, Unavailable)
    assert failed.retry_after is None or SHORTEST_WAIT <= failed.retry_after <= LONGEST_WAIT
