"""The sandbox's rules as bubblewrap options. Called by `bubblewrap`; pure except for checks which host paths exist.

Paths that are not listed here do not exist inside: other runs, other mirrors, the data folder, sockets, homes.
The order matters: later mounts cover earlier ones. Each rule has a test that attacks it.
"""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from integrations.git.workspace import Workspace
from integrations.sandbox.cgroup import find_parents
from integrations.sandbox.environment import HOME, TREE, Environment
from integrations.sandbox.identity import find_user
from integrations.sandbox.limits import Limits
from integrations.sandbox.network import mount_network
from integrations.sandbox.root import UID, mount_etc, mount_interpreter, mount_system
from integrations.sandbox.state import mount_state
from integrations.sandbox.tree import bind, mount_workspace
from integrations.sandbox.usage import OWN_TASKS

NAME, EMAIL = "Loopline agent", "agent@loopline.invalid"
ISOLATION = (
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
    "--disable-userns", "--cap-drop", "ALL", "--clearenv", "--new-session", "--die-with-parent",
    "--uid", UID, "--gid", UID, "--hostname", "sandbox",
)  # fmt: skip


def _mount_proc() -> list[str]:
    """bubblewrap makes only parts of /proc read-only."""
    return ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"]


def _mount_private(limits: Limits) -> list[str]:
    """Memory-backed folders with size limits, which bubblewrap's own /dev and /dev/shm lack."""
    return [
        "--dev", "/dev",
        "--size", str(limits.shm), "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev",
        "--size", str(limits.tmp), "--perms", "1777", "--tmpfs", "/tmp",
        "--size", str(limits.home), "--perms", "0700", "--tmpfs", str(HOME),
        "--dir", "/var", "--symlink", "/tmp", "/var/tmp", "--dir", "/run",
    ]  # fmt: skip


def build_variables(read_only: Sequence[Path], writable: bool) -> dict[str, str]:
    """The environment variables of every command."""
    own = [str(path / "bin") for path in read_only if (path / "bin").is_dir()]
    return {
        "PATH": ":".join([*own, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]),
        "HOME": str(HOME), "USER": "agent", "LOGNAME": "agent", "SHELL": "/bin/bash", "TERM": "dumb", "LANG": "C.UTF-8",
        "TMPDIR": "/tmp", "PAGER": "cat", "GIT_PAGER": "cat", "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":",
        "GIT_OPTIONAL_LOCKS": "1" if writable else "0",
        "GIT_AUTHOR_NAME": NAME, "GIT_AUTHOR_EMAIL": EMAIL, "GIT_COMMITTER_NAME": NAME, "GIT_COMMITTER_EMAIL": EMAIL,
    }  # fmt: skip


def build_options(
    workspace: Workspace,
    environment: Environment,
    scratch: Path,
    read_only: Sequence[Path],
    limits: Limits,
    writable: bool,
    data: Mapping[str, int],
    seccomp: int,
) -> list[str]:
    """bubblewrap's options up to the command. `data` maps paths in /etc to the fds with their contents."""
    image = environment.image
    options = [*ISOLATION, *mount_system(image), *mount_etc(image, data), *_mount_proc(), *_mount_private(limits)]
    options += mount_interpreter(image)
    for path in () if image else read_only:  # an image has its own tools, perhaps with another C library
        options += bind(path, path, False)
    options += mount_workspace(workspace, environment, scratch, writable)
    options += mount_state(workspace, environment.services)
    if environment.network:
        options += mount_network(environment.network)
    return [*options, "--remount-ro", "/", "--seccomp", str(seccomp), "--chdir", str(TREE)]


def build_resource_limits(limits: Limits) -> dict[int, int]:
    """The resource limits of each command, for setrlimit(2). The process limit counts the sandbox's own processes (per
    user namespace since Linux 5.14), not the operator's."""
    hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return {
        resource.RLIMIT_NPROC: limits.processes + OWN_TASKS, resource.RLIMIT_DATA: limits.memory,
        resource.RLIMIT_FSIZE: limits.file, resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: min(limits.open_files, hard_files % 2**64),  # RLIM_INFINITY is -1
    }  # fmt: skip


def compute_digest(read_only: Sequence[Path], limits: Limits, seccomp: bytes) -> str:
    """SHA-256 of the profile of all sandboxes with these limits: isolation, mounts of the host, variables, resource
    limits, system call filter, the user on the host, and the controllers that a cgroup limits.

    What differs between runs is not part of it: work tree and environment have digests of their own."""
    options = [*ISOLATION, *mount_system(None), *mount_etc(None, {}), *_mount_proc(), *_mount_private(limits)]
    parts = {
        "options": [*options, *(str(path) for path in read_only)], "variables": build_variables(read_only, True),
        "limits": asdict(limits), "resources": build_resource_limits(limits), "user": find_user(),
        "seccomp": seccomp.hex(), "controllers": sorted(find_parents()),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
