"""Network access inside the sandbox: the proxy's socket, the relay, and the variables that programs read.

Called by `profile` for an environment with a network. The egress proxy writes the bundles of certificate authorities
beside its sockets, so that commands trust the authorities that the host trusts.
"""

from __future__ import annotations

from pathlib import Path

from integrations.sandbox.environment import EGRESS_SOCKET
from integrations.sandbox.root import find_interpreter

PORT = 3128
PROXY = f"http://127.0.0.1:{PORT}"
RELAY = Path("/run/relay.py")
"""The program that serves the socket on the loopback. See its file for how to start it."""
AUTHORITIES = Path("/run/ca-certificates.pem")
JAVA_AUTHORITIES = Path("/run/ca-certificates.p12")
_RELAY_OF_HOST = Path(__file__).with_name("programs") / "relay.py"
_LOCAL = "localhost,127.0.0.1,::1"
# Programs that do not use the certificates of the system, or know them by a variable of their own.
_AUTHORITY_VARIABLES = (
    "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE",
    "CARGO_HTTP_CAINFO", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "DENO_CERT", "NIX_SSL_CERT_FILE", "BUNDLE_SSL_CA_CERT",
)  # fmt: skip


def build_relay_command(image: Path | None) -> list[str]:
    """The command that starts the relay inside: alone, or with a command behind it."""
    return [*find_interpreter(image), "-I", str(RELAY)]


def list_authorities(socket: Path) -> dict[Path, Path]:
    """The bundles of certificate authorities beside the egress proxy's socket, by their paths inside."""
    found = {inside: socket.with_name(inside.name) for inside in (AUTHORITIES, JAVA_AUTHORITIES)}
    return {inside: file for inside, file in found.items() if file.is_file()}


def mount_network(socket: Path) -> list[str]:
    """bubblewrap's options for network access through this socket of the egress proxy."""
    mounts = {EGRESS_SOCKET: socket, RELAY: _RELAY_OF_HOST, **list_authorities(socket)}
    return [option for inside, file in mounts.items() for option in ("--ro-bind", str(file), str(inside))]


def build_network_variables(socket: Path) -> dict[str, str]:
    """The environment variables by which programs find the relay and trust the host's authorities.

    Most programs read the variables in either case, some in one only: curl reads `http_proxy` in lower case alone."""
    proxies = {f"{name}_proxy": PROXY for name in ("http", "https", "all")} | {"no_proxy": _LOCAL}
    bundles = list_authorities(socket)
    authorities = dict.fromkeys(_AUTHORITY_VARIABLES, str(AUTHORITIES)) if AUTHORITIES in bundles else {}
    return {
        **proxies,
        **{name.upper(): value for name, value in proxies.items()},
        "NPM_CONFIG_PROXY": PROXY, "NPM_CONFIG_HTTPS_PROXY": PROXY, "NPM_CONFIG_NOPROXY": _LOCAL,
        "NPM_CONFIG_UPDATE_NOTIFIER": "false", "YARN_HTTP_PROXY": PROXY, "YARN_HTTPS_PROXY": PROXY,
        "NODE_USE_ENV_PROXY": "1", "CARGO_HTTP_PROXY": PROXY,
        "JAVA_TOOL_OPTIONS": _format_java_options(JAVA_AUTHORITIES in bundles),
        **authorities,
    }  # fmt: skip


def _format_java_options(has_authorities: bool) -> str:
    """Java reads properties instead of variables; Maven's own client reads them only when it is asked to."""
    properties = {
        **{f"{scheme}.proxyHost": "127.0.0.1" for scheme in ("http", "https")},
        **{f"{scheme}.proxyPort": str(PORT) for scheme in ("http", "https")},
        "aether.connector.http.useSystemProperties": "true",
        "aether.transport.apache.useSystemProperties": "true",
    }
    if has_authorities:
        properties |= {"javax.net.ssl.trustStore": str(JAVA_AUTHORITIES), "javax.net.ssl.trustStoreType": "PKCS12"}
    return " ".join(f"-D{name}={value}" for name, value in properties.items())
