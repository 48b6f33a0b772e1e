from __future__ import annotations

import pytest

from jobs.evidence.unresolved_hosts import MOST_HOSTS, find_unresolved_hosts

HOST = "fastdl.mongodb.org"


@pytest.mark.parametrize(
    "line",
    [
        f"curl: (6) Could not resolve host: {HOST}",
        f"fatal: unable to access 'https://{HOST}/x.git/': Could not resolve host: {HOST}",
        f"wget: unable to resolve host address ‘{HOST}’",
        f"npm error network request to https://{HOST}/x failed, reason: getaddrinfo ENOTFOUND {HOST}",
        f"Error: getaddrinfo EAI_AGAIN {HOST}",
        f"NameResolutionError(\"<x>: Failed to resolve '{HOST}' ([Errno -2] Name or service not known)\")",
        f"HTTPSConnectionPool(host='{HOST}', port=443): Max retries exceeded (... Name or service not known')",
        f"Caused by: java.net.UnknownHostException: {HOST}: Temporary failure in name resolution",
        f'Get "https://{HOST}/x": dial tcp: lookup {HOST}: Temporary failure in name resolution',
        f'psql: error: could not translate host name "{HOST}" to address: Name or service not known',
        f"Failed to open TCP connection to {HOST}:443 (getaddrinfo: Temporary failure in name resolution)",
        f"Temporary failure resolving: Could not resolve '{HOST}'",
        f"Could not resolve host: {HOST.upper()}.",
    ],
)
def test_unresolved_host_is_found_in_the_message_of_common_programs(line: str) -> None:
    assert find_unresolved_hosts(f"starting\n{line}\n{line}\nend") == {HOST: 2}


@pytest.mark.parametrize(
    "line",
    [
        "Could not resolve host: localhost",
        "Could not resolve host: printer.local",
        "getaddrinfo ENOTFOUND nothing.invalid",
        "Could not resolve host: 10.0.0.1",
        "Could not resolve host: a..b",
        "error: could not resolve type com.acme.Shop",
        "Failed to resolve dependency",
        "see docs.acme.test for help",
    ],
)
def test_unresolved_host_is_a_name_of_the_network(line: str) -> None:
    assert find_unresolved_hosts(line) == {}


def test_unresolved_hosts_are_bounded() -> None:
    flood = "\n".join(f"Could not resolve host: h{number}.acme.test" for number in range(1000))
    assert len(find_unresolved_hosts(flood)) == MOST_HOSTS
