"""Linear's own JavaScript client, unchanged, against the stand-in."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.standins.linear.server import Subscription
from tests.integrations.standins.linear.conftest import SECRET, Linear, Start, state_id
from tests.support import npm

HERE = Path(__file__).parent


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """A folder with the SDK and the scripts that use it."""
    (tmp_path / "node_modules").symlink_to(npm.modules())
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, tmp_path)
    return tmp_path


def test_sdk_reads_writes_and_understands_errors(sdk: Path, linear: Linear) -> None:
    command = [str(npm.NODE), "linear_sdk.mjs", f"{linear.url}/graphql"]
    done = subprocess.run(command, cwd=sdk, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    comment_id = linear.log()[0]["result"]
    assert json.loads(done.stdout) == {
        "created": {"commentCreate": {"success": True}},
        "issue": {
            "title": "Retry the export!",
            "state": {"name": "Backlog"},
            "comments": {"nodes": [{"body": "from the SDK", "user": {"name": "Loopline"}}]},
        },
        "again": f"InvalidInputLinearError: Entity Comment with id {comment_id} already exists.",
        "missing": "InvalidInputLinearError: Could not find referenced Issue.",
        "invalid": "GraphqlLinearError: Cannot query field 'nobody' on type 'Query'.",
        "stranger": "AuthenticationLinearError: You need to authenticate to access this operation.",
    }


@pytest.fixture
def handler(sdk: Path) -> Iterator[subprocess.Popen[str]]:
    """The webhook server of the SDK, with the secret."""
    command = [str(npm.NODE), "linear_sdk_webhooks.mjs"]
    with subprocess.Popen(command, cwd=sdk, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write(f"{SECRET}\n")
        process.stdin.flush()
        yield process
        process.kill()


def test_sdk_verifies_every_delivery(handler: subprocess.Popen[str], start: Start) -> None:
    assert handler.stdout
    linear = start(webhooks=[Subscription(f"http://127.0.0.1:{handler.stdout.readline().strip()}/", SECRET)])
    linear.comment(body="ünïcode")
    linear.move("ENG-1", stateId=state_id("Agent"))
    linear.write("issueDelete", id="ENG-1")
    accepted = [json.loads(handler.stdout.readline()) for _ in range(3)]
    assert accepted == [["Comment", "create"], ["Issue", "update"], ["Issue", "remove"]]
