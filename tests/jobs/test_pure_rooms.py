"""The rooms whose tests answer within seconds: collecting them loads no server, no client and no stand-in."""

from __future__ import annotations

import subprocess
import sys

from tests.support.checkout import REPOSITORY

PURE = ("workflow", "contract", "evidence", "messages", "loop", "config")
HEAVY = {"redis", "rq", "flask", "playwright", "anthropic", "requests", "gql", "integrations.standins"}
COLLECT = """
import sys, pytest
code = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *sys.argv[1:]])
print("loaded", *sorted(sys.modules))
sys.exit(code)
"""


def test_pure_rooms_load_no_server_client_or_stand_in() -> None:
    rooms = [f"tests/jobs/{room}" for room in PURE]
    done = subprocess.run([sys.executable, "-c", COLLECT, *rooms], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "jobs.workflow" in loaded
    assert loaded & HEAVY == set()
