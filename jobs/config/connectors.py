"""The MCP servers of the settings: the file of LOOPLINE_CONNECTORS with its secrets.

Called by `jobs.config.environment`, by the connectors process and by commands of operators.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from integrations.connectors.servers import NO_SERVERS, Servers, UnusableServers, find_missing_secrets, read_servers
from jobs.config.places import find_secret_file_problem
from jobs.config.settings import Settings


def load_servers(settings: Settings) -> Servers:
    """The declared servers by name. Raises `UnusableServers`."""
    return read_servers(settings.connectors) if settings.connectors else NO_SERVERS


def find_connector_problems(settings: Settings) -> Iterator[str]:
    """Yield one sentence for each problem of the file."""
    if not settings.connectors or find_secret_file_problem(settings.connectors):
        return  # `find_problems` reports all files with a secret
    try:
        servers = load_servers(settings)
    except UnusableServers as error:
        yield from error.sentences
        return
    yield from find_missing_secrets(servers, frozenset(settings.connector_secrets))
    home = os.path.realpath(settings.home)
    for name, server in servers.items():
        for path in server.read_only:
            place = f"The file of LOOPLINE_CONNECTORS, server {name}, has in read_only a path that"
            real = os.path.realpath(path)
            if not os.path.lexists(real):
                yield f"{place} does not exist; correct it or remove it."
            elif f"{home}/".startswith(f"{real.rstrip('/')}/") or f"{real}/".startswith(f"{home}/"):
                yield f"{place} contains Loopline's data or a part of it; name the server's own folder."
