"""Finds hosts that a command without network could not resolve, in its output. Pure.

The egress proxy counts the connections that it refuses. A command that is offline, or that uses no proxy, does not get
that far; its programs name the host in their message.
"""

from __future__ import annotations

import re
from collections import Counter

from integrations.egress.hosts import parse_host

MOST_HOSTS = 20
_HOST = r"['\"‘“]?(?P<host>[A-Za-z0-9.-]+)"
_MESSAGES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"[Cc]ould not resolve host: {_HOST}",  # curl, git, cargo
        rf"unable to resolve host address {_HOST}",  # wget
        rf"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) {_HOST}",  # Node.js
        rf"Failed to resolve {_HOST}",  # urllib3, pip
        rf"host={_HOST}.*(?:name resolution|Name or service not known)",  # older urllib3
        rf"UnknownHostException: {_HOST}",  # Java
        rf"\bdial tcp: lookup {_HOST}",  # Go
        rf"could not translate host name {_HOST}",  # libpq
        rf"Failed to open TCP connection to {_HOST}:\d+ \(getaddrinfo",  # Ruby
        rf"Could not resolve {_HOST}'?(?:$|:| )",  # apt
    )
)
_LOCAL = (".localhost", ".local", ".invalid")  # RFC 6761, RFC 6762: no network resolves them


def find_unresolved_hosts(output: str) -> dict[str, int]:
    """The hosts with the number of lines that report each, at most `MOST_HOSTS`."""
    lines = (line for line in output.splitlines() if "." in line)
    found = (match["host"] for line in lines if (match := _search(line)))
    names = (parse_host(host.rstrip(".")) for host in found)
    return dict(Counter(name for name in names if name and not name.endswith(_LOCAL)).most_common(MOST_HOSTS))


def _search(line: str) -> re.Match[str] | None:
    return next((match for message in _MESSAGES if (match := message.search(line[:1_000]))), None)
