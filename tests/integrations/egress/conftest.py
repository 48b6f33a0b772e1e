from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.egress.client import Gateway, open_gateway
from integrations.egress.policy import EgressPolicy
from tests.integrations.egress.internet import FILES, INTERNAL, Internet
from tests.support.authority import Authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def running(authority: Authority) -> Iterator[Internet]:
    with Internet(authority).run() as internet:
        yield internet


@pytest.fixture
def internet(running: Internet) -> Internet:
    running.reset()
    return running


@pytest.fixture(scope="session")
def proxy(running: Internet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a proxy with the usual limits."""
    with running.proxy(tmp_path_factory.mktemp("home") / "egress") as folder:
        yield folder


@pytest.fixture
def gateway(internet: Internet, proxy: Path) -> Iterator[Gateway]:
    """A gateway that permits one public host, and one whose address is private."""
    with open_gateway(proxy, EgressPolicy((FILES, INTERNAL), "run-1", "npm ci")) as gateway:
        yield gateway
