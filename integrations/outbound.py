"""How this machine reaches other hosts: the company's proxy and its certificate authorities.

The HTTP clients of the providers read the same variables themselves. git and the egress proxy start without an
environment, so they get them from here. `jobs.config.environment` configures it once per process.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

_DEFAULT_PORTS: dict[str, int] = {"http": 80, "https": 443}
_SHORTEST_SECRET = 4
# Bundles of the system: Debian and Alpine, Fedora, SUSE.
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
)  # fmt: skip


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; with the scheme https the connection to it uses TLS."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """Its URL without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """The header with its credentials, if it has any."""
        if not self.username:
            return {}
        value = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"Proxy-Authorization": f"Basic {value}"}


def parse_proxy(text: str) -> Proxy | None:
    """The proxy of a variable such as HTTPS_PROXY, whose scheme can be left out; None without one.

    `jobs.config` has checked the text."""
    url = urlsplit(text if "://" in text or not text else f"http://{text}")
    if not url.hostname:
        return None
    port = url.port or _DEFAULT_PORTS.get(url.scheme, 80)
    return Proxy(url.scheme, url.hostname, port, unquote(url.username or ""), unquote(url.password or ""))


@dataclass(frozen=True)
class Outbound:
    """The proxies by scheme of the URL, the hosts that need none, and the trusted authorities as in SSL_CERT_FILE and
    SSL_CERT_DIR, None for the defaults of each program."""

    proxies: Mapping[str, Proxy] = field(default_factory=dict)
    no_proxy: str = ""
    ca_file: Path | None = None
    ca_folder: Path | None = None

    def find_proxy(self, url: str) -> Proxy | None:
        """The proxy for requests to the URL."""
        parts = urlsplit(url)
        return None if bypasses_proxy(parts, self.no_proxy) else self.proxies.get(parts.scheme)

    def secret_values(self) -> frozenset[str]:
        """The passwords of the proxies, for the logs to redact."""
        passwords = {proxy.password for proxy in self.proxies.values()}
        return frozenset(one for one in passwords if len(one) >= _SHORTEST_SECRET)

    def find_bundle(self) -> Path | None:
        """The file with the certificate authorities that this machine trusts."""
        return self.ca_file or next((path for path in map(Path, _SYSTEM_BUNDLES) if path.is_file()), None)


def read_outbound(variables: Mapping[str, str]) -> Outbound:
    """Read the usual variables of the system. As in curl and requests, names in lower case take precedence."""

    def read(*names: str) -> str:
        return next((value for name in names if (value := variables.get(name, "").strip())), "")

    found = {
        scheme: parse_proxy(read(f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"))
        for scheme in ("https", "http")
    }
    bundle = read("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    folder = read("SSL_CERT_DIR").split(":")[0] or (bundle if Path(bundle).is_dir() else "")
    return Outbound(
        proxies={scheme: proxy for scheme, proxy in found.items() if proxy},
        no_proxy=read("no_proxy", "NO_PROXY"),
        ca_file=Path(bundle) if bundle and Path(bundle).is_file() else None,
        ca_folder=Path(folder) if folder else None,
    )


def bypasses_proxy(url: SplitResult, no_proxy: str) -> bool:
    """Whether the host is in NO_PROXY: `*`, a name (also for the names below it), an address or a network, each with an
    optional port."""
    host = (url.hostname or "").lower()
    port = str(url.port or _DEFAULT_PORTS.get(url.scheme, 0))
    for entry in (one.strip().lower() for one in no_proxy.split(",")):
        name, _, wanted = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
        name = name.removeprefix("*").strip("[]") if entry != "*" else entry
        if wanted not in ("", port) or not name:
            continue
        domain = name.lstrip(".")
        if name == "*" or host == domain or host.endswith(f".{domain}") or _is_in_network(host, name):
            return True
    return False


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


class _Configured:
    outbound = Outbound()


def configure_outbound(outbound: Outbound) -> None:
    """Set the configuration of this process."""
    _Configured.outbound = outbound


def get_outbound() -> Outbound:
    """The configuration of this process."""
    return _Configured.outbound
