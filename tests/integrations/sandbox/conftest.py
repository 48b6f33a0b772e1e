from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import CommandResult, Sandbox
from tests.integrations.git.conftest import empty_mirror, host, mirror, sandbox, upstream, workspace
from tests.support.workspaces import create_plain

__all__ = ["empty_mirror", "host", "mirror", "sandbox", "upstream", "workspace"]

Run = Callable[..., CommandResult]


@pytest.fixture
def plain(tmp_path: Path) -> Workspace:
    """A workspace without a repository, for tests without git."""
    return create_plain(tmp_path)


@pytest.fixture
def run(sandbox: Sandbox, plain: Workspace) -> Run:
    """Run a bash script in the plain workspace."""

    def run(script: str, **options: object) -> CommandResult:
        return sandbox.run(["bash", "-c", script], plain, **{"timeout": 20, **options})  # type: ignore[arg-type]

    return run


@pytest.fixture
def python(sandbox: Sandbox, plain: Workspace) -> Run:
    """Run a Python script in the plain workspace."""

    def python(script: str, **options: object) -> CommandResult:
        return sandbox.run(["python3", "-c", script], plain, **{"timeout": 20, **options})  # type: ignore[arg-type]

    return python
