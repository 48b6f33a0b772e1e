"""IP addresses that the egress proxy connects to. Pure, except for the test whether this machine has an address."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 counterpart, except the documentation
# networks: nothing is routed there, and a company can use them behind its own gateway. `ipaddress.is_private` has other
# contents in each version of Python.
_REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), kind)
    for kind, networks in {
        "unspecified": ("0.0.0.0/8", "::/128"),
        "loopback": ("127.0.0.0/8", "::1/128"),
        "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"),
        "carrier-grade NAT": ("100.64.0.0/10",),
        "link-local": ("169.254.0.0/16", "fe80::/10"),
        "protocol": ("192.0.0.0/24", "192.88.99.0/24", "100::/64"),
        "benchmarking": ("198.18.0.0/15",),
        "multicast": ("224.0.0.0/4", "ff00::/8"),
        "reserved": ("240.0.0.0/4",),
        "embedded IPv4": (
            "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16",
        ),
    }.items()
    for network in networks
)  # fmt: skip
# Credentials of the machine, for example AWS, Azure, Alibaba, Oracle and Google. No setting permits them.
_METADATA: tuple[Network, ...] = tuple(
    ip_network(one)
    for one in (
        "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "100.100.100.200/32", "168.63.129.16/32",
        "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128", "fe80::a9fe:a9fe/128",
    )
)  # fmt: skip


def find_address_problem(address: Address, permitted: Iterable[Network], is_own: bool) -> str:
    """The kind of an address that is refused; empty if the proxy can connect to it.

    `permitted` are the operator's networks, `is_own` is whether this machine has the address."""
    if _is_in(address, _METADATA):
        return "metadata"
    if _is_in(address, permitted):
        return ""
    kinds = (kind for network, kind in _REFUSED if _is_in(address, [network]))
    return next(kinds, "this machine's own" if is_own else "")


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def is_own_address(address: Address) -> bool:
    """Whether this machine has the address now: the kernel binds a socket to it. Doubt counts as yes."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError as error:
        return error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)
    return True
