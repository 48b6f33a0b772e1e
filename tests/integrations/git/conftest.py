from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.git.mirror import Mirror
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from tests.integrations.git.hosting import GitHost


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    """A code host with git over HTTP."""
    with GitHost(tmp_path / "host") as host:
        yield host


@pytest.fixture
def upstream(host: GitHost) -> Path:
    """The repository acme/shop on the code host."""
    return host.create("acme/shop")


@pytest.fixture
def empty_mirror(tmp_path: Path, host: GitHost, upstream: Path) -> Mirror:
    """A mirror of acme/shop that was never fetched."""
    return Mirror(tmp_path / "repos" / "acme__shop.git", f"{host.url}/acme/shop.git")


@pytest.fixture
def mirror(empty_mirror: Mirror) -> Mirror:
    empty_mirror.fetch("main")
    return empty_mirror


@pytest.fixture
def workspace(mirror: Mirror, tmp_path: Path) -> Workspace:
    return mirror.create_workspace(tmp_path / "runs" / "ENG-1", mirror.head("main"))


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    return Sandbox(find_bwrap(), default_read_only())
