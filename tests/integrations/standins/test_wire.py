from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from integrations.standins.wire import Faults, add_controls, deliver, serve


def hello(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def test_application_is_served_on_a_free_port_and_closed() -> None:
    with serve(hello) as served:
        assert requests.get(served.url, timeout=5).text == "hello"
        with pytest.raises((OSError, SystemExit)):
            serve(hello, int(served.url.rpartition(":")[2]))
    with pytest.raises(requests.ConnectionError):
        requests.get(served.url, timeout=5)


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


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    add_controls(app, lambda: [{"actor": "ada"}], Faults(), ("502", "webhook_drop"))
    return app


def test_fault_is_added_listed_and_removed(app: Flask) -> None:
    client = app.test_client()
    fault = {"operation": "POST /x", "kind": "502", "times": 2, "seconds": 0.0}
    assert client.post("/_faults", json={key: fault[key] for key in ("operation", "kind", "times")}).json == [fault]
    assert client.get("/_faults").json == [fault]
    assert client.delete("/_faults").json == []


@pytest.mark.parametrize("fault", [{}, {"kind": "fire"}, {"kind": "502", "times": "many"}])
def test_unknown_fault_is_refused(app: Flask, fault: dict[str, Any]) -> None:
    answer = app.test_client().post("/_faults", json=fault)
    assert answer.status_code == 400 and answer.json and answer.json["error"]
    assert app.test_client().get("/_faults").json == []


SEEDS: dict[str, dict[str, Any] | None] = {
    "linear": {"users": [], "teams": [], "issues": []},
    "github": {"users": [], "apps": [], "repositories": []},
    "model": None,
}


def command(tmp_path: Path, name: str, *more: str) -> tuple[list[str], str]:
    """The command, and the address that it serves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = [
        sys.executable,
        "-m",
        f"integrations.standins.{name}",
        "--port",
        str(port),
        "--home",
        str(tmp_path / "home"),
    ]
    if seed := SEEDS[name]:
        (tmp_path / "seed.json").write_text(json.dumps(seed))
        given += ["--seed", str(tmp_path / "seed.json"), "--webhook", "http://127.0.0.1:9/", *more]
    return given, f"http://127.0.0.1:{port}"


def wait_for(url: str) -> list[Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            log: list[Any] = requests.get(f"{url}/_log", timeout=5).json()
            return log
        except requests.ConnectionError:
            time.sleep(0.05)
    raise AssertionError(f"no answer at {url}")


@pytest.mark.parametrize("name", SEEDS)
def test_process_serves_until_sigterm(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("s\n")
    given, url = command(tmp_path, name, "--webhook-secret-file", str(tmp_path / "secret"))
    with subprocess.Popen(given, env={**os.environ, "GIT_DIR": "/nowhere"}) as process:
        try:
            assert wait_for(url) == []
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


@pytest.mark.parametrize("name", ["linear", "github"])
def test_process_refuses_a_webhook_without_a_secret(tmp_path: Path, name: str) -> None:
    done = subprocess.run(command(tmp_path, name)[0], capture_output=True, text=True)
    assert done.returncode == 2
    assert "--webhook-secret-file" in done.stderr
