"""The real web process under gunicorn, and senders that sign as Linear and GitHub do."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import REPOSITORY
from tests.support.redis_fixtures import redis, redis_server, settings

__all__ = ["redis", "redis_server", "settings", "web"]

SECRETS = {
    "LINEAR_WEBHOOK_SECRETS": "lin-secret-old,lin-secret-new",
    "GITHUB_WEBHOOK_SECRETS": "github-secret-old,github-secret-new",
}


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Poll a condition that another process fulfils."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass
class Web:
    """A running web process; `log` is its output."""

    port: int
    log: Path

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), json.loads(response.read() or b"null"))
        finally:
            connection.close()

    def raw(self, data: bytes, patience: float = 10.0) -> bytes:
        """Send raw bytes, close the writing side, and read the whole response."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65_536), b""))

    def linear(self, body: bytes, secret: str = "lin-secret-new", delivery: str = "", **extra: str) -> Answer:
        return self.send("POST", "/webhooks/linear", body, signed_by_linear(body, secret, delivery) | extra)

    def github(self, body: bytes, secret: str = "github-secret-new", delivery: str = "", **extra: str) -> Answer:
        return self.send("POST", "/webhooks/github", body, signed_by_github(body, secret, delivery) | extra)


def signed_by_linear(body: bytes, secret: str = "lin-secret-new", delivery: str = "") -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "Linear-Delivery": delivery or str(uuid.uuid4()),
        "Linear-Event": "Issue",
        "Linear-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


def signed_by_github(body: bytes, secret: str = "github-secret-new", delivery: str = "") -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


def moved(ticket: str = "ticket", at: float | None = None) -> bytes:
    """A webhook payload of Linear for a moved card."""
    data = {"id": str(uuid.uuid5(uuid.NAMESPACE_OID, ticket)), "identifier": "ENG-1", "updatedAt": "2026-11-01T10:00Z"}
    stamp = int((time.time() if at is None else at) * 1000)
    return json.dumps({"action": "update", "type": "Issue", "data": data, "webhookTimestamp": stamp}).encode()


def pushed(sha: str = "a") -> bytes:
    return json.dumps({"ref": "refs/heads/x", "before": "0" * 40, "after": sha * 40, "pusher": {}}).encode()


@contextmanager
def serving(home: Path, redis_url: str, log: Path, gunicorn_config: str = "") -> Iterator[Web]:
    """Run the web process as the supervisor does, or with another `gunicorn_config`."""
    port = free_port()
    environ = SECRETS | {
        "LOOPLINE_HOME": str(home),
        "REDIS_URL": redis_url,
        "LOOPLINE_WEB_BIND": f"127.0.0.1:{port}",
        "PATH": "/usr/bin:/bin",
    }
    command = [sys.executable, "-m", "service", "web"]
    if gunicorn_config:
        command = [sys.executable, "-m", "gunicorn", "--config", gunicorn_config, "--bind", f"127.0.0.1:{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environ, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT)
    with process:
        running = Web(port, log)
        try:
            until(lambda: answers(running))
            yield running
        finally:
            process.terminate()


def answers(web: Web) -> bool:
    try:
        return web.send("GET", "/healthz").status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[Web]:
    """One web process for all tests that only send requests; the `redis` fixture empties its Redis."""
    folder = tmp_path_factory.mktemp("web")
    with serving(folder / "home", redis_server, folder / "web.log") as running:
        yield running
