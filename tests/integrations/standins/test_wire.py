from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.standins.wire import Fault, Faults, Sender, WriteLog, deliver, drop_connection, serve


def hello(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/gone":
        drop_connection(environ)
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def test_application_is_served_on_a_free_port_and_closed() -> None:
    with serve(hello) as served:
        assert requests.get(served.url, timeout=5).text == "hello"
        with pytest.raises((OSError, SystemExit)):
            serve(hello, int(served.url.rpartition(":")[2]))
    with pytest.raises(requests.ConnectionError):
        requests.get(served.url, timeout=5)


def test_writes_are_kept_in_order_without_an_incomplete_line(tmp_path: Path) -> None:
    WriteLog(tmp_path / "home" / "writes.jsonl").append("ada", "POST /x", {"a": "ä"}, None)
    with (tmp_path / "home" / "writes.jsonl").open("a") as lines:
        lines.write('{"act')
    log = WriteLog(tmp_path / "home" / "writes.jsonl")
    log.append("bob", "POST /y", {}, {"id": 1})
    assert [(one["actor"], one["operation"], one["input"], one["result"]) for one in log.entries()] == [
        ("ada", "POST /x", {"a": "ä"}, None),
        ("bob", "POST /y", {}, {"id": 1}),
    ]


def test_fault_waits_for_its_operation_and_kind_and_is_used_up() -> None:
    faults = Faults()
    faults.add(Fault("POST /x", "502", times=2))
    faults.add(Fault("*", "webhook_drop"))
    taken = [faults.take([name], ["502"]) for name in ("POST /y", "POST /x", "POST /x", "POST /x")]
    assert [one is not None for one in taken] == [False, True, True, False]
    assert faults.take(["push"], ["webhook_drop"]) is not None
    assert faults.waiting() == []


def test_jobs_run_when_due_and_in_order() -> None:
    done: list[str] = []
    sender = Sender()
    sender.schedule(lambda: done.append("never"), 30)
    sender.schedule(lambda: done.append("late"), 0.2)
    for name in ("first", "second"):
        sender.schedule(lambda name=name: done.append(name))  # type: ignore[misc]
    assert not sender.settle(1)
    sender.close()
    assert done == ["first", "second", "late"]


def test_delivery_returns_the_answer() -> None:
    with serve(hello) as served:
        answer = deliver(served.url, {"X-A": "b"}, b"{}")
        lost = deliver(f"{served.url}/gone", {}, b"{}")
    assert (answer.ok, answer.code) == (True, 200)
    assert (lost.ok, lost.code, lost.reason) == (False, 0, "failed to connect to host")


def test_delivery_to_a_slow_receiver_times_out() -> None:
    released = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            released.wait()
            self.close_connection = True

    with HTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        before = time.monotonic()
        answer = deliver(f"http://127.0.0.1:{server.server_port}", {}, b"", timeout=0.2)
        released.set()
        thread.join()
    assert (answer.code, answer.reason, time.monotonic() - before < 5) == (0, "timed out", True)
