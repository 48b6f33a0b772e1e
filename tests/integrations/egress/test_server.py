"""The life of gateways: opened for a process, ended with it."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from ipaddress import ip_network
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from integrations.egress.client import Gateway, open_gateway
from integrations.egress.dial import Dialer
from integrations.egress.gateway import MOST_HOSTS, OTHER_HOSTS
from integrations.egress.policy import EgressLimits, EgressPolicy
from integrations.egress.server import CONTROL, serve
from integrations.errors import Unavailable
from integrations.outbound import parse_proxy
from tests.integrations.egress.internet import EVIL, FILES, INTERNAL, Internet, connect_to, exchange, read_until, until
from tests.support.authority import Authority, CompanyProxy, listen
from tests.support.checkout import REPOSITORY

GET = f"GET http://{FILES}/ HTTP/1.1\r\n\r\n".encode()
TUNNEL = f"CONNECT {FILES}:443 HTTP/1.1\r\n\r\n".encode()


def test_gateway_serves_plain_requests_and_tunnels(internet: Internet, gateway: Gateway, authority: Authority) -> None:
    with connect_to(gateway) as connection:
        assert exchange(connection, GET).endswith(b"hello")
    with connect_to(gateway) as connection:
        connection.sendall(TUNNEL)
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        context = ssl.create_default_context(cafile=authority.file)
        with context.wrap_socket(connection, server_hostname=FILES) as secure:
            secure.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b"hello" in secure.recv(1000)
    assert internet.dialed == [("203.0.113.10", 80), ("203.0.113.10", 443)]
    assert gateway.report().problems == ()


def test_gateway_is_closed_with_its_context(proxy: Path) -> None:
    with open_gateway(proxy, EgressPolicy((FILES,))) as gateway:
        assert gateway.socket.is_socket()
        assert gateway.socket.stat().st_mode & 0o077 == 0
    until(lambda: not gateway.socket.exists())
    with pytest.raises(OSError):
        connect_to(gateway)


CLIENT = """
import sys, time, pathlib
from integrations.egress.client import open_gateway
from integrations.egress.policy import EgressPolicy
with open_gateway(pathlib.Path(sys.argv[1]), EgressPolicy((sys.argv[2],))) as gateway:
    print(gateway.socket, flush=True)
    time.sleep(60)
"""


def test_gateway_ends_with_a_killed_process_and_so_do_its_connections(internet: Internet, proxy: Path) -> None:
    command = [sys.executable, "-c", CLIENT, str(proxy), FILES]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        gateway = Path(process.stdout.readline().strip())
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(gateway))
            connection.sendall(TUNNEL)
            read_until(connection, b"\r\n\r\n")
            os.kill(process.pid, signal.SIGKILL)
            assert connection.recv(1) == b""
        until(lambda: not gateway.exists())


def test_gateway_counts_blocked_hosts_within_a_bound(gateway: Gateway) -> None:
    for number in range(MOST_HOSTS + 5):
        with connect_to(gateway) as connection:
            exchange(connection, f"CONNECT h{number}.example:443 HTTP/1.1\r\n\r\n".encode())
    blocked = gateway.blocked()
    assert len(blocked) == MOST_HOSTS + 1
    assert blocked[OTHER_HOSTS] == 5
    assert gateway.report().problems == ()


def test_gateway_reports_failures_with_host_and_reason(internet: Internet, gateway: Gateway) -> None:
    internet.addresses[FILES] = []
    for host in (FILES, INTERNAL):
        with connect_to(gateway) as connection:
            exchange(connection, f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
    assert gateway.report().problems == (
        f"{FILES}: its name has no address",
        (
            f"{INTERNAL}: its name leads to a private address, 10.1.2.3; the operator can permit its network with "
            "LOOPLINE_EGRESS_NETWORKS"
        ),
    )


def test_gateway_logs_every_decision_with_run_and_command(internet: Internet, tmp_path: Path) -> None:
    with capture_logs() as logs, internet.gateway(tmp_path / "egress", FILES) as gateway:
        with connect_to(gateway) as connection:
            exchange(connection, GET)
        with connect_to(gateway) as connection:
            exchange(connection, GET.replace(FILES.encode(), EVIL.encode()))
    names = {"run": "run-1", "command": "npm ci"}
    decisions = [log for log in logs if log["event"] != "egress gateway closed"]
    assert decisions == [
        {"event": "egress allowed", "log_level": "info", "host": FILES, "port": 80, **names},
        {"event": "egress denied", "log_level": "warning", "host": EVIL, **names}
        | {"reason": "the policy does not name this host"},
    ]
    assert (logs[-1]["event"], logs[-1]["connections"]) == ("egress gateway closed", 2)
    assert logs[-1]["blocked"] == {EVIL: 1}


def test_gateway_of_a_private_network_that_the_operator_permits(internet: Internet, tmp_path: Path) -> None:
    with (
        internet.proxy(tmp_path / "egress", networks=(ip_network("10.1.0.0/16"),)) as folder,
        open_gateway(folder, EgressPolicy((INTERNAL,))) as gateway,
        connect_to(gateway) as connection,
    ):
        assert exchange(connection, GET.replace(FILES.encode(), INTERNAL.encode())).endswith(b"hello")
    assert internet.dialed == [("10.1.2.3", 80)]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_gateway_goes_through_the_companys_proxy(
    internet: Internet, tmp_path: Path, authority: Authority, scheme: str
) -> None:
    company = CompanyProxy(internet.ports, "bWU6aHVzaEBodXNo")
    context = authority.server_context("localhost") if scheme == "https" else None
    with listen(company.serve, context) as port:
        upstream = parse_proxy(f"{scheme}://me:hush%40hush@localhost:{port}")
        proxy = internet.proxy(
            tmp_path / "egress", upstream=upstream, no_proxy=f"x.test,{EVIL}", ca_file=authority.file
        )
        with proxy as folder, open_gateway(folder, EgressPolicy((FILES, EVIL))) as gateway:
            with connect_to(gateway) as connection:
                assert exchange(connection, GET).endswith(b"hello")
            with connect_to(gateway) as connection:
                connection.sendall(TUNNEL)
                read_until(connection, b"\r\n\r\n")
                tls = ssl.create_default_context(cafile=authority.file)
                with tls.wrap_socket(connection, server_hostname=FILES) as secure:
                    secure.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    assert b"hello" in secure.recv(1000)
            assert internet.dialed == []
            with connect_to(gateway) as connection:
                assert exchange(connection, GET.replace(FILES.encode(), EVIL.encode())).endswith(b"hello")
            assert [address for address, _ in internet.dialed] == ["203.0.113.66"]
    assert [head.split(b" ")[1] for head in company.heads] == [f"http://{FILES}/".encode(), f"{FILES}:443".encode()]


def test_gateway_names_a_companys_proxy_that_refuses(internet: Internet, tmp_path: Path) -> None:
    company = CompanyProxy({}, "other")
    with listen(company.serve) as port:
        upstream = parse_proxy(f"http://me:hush@127.0.0.1:{port}")
        with (
            internet.proxy(tmp_path / "egress", upstream=upstream) as folder,
            open_gateway(folder, EgressPolicy((FILES,))) as gateway,
            connect_to(gateway) as connection,
        ):
            answer = exchange(connection, TUNNEL)
            problems = gateway.report().problems
    assert problems == (f"{FILES}: the upstream proxy answered 407; set its user name and password",)
    assert answer.startswith(b"HTTP/1.1 502") and b"hush" not in answer


def test_gateway_names_a_companys_proxy_that_is_down(internet: Internet, tmp_path: Path) -> None:
    with (
        internet.proxy(tmp_path / "egress", upstream=parse_proxy("http://127.0.0.1:9")) as folder,
        open_gateway(folder, EgressPolicy((FILES,))) as gateway,
        connect_to(gateway) as connection,
    ):
        exchange(connection, TUNNEL)
        assert "the upstream proxy does not respond" in gateway.report().problems[0]


def test_client_without_a_proxy_is_unavailable_and_names_the_process(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path):
        with (
            pytest.raises(Unavailable, match="start `python -m jobs egress` on this machine"),
            open_gateway(folder, EgressPolicy((FILES,))),
        ):
            pass


def test_client_notices_that_the_proxy_has_ended(internet: Internet, tmp_path: Path) -> None:
    with internet.proxy(tmp_path / "egress") as folder:
        opened = open_gateway(folder, EgressPolicy((FILES,)))
        gateway = opened.__enter__()
    with pytest.raises(Unavailable, match="the egress proxy"):
        gateway.report()
    opened.__exit__(None, None, None)
    assert list(folder.glob("*.sock")) == []


def test_client_works_with_a_path_that_is_too_long_for_an_address(internet: Internet, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 150) / "egress"
    with internet.gateway(folder, FILES) as gateway:
        assert gateway.blocked() == {}
        assert gateway.socket.is_socket()


def test_proxy_refuses_a_policy_that_is_malformed(proxy: Path) -> None:
    for line in (b"x\n", b"{}\n", b'{"hosts": ["*"], "run": "", "command": ""}\n', b'{"hosts": 1}\n', b"[]\n",
                 b'{"hosts": [1], "run": "", "command": ""}\n'):  # fmt: skip
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(proxy / CONTROL))
            answer = json.loads(exchange(connection, line))
            assert answer["retry"] is False and answer["error"]


def test_proxy_serves_a_folder_alone_and_removes_sockets_of_a_killed_one(internet: Internet, tmp_path: Path) -> None:
    folder = tmp_path / "egress"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "0123456789abcdef.sock"))
    with internet.proxy(folder):
        assert [file.name for file in folder.glob("*.sock")] == [CONTROL]
        assert (folder / CONTROL).stat().st_mode & 0o777 == 0o600
        with pytest.raises(Unavailable, match="another egress proxy serves"):
            serve(folder, Dialer(), EgressLimits(), threading.Event())
