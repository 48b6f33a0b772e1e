"""The demo's refusals before it starts anything."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests.support.checkout import REPOSITORY


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "integrations.standins.demo", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)


def test_demo_names_a_port_that_another_program_uses(tmp_path: Path) -> None:
    with socket.socket() as taken:
        for base in range(31_000, 32_000, 10):
            try:
                taken.bind(("127.0.0.1", base + 2))
                break
            except OSError:
                continue
        taken.listen()
        ended = demo("--home", str(tmp_path / "home"), "--port-base", str(base))
    assert ended.returncode == 1 and "Loopline is up" not in ended.stdout
    assert ended.stderr.splitlines()[-1].startswith(f"The demo could not start: port {base + 2} is not available")


def test_demo_names_a_home_that_cannot_be_created() -> None:
    ended = demo("--home", "/proc/x")
    assert ended.returncode == 2
    assert ended.stderr == "/proc/x cannot be created (No such file or directory): name another --home.\n"
