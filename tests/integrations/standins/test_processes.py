"""Each stand-in as a process of its own, started as the demo starts it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

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
