"""Probe of the MCP servers, as the connectors process saw them last."""

from __future__ import annotations

from collections.abc import Iterator

from redis.exceptions import RedisError

from integrations.connectors.servers import UnusableServers
from integrations.ports.setup import Finding, found_ok, found_problem, found_warning
from jobs.config.connectors import load_servers
from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from jobs.store.connectors import Connector, ConnectorStore

_TIMEOUT_SECONDS = 5.0


def probe_connectors(settings: Settings) -> Iterator[Finding]:
    """Each declared server: its tools, or why they are not known. Nothing without LOOPLINE_CONNECTORS."""
    try:
        servers = load_servers(settings)
        with connect(settings, timeout=_TIMEOUT_SECONDS, retries=0) as redis:
            known = ConnectorStore(redis).read_all() if servers else {}
    except UnusableServers as error:
        yield from (found_problem("Connectors", sentence.removesuffix(".")) for sentence in error.sentences)
        return
    except (RedisError, OSError):
        known = {}
    for name in servers:
        yield _explain(f"Connector {name}", known.get(name))


def _explain(subject: str, connector: Connector | None) -> Finding:
    if connector is None:
        return found_ok(subject, "not checked yet; loopline up checks it")
    if connector.listed.problem:
        return found_problem(subject, connector.listed.problem, "correct the file of LOOPLINE_CONNECTORS or the server")
    if changed := connector.unaccepted():
        fix = f"see loopline connectors list, then run loopline connectors accept {connector.name}"
        return found_warning(subject, f"{len(changed)} new or changed tools, which agents cannot use", fix)
    return found_ok(subject, f"{len(connector.listed.tools)} tools")
