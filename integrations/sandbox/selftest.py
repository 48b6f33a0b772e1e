"""Checks at start-up that this machine provides the sandbox's guarantees. Called by `jobs` before the first agent run.

A probe runs inside the real profile and tries typical attacks; each line of its output confirms one guarantee. A
missing line is an error. Takes well under a second.
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
from pathlib import Path

from integrations.git.workspace import SHARED_OBJECTS, Workspace
from integrations.sandbox.bubblewrap import Sandbox, SandboxUnavailable
from integrations.sandbox.environment import GIT_DIR
from integrations.sandbox.identity import hand_over

# $1: a port where the host listens, $2: a file of the host that the host has open, $3: the repository's objects,
# $4: the host's namespaces, $5: the base tree on the host. Open files may be pipes, and those in /dev, /proc and memory
# (/memfd:).
_PROBE = r"""
ok() { echo "ok $1"; }
fails() { ! "$@" >/dev/null 2>&1; }
writes() { (: >> "$1") 2>/dev/null; }
status=$(< /proc/self/status)
fails bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" && [ "$(grep -c : /proc/net/dev)" = 1 ] && ok "no network"
own=1; for name in net pid user ipc uts mnt; do [[ $4 == *"$(readlink /proc/self/ns/$name)"* ]] && own=0; done
[ $own = 1 ] && ok "separate namespaces"
[ "$(tr -d '\0' < /proc/1/environ | wc -c)" = 0 ] && ok "no environment of the host"
[ -z "$(find /proc/1/fd /proc/$$/fd -lname 'socket:*' -o -lname '/[^dpm]*')" ] && ok "no open files of the host"
fails cat "$2" && ok "no files of the host"
! writes /usr/x && ! writes /etc/x && ! writes /x && ! writes /dev/x && ok "a read-only root"
! writes /proc/sys/kernel/core_pattern && ! writes /proc/sysrq-trigger && ok "a read-only /proc/sys"
[ "$(stat -fc %T /tmp /dev/shm "$HOME" | uniq)" = tmpfs ] && writes /tmp/x && ok "private temporary folders"
writes x && writes tracked && rm tracked && ok "a writable worktree"
! writes .git && fails mv .git y && fails rm -f .git && ok "a read-only .git file"
! writes "$3/x" && fails mkdir /run/git/hooks/x && fails ls "$5" && ok "a read-only repository"
fails unshare -U true && fails unshare -r true && ok "no nested user namespace"
[[ $status == *CapEff:?0000000000000000* && $status == *NoNewPrivs:?1* ]] && ok "no privileges"
[[ $status == *Seccomp:?2* ]] && ok "a system call filter"
"""
GUARANTEES = tuple(re.findall(r'&& ok "(.+)"$', _PROBE, re.MULTILINE))
_DAEMON = "setsid sh -c 'while :; do echo >> beat; sleep 0.02; done' & sleep 60"
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
        _check_kill(sandbox, workspace)
    finally:
        shutil.rmtree(folder)


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
    for path in (workspace.lower, *workspace.lower.iterdir(), *workspace.writable_folders, workspace.git / "hooks"):
        hand_over(path)
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
    namespaces = " ".join(str(path.readlink()) for path in Path("/proc/self/ns").iterdir())
    with _open_bait(workspace.folder.parent) as (port, secret):
        argv = ["bash", "-c", _PROBE, "probe", port, secret, str(SHARED_OBJECTS), namespaces, str(workspace.lower)]
        try:
            result = sandbox.run(argv, workspace, timeout=20)
        except SandboxUnavailable as error:
            raise SandboxUnavailable(explain(str(error), _read_kernel_settings(), _is_confined())) from error
    return {line.removeprefix("ok ") for line in result.output.decode(errors="replace").splitlines()}


def _check_kill(sandbox: Sandbox, workspace: Workspace) -> None:
    result = sandbox.run(["bash", "-c", _DAEMON], workspace, timeout=0.5)
    beat = workspace.upper / "beat"
    size = beat.stat().st_size if beat.exists() else 0
    time.sleep(0.1)
    if not result.timed_out or result.seconds > 3.0 or not size or beat.stat().st_size != size:
        raise SandboxUnavailable("the sandbox does not kill all of a command's processes on this machine")


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
