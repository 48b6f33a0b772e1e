"""Creates and removes a run's workspace: a private layer above a base tree. Called by `mirror`.

git runs here only before an agent has access to the folder; afterwards the host runs nothing in it.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from integrations.disk import walk
from integrations.errors import Conflict, NotFound
from integrations.failpoints import fail
from integrations.git import trash
from integrations.git.base_trees import BaseTrees
from integrations.git.branches import TRACKING
from integrations.git.lfs import format_config, list_large_files
from integrations.git.repository import HostRepository
from integrations.git.submodules import list_gitlinks
from integrations.git.workspace import SHARED_OBJECTS, Workspace
from integrations.sandbox.identity import hand_over, open_to_sandbox

_MARKER = "workspace.json"  # written last: a folder without it is incomplete
_TIMEOUT = 1800.0  # seconds
# checkStat, trustctime: the base tree was checked out outside, where the owner differs, and a file that is copied to
# the upper layer gets a new change time; without these settings git would read every file.
_CONFIG = """\
[core]
	repositoryformatversion = 0
	bare = false
	filemode = true
	logallrefupdates = true
	checkStat = minimal
	trustctime = false
[gc]
	auto = 0
[maintenance]
	auto = false
"""
_WHITEOUT = os.makedev(0, 0)


def create(
    repository: HostRepository,
    bases: BaseTrees,
    folder: Path,
    sha: str,
    base: str = "",
    submodules: bool = False,
    lfs: bool = False,
) -> Workspace:
    """Create the workspace in `folder` at `sha`, above the tree of the commit `base` (default: `sha`), with the files
    of its `submodules` and the content of Git `lfs`. Idempotent: a complete one is reused, an incomplete one replaced.

    Raises `NotFound` for an unknown commit and `Conflict` when the folder holds another one. One caller per folder.
    """
    if marker := _read_marker(folder):
        if marker["sha"] != sha:
            raise Conflict(f"{folder} holds a work tree of {marker['sha']}, not of {sha}: remove it first")
        below = bases.acquire(repository, marker["base"], folder, bool(marker["submodules"]), bool(marker["lfs"]))
        return _build_workspace(repository, below, folder, sha, marker["base"])
    if not repository.succeeds("cat-file", "-e", sha):
        raise NotFound(f"there is no commit {sha} in {repository.folder.name}")
    if not base or not repository.succeeds("cat-file", "-e", base):
        base = sha
    if submodules and list_gitlinks(repository, sha) != list_gitlinks(repository, base):
        base = sha
    if lfs and list_large_files(repository, sha) != list_large_files(repository, base):
        base = sha
    remove(bases, folder)
    folder.mkdir(parents=True, mode=0o700)
    open_to_sandbox(folder)
    below = bases.acquire(repository, base, folder, submodules, lfs)
    fail("workspace.create", "before")
    workspace = _build_workspace(repository, below, folder, sha, base)
    for path in (*workspace.writable_folders, workspace.scratch):
        path.mkdir()
    shutil.copyfile(below / "index", workspace.git / "index")
    if sha != base:
        _write_differences(repository, workspace)
    references = repository.git("for-each-ref", "--format=%(objectname) %(refname)", TRACKING)
    _write_git_directory(workspace, references.decode(errors="surrogateescape"), lfs)
    for path in workspace.writable_folders:
        hand_over(path)
        for name, _ in walk(str(path)):
            hand_over(Path(name))
    switches = {"submodules": "yes" if submodules else "", "lfs": "yes" if lfs else ""}
    _write_marker(folder, {"sha": sha, "base": base, **switches})
    fail("workspace.create", "done")
    return workspace


def _build_workspace(repository: HostRepository, below: Path, folder: Path, sha: str, base: str) -> Workspace:
    return Workspace(folder, below / "tree", repository.folder / "objects", sha, base)


def _write_differences(repository: HostRepository, workspace: Workspace) -> None:
    """Write the files that differ between the base tree's commit and the workspace's into the upper layer."""
    upper, (old, new) = workspace.upper, (workspace.lower_sha, workspace.base_sha)
    place = {"GIT_INDEX_FILE": str(workspace.git / "index"), "GIT_WORK_TREE": str(upper)}
    repository.git("read-tree", "-m", "-u", new, environment=place, timeout=_TIMEOUT)
    raw = repository.git("diff-tree", "-r", "-t", "-z", "--no-renames", "--diff-filter=D", "--name-only", old, new)
    for path in _find_topmost(raw.split(b"\0")[:-1]):
        whiteout = upper / os.fsdecode(path)
        if not os.path.lexists(whiteout):  # else a file or folder of the new commit replaces it
            whiteout.parent.mkdir(parents=True, exist_ok=True)
            os.mknod(whiteout, stat.S_IFCHR, _WHITEOUT)


def _find_topmost(paths: list[bytes]) -> Iterator[bytes]:
    """The paths that are not below another one of `paths`, which are in git's order: a folder before its files."""
    last = None
    for path in paths:
        if last is None or not path.startswith(last + b"/"):
            last = path
            yield path


def _write_git_directory(workspace: Workspace, references: str, lfs: bool) -> None:
    """The git files that the agent can write: copies and empty folders, so no write reaches the mirror."""
    git = workspace.git
    for name in ("hooks", "info", "objects/info", "objects/pack", "refs/heads", "refs/tags", "logs"):
        (git / name).mkdir(parents=True)
    (git / "HEAD").write_text(f"{workspace.base_sha}\n")
    (git / "config").write_text(_CONFIG + (format_config() if lfs else ""))
    (git / "objects" / "info" / "alternates").write_text(f"{SHARED_OBJECTS}\n")
    remote = references.splitlines(keepends=True)
    local = [line.replace(f" {TRACKING}", " refs/heads/") for line in remote]
    packed = "".join(("# pack-refs with: \n", *local, *remote))
    (git / "packed-refs").write_bytes(packed.encode(errors="surrogateescape"))


def _read_marker(folder: Path) -> dict[str, str]:
    """Empty when the workspace is incomplete or a bad disk lost the marker."""
    try:
        found = json.loads((folder / _MARKER).read_bytes())
        switches = {name: str(found.get(name, "")) for name in ("submodules", "lfs")}
        return {**switches, "sha": str(found["sha"]), "base": str(found["base"])}
    except (FileNotFoundError, NotADirectoryError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _write_marker(folder: Path, values: dict[str, str]) -> None:
    draft = folder / f"{_MARKER}.new"
    with draft.open("w") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / _MARKER)


def remove(bases: BaseTrees, folder: Path) -> None:
    """Remove the workspace; the deletion continues in the background. Idempotent. Reads and runs nothing in it."""
    fail("workspace.remove", "before")
    trash.discard(folder, bases.trash)
    fail("workspace.remove", "done")
