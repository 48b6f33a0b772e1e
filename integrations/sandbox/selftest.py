"""Checks that this machine provides the sandbox's guarantees. Called by `jobs` at the start and before each run.

A probe (`programs/probe.py`) runs inside the real profile and tries typical attacks; each line of its output confirms
one guarantee. A missing line is an error. Then the probe is killed, and with it a process that has left its session.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from integrations.git.workspace import SHARED_OBJECTS, Workspace
from integrations.sandbox.bubblewrap import Sandbox, SandboxUnavailable
from integrations.sandbox.environment import GIT_DIR
from integrations.sandbox.identity import hand_over_tree
from integrations.sandbox.programs import read_program

_PROBE = read_program("probe")
GUARANTEES = tuple(re.findall(r'^        "(.+?)": ', _PROBE, re.MULTILINE))
_KILL_SECONDS = 15.0
_STILL_SECONDS = 0.02  # ten times as long as the probe's process sleeps
_SWITCHES = {
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
    "user.max_user_namespaces": ("0", "10000"),
}  # kernel settings that can forbid user namespaces: the value that does, and one that does not


def run_self_test(sandbox: Sandbox, scratch: Path) -> None:
    """Raise `SandboxUnavailable` with the missing guarantees and the fix.

    `scratch` is a host folder on the file system of the runs; it is empty afterwards."""
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="selftest-", dir=scratch))
    try:
        workspace = _create_workspace(folder)
        provided = _run_probe(sandbox, workspace)
        if missing := [guarantee for guarantee in GUARANTEES if guarantee not in provided]:
            raise SandboxUnavailable(f"the sandbox does not provide {', '.join(missing)} on this machine")
    finally:
        shutil.rmtree(folder)


@lru_cache(maxsize=64)
def run_self_test_once(sandbox: Sandbox, scratch: Path, run: str) -> None:
    """`run_self_test`, unless it has passed for this sandbox's profile since the beginning of `run`."""
    run_self_test(sandbox, scratch)


def _create_workspace(folder: Path) -> Workspace:
    """A workspace without a repository, which the sandbox does not need."""
    workspace = Workspace(folder / "run", folder / "base" / "tree", folder / "repository" / "objects", "", "base")
    for path in (
        workspace.lower,
        workspace.objects,
        *workspace.writable_folders,
        workspace.scratch,
        workspace.git / "hooks",
    ):
        path.mkdir(parents=True)
    (workspace.lower / "tracked").write_text("x\n")
    (workspace.lower / ".git").write_text(f"gitdir: {GIT_DIR}\n")
    for path in (workspace.lower, workspace.objects, *workspace.writable_folders):
        hand_over_tree(path)  # so that only the mounts protect them
    return workspace


@contextmanager
def _open_bait(folder: Path) -> Iterator[tuple[str, str]]:
    """A port on which the host listens, and an open file that every child process would inherit."""
    secret = folder / "secret"
    secret.write_text("a secret of the host")
    with socket.create_server(("127.0.0.1", 0)) as listener, secret.open() as file:
        os.set_inheritable(file.fileno(), True)
        yield str(listener.getsockname()[1]), str(secret)


def _run_probe(sandbox: Sandbox, workspace: Workspace) -> set[str]:
    """The guarantees that the probe confirms. Kills it once its second process writes, and checks that it ends."""
    namespaces = " ".join(str(path.readlink()) for path in Path("/proc/self/ns").iterdir())
    beat = workspace.upper / "beat"
    with _open_bait(workspace.folder.parent) as (port, secret), sandbox.open(workspace) as session:
        argv = session.build_python_command(
            _PROBE, port, secret, str(SHARED_OBJECTS), namespaces, str(workspace.lower)
        )  # fmt: skip
        try:
            result = session.run(argv, timeout=20, stopped=lambda: _wait_for(beat))
        except SandboxUnavailable as error:
            raise SandboxUnavailable(explain(str(error), _read_kernel_settings(), _is_confined())) from error
        size = beat.stat().st_size if beat.exists() else 0
        time.sleep(_STILL_SECONDS)
        if size and (not result.stopped or result.seconds > _KILL_SECONDS or beat.stat().st_size != size):
            raise SandboxUnavailable("the sandbox does not kill all of a command's processes on this machine")
    return {line.removeprefix("ok ") for line in result.output.decode(errors="replace").splitlines()}


def _wait_for(path: Path) -> bool:
    """Whether the file exists and is not empty. Waits a moment, because it is polled rarely."""
    deadline = time.monotonic() + 0.15
    while not (found := path.exists() and path.stat().st_size > 0) and time.monotonic() < deadline:
        time.sleep(0.002)
    return found


def _read_kernel_settings() -> dict[str, str]:
    """The values of the switches that this kernel has."""
    paths = {name: Path("/proc/sys", *name.split(".")) for name in _SWITCHES}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def _is_confined() -> bool:
    """Whether this process itself runs in a container or under a system call filter."""
    return Path("/.dockerenv").exists() or "Seccomp:\t2" in Path("/proc/self/status").read_text()


def explain(message: str, settings: Mapping[str, str], confined: bool) -> str:
    """`message` with the fix: the kernel settings that forbid user namespaces, or the container's profile."""
    message = message.rstrip(".")
    switches = [f"{name}={good}" for name, (bad, good) in _SWITCHES.items() if settings.get(name) == bad]
    if switches:
        return f"{message}; this machine forbids user namespaces: set {' and '.join(switches)} with sysctl"
    if confined:
        return (
            f"{message}; Loopline's container forbids it: allow user namespaces and mounts, with Docker by "
            "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
        )
    return message
