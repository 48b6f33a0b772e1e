"""The commands for tokens on the board's stand-in, and the real MCP process with a token."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from integrations.values import Person
from jobs.config.settings import Settings
from jobs.runtime.audit import FOLDER
from jobs.runtime.audit_check import read_newest_records
from jobs.store.access_tokens import AccessTokens
from jobs.store.members import Membership, store_member
from service.tokens import create_token, list_tokens, revoke_tokens, run_command
from tests.jobs.board import Board, board
from tests.service.conftest import free_port, until
from tests.service.dashboard.conftest import _answers
from tests.service.mcp.conftest import finish, open_client
from tests.support.checkout import REPOSITORY

__all__ = ["board"]


def test_token_is_printed_once_for_a_member_of_the_board(board: Board, redis: Redis) -> None:
    settings, out = board.world.settings, io.StringIO()

    assert create_token(settings, redis, "Ana@acme.test", 30, out) == 0
    assert create_token(settings, redis, "nobody@acme.test", 30, out) == 1
    assert create_token(settings, redis, "ana@acme.test", 366, out) == 1

    text, *rest = out.getvalue().splitlines()
    assert AccessTokens(redis).verify(text, 0.0)
    assert rest[1].startswith("The token of Ana Flores is shown only now and expires on ")
    assert 'claude mcp add --transport http loopline http://127.0.0.1:8702/mcp --header "Authorization' in rest[2]
    assert rest[3] == "The MCP server is off: set LOOPLINE_MCP_BIND, and start Loopline again."
    assert rest[4:] == [
        "No active member of the board has the address nobody@acme.test; correct it, or invite the person first.",
        "--days is 366; choose a number from 1 to 365.",
    ]
    assert text.rpartition("_")[2] not in "".join(path.read_text() for path in (settings.home / FOLDER).glob("*.jsonl"))


def test_tokens_are_listed_and_revoked(settings: Settings, redis: Redis) -> None:
    tokens, out = AccessTokens(redis), io.StringIO()
    (first, text), _ = tokens.create("ana@acme.test", 10e8, 86_400), tokens.create("ana@acme.test", 10e9, 86_400)

    assert list_tokens(redis, out) == 0
    assert revoke_tokens(settings, redis, first.id, out) == 0
    assert revoke_tokens(settings, redis, "ana@acme.test", out) == 0
    assert revoke_tokens(settings, redis, "ana@acme.test", out) == 1

    lines = out.getvalue().splitlines()
    assert lines[0] == f"{first.id}  ana@acme.test                    created 2001-09-09, expired 2001-09-10"
    assert lines[2:4] == ["2 tokens.", f"Revoked {first.id} of ana@acme.test."]
    assert lines[-1] == "No token has the id or address ana@acme.test; `loopline token list` shows all."
    assert text.rpartition("_")[2] not in out.getvalue()
    assert read_newest_records(settings.home / FOLDER, "", 1) == []


def test_tokens_without_redis_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPLINE_HOME", str(tmp_path))
    errors = io.StringIO()

    assert run_command(argparse.Namespace(part="list", env_file=None), io.StringIO(), errors) == 1
    assert errors.getvalue().startswith("Redis does not respond (")


def test_mcp_process_serves_a_client_until_it_is_terminated(settings: Settings, redis: Redis, tmp_path: Path) -> None:
    store_member(redis, "ana@acme.test", Membership(person=Person(id="ana", name="Ana"), teams=("ENG",)))
    _, token = AccessTokens(redis).create("ana@acme.test", 0.0, 10e10)
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "LOOPLINE_HOME": str(settings.home),
        "LOOPLINE_MCP_BIND": f"127.0.0.1:{port}",
    }
    environ["REDIS_URL"] = settings.redis_url.get_secret_value()

    async def read() -> tuple[str, Any]:
        async with open_client(f"http://127.0.0.1:{port}/mcp", token) as client:
            return client.server_info.name, await client.call_tool("read_service_status", {})

    with (tmp_path / "mcp.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "mcp"], env=environ, cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT
        )
    with process:
        try:
            until(lambda: _answers(port))
            name, status = finish(read())
        finally:
            process.terminate()
        assert process.wait(timeout=20) in (0, -signal.SIGTERM)

    assert name == "loopline" and status.structured_content["frozen"] is False
    lines = (tmp_path / "mcp.log").read_text().splitlines()
    assert all(json.loads(line)["role"] == "mcp" for line in lines) and token not in "".join(lines)


def test_mcp_process_without_an_address_does_not_start(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "LOOPLINE_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "service", "mcp"]
    done = subprocess.run(command, env=environ, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2
    assert done.stderr == "LOOPLINE_MCP_BIND is empty; set the host:port of the MCP server, as 127.0.0.1:8702.\n"
