"""Creates and removes a run's workspace. Called by `mirror`.

git runs here only before an agent has access to the folder; afterwards the host reads nothing in it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from integrations.errors import Conflict, NotFound
from integrations.git.branches import TRACKING
from integrations.git.locks import repository_lock
from integrations.git.repository import HostRepository
from integrations.git.workspace import SHARED_OBJECTS, Workspace

_MARKER = "workspace.json"  # written last: a folder without it is incomplete
_CHECKOUT_TIMEOUT = 1800.0  # seconds


def create(repository: HostRepository, folder: Path, sha: str) -> Workspace:
    """Create the workspace in `folder` at `sha`. Idempotent: a complete one is reused, an incomplete one replaced.

    Raises `NotFound` for an unknown commit and `Conflict` when the folder holds another one. One caller per folder.
    """
    if marker := _read_marker(folder):
        if marker["sha"] != sha:
            raise Conflict(f"{folder} holds a worktree of {marker['sha']}, not of {sha}: remove it first")
        return _build_workspace(repository.folder, folder, repository.folder / "worktrees" / marker["admin"], sha)
    if not repository.succeeds("cat-file", "-e", sha):
        raise NotFound(f"there is no commit {sha} in {repository.folder.name}")
    remove(repository, folder)
    folder.mkdir(parents=True, mode=0o700)
    tree = folder / "tree"
    with repository_lock(repository.folder):
        repository.git("worktree", "add", "--quiet", "--detach", "--no-checkout", "--lock", str(tree), sha)
        references = repository.git("for-each-ref", "--format=%(objectname) %(refname)", TRACKING)
    admin = _find_admin(repository.folder, tree)
    place = {"GIT_DIR": str(admin), "GIT_WORK_TREE": str(tree)}
    repository.git("reset", "--quiet", "--hard", environment=place, timeout=_CHECKOUT_TIMEOUT)
    _make_private(folder, admin, references.decode(errors="surrogateescape"))
    workspace = _build_workspace(repository.folder, folder, admin, sha)
    _write_marker(folder, {"sha": sha, "admin": admin.name})
    return workspace


def _build_workspace(git_dir: Path, folder: Path, admin: Path, sha: str) -> Workspace:
    return Workspace(folder, folder / "tree", git_dir, admin, folder / "admin", folder / "objects", sha)


def _find_admin(git_dir: Path, tree: Path) -> Path:
    """The mirror's administrative folder of the worktree at `tree`. Raises `NotFound`."""
    for link in (git_dir / "worktrees").glob("*/gitdir"):
        if link.read_text(errors="replace").strip() == str(tree / ".git"):
            return link.parent
    raise NotFound(f"{git_dir.name} has no worktree at {tree}")


def _make_private(folder: Path, admin: Path, references: str) -> None:
    """Create the git files that the agent can write: copies and empty folders, so no write reaches the mirror."""
    shutil.copytree(admin, folder / "admin")
    (folder / "admin" / "locked").unlink()
    for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "logs"):
        (folder / name).mkdir(parents=True)
    (folder / "objects" / "info" / "alternates").write_text(f"{SHARED_OBJECTS}\n")
    remote = references.splitlines(keepends=True)
    local = [line.replace(f" {TRACKING}", " refs/heads/") for line in remote]
    packed = "".join(("# pack-refs with: \n", *local, *remote))
    (folder / "packed-refs").write_bytes(packed.encode(errors="surrogateescape"))


def _read_marker(folder: Path) -> dict[str, str]:
    """Empty when the workspace is incomplete or a bad disk lost the marker."""
    try:
        found = json.loads((folder / _MARKER).read_bytes())
        return {key: str(found[key]) for key in ("sha", "admin")}
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError):
        return {}


def _write_marker(folder: Path, values: dict[str, str]) -> None:
    draft = folder / f"{_MARKER}.new"
    with draft.open("w") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / _MARKER)


def remove(repository: HostRepository, folder: Path) -> None:
    """Remove the workspace. Idempotent; also cleans up after a removal that was killed."""
    if folder.exists():
        folder.rename(folder.with_name(f".trash-{folder.name}-{uuid.uuid4().hex}"))
    for trash in folder.parent.glob(f".trash-{folder.name}-*"):
        delete_tree(trash)
    try:
        admin = _find_admin(repository.folder, folder / "tree")
    except NotFound:
        return
    with repository_lock(repository.folder):
        (admin / "locked").unlink(missing_ok=True)
        repository.git("worktree", "prune", "--expire=now")


def delete_tree(folder: Path) -> None:
    """Delete a tree that an agent wrote: removes links without following them, and makes folders readable when needed.

    Uses rm, because `shutil.rmtree` recurses and an agent can nest thousands of folders. Idempotent. Safe because no
    process of the agent is running: the sandbox ends with each command."""
    for command in (("rm", "-rf"), ("chmod", "-R", "u+rwx"), ("rm", "-rf")):
        if folder.exists():
            subprocess.run((*command, "--", folder.absolute()), env={"PATH": "/usr/bin:/bin"}, capture_output=True)
