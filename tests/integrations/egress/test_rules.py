"""The pure rules of the egress proxy: names, addresses, requests, TLS."""

from __future__ import annotations

import ssl
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from integrations.egress.addresses import find_address_problem, is_own_address
from integrations.egress.authorities import write_authorities
from integrations.egress.client_hello import ClientHello, NotTls, find_name_problem, parse_client_hello
from integrations.egress.hosts import matches, parse_host, parse_pattern, show_host
from integrations.egress.policy import EgressPolicy, expand_hosts
from integrations.egress.request import Refusal, Request, format_plain, format_refusal, parse_request
from integrations.errors import Rejected
from tests.support.authority import Authority


@pytest.mark.parametrize(
    "name", ["a.b", "npm.acme.test", "xn--bcher-kva.example", "a-b.c1.d", "1.2.3.a", "a" * 63 + ".b"]
)
def test_host_name_is_accepted_in_either_case(name: str) -> None:
    assert parse_host(name) == parse_host(name.upper()) == name


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "localhost", "a..b", ".a.b", "a.b.", "-a.b", "a-.b", "a_b.c", "a.b:80", "a b.c", "a.b\n", "a.b\0",
        "a/b.c", "1.2.3.4", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001", "::1", "[::1]",
        "bücher.example", "\u212aernel.org", "ﬀ.example", "a。b",
        "a%2eb", "*.a.b", "a.b@c.d", "a" * 64 + ".b", "a." * 127 + "bc", "a.1b",
    ],
)  # fmt: skip
def test_host_name_of_another_form_is_refused(text: str) -> None:
    assert parse_host(text) is None


def test_pattern_with_a_star_permits_names_below_only() -> None:
    assert parse_pattern("*.ACME.test") == "*.acme.test"
    assert [parse_pattern(one) for one in ("*", "*.", "*.test", "a.*.test", "*acme.test", "*.*.test")] == [None] * 6
    assert [matches(host, ["*.acme.test"]) for host in ("a.acme.test", "a.b.acme.test")] == [True, True]
    assert [matches(host, ["*.acme.test"]) for host in ("acme.test", "evilacme.test", "acme.test.evil.example")] == [
        False
    ] * 3
    assert not matches("b.acme.test", ["a.acme.test"])


def test_policy_refuses_a_host_that_no_request_can_have() -> None:
    for wrong in ("Files.acme.test", "acme", "10.0.0.1", "a.test\n"):
        with pytest.raises(Rejected, match="is not a host name: write a name such as npm"):
            EgressPolicy((wrong,))


def test_network_of_a_repository_is_expanded_without_stars() -> None:
    registries = ("*.acme.test", "pkg.example")
    assert expand_hosts(("registries", "NPM.acme.test", "registries"), registries) == (*registries, "npm.acme.test")
    assert expand_hosts((), registries) == ()
    for wrong in ("*.acme.test", "https://npm.acme.test", "npm.acme.test:8443", "10.0.0.1"):
        with pytest.raises(Rejected, match="write registries or a complete name such as"):
            expand_hosts((wrong,), registries)


def test_host_is_shown_in_printable_ascii() -> None:
    assert show_host("a\0b\x1b[31m\u202e.test") == "a?b?[31m?.test"
    assert len(show_host("x" * 1000)) == 80


ADDRESSES = {
    "127.0.0.1": "loopback", "127.255.0.1": "loopback", "::1": "loopback", "0.0.0.0": "unspecified",
    "::": "unspecified", "10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private",
    "192.168.1.1": "private",
    "fd00::1": "private", "fc00::1": "private", "fec0::1": "private", "100.64.0.1": "carrier-grade NAT",
    "169.254.1.1": "link-local", "fe80::1": "link-local", "169.254.169.254": "metadata", "100.100.100.200": "metadata",
    "168.63.129.16": "metadata", "192.0.0.192": "metadata", "fd00:ec2::254": "metadata", "fd20:ce::254": "metadata",
    "192.0.0.8": "protocol", "198.18.0.1": "benchmarking", "224.0.0.1": "multicast", "ff02::1": "multicast",
    "255.255.255.255": "reserved", "240.0.0.1": "reserved", "::ffff:10.0.0.1": "embedded IPv4",
    "::ffff:8.8.8.8": "embedded IPv4", "::127.0.0.1": "embedded IPv4", "64:ff9b::7f00:1": "embedded IPv4",
    "64:ff9b:1::1": "embedded IPv4", "2002:7f00:1::": "embedded IPv4", "2001:0:1::1": "embedded IPv4",
    "203.0.113.5": "", "198.51.100.1": "", "192.0.2.1": "", "8.8.8.8": "", "172.32.0.1": "", "100.128.0.1": "",
    "2600::1": "", "2001:db8::1": "",
}  # fmt: skip


@pytest.mark.parametrize(("address", "kind"), ADDRESSES.items())
def test_address_is_refused_by_its_kind(address: str, kind: str) -> None:
    assert find_address_problem(ip_address(address), (), False) == kind


def test_address_in_a_network_of_the_operator_is_permitted_but_never_metadata() -> None:
    permitted = [ip_network("10.20.0.0/16"), ip_network("169.254.0.0/16"), ip_network("fd00::/8")]
    kinds = {
        address: find_address_problem(ip_address(address), permitted, True)
        for address in ("10.20.1.1", "10.21.1.1", "169.254.169.254", "fd00::5", "fd00:ec2::254", "8.8.8.8")
    }
    assert kinds == {
        "10.20.1.1": "", "10.21.1.1": "private", "169.254.169.254": "metadata", "fd00::5": "",
        "fd00:ec2::254": "metadata", "8.8.8.8": "this machine's own",
    }  # fmt: skip


def test_address_of_this_machine_is_known() -> None:
    assert is_own_address(ip_address("127.0.0.1"))
    assert not is_own_address(ip_address("203.0.113.5"))
    assert not is_own_address(ip_address("2001:db8::1"))


def test_plain_request_is_written_anew() -> None:
    head = (
        "GET HTTP://Files.ACME.test:80/a?b=http://x HTTP/1.0\r\nHost: FILES.acme.test\r\nAccept: a\r\nACCEPT: b\r\n"
        "Cookie: c\r\nProxy-Authorization: Basic x\r\nConnection: keep-alive, cookie\r\nTE: gzip\r\n"
        "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"
    )
    request = parse_request(head.encode())
    assert isinstance(request, Request)
    assert format_plain(request, None) == (
        b"GET /a?b=http://x HTTP/1.1\r\nHost: files.acme.test\r\naccept: a, b\r\nConnection: close\r\n\r\n"
    )
    through = format_plain(request, {"Proxy-Authorization": "Basic y"})
    assert through.startswith(b"GET http://files.acme.test/a?b=http://x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic y\r\n" in through


def test_plain_request_without_a_path_asks_for_the_root() -> None:
    request = parse_request(b"HEAD http://files.acme.test HTTP/1.1\r\n\r\n")
    assert request == Request("HEAD", "files.acme.test", 80, "/", {})


def test_refusal_is_a_response_in_ascii() -> None:
    response = format_refusal(Refusal("the policy does not name this host", "a.test"))
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body == b"Loopline's egress proxy refused the request of a.test: the policy does not name this host.\n"


def hello(name: str | None) -> bytes:
    """The first message of Python's own TLS client."""
    context = ssl.create_default_context()
    context.check_hostname = False
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


def split_records(message: bytes, size: int) -> bytes:
    body = message[5:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(message[:3] + len(part).to_bytes(2, "big") + part for part in parts)


def test_server_name_is_read_however_the_message_is_split() -> None:
    message = hello("files.acme.test")
    assert parse_client_hello(message) == ClientHello("files.acme.test", False)
    for size in (1, 7, 100):
        split = split_records(message, size)
        assert [parse_client_hello(split[:end]) for end in range(len(split))] == [None] * len(split)
        assert parse_client_hello(split + b"more") == ClientHello("files.acme.test", False)
    assert parse_client_hello(hello(None)) == ClientHello("", False)


def add_extension(message: bytes, kind: int, content: bytes) -> bytes:
    """The message with one more extension at its end."""
    extension = kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content
    body = message[9:]
    at = 2 + 32
    at += 1 + body[at]
    at += 2 + int.from_bytes(body[at : at + 2], "big")
    at += 1 + body[at]
    extensions = body[at + 2 :] + extension
    body = body[:at] + len(extensions).to_bytes(2, "big") + extensions
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return message[:3] + len(handshake).to_bytes(2, "big") + handshake


def test_server_name_has_to_be_the_host_and_readable() -> None:
    hidden = parse_client_hello(add_extension(hello("files.acme.test"), 0xFE0D, b"\0" * 40))
    assert hidden == ClientHello("files.acme.test", True)
    assert find_name_problem(hidden, "files.acme.test") == "its TLS server name is encrypted"
    assert find_name_problem(ClientHello("Files.Acme.test", False), "files.acme.test") == ""
    assert find_name_problem(ClientHello("", False), "files.acme.test") == "it has no TLS server name"
    assert find_name_problem(ClientHello("a.test", False), "b.test") == "its TLS server name is another host"
    assert find_name_problem(ClientHello("b.test\0", False), "b.test") != ""
    assert find_name_problem(ClientHello("b.test.", False), "b.test") != ""


def test_message_with_two_server_names_is_refused() -> None:
    name = b"evil.example"
    entry = b"\0" + len(name).to_bytes(2, "big") + name
    second = len(entry).to_bytes(2, "big") + entry
    with pytest.raises(NotTls, match="an extension twice"):
        parse_client_hello(add_extension(hello("files.acme.test"), 0, second))
    two = b"\0" + (6).to_bytes(2, "big") + b"a.test" + entry
    with pytest.raises(NotTls, match="server name is malformed"):
        parse_client_hello(add_extension(hello(None), 0, len(two).to_bytes(2, "big") + two))


def test_message_that_is_cut_or_changed_never_fails_in_another_way() -> None:
    message = hello("files.acme.test")
    for at in range(len(message)):
        for value in (0, 1, 0x7F, 0xFF):
            changed = message[:at] + bytes([value]) + message[at + 1 :]
            with suppress(NotTls):
                parse_client_hello(changed)


def test_authorities_are_written_for_openssl_and_java(authority: Authority, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(
        b"# Acme\n" + authority.file.read_bytes() + b"-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n"
    )
    write_authorities(bundle, tmp_path)
    pem, java = tmp_path / "ca-certificates.pem", tmp_path / "ca-certificates.p12"
    assert pem.read_bytes() == authority.file.read_bytes()
    (entry,) = load_pkcs12(java.read_bytes(), None).additional_certs
    assert entry.certificate.subject.rfc4514_string() == "CN=Acme Test Authority"
    assert {file.stat().st_mode & 0o777 for file in (pem, java)} == {0o644}

    write_authorities(None, tmp_path)
    assert not pem.exists() and not java.exists()
