from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from integrations.connectors.client import Connectors
from integrations.connectors.servers import McpServer
from integrations.connectors.stdio import Host
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap

SECRETS = {"RAW_KEY": "correct-horse-battery"}
PROGRAM = Path(__file__).with_name("raw_server.py")
RAW = McpServer(
    command=(f"{sys.base_prefix}/bin/python3", "/opt/server/raw_server.py"),
    secrets={"API_KEY": "RAW_KEY"}, trust_annotations=True, seconds=30,
)  # fmt: skip


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> McpServer:
    """The server that misbehaves, readable by the sandbox's user."""
    folder = tmp_path_factory.mktemp("raw")
    folder.chmod(0o755)
    (folder / "raw_server.py").write_text(PROGRAM.read_text())
    return replace(RAW, command=(RAW.command[0], str(folder / "raw_server.py")), read_only=(str(folder),))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(lambda: Sandbox(find_bwrap(), default_read_only()), tmp_path / "connectors", tmp_path / "egress")


@pytest.fixture
def connectors(raw: McpServer, host: Host) -> Iterator[Connectors]:
    slow = replace(raw, seconds=1.0)
    broken = replace(raw, command=(*raw.command, "broken"))
    made = Connectors({"raw": raw, "slow": slow, "broken": broken}, SECRETS, host)
    yield made
    made.close()
