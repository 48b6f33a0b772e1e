"""MCP servers as the connectors process last saw them, and their accepted tools. Stored in Redis.

Written by `jobs.connectors` and `loopline connectors accept`; read by agents, which thus need neither the operator's
file nor a token. What was seen expires after a day without the process; accepted tools stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis

from integrations.connectors.servers import McpServer
from integrations.connectors.tools import TOOLS, ListedServer, McpTool, State, compare_tools
from integrations.values import Codec, value
from jobs.runtime import keys
from jobs.runtime.scripts import decode

SEEN_SECONDS = 86_400


@value
class SeenServer:
    """A server's declaration, which holds no secret, and the last result of listing its tools."""

    declared: McpServer
    listed: ListedServer = ListedServer()


SEEN: Codec[SeenServer] = Codec(SeenServer)


@dataclass(frozen=True)
class Connector:
    """One server with its accepted tools."""

    name: str
    server: McpServer
    listed: ListedServer
    pinned: tuple[McpTool, ...]

    def states(self) -> dict[str, State]:
        """The state of each tool; all accepted ones while the server cannot be listed."""
        return compare_tools(self.pinned, self.pinned if self.listed.problem else self.listed.tools)

    def unaccepted(self) -> tuple[str, ...]:
        """The tools that are new or changed."""
        return tuple(name for name, state in self.states().items() if state in ("new", "changed"))


class ConnectorStore:
    """All servers in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def read_all(self) -> dict[str, Connector]:
        """The servers by name."""
        seen = cast("dict[bytes, bytes]", self._redis.hgetall(keys.CONNECTORS))
        pins = cast("dict[bytes, bytes]", self._redis.hgetall(keys.CONNECTOR_PINS)) if seen else {}
        found = {}
        for raw, text in sorted(seen.items()):
            one, name = SEEN.decode(text), decode(raw)
            pinned = TOOLS.decode(pins[raw]) if raw in pins else ()
            found[name] = Connector(name, one.declared, one.listed, pinned)
        return found

    def keep_only(self, names: Sequence[str]) -> None:
        """Forget servers that are not declared any more."""
        known = [decode(name) for name in cast("list[bytes]", self._redis.hkeys(keys.CONNECTORS))]
        if gone := [name for name in known if name not in names]:
            self._redis.hdel(keys.CONNECTORS, *gone)

    def record(
        self, name: str, server: McpServer, listed: ListedServer, kept: tuple[McpTool, ...] | None = None
    ) -> Connector:
        """Store the result of listing the tools. Without accepted tools in Redis those `kept` outside of it are
        accepted, and without these the listed ones."""
        first = listed.tools if kept is None and not listed.problem else kept
        with self._redis.pipeline(transaction=True) as pipeline:
            if first is not None:
                pipeline.hsetnx(keys.CONNECTOR_PINS, name, TOOLS.encode(first))
            pipeline.hset(keys.CONNECTORS, name, SEEN.encode(SeenServer(declared=server, listed=listed)))
            pipeline.expire(keys.CONNECTORS, SEEN_SECONDS)
            pipeline.hget(keys.CONNECTOR_PINS, name)
            raw = pipeline.execute()[-1]
        return Connector(name, server, listed, TOOLS.decode(raw) if raw else ())

    def read_pins(self) -> dict[str, tuple[McpTool, ...]]:
        """The accepted tools of all servers, also of those that are not declared any more."""
        pins = cast("dict[bytes, bytes]", self._redis.hgetall(keys.CONNECTOR_PINS))
        return {decode(name): TOOLS.decode(raw) for name, raw in pins.items()}

    def accept(self, connector: Connector) -> None:
        """Accept the tools as they were listed in `connector`."""
        self._redis.hset(keys.CONNECTOR_PINS, connector.name, TOOLS.encode(connector.listed.tools))
