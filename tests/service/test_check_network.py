"""`python -m service check` in a company's network: names that only its proxy resolves, and its own authority."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from integrations.standins.demo.stack import Stack
from integrations.standins.github import server as github
from integrations.standins.linear import server as linear
from integrations.standins.model import server as model
from integrations.standins.wire import serve
from tests.service.loopline import loopline
from tests.support.authority import Authority, CompanyProxy, forward, listen

HOSTS = {"board": "linear.acme.test", "pull_requests": "github.acme.test", "model": "model.acme.test"}


def behind_tls(app: Flask) -> Flask:
    """The stand-in builds its URLs with the scheme that clients use."""
    inner = app.wsgi_app

    def wrapped(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        return inner(environ | {"wsgi.url_scheme": "https"}, start)

    app.wsgi_app = wrapped  # type: ignore[method-assign]
    return app


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def company(authority: Authority) -> CompanyProxy:
    return CompanyProxy({}, "bWU6aHVzaC1odXNo")


@pytest.fixture
def environ(tmp_path: Path, authority: Authority, company: CompanyProxy) -> Iterator[dict[str, str]]:
    """Settings for three stand-ins over TLS, without the company's authority."""
    stack = Stack(tmp_path / "stack", 1)
    apps = {
        "board": linear.create_app(tmp_path / "linear", stack.linear_seed()),
        "pull_requests": github.create_app(tmp_path / "github", stack.github_seed()),
        "model": model.create_app(tmp_path / "model"),
    }
    with ExitStack() as running:
        for number, (name, app) in enumerate(apps.items(), 2001):
            served = running.enter_context(serve(behind_tls(app)))
            plain = int(served.url.rpartition(":")[2])
            context = authority.server_context(HOSTS[name])
            company.ports[number] = running.enter_context(listen(forward(plain), context))
            stack.urls[name] = f"https://{HOSTS[name]}:{number}"
        proxy = running.enter_context(listen(company.serve))
        yield stack.settings() | {"HTTPS_PROXY": f"http://me:hush-hush@127.0.0.1:{proxy}"}


@pytest.mark.parametrize(
    "name",
    [
        "LOOPLINE_CA_FILE",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")),
    ],
)
def test_check_and_git_use_proxy_and_authority_of_one_setting(
    environ: dict[str, str], authority: Authority, company: CompanyProxy, name: str
) -> None:
    ended = loopline("service", "check", "--env-file", "none", **environ | {name: str(authority.file)})
    assert "\nNo problems found." in ended.stdout and not ended.stderr
    asked = {head.split(b" ")[1].decode().partition(":")[0] for head in company.heads}
    assert asked == set(HOSTS.values())
    assert b"git/" in b"".join(company.heads)


def test_check_reads_proxy_and_authority_from_the_settings_file(
    environ: dict[str, str], authority: Authority, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    lines = {"HTTPS_PROXY": environ.pop("HTTPS_PROXY"), "LOOPLINE_CA_FILE": str(authority.file)}
    file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    file.chmod(0o600)
    ended = loopline("service", "check", "--env-file", str(file), **environ)
    assert "\nNo problems found." in ended.stdout and not ended.stderr


def test_check_without_the_authority_names_each_provider_and_the_setting(environ: dict[str, str]) -> None:
    ended = loopline("service", "check", "--env-file", "none", **environ)
    assert ended.returncode == 1
    for name in ("LINEAR_API_URL", "GITHUB_API_URL", "ANTHROPIC_BASE_URL"):
        assert name in ended.stdout
    assert "LOOPLINE_CA_FILE" in ended.stdout and "hush" not in ended.stdout + ended.stderr


def test_check_refuses_an_authority_that_is_no_certificate(environ: dict[str, str], tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", Path(__file__)):
        ended = loopline("service", "check", "--env-file", "none", **environ | {"LOOPLINE_CA_FILE": str(path)})
        assert ended.returncode == 2
        assert ended.stderr.startswith("LOOPLINE_CA_FILE is a path without usable certificates (")
