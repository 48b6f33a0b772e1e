"""The run's files inside the sandbox. Called by `profile`."""

from __future__ import annotations

from pathlib import Path

from integrations.git.workspace import SHARED_OBJECTS, Workspace


def bind(source: Path, target: Path, writable: bool) -> list[str]:
    return ["--bind" if writable else "--ro-bind", str(source), str(target)]


def mount_workspace(workspace: Workspace, writable: bool) -> list[str]:
    """The run's files. The mirror is read-only, and its entries about other runs are covered."""
    worktrees = str(workspace.admin.parent)
    options = bind(workspace.tree, workspace.tree, writable)
    options += bind(workspace.git_dir, workspace.git_dir, False)
    options += ["--tmpfs", worktrees, *bind(workspace.private_admin, workspace.admin, writable)]
    options += ["--remount-ro", worktrees]
    covers = (("objects", workspace.objects, writable), ("refs", workspace.refs, writable),
              ("logs", workspace.logs, writable), ("packed-refs", workspace.packed_refs, False))  # fmt: skip
    if (workspace.git_dir / "objects").is_dir():
        options += bind(workspace.git_dir / "objects", SHARED_OBJECTS, False)
    for name, source, is_writable in covers:
        if source.exists() and (workspace.git_dir / name).exists():
            options += bind(source, workspace.git_dir / name, is_writable)
    link = str(workspace.tree / ".git")
    return [*options, "--ro-bind-try", link, link]
