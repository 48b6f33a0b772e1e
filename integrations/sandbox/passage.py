"""Mount namespaces in which the sandbox's user reaches the paths that it mounts, and nothing else of closed folders.

LOOPLINE_HOME and a tool chain below /root are closed for other users, and stay so. For root's sandboxes, a namespace
has an empty folder in place of each closed one, with only the needed paths in it. Called by `identity`.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from integrations.sandbox.limits import SandboxUnavailable

_KEPT = 64  # namespaces; one costs about 10 ms to make, and a run uses one for all of its commands
_HOLD = 'echo "$$" && read -r _'
_lock = threading.Lock()
_namespaces: OrderedDict[tuple[object, ...], int] = OrderedDict()
"""File descriptors by bubblewrap's options and the identity of the mounted files."""


def plan_mounts(paths: Sequence[Path], uid: int) -> list[str]:
    """bubblewrap's options that make `paths` reachable for `uid`: empty folders in place of those that are closed, with
    only `paths` in them. Empty when all are reachable."""
    covers: dict[Path, bool] = {Path("/"): False}  # whether the path is an empty folder
    options: list[str] = []
    for path in sorted({form for given in paths for form in (given.absolute(), given.resolve())}):
        cover = next(folder for folder in (path, *path.parents) if folder in covers)
        between = [folder for folder in reversed(path.parents) if cover in folder.parents]
        if not covers[cover]:
            closed = next((folder for folder in between if not _is_open(folder, uid)), None)
            if closed is None:
                continue
            options += ["--perms", "0755", "--tmpfs", str(closed)]
            covers[closed] = True
            between = [folder for folder in between if closed in folder.parents]
        for folder in between:
            options += ["--perms", "0755", "--dir", str(folder)]
        options += ["--bind", str(path), str(path)]
        covers[path] = False
    return options


def _is_open(folder: Path, uid: int) -> bool:
    """Whether `uid` can reach entries of `folder`."""
    status = folder.stat()
    return bool(status.st_mode & (0o100 if status.st_uid == uid else 0o010 if status.st_gid == uid else 0o001))


def open_namespace(bwrap: Path, mounts: Sequence[str]) -> str:
    """A path by which root can enter the namespace with `mounts`, the options of `plan_mounts`; kept for the next call
    with the same files."""
    status = [Path(path).stat() for option, path in pairwise(mounts) if option == "--bind"]
    key = (*mounts, *((one.st_dev, one.st_ino) for one in status))
    with _lock:
        if key not in _namespaces:
            _namespaces[key] = _create(bwrap, mounts)
            if len(_namespaces) > _KEPT:
                os.close(_namespaces.popitem(last=False)[1])
        _namespaces.move_to_end(key)
        return f"/proc/{os.getpid()}/fd/{_namespaces[key]}"


def _create(bwrap: Path, mounts: Sequence[str]) -> int:
    command = [str(bwrap), "--die-with-parent", "--dev-bind", "/", "/", *mounts, "--", "/bin/sh", "-c", _HOLD]
    with subprocess.Popen(
        command, env={}, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as holder:
        assert holder.stdin and holder.stdout and holder.stderr
        if not (pid := holder.stdout.readline().strip()):
            reason = holder.stderr.read().decode(errors="replace").strip().removeprefix("bwrap: ")
            raise SandboxUnavailable(
                f"the sandbox's user cannot reach {mounts[3]}: run `chmod o+x` on it, or give this process "
                f"CAP_SYS_ADMIN ({reason})"
            )
        return os.open(f"/proc/{int(pid)}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
