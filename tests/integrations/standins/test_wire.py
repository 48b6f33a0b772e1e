from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.standins.wire import (
    WEBHOOK_FAULTS,
    Fault,
    Faults,
    Sender,
    WriteLog,
    deliver,
    drop_connection,
    hmac_sha256,
    serve,
)


def hello(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/gone":
        drop_connection(environ)
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def test_application_is_served_and_closed() -> None:
    with serve(hello) as served:
        assert requests.get(served.url, timeout=5).text == "hello"
    with pytest.raises(requests.ConnectionError):
        requests.get(served.url, timeout=5)


def test_dropped_connection_has_no_answer() -> None:
    with serve(hello) as served, pytest.raises(requests.ConnectionError):
        requests.get(f"{served.url}/gone", timeout=5)


def test_port_that_is_taken_is_refused() -> None:
    with serve(hello) as served, pytest.raises((OSError, SystemExit)):
        serve(hello, int(served.url.rpartition(":")[2]))


def test_writes_are_kept_in_order(tmp_path: Path) -> None:
    log = WriteLog(tmp_path / "home" / "writes.jsonl")
    log.append("ada", "POST /x", {"a": "ä"}, None)
    log.append("bob", "POST /y", {}, {"id": 1})
    again = WriteLog(tmp_path / "home" / "writes.jsonl").entries()
    assert [(one["actor"], one["operation"], one["input"], one["result"]) for one in again] == [
        ("ada", "POST /x", {"a": "ä"}, None),
        ("bob", "POST /y", {}, {"id": 1}),
    ]


def test_incomplete_line_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "writes.jsonl").write_text('{"actor": "ada"}\n{"act')
    log = WriteLog(tmp_path / "writes.jsonl")
    log.append("bob", "x", {}, {})
    assert [one["actor"] for one in log.entries()] == ["ada", "bob"]


def test_fault_is_used_up() -> None:
    faults = Faults()
    faults.add(Fault("POST /x", "502", times=2))
    taken = [faults.take([name], ["502"]) for name in ("POST /y", "POST /x", "POST /x", "POST /x")]
    assert [one is not None for one in taken] == [False, True, True, False]
    assert faults.waiting() == []


def test_fault_of_any_operation_waits_for_its_kind() -> None:
    faults = Faults()
    faults.add(Fault.read({"kind": "webhook_drop"}, WEBHOOK_FAULTS))
    assert faults.take(["POST /x"], ["502"]) is None
    assert faults.take(["push"], ["webhook_drop"]) is not None


def test_jobs_run_when_due_and_in_order() -> None:
    done: list[str] = []
    sender = Sender()
    sender.schedule(lambda: done.append("late"), 0.2)
    for name in ("first", "second"):
        sender.schedule(lambda name=name: done.append(name))  # type: ignore[misc]
    assert sender.settle()
    sender.close()
    assert done == ["first", "second", "late"]


def test_close_drops_pending_jobs() -> None:
    done: list[str] = []
    sender = Sender()
    sender.schedule(lambda: done.append("never"), 30)
    assert not sender.settle(0.05)
    sender.close()
    assert done == []


def test_delivery_returns_the_answer() -> None:
    with serve(hello) as served:
        answer = deliver(served.url, {"X-A": "b"}, b"{}")
        lost = deliver(f"{served.url}/gone", {}, b"{}")
    assert (answer.ok, answer.code) == (True, 200)
    assert (lost.ok, lost.code, lost.reason) == (False, 0, "failed to connect to host")


def test_delivery_to_a_slow_receiver_times_out() -> None:
    started = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            started.wait()
            self.close_connection = True

    server = HTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    before = time.monotonic()
    answer = deliver(f"http://127.0.0.1:{server.server_port}", {}, b"", timeout=0.2)
    started.set()
    thread.join()
    server.server_close()
    assert (answer.code, answer.reason, time.monotonic() - before < 5) == (0, "timed out", True)


def test_digest_is_the_documented_one() -> None:
    documented = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"  # docs.github.com
    assert hmac_sha256("It's a Secret to Everybody", b"Hello, World!") == documented
