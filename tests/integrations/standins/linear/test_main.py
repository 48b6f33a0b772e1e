"""The stand-in as its own process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.integrations.standins.linear.conftest import COMMENT, SECRET, SEED, Receiver

Spawn = Callable[..., str]


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "seed.json").write_text(json.dumps(SEED))
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return ["--port", str(port), "--home", str(tmp_path / "home"), "--seed", str(tmp_path / "seed.json")]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "integrations.standins.linear", *arguments]


@pytest.fixture
def process(arguments: list[str], receiver: Receiver, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    webhook = ["--webhook", receiver.url, "--webhook-secret-file", str(tmp_path / "secret")]
    with subprocess.Popen(command(*arguments, *webhook), stdout=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            requests.get(f"{url}/_log", timeout=5)
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the stand-in did not start"
            time.sleep(0.05)
        else:
            return


def test_it_serves_sends_webhooks_and_ends_on_sigterm(
    process: subprocess.Popen[bytes], arguments: list[str], receiver: Receiver
) -> None:
    url = f"http://127.0.0.1:{arguments[1]}"
    wait_for(url)
    body = {"query": COMMENT, "variables": {"input": {"issueId": "ENG-1", "body": "x"}}}
    requests.post(f"{url}/graphql", json=body, headers={"Authorization": "lin_api_ana"}, timeout=10)
    assert receiver.bodies()[0]["type"] == "Comment"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_a_webhook_without_a_secret_is_refused(arguments: list[str]) -> None:
    done = subprocess.run(command(*arguments, "--webhook", "http://127.0.0.1:9/"), capture_output=True, text=True)
    assert done.returncode == 2
    assert "--webhook-secret-file" in done.stderr
