"""git behind a company's proxy, and with a code host whose certificate is of the company's authority."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.errors import IntegrationError, Rejected
from integrations.git.mirror import Mirror
from integrations.git.repository import Remote, check_access
from integrations.outbound import Outbound, configure_outbound, parse_proxy, read_outbound
from integrations.ports.code_host import GitCredentials
from tests.integrations.git.hosting import GitHost
from tests.support.authority import Authority, CompanyProxy, forward, listen

CREDENTIALS = GitCredentials("x-access-token", "ghs_hush")
BASIC = base64.b64encode(b"me:hush@hush").decode()


@pytest.fixture(autouse=True)
def _no_proxy_afterwards() -> Iterator[None]:
    yield
    configure_outbound(Outbound())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def url(host: GitHost, upstream: Path, authority: Authority) -> Iterator[str]:
    """acme/shop over TLS, for readers with a password."""
    host.password = CREDENTIALS.password
    port = int(host.url.rpartition(":")[2])
    with listen(forward(port), authority.server_context("localhost")) as tls:
        yield f"https://localhost:{tls}/acme/shop.git"


def fetch(tmp_path: Path, url: str) -> str:
    mirror = Mirror(tmp_path / "repos" / "acme__shop.git", url, CREDENTIALS)
    mirror.fetch("main")
    return mirror.read("main", "README.md") or ""


def test_git_refuses_a_certificate_of_an_unknown_authority_and_names_the_setting(url: str, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="add the certificate authority of the code host to LOOPLINE_CA_FILE"):
        fetch(tmp_path, url)


def test_git_trusts_the_authority_of_the_api_clients(url: str, authority: Authority, tmp_path: Path) -> None:
    configure_outbound(read_outbound({"REQUESTS_CA_BUNDLE": str(authority.file)}))
    assert fetch(tmp_path, url) == "hello\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_git_uses_the_proxy_and_its_password(url: str, authority: Authority, tmp_path: Path, scheme: str) -> None:
    proxy = CompanyProxy({}, BASIC)
    context = authority.server_context("localhost") if scheme == "https" else None
    with listen(proxy.serve, context) as port:
        variables = {
            "HTTPS_PROXY": f"{scheme}://me:hush%40hush@localhost:{port}",
            "SSL_CERT_FILE": str(authority.file),
        }
        configure_outbound(read_outbound(variables))
        assert fetch(tmp_path, url) == "hello\n"
    assert {head.split(b" ")[0] for head in proxy.heads} == {b"CONNECT"}


def test_git_behind_a_proxy_that_refuses_its_password_names_the_setting(
    url: str, authority: Authority, tmp_path: Path
) -> None:
    proxy = CompanyProxy({}, "other")
    with listen(proxy.serve) as port:
        configure_outbound(
            Outbound({"https": parsed} if (parsed := parse_proxy(f"http://me:hush@127.0.0.1:{port}")) else {})
        )
        with pytest.raises(IntegrationError, match="set user name and password in HTTPS_PROXY") as raised:
            fetch(tmp_path, url)
    assert "hush" not in str(raised.value)


def test_git_reaches_hosts_of_no_proxy_directly(url: str, authority: Authority, tmp_path: Path) -> None:
    variables = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "localhost", "SSL_CERT_FILE": str(authority.file)}
    configure_outbound(read_outbound(variables))
    assert fetch(tmp_path, url) == "hello\n"


def test_access_to_a_repository_is_checked_as_git_does(url: str, authority: Authority) -> None:
    with pytest.raises(Rejected, match="LOOPLINE_CA_FILE"):
        check_access(Remote(url, CREDENTIALS))
    configure_outbound(Outbound(ca_file=authority.file))
    check_access(Remote(url, CREDENTIALS))
    with pytest.raises(Rejected, match="ls-remote in acme/shop failed"):
        check_access(Remote(url, GitCredentials("x-access-token", "wrong")))
