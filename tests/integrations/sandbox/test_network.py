"""Network access in the sandbox: through the relay and the egress proxy only."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integrations.egress.authorities import write_authorities
from integrations.egress.client import Gateway, open_gateway
from integrations.egress.dial import Dialer
from integrations.egress.policy import EgressPolicy
from integrations.egress.registries import find_registries
from integrations.git.workspace import Workspace
from integrations.outbound import read_outbound
from integrations.sandbox.bubblewrap import CommandResult, Sandbox
from integrations.sandbox.environment import Environment
from integrations.sandbox.network import RELAY
from tests.integrations.egress.conftest import authority, running
from tests.integrations.egress.internet import FILES, Internet, run_proxy
from tests.support.authority import Authority

__all__ = ["authority", "running"]
Online = Callable[..., CommandResult]


# Ends the relay of the sandbox, so that the test can start another one.
END_RELAY = r"""
for process in /proc/[0-9]*; do
    if tr '\0' ' ' 2>/dev/null < $process/cmdline | grep -q '^[^ ]*python3 -I /run/relay.py $'; then
        kill -9 ${process#/proc/}; while [ -e $process ]; do :; done
    fi
done
"""


@pytest.fixture
def gateway(running: Internet, authority: Authority, tmp_path: Path) -> Iterator[Gateway]:
    running.reset()
    with running.gateway(tmp_path / "egress", FILES) as gateway:
        write_authorities(authority.file, tmp_path / "egress")
        yield gateway


@pytest.fixture
def online(sandbox: Sandbox, plain: Workspace, gateway: Gateway) -> Online:
    """Run a bash script with network access, with the relay or, for `relay=False`, without."""

    def online(script: str, *, relay: bool = True, through: Gateway = gateway) -> CommandResult:
        environment = Environment(network=through.socket)
        if relay:
            return sandbox.run(["bash", "-c", script], plain, environment=environment, timeout=60)
        command = ["bash", "-c", f"{END_RELAY}\n{script}"]
        return sandbox.capture(command, plain, environment=environment, max_bytes=10_000, timeout=60)

    return online


def test_sandbox_with_network_reaches_permitted_hosts_by_plain_http_and_tls(online: Online, gateway: Gateway) -> None:
    script = f"curl -sS http://{FILES}/ https://{FILES}/; curl -sS https://other.acme.test/"
    result = online(script)
    assert result.output == b"hellohellocurl: (56) CONNECT tunnel failed, response 403\n"
    assert gateway.blocked() == {"other.acme.test": 1}


def test_sandbox_without_network_has_no_socket_and_no_variables(sandbox: Sandbox, plain: Workspace) -> None:
    result = sandbox.run(["bash", "-c", "env | grep -i proxy; ls /run"], plain, timeout=20)
    assert b"egress" not in result.output and b"roxy" not in result.output


DIRECT = """
import socket
for kind, address in ((socket.SOCK_STREAM, ("127.0.0.1", {port})), (socket.SOCK_STREAM, ("{own}", {port})),
                      (socket.SOCK_DGRAM, ("{own}", 53)), (socket.SOCK_STREAM, ("203.0.113.10", 443))):
    try:
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.settimeout(2)
            probe.connect(address)
            print("reached", address)
    except OSError as error:
        print("blocked", error.errno)
try:
    print("reached", socket.getaddrinfo("{host}", 443))
except socket.gaierror:
    print("blocked")
"""


def test_sandbox_with_network_cannot_connect_or_resolve_by_itself(online: Online) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.1", 9))  # sends nothing
        own, port = probe.getsockname()[0], server.getsockname()[1]
        with socket.create_connection((own, port)), socket.create_connection(("127.0.0.1", port)):
            pass  # both work outside
        (_, *_), *_ = socket.getaddrinfo("localhost", 443)
        result = online(f"python3 - <<'END'\n{DIRECT.format(port=port, own=own, host='files.acme.test')}END")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.decode().splitlines()] == ["blocked"] * 5


def test_sandbox_cannot_replace_socket_relay_or_authorities(online: Online, gateway: Gateway) -> None:
    script = "cd /run; rm -f *; mv egress.sock x; echo x > relay.py; echo > ca-certificates.pem; chmod 777 *; ls -d *.*"
    result = online(script)
    left = ["ca-certificates.p12", "ca-certificates.pem", "egress.sock", "relay.py"]
    assert result.output.decode().split()[-4:] == left
    assert gateway.socket.is_socket()


def test_relay_ends_with_its_command(online: Online) -> None:
    again = "python3 -I /run/relay.py true && python3 -I /run/relay.py true && python3 -I /run/relay.py echo both"
    assert online(again, relay=False).output == b"both\n"


def test_relay_imports_nothing_from_the_work_tree(online: Online) -> None:
    start = "echo 'raise SystemExit(9)' > asyncio.py; PYTHONPATH=. python3 {} /run/relay.py echo fine"
    assert online(start.format(""), relay=False).exit_code == 9
    assert online(start.format("-I"), relay=False).output == b"fine\n"


def test_relay_reports_when_its_port_is_open_and_ends_with_its_parent(online: Online) -> None:
    script = f"""
import subprocess, sys, urllib.request, time
code = "import subprocess as s; print(s.Popen(['python3', '-I', '{RELAY}'], stdout=-1).stdout.readline()); input()"
holder = subprocess.Popen([sys.executable, '-c', code], stdin=-1, stdout=-1)
print(holder.stdout.readline())
print(urllib.request.urlopen('http://{FILES}/').read())
holder.kill(); holder.wait()
for _ in range(500):
    try:
        urllib.request.urlopen('http://{FILES}/').read()
    except OSError as error:
        if "refused" in str(error):
            print("refused"); break
    time.sleep(0.01)
"""
    result = online(f"python3 - <<'END'\n{script}END", relay=False)
    lines = result.output.decode().splitlines()
    assert lines == ["b\"b'ready\\\\n'\\n\"", "b'hello'", "refused"]


def test_relay_serves_many_connections_at_once(online: Online) -> None:
    result = online(f"for i in $(seq 30); do curl -sS http://{FILES}/big | wc -c & done; wait")
    assert result.output.decode().split() == ["3000000"] * 30


def test_sandbox_names_proxy_and_authorities_for_every_usual_client(online: Online) -> None:
    variables = dict(line.split("=", 1) for line in online("env").output.decode().splitlines())
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "NPM_CONFIG_HTTPS_PROXY"):
        assert variables[name] == "http://127.0.0.1:3128"
    assert variables["no_proxy"] == variables["NO_PROXY"] == "localhost,127.0.0.1,::1"
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO",
                 "GIT_SSL_CAINFO", "CURL_CA_BUNDLE"):  # fmt: skip
        assert variables[name] == "/run/ca-certificates.pem"
    assert "-Dhttps.proxyPort=3128" in variables["JAVA_TOOL_OPTIONS"]
    assert "-Djavax.net.ssl.trustStore=/run/ca-certificates.p12" in variables["JAVA_TOOL_OPTIONS"]


CLIENTS = {
    "git": "cd /tmp; git ls-remote https://{host}/x",
    "pip": "python3 -m pip download --no-deps --retries 0 -q -i https://{host}/simple six",
    "npm": "npm view --fetch-retries 0 --registry https://{host}/ left-pad version",
    "Python": "python3 -c 'import urllib.request; urllib.request.urlopen(\"https://{host}/\")'",
    "curl": "curl -sS https://{host}/",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_sandbox_client_asks_the_proxy(online: Online, gateway: Gateway, client: str) -> None:
    program = CLIENTS[client].split()[0]
    if program not in ("cd", "python3") and shutil.which(program, path="/usr/bin") is None:
        pytest.skip(f"{program} is not installed")
    assert online(CLIENTS[client].format(host="blocked.acme.test")).exit_code != 0
    assert gateway.blocked().keys() == {"blocked.acme.test"}


def test_sandbox_installs_packages_from_the_registries_of_this_machine(
    sandbox: Sandbox, plain: Workspace, internet_access: Path
) -> None:
    """The real clients, registries and proxy, with the hosts that the clients of this machine use."""
    found = find_registries(os.environ)
    assert found.problems == ()
    with open_gateway(internet_access, EgressPolicy(found.hosts, "run-1", "pip download")) as gateway:
        script = "python3 -m pip download --no-deps --no-cache-dir -q six && npm view left-pad version && ls"
        environment = Environment(network=gateway.socket)
        result = sandbox.run(["bash", "-c", script], plain, environment=environment, timeout=100)
        report = gateway.report()
    assert (result.exit_code, report.blocked, report.problems) == (0, {}, ()), result.output
    assert re.search(rb"^six-.*\.whl$", result.output, re.MULTILINE)
    assert b"1.3.0" in result.output


@pytest.fixture
def internet_access(tmp_path: Path) -> Iterator[Path]:
    """The folder of a proxy to the real internet, as the egress process builds it."""
    outbound = read_outbound(os.environ)
    folder = tmp_path / "egress"
    with run_proxy(folder, Dialer(proxy=outbound.proxies.get("https"), no_proxy=outbound.no_proxy)):
        write_authorities(outbound.find_bundle(), folder)
        yield folder
