"""Whole stacks: stand-ins and the real service as processes of their own, as `infra/demo` starts them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import Stack
from tests.support.browser import browser

__all__ = ["ana", "browser", "stack"]

PORTS = 5


def free_ports() -> int:
    """The first of five ports in a row that nobody uses, apart for parallel test processes."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for base in range(18_000 + 1_000 * worker, 19_000 + 1_000 * worker, PORTS):
        if all(_is_free(port) for port in range(base, base + PORTS)):
            return base
    raise AssertionError("no five free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Shared by the tests of a file, each with tickets of its own."""
    with Stack(tmp_path_factory.mktemp("stack") / "demo", free_ports(), latency=0.1) as started:
        yield started


@pytest.fixture(scope="module")
def ana(stack: Stack) -> Ana:
    return Ana(stack)
