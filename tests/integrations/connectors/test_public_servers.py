"""Public MCP servers from npm and PyPI in the sandbox. Opt-in: installs them with the machine's package clients."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from integrations.connectors.client import Connectors
from integrations.connectors.servers import McpServer
from integrations.connectors.stdio import Host
from integrations.connectors.tools import find_tool_problem

pytestmark = pytest.mark.skipif(
    not os.environ.get("LOOPLINE_TEST_REGISTRIES"), reason="LOOPLINE_TEST_REGISTRIES is not set"
)
NPM = ("server-everything", "server-filesystem", "server-memory")
PYPI = {"new": ("mcp-server-fetch", "mcp-server-time"), "old": ("mcp-server-sqlite", "mcp<2")}
"""By virtual environment: the server for SQLite works with an older SDK only."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The servers in one folder, readable by the sandbox's user."""
    folder = Path(os.environ.get("LOOPLINE_TEST_MCP_SERVERS") or tmp_path_factory.mktemp("servers"))
    if not (folder / "npm").exists():
        packages = [f"@modelcontextprotocol/{name}" for name in NPM] + ["@playwright/mcp"]
        subprocess.run(["npm", "install", "--silent", "--prefix", str(folder / "npm"), *packages], check=True)
        for environment, names in PYPI.items():
            subprocess.run([sys.executable, "-m", "venv", str(folder / environment)], check=True)
            subprocess.run([str(folder / environment / "bin/pip"), "install", "-q", *names], check=True)
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    (folder / "note.txt").write_text("a note of the host")
    with sqlite3.connect(folder / "shop.db") as database:
        database.execute("create table orders (id integer)")
    database.close()
    folder.chmod(0o755)
    return folder


@pytest.fixture
def public(installed: Path, data: Path, host: Host) -> Iterator[Connectors]:
    def npm(program: str, *arguments: str) -> McpServer:
        command = ("/usr/bin/node", str(installed / "npm/node_modules/.bin" / program), *arguments)
        return McpServer(command=command, read_only=(str(installed), str(data)), trust_annotations=True)

    def pypi(program: str, *arguments: str) -> McpServer:
        return McpServer(command=(str(installed / program), *arguments), read_only=(str(installed), str(data)))

    made = Connectors(
        {
            "everything": npm("mcp-server-everything"), "files": npm("mcp-server-filesystem", str(data)),
            "memory": replace(npm("mcp-server-memory"), variables={"MEMORY_FILE_PATH": "/workspace/m.jsonl"}),
            "browser": npm("playwright-mcp", "--headless"),
            "fetch": pypi("new/bin/mcp-server-fetch"), "time": pypi("new/bin/mcp-server-time"),
            "db": pypi("old/bin/mcp-server-sqlite", "--db-path", "/workspace/shop.db"),
        },
        {},
        host,
    )  # fmt: skip
    yield made
    made.close()


@pytest.mark.timeout(900)
@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_public_servers_list_and_answer(public: Connectors, data: Path) -> None:
    listed = {name: public.list_tools(name) for name in public.servers}
    assert {name: one.problem for name, one in listed.items() if one.problem} == {}
    unusable = {
        f"{name} {tool.name}": problem
        for name, one in listed.items()
        for tool in one.tools
        if (problem := find_tool_problem(name, tool))
    }
    assert unusable == {}

    def call(server: str, tool: str, **arguments: object) -> str:
        return public.call(server, tool, arguments, run="r", pinned=listed[server].tools).text

    assert call("everything", "echo", message="hello") == "Echo: hello"
    assert "[image of " in call("everything", "get-tiny-image")
    assert "resource" in call("everything", "get-resource-links", count=2)
    assert call("files", "read_text_file", path=str(data / "note.txt")) == "a note of the host"
    assert "denied" in call("files", "read_text_file", path="/etc/passwd").lower()
    entity = {"name": "Loopline", "entityType": "service", "observations": ["works"]}
    assert "Loopline" in call("memory", "create_entities", entities=[entity])
    assert "works" in call("memory", "read_graph")
    assert "created" in call("db", "create_table", query="create table t (id integer)").lower()
    assert "'t'" in call("db", "list_tables")
    assert "Europe/Berlin" in call("time", "get_current_time", timezone="Europe/Berlin")
    assert "hello" not in call("fetch", "fetch", url="https://example.com/").lower(), "the sandbox is offline"
