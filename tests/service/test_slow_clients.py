from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from redis import Redis

from tests.crash.slow_clients import KINDS
from tests.service.conftest import Web, pushed, serving, signed_by_github, until
from tests.service.test_webhooks import request

QUICK = """
from service.web.gunicorn_config import *
from service.gunicorn_worker import DeadlineWorker
class Quick(DeadlineWorker):
    request_seconds = 1.0
    connections_per_address = 60
    buffer_bytes = 2_000_000
worker_class, workers, keepalive = Quick, 1, 1
"""
FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (220, 220))
"""
NO_FILES_LEFT = """
import resource
def post_worker_init(worker):
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
"""
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def quick(folder: Path, redis_url: str, before: str = "", after: str = "") -> Iterator[Web]:
    """The web process with deadlines of a second and low limits."""
    config = folder / "quick.py"
    config.write_text(before + QUICK + after)
    with serving(folder / "home", redis_url, folder / "web.log", str(config)) as running:
        yield running


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Web]:
    with quick(tmp_path_factory.mktemp("quick"), redis_server) as running:
        yield running


def connected(web: Web, opening: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", web.port), timeout=10)
    connection.sendall(opening)
    return connection


@contextmanager
def crowd(web: Web, number: int, opening: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections with the same opening."""
    with ExitStack() as stack:
        yield [stack.enter_context(connected(web, opening)) for _ in range(number)]


def rest(connection: socket.socket) -> bytes:
    """Everything until the server closes."""
    received = b""
    with connection, suppress(ConnectionResetError):
        while data := connection.recv(65_536):
            received += data
    return received


def is_open(connection: socket.socket) -> bool:
    """Whether the server has not closed the connection; reads what it has sent."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    return False


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.long if number else ())
        for number, kind in enumerate(kind for kind, slowness in KINDS.items() if slowness.reads)
    ],
)
def test_slow_client_of_any_kind_is_closed_at_its_deadline(door: Web, kind: str) -> None:
    began, slow = time.monotonic(), KINDS[kind]
    with connected(door, slow.opening) as connection:
        connection.settimeout(0.2)
        received = b""
        while time.monotonic() - began < 8:
            try:
                connection.sendall(slow.drip)
                if not (data := connection.recv(65_536)):
                    break
                received += data
            except TimeoutError:
                continue
            except OSError:
                break
    assert 0.5 < time.monotonic() - began < 5
    if kind != "idle after a request":
        assert b" 408 " in received
        assert json.loads(received.rpartition(b"\r\n\r\n")[2])["error"] == "The request was not complete in time."


def test_slow_client_that_is_idle_after_a_request_is_closed_without_a_second_response(door: Web) -> None:
    assert rest(connected(door, GET)).count(b"HTTP/1.1 ") == 1


def test_slow_client_cannot_extend_its_deadline_with_complete_lines(door: Web) -> None:
    began = time.monotonic()
    with connected(door, b"GET /healthz HTTP/1.1\r\n") as connection, suppress(OSError):
        while time.monotonic() - began < 8:
            connection.sendall(b"X-Drip: x\r\n")
            time.sleep(0.1)
    assert time.monotonic() - began < 5


def test_slow_client_that_never_reads_is_closed(door: Web) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", door.port))
        connection.settimeout(15)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while True:
                connection.sendall(GET * 500)
    assert door.github(pushed("9")).status == 200
    assert "Traceback" not in door.log.read_text()


def test_slow_clients_over_the_limit_make_room_from_the_oldest(door: Web, redis: Redis) -> None:
    with crowd(door, 60) as early, connected(door, GET) as kept, crowd(door, 20) as late:
        until(lambda: not is_open(early[19]), 0.9)
        assert all(is_open(connection) for connection in (*early[30:], kept, *late))
        assert door.github(pushed("8")).status == 200


def test_slow_bodies_over_the_buffer_are_refused_and_small_ones_accepted(door: Web, redis: Redis) -> None:
    promise = b"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n"
    with crowd(door, 4, promise + b"x" * 300_000) as small:
        refused = rest(connected(door, promise + b"x" * 1_500_000))
        assert b" 503 " in refused
        assert b"Retry-After: 5\r\n" in refused
        assert door.github(pushed("7")).status == 200
        assert all(is_open(connection) for connection in small)


def test_buffer_is_free_again_after_refusals_and_deliveries(door: Web, redis: Redis) -> None:
    for number in range(6):
        body = pushed(f"{number}") + b" " * 900_000
        assert door.github(body).status == 200


def test_file_limit_lowers_the_number_of_connections(tmp_path: Path, redis_server: str, redis: Redis) -> None:
    with quick(tmp_path, redis_server, FEW_FILES) as web:
        with crowd(web, 200) as connections:
            assert web.github(pushed("6")).status == 200
            assert sum(map(is_open, connections)) <= 220 - 192
        assert "Traceback" not in web.log.read_text()
        until(lambda: "oldest unfinished ones closed" in web.log.read_text())


def test_file_descriptors_that_run_out_close_the_oldest_connections(
    tmp_path: Path, redis_server: str, redis: Redis
) -> None:
    with quick(tmp_path, redis_server, after=NO_FILES_LEFT) as web:
        with crowd(web, 70):
            assert web.github(pushed("1")).status in (200, 503)  # 503 when none is left for the connection to Redis
        assert web.github(pushed("2")).status == 200
        began = time.monotonic()
        with crowd(web, 70):
            assert web.github(pushed("3")).status == 200
            assert time.monotonic() - began < 0.9, "before any deadline"
        assert "Traceback" not in web.log.read_text()


def test_stop_does_not_wait_for_slow_clients(tmp_path: Path, redis_server: str) -> None:
    with quick(tmp_path, redis_server) as web:
        slow = crowd(web, 5, b"POST /webh")
        slow.__enter__()
        began = time.monotonic()
    assert time.monotonic() - began < 6
    slow.__exit__(None, None, None)


def test_pipelined_requests_are_answered_in_order(door: Web, redis: Redis) -> None:
    body = pushed("5")
    post = request("/webhooks/github", signed_by_github(body), body, f"Content-Length: {len(body)}\r\n")
    answer = door.raw(GET + post + GET.replace(b"healthz", b"nowhere") + post + GET)
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"404", b"200", b"200"]
    assert answer.count(b'"duplicate"') == 1


@pytest.mark.parametrize(("length", "expected"), [(10, b"100 Continue"), (40_000_000, b"413 ")])
def test_expectation_is_answered_before_the_body(door: Web, length: int, expected: bytes) -> None:
    head = f"POST /webhooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
    with connected(door, head.encode()) as connection:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 " + expected)


def test_body_after_an_expectation_is_accepted(door: Web, redis: Redis) -> None:
    body = pushed("4")
    framing = f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n"
    with connected(door, request("/webhooks/github", signed_by_github(body), b"", framing)) as connection:
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert b'"accepted":true' in rest(connection)
