"""Linear's own JavaScript client, unchanged, against the stand-in."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.standins.linear.server import Subscription
from tests.integrations.standins.linear.conftest import SECRET, Linear, Start
from tests.support import npm

HERE = Path(__file__).parent


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """A folder with the SDK and the scripts that use it."""
    (tmp_path / "node_modules").symlink_to(npm.modules())
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, tmp_path)
    return tmp_path


@pytest.fixture
def seen(sdk: Path, linear: Linear) -> Any:
    """What the SDK saw as an admin with an API key."""
    return run(sdk, linear, "lin_api_ana")


def run(sdk: Path, linear: Linear, token: str) -> Any:
    command = [str(npm.NODE), "linear_sdk.mjs", f"{linear.url}/graphql", token]
    done = subprocess.run(command, cwd=sdk, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_sdk_reads_and_writes_what_is_on_the_board(seen: Any) -> None:
    assert seen == {
        "viewer": {"name": "Ana Silva", "app": False, "isMe": True},
        "organization": "acme",
        "states": ["Backlog", "Agent", "Done"],
        "issues": ["OPS-1", "ENG-2", "ENG-1"],
        "issue": {"title": "Retry the export!", "state": "Backlog", "team": "ENG", "priority": "No priority"},
        "labels": ["bug"],
        "moved": "Agent",
        "comment": {"sameId": True, "body": "from the SDK", "author": "Ana Silva"},
        "again": "InvalidInputLinearError: Entity Comment with id ID already exists.",
        "edited": "edited",
        "comments": [["edited", ["eyes"]]],
        "attachments": [["two", {"attempt": 2}]],
        "duplicate": "InvalidInputLinearError: Duplicate attachment for duplicate url",
        "created": "ENG-3",
        "deleted": True,
        "users": [True],
        "branch": "ENG-1",
        "limits": ["requests", "complexity"],
        "webhook": [True, ["Issue"], True],
        "missing": "InvalidInputLinearError: Could not find referenced Issue.",
        "stranger": "AuthenticationLinearError: You need to authenticate to access this operation.",
    }


@pytest.fixture
def handler(sdk: Path) -> Iterator[subprocess.Popen[str]]:
    """The SDK's webhook server, which knows the secret."""
    command = [str(npm.NODE), "linear_sdk_webhooks.mjs"]
    with subprocess.Popen(command, cwd=sdk, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write(f"{SECRET}\n")
        process.stdin.flush()
        yield process
        process.kill()


def test_the_sdks_verifier_accepts_every_delivery(handler: subprocess.Popen[str], start: Start) -> None:
    assert handler.stdout
    linear = start(webhooks=[Subscription(f"http://127.0.0.1:{handler.stdout.readline().strip()}/", SECRET)])
    linear.comment(body="ünïcode")
    linear.move("ENG-1", stateId=linear.state_id("Agent"))
    linear.ask('mutation { issueDelete(id: "ENG-1") { success } }')
    accepted = [json.loads(handler.stdout.readline()) for _ in range(3)]
    assert accepted == [["Comment", "create"], ["Issue", "update"], ["Issue", "remove"]]
