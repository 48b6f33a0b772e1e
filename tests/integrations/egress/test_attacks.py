"""Attacks on the egress proxy by a program in the sandbox. Each works against a proxy without rules."""

from __future__ import annotations

import array
import os
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path

import pytest

from integrations.egress.client import Gateway, open_gateway
from integrations.egress.policy import EgressLimits, EgressPolicy
from tests.integrations.egress.internet import EVIL, FILES, INTERNAL, Internet, connect_to, exchange, read_until, until
from tests.support.authority import Authority

PUBLIC = "203.0.113.10"


def get(target: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", *headers, "", ""]).encode("latin-1")


def tunnel(target: str) -> bytes:
    return f"CONNECT {target} HTTP/1.1\r\nHost: {FILES}\r\n\r\n".encode("latin-1")


DIALS = {
    "IPv4": get("http://127.0.0.1/"),
    "IPv4 as one number": get("http://2130706433/"),
    "IPv4 in hexadecimal": get("http://0x7f000001/"),
    "IPv4 in octal": get("http://0177.0.0.1/"),
    "IPv4 in two parts": get("http://127.1/"),
    "IPv6": get("http://[::1]/"),
    "IPv4 in IPv6": get("http://[::ffff:127.0.0.1]/"),
    "private address of a permitted host": get(f"http://{INTERNAL}/"),
    "tunnel to an address": tunnel("127.0.0.1:443"),
    "localhost": get("http://localhost/"),
    "another host": get(f"http://{EVIL}/"),
    "tunnel to another host": tunnel(f"{EVIL}:443"),
    "NUL in the host": tunnel(f"{EVIL}\0.{FILES}:443"),
    "user information": get(f"http://{FILES}@{EVIL}/"),
    "user information with a port": get(f"http://{FILES}:80@{EVIL}/"),
    "tunnel with user information": tunnel(f"{FILES}@{EVIL}:443"),
    "port 22": tunnel(f"{FILES}:22"),
    "port 25": tunnel(f"{FILES}:25"),
    "plain HTTP to port 6379": get(f"http://{FILES}:6379/"),
    "tunnel to port 80": tunnel(f"{FILES}:80"),
    "trailing dot": get(f"http://{FILES}./"),
    "trailing dot of another host": get(f"http://{EVIL}./"),
}


@pytest.mark.parametrize("request_", DIALS.values(), ids=DIALS)
def test_egress_dials_no_other_address_host_or_port(internet: Internet, gateway: Gateway, request_: bytes) -> None:
    with internet.naive_proxy() as connect, connect() as naive:
        naive.sendall(request_)
        until(lambda: internet.dialed)
    internet.dialed.clear()

    with connect_to(gateway) as connection:
        answer = exchange(connection, request_)
    assert answer.split(b" ")[1] in (b"400", b"403")
    assert internet.dialed == []


MALFORMED = {
    "CR LF in the host": f"CONNECT {FILES}\r\nX: y:443 HTTP/1.1\r\n\r\n".encode(),
    "line feeds only": f"GET http://{FILES}/ HTTP/1.1\nHost: {FILES}\n\n\r\n\r\n".encode(),
    "CR in a header": get(f"http://{FILES}/", f"Accept: x\rHost: {EVIL}"),
    "NUL in a header": get(f"http://{FILES}/", "Accept: x\0y"),
    "folded header": get(f"http://{FILES}/", "Accept: x", f" Host: {EVIL}"),
    "space before the colon": get(f"http://{FILES}/", f"Host : {EVIL}"),
    "two hosts": get(f"http://{FILES}/", f"Host: {FILES}", f"Host: {EVIL}"),
    "IDN that looks alike": get("http://f\xedles.acme.test/"),
    "Kelvin sign": "GET http://\u212ailes.acme.test/ HTTP/1.1\r\n\r\n".encode(),
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": f"GET http://{FILES}/\r\n\r\n".encode(),
    "no proxy request": get("/", f"Host: {FILES}"),
    "https in plain text": get(f"https://{FILES}/"),
    "asterisk": b"OPTIONS * HTTP/1.1\r\n\r\n",
    "body": f"POST http://{FILES}/ HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi".encode(),
    "GET with a body": get(f"http://{FILES}/", "Content-Length: 5") + b"hello",
    "chunked body": get(f"http://{FILES}/", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two lengths": get(f"http://{FILES}/", "Content-Length: 0", "Content-Length: 5"),
    "length and chunks": get(f"http://{FILES}/", "Content-Length: 0", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "backslash": get(f"http://{EVIL}\\@{FILES}/"),
    "encoded slash in the host": get(f"http://{EVIL}%2f.{FILES}/"),
}


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
def test_egress_refuses_what_two_parsers_can_read_differently(
    internet: Internet, gateway: Gateway, request_: bytes
) -> None:
    with connect_to(gateway) as connection:
        answer = exchange(connection, request_)
    assert answer.split(b" ")[1] in (b"400", b"403", b"405")
    assert internet.dialed == []


def test_egress_resolves_once_and_dials_the_checked_address(internet: Internet, gateway: Gateway) -> None:
    """DNS rebinding: the second answer is an address of this machine."""
    for connect in (None, gateway):
        internet.addresses[FILES] = [PUBLIC, "127.0.0.1"]
        internet.dialed.clear()
        internet.resolved.clear()
        if connect is None:
            with internet.naive_proxy() as open_naive, open_naive() as naive:
                naive.sendall(get(f"http://{FILES}/"))
                until(lambda: internet.dialed == [("127.0.0.1", 80)])
        else:
            with connect_to(connect) as connection:
                assert exchange(connection, get(f"http://{FILES}/")).endswith(b"hello")
            assert (internet.resolved, internet.dialed) == ([FILES], [(PUBLIC, 80)])


def test_egress_refuses_a_host_that_moves_to_this_machine(internet: Internet, gateway: Gateway) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.1", 9))  # sends nothing
        own = probe.getsockname()[0]
    for address in ("127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", own):
        internet.addresses[FILES] = [address]
        with connect_to(gateway) as connection:
            assert exchange(connection, tunnel(f"{FILES}:443")).startswith(b"HTTP/1.1 403")
    assert internet.dialed == []
    assert any("leads to a metadata address, 169.254.169.254" in one for one in gateway.report().problems)


def test_egress_sends_a_plain_request_to_the_host_that_it_names(internet: Internet, gateway: Gateway) -> None:
    """A front end with many sites chooses by the header Host."""
    attack = get(f"http://{FILES}/", f"Host: {EVIL}")
    with internet.naive_proxy() as connect, connect() as naive:
        naive.sendall(attack)
        until(lambda: internet.reached(EVIL))
    internet.requests.clear()

    with connect_to(gateway) as connection:
        assert b"the header Host is another host" in exchange(connection, attack)
    assert internet.requests == []


SMUGGLED = {
    "second request": b"",
    "hidden in a body": b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
}


@pytest.mark.parametrize("headers", SMUGGLED.values(), ids=SMUGGLED)
def test_egress_sends_one_request_for_each_connection(internet: Internet, gateway: Gateway, headers: bytes) -> None:
    first = f"GET http://{FILES}/ HTTP/1.1\r\nHost: {FILES}\r\n".encode() + headers + b"\r\n"
    attack = first + get(f"http://{EVIL}/", f"Host: {EVIL}")
    with internet.naive_proxy() as connect, connect() as naive:
        naive.sendall(attack)
        until(lambda: internet.reached(EVIL))
    internet.requests.clear()

    with connect_to(gateway) as connection:
        exchange(connection, attack)
    with connect_to(gateway) as connection:  # the second request follows later, on the same connection
        connection.sendall(get(f"http://{FILES}/"))
        read_until(connection, b"hello")
        exchange(connection, get(f"http://{EVIL}/", f"Host: {EVIL}"))
    assert not internet.reached(EVIL)


def test_egress_passes_no_upgrade_to_another_protocol_on(internet: Internet, gateway: Gateway) -> None:
    attack = get(f"http://{FILES}/", f"Host: {FILES}", "Connection: Upgrade, X-Mine", "Upgrade: websocket", "X-Mine: 1")
    with internet.naive_proxy() as connect, connect() as naive:
        naive.sendall(attack + b"secret")
        until(lambda: internet.received == b"secret")
    internet.received = b""

    with connect_to(gateway) as connection:
        exchange(connection, attack + b"secret")
    with connect_to(gateway) as connection:
        assert exchange(connection, attack).endswith(b"hello")
    assert internet.received == b""
    assert "x-mine" not in internet.requests[-1].lower()


def test_egress_refuses_the_target_of_a_redirect(internet: Internet, gateway: Gateway) -> None:
    with connect_to(gateway) as connection:
        answer = exchange(connection, get(f"http://{FILES}/moved"))
    location = answer.partition(b"Location: ")[2].partition(b"\r\n")[0].decode()
    with internet.naive_proxy() as connect, connect() as naive:
        naive.sendall(get(location))
        assert read_until(naive, b"hello").startswith(b"HTTP/1.1 200")
    internet.requests.clear()

    with connect_to(gateway) as connection:
        assert exchange(connection, get(location)).startswith(b"HTTP/1.1 403")
    assert internet.requests == []
    assert gateway.blocked() == {EVIL: 1}


def handshake(connection: socket.socket, authority: Authority, name: str | None) -> None:
    context = ssl.create_default_context(cafile=authority.file)
    context.check_hostname = name is not None
    read_until(connection, b"\r\n\r\n")
    with context.wrap_socket(connection, server_hostname=name) as secure:
        secure.sendall(get("/"))
        assert secure.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("name", [EVIL, None, f"x.{FILES}"], ids=["another", "none", "below"])
def test_egress_ends_a_tunnel_with_another_server_name(
    internet: Internet, gateway: Gateway, authority: Authority, name: str | None
) -> None:
    """Domain fronting: the server of the permitted host has another site, too."""
    if name != f"x.{FILES}":  # the certificate of the stand-in has no name below
        with internet.naive_proxy() as connect, connect() as naive:
            naive.sendall(tunnel(f"{FILES}:443"))
            handshake(naive, authority, name)
        assert internet.names == [name]
    internet.names.clear()
    internet.requests.clear()

    with connect_to(gateway) as connection:
        connection.sendall(tunnel(f"{FILES}:443"))
        with pytest.raises(OSError, match=r"(?i)access.denied"):
            handshake(connection, authority, name)
    assert (internet.names, internet.requests) == ([], [])


OTHER_PROTOCOLS = {
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 20,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "plain HTTP": get("/", f"Host: {EVIL}"),
    "SOCKS": b"\x05\x01\x00",
    "TLS record of another kind": b"\x17\x03\x03\x00\x05hello",
    "empty records": b"\x16\x03\x01\x00\x00" * 100,
    "SSL 2": b"\x80\x2e\x01\x00\x02",
}


@pytest.mark.parametrize("data", OTHER_PROTOCOLS.values(), ids=OTHER_PROTOCOLS)
def test_egress_ends_a_tunnel_without_tls(internet: Internet, gateway: Gateway, data: bytes) -> None:
    with connect_to(gateway) as connection:
        connection.sendall(tunnel(f"{FILES}:443"))
        read_until(connection, b"\r\n\r\n")
        assert exchange(connection, data).startswith(b"\x15\x03\x03")  # an alert
    assert internet.requests == []


def test_egress_ends_a_slow_request(internet: Internet, tmp_path: Path) -> None:
    with internet.gateway(tmp_path / "egress", FILES, limits=EgressLimits(head=0.2)) as gateway:
        with connect_to(gateway) as connection:
            connection.sendall(b"GET http://")
            assert exchange(connection, b"f").startswith(b"HTTP/1.1 408")
        with connect_to(gateway) as connection:
            connection.sendall(tunnel(f"{FILES}:443"))
            read_until(connection, b"\r\n\r\n")
            assert exchange(connection, b"\x16\x03\x01").startswith(b"\x15\x03\x03")


def test_egress_ends_an_idle_connection(internet: Internet, tmp_path: Path) -> None:
    with internet.gateway(tmp_path / "egress", FILES, limits=EgressLimits(idle=0.2)) as gateway:
        with connect_to(gateway) as connection:
            started = time.monotonic()
            assert exchange(connection, get(f"http://{FILES}/silent")) == b""
        assert time.monotonic() - started < 5


def test_egress_refuses_a_huge_head(internet: Internet, gateway: Gateway) -> None:
    for attack in (get(f"http://{FILES}/", *["A: b"] * 20_000), get(f"http://{FILES}/{'x' * 100_000}"), b"x" * 100_000):
        with connect_to(gateway) as connection:
            answer = exchange(connection, attack)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 431")  # a reset overtakes the response
    assert internet.dialed == []


def test_egress_limits_connections_and_serves_other_commands(internet: Internet, tmp_path: Path) -> None:
    folder = tmp_path / "egress"
    with internet.gateway(folder, FILES, limits=EgressLimits(connections=5, head=30)) as gateway:
        open_ = [connect_to(gateway) for _ in range(60)]
        refused = 0
        for connection in open_:
            connection.settimeout(0.05)
            try:
                refused += connection.recv(20).startswith(b"HTTP/1.1 503")
            except TimeoutError:
                continue
        assert refused == 55
        with open_gateway(folder, EgressPolicy((FILES,))) as other, connect_to(other) as connection:
            assert exchange(connection, get(f"http://{FILES}/")).endswith(b"hello")
        assert any("LOOPLINE_EGRESS_CONNECTIONS" in one for one in gateway.report().problems)
        for connection in open_:
            connection.close()


def test_egress_limits_downloads_of_a_command(internet: Internet, tmp_path: Path) -> None:
    with internet.gateway(tmp_path / "egress", FILES, limits=EgressLimits(download=1_000_000)) as gateway:
        with connect_to(gateway) as connection:
            assert len(exchange(connection, get(f"http://{FILES}/big"))) <= 1_000_000
        assert gateway.report().problems == ("the downloads exceed 1 MB (LOOPLINE_EGRESS_DOWNLOAD_MEGABYTES)",)


def test_egress_limits_uploads_of_a_command(internet: Internet, tmp_path: Path, authority: Authority) -> None:
    with internet.gateway(tmp_path / "egress", FILES, limits=EgressLimits(upload=200_000)) as gateway:
        context = ssl.create_default_context(cafile=authority.file)
        with connect_to(gateway) as connection:
            connection.sendall(tunnel(f"{FILES}:443"))
            read_until(connection, b"\r\n\r\n")
            with context.wrap_socket(connection, server_hostname=FILES) as secure:
                secure.sendall(get("/upload") + b"x" * 50_000)
                until(lambda: len(internet.received) == 50_000)
                with suppress(OSError):
                    secure.sendall(b"x" * 5_000_000)
                    assert secure.recv(100) == b""
        assert len(internet.received) <= 200_000
        assert gateway.report().problems == ("the uploads exceed 0.2 MB (LOOPLINE_EGRESS_UPLOAD_MEGABYTES)",)
        with connect_to(gateway) as connection:  # other connections of the command, too
            assert exchange(connection, get(f"http://{FILES}/")) == b""


def count_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_egress_takes_no_file_descriptors(internet: Internet, gateway: Gateway, tmp_path: Path) -> None:
    """SCM_RIGHTS: a receiver that asks for control messages gets the sandbox's open files, and can run out of them."""
    (tmp_path / "file").write_text("x")
    with (tmp_path / "file").open() as file:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file.fileno()] * 100))]
        one, other = socket.socketpair()
        with one, other:
            one.sendmsg([b"x"], rights)
            before = count_files()
            received = other.recvmsg(1, socket.CMSG_SPACE(400))[1]
            assert count_files() == before + 100
            for fd in array.array("i", received[0][2]):
                os.close(fd)
        before = count_files()
        with connect_to(gateway) as connection:
            connection.sendmsg([get(f"http://{FILES}/")[:5]], rights)
            connection.sendmsg([get(f"http://{FILES}/")[5:-1]], rights)
            connection.sendmsg([b"\n"], rights)
            answer, control, *_ = connection.recvmsg(1000, socket.CMSG_SPACE(400))
            assert answer.startswith(b"HTTP/1.1 200")
            assert control == []
            assert count_files() <= before + 4  # both ends of two connections


def test_egress_gateways_do_not_share_hosts(internet: Internet, gateway: Gateway, proxy: Path) -> None:
    with open_gateway(proxy, EgressPolicy((EVIL,), "run-2")) as other:
        with connect_to(other) as connection:
            assert exchange(connection, get(f"http://{EVIL}/")).endswith(b"hello")
        with connect_to(gateway) as connection:
            assert exchange(connection, get(f"http://{EVIL}/")).startswith(b"HTTP/1.1 403")
        assert (gateway.blocked(), other.blocked()) == ({EVIL: 1}, {})
