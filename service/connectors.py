"""The command `loopline connectors`: lists the MCP servers and their tools, checks them now, accepts changed tools.

Reads what the connectors process has stored; only `check` needs it to run. Called by `service.__main__`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from redis import Redis
from redis.exceptions import RedisError

from integrations.connectors.tools import find_duplicates, find_tool_problem, is_read_only, show_parameters
from integrations.explain import show_name
from integrations.texts import cut, show_hidden
from jobs.config.environment import load, read_environment
from jobs.runtime import keys, queues
from jobs.runtime.connection import connect
from jobs.runtime.heartbeats import list_live_roles
from jobs.store.connectors import Connector, ConnectorStore

CHECK_SECONDS = 120
_NO_PROCESS = "The connectors process does not run: start loopline up with LOOPLINE_CONNECTORS.\n"


def run_connectors(part: str, server: str, env_file: Path | None, out: TextIO) -> int:
    """Run `list`, `check` or `accept`; returns the exit code."""
    settings = load("dashboard", read_environment(env_file))
    with connect(settings, timeout=CHECK_SECONDS + 5.0, retries=0) as redis:
        try:
            match part:
                case "accept":
                    return accept_tools(redis, server, out)
                case "check":
                    return check_connectors(redis, out)
            return list_connectors(redis, out)
        except RedisError as error:
            out.write(f"Redis does not respond ({error}); start Loopline, or correct REDIS_URL or LOOPLINE_HOME.\n")
            return 1


def list_connectors(redis: Redis, out: TextIO) -> int:
    """Print each server with its tools; returns 1 if one needs a person."""
    known = ConnectorStore(redis).read_all()
    if not known:
        out.write("No connector is known: set LOOPLINE_CONNECTORS to a file, see infra/docs/connectors.md.\n")
        return 0
    out.writelines("".join(f"{line}\n" for line in _describe(connector)) for connector in known.values())
    return int(any(connector.listed.problem or connector.unaccepted() for connector in known.values()))


def check_connectors(redis: Redis, out: TextIO) -> int:
    """Let the connectors process list all tools now, then print them."""
    if queues.CONNECTORS not in list_live_roles(redis):
        out.write(_NO_PROCESS)
        return 1
    check = uuid.uuid4().hex
    queues.wake(redis, queues.CHECK_CONNECTORS, check)
    if not redis.blpop([keys.connector_check(check)], timeout=CHECK_SECONDS):
        out.write(f"The connectors process did not finish the check within {CHECK_SECONDS} s; see its log.\n")
        return 1
    return list_connectors(redis, out)


def accept_tools(redis: Redis, name: str, out: TextIO) -> int:
    """Accept a server's tools as they were listed last, and print what is different from before."""
    store = ConnectorStore(redis)
    connector = store.read_all().get(name)
    if connector is None:
        known = ", ".join(store.read_all()) or "none"
        out.write(f"There is no connector {show_name(name)}. Known connectors: {known}.\n")
        return 1
    if connector.listed.problem:
        out.write(f"The connector {name} cannot be accepted now: {connector.listed.problem}.\n")
        return 1
    different = [line for line in _describe_tools(connector) if not line.startswith("  accepted")]
    store.accept(connector)
    out.write("".join(f"{line}\n" for line in different))
    out.write(f"Accepted {len(connector.listed.tools)} tools of {name}.\n")
    return 0


def _describe(connector: Connector) -> Iterator[str]:
    server, listed = connector.server, connector.listed
    place = server.url or f"command {server.command[0]}"
    yield f"{connector.name}: {place}{f' ({show_hidden(listed.name)})' if listed.name else ''}"
    if listed.problem:
        yield f"  not available: {listed.problem}"
    yield from _describe_tools(connector)


def _describe_tools(connector: Connector) -> Iterator[str]:
    tools = {tool.name: tool for tool in (*connector.pinned, *connector.listed.tools)}
    duplicates = find_duplicates(tuple(tools.values()))
    for name, state in connector.states().items():
        tool = tools[name]
        problem = "its name is like that of another tool" if name in duplicates else ""
        problem = problem or find_tool_problem(connector.name, tool)
        kind = "read-only" if is_read_only(tool, connector.server) else "writes"
        yield f"  {state}: {show_name(name)}, {kind}{f', not offered: {problem}' if problem else ''}"
        if state in ("new", "changed"):
            yield f"    {' '.join(show_hidden(cut(tool.description, 1_000)).split())}"
            yield f"    {cut(json.dumps(show_parameters(tool)), 2_000)}"
