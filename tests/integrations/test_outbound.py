from __future__ import annotations

import os
from pathlib import Path

import pytest

from integrations.outbound import Outbound, Proxy, parse_proxy, read_outbound
from jobs.config.environment import configure_clients, parse_settings


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("", None),
        ("proxy:3128", Proxy("http", "proxy", 3128)),
        ("http://proxy.example", Proxy("http", "proxy.example", 80)),
        ("https://me:p%40ss%3A@proxy:8443/", Proxy("https", "proxy", 8443, "me", "p@ss:")),
        ("http://[fd00::1]:3128", Proxy("http", "fd00::1", 3128)),
    ],
)
def test_proxy_is_parsed_with_its_credentials(text: str, proxy: Proxy | None) -> None:
    assert parse_proxy(text) == proxy


def test_proxy_shows_its_password_nowhere_but_in_the_header() -> None:
    proxy = parse_proxy("http://me:hush-hush@[fd00::1]:3128")
    assert proxy and proxy.url == "http://[fd00::1]:3128"
    assert "hush" not in repr(proxy) + proxy.url
    assert proxy.headers == {"Proxy-Authorization": "Basic bWU6aHVzaC1odXNo"}
    assert Proxy("http", "proxy", 1).headers == {}
    assert Outbound({"https": proxy}).secret_values() == {"hush-hush"}


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_direct"),
    [
        ("https://git.acme.test", "", False),
        ("https://git.acme.test", "acme.test", True),
        ("https://git.acme.test", ".acme.test", True),
        ("https://git.acme.test", "*.acme.test", True),
        ("https://gitacme.test", "acme.test", False),
        ("https://acme.test.evil.example", "acme.test", False),
        ("https://git.acme.test", "other.test, GIT.acme.test ,", True),
        ("https://git.acme.test", "*", True),
        ("https://git.acme.test", "git.acme.test:443", True),
        ("https://git.acme.test:8443", "git.acme.test:443", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://[fd00::1]:9", "fd00::/8", True),
        ("https://[::1]", "::1", True),
        ("https://git.acme.test", ",, ,", False),
    ],
)
def test_no_proxy_names_hosts_domains_and_networks(url: str, no_proxy: str, is_direct: bool) -> None:
    outbound = read_outbound({"HTTPS_PROXY": "http://proxy:3128", "no_proxy": no_proxy})
    assert (outbound.find_proxy(url) is None) == is_direct


def test_outbound_reads_the_usual_variables_and_lower_case_first(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("x")
    outbound = read_outbound(
        {
            "https_proxy": "http://one:1", "HTTPS_PROXY": "http://two:2", "ALL_PROXY": "http://three:3",
            "REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem"), "SSL_CERT_DIR": str(tmp_path),
        }
    )  # fmt: skip
    assert outbound.find_proxy("https://a.test") == Proxy("http", "one", 1)
    assert outbound.find_proxy("http://a.test") == Proxy("http", "three", 3)
    assert (outbound.ca_file, outbound.ca_folder) == (tmp_path / "ca.pem", tmp_path)
    assert outbound.find_bundle() == tmp_path / "ca.pem"
    assert read_outbound({}) == Outbound()


def test_clients_of_a_process_get_the_file_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR")
    for name in (*names, "HTTPS_PROXY"):
        monkeypatch.setenv(name, "")
    (tmp_path / "ca.pem").write_text("x")
    environ = {"LOOPLINE_CA_FILE": str(tmp_path / "ca.pem"), "SSL_CERT_DIR": "/etc", "HTTPS_PROXY": "http://proxy:1"}
    configure_clients(parse_settings(environ), environ)

    assert [os.environ.get(name) for name in names] == [str(tmp_path / "ca.pem")] * 3 + [None]
    assert os.environ["HTTPS_PROXY"] == "http://proxy:1"
    configure_clients(parse_settings({}), {})
