"""The run's files inside the sandbox: overlays of a private layer on shared ones. Called by `profile`.

The work tree's layers, from the top: the run's own, the clean base tree, and the files that the environment's setup
created. The shared ones are lower layers only, so no path inside leads to their files.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from integrations.git.workspace import READ_ONLY, SHARED_OBJECTS, Workspace
from integrations.sandbox.environment import GIT_DIR, HOME, TREE, Environment
from integrations.sandbox.identity import hand_over


def bind(source: Path, target: Path, writable: bool) -> list[str]:
    return ["--bind" if writable else "--ro-bind", str(source), str(target)]


@contextmanager
def open_scratch(workspace: Workspace) -> Iterator[Path]:
    """A folder for the scratch folders of one command's overlays: two overlays cannot share one."""
    folder = workspace.scratch / uuid.uuid4().hex
    parts = (folder / "tree", folder / "home")
    try:
        for path in parts:
            path.mkdir(parents=True)
            hand_over(path)
        yield folder
    finally:
        for path in parts:
            with suppress(FileNotFoundError):
                (path / "work").chmod(0o700)  # the kernel creates it without any permission
        shutil.rmtree(folder, ignore_errors=True)


def mount_workspace(workspace: Workspace, environment: Environment, scratch: Path, writable: bool) -> list[str]:
    """Work tree, home folder and git directory. The home folder stays the caller's when the environment has none."""
    layer = environment.layer
    lower = [workspace.lower, *([layer / "tree"] if layer and (layer / "tree").is_dir() else [])]
    options = _overlay(workspace.upper, scratch / "tree", lower, TREE, writable)
    if layer and (layer / "home").is_dir():
        options += _overlay(workspace.home, scratch / "home", [layer / "home"], HOME, True)
    link = workspace.lower / ".git"
    options += ["--ro-bind-try", str(link), str(TREE / ".git")]
    options += bind(workspace.git, GIT_DIR, writable)
    for name in READ_ONLY:
        options += ["--ro-bind-try", str(workspace.git / name), str(GIT_DIR / name)]
    return [*options, "--ro-bind-try", str(workspace.objects), str(SHARED_OBJECTS)]


def _overlay(upper: Path, scratch: Path, lower: Sequence[Path], target: Path, writable: bool) -> list[str]:
    """`lower` from the top down. A read-only overlay has the upper layer as its topmost lower one."""
    layers = [*reversed(lower), *([] if writable else [upper])]
    options = [option for layer in layers for option in ("--overlay-src", str(layer))]
    return [*options, *(("--overlay", str(upper), str(scratch)) if writable else ("--ro-overlay",)), str(target)]
