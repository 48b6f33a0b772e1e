"""Attacks of the self-test, inside the sandbox. Prints `ok <guarantee>` for each one that fails, then keeps a process
busy until it is killed. Started by `selftest` with the sandbox's own Python; standard library only.

Arguments: a port on which the host listens, a file of the host that the host has open, the repository's objects, the
host's namespaces, the base tree on the host.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

NAMESPACES = ("net", "pid", "user", "ipc", "uts", "mnt")
CLONE_NEWUSER = 0x10000000  # linux/sched.h
PRIVATE = ("/tmp", "/dev/shm", "/home/agent")


def fails(action: Callable[..., object], *arguments: object) -> bool:
    """Whether the kernel refuses the action."""
    try:
        action(*arguments)
    except OSError:
        return True
    return False


def writes(path: str) -> bool:
    """Whether the file can be opened for writing, or made."""
    return not fails(lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)))


def is_file_of_host(link: str) -> bool:
    """Open files can be pipes, and those in /dev, /proc and memory."""
    return link.startswith("socket:") or (link.startswith("/") and not link.startswith(("/dev/", "/proc/", "/memfd:")))


def list_open_files() -> list[str]:
    links = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            links.append(str(path.readlink()))
        except FileNotFoundError:  # of the listing itself
            continue
    return links


def can_read_memory_of_first_process() -> bool:
    try:
        return bool(Path("/proc/1/environ").read_bytes().strip(b"\0"))
    except OSError:
        return False


def can_make_user_namespace() -> bool:
    """Tries in a process of its own, which the attack changes."""
    pid = os.fork()
    if pid == 0:
        os._exit(ctypes.CDLL(None).unshare(CLONE_NEWUSER) != 0)
    return os.waitpid(pid, 0)[1] == 0


def has_read_only_repository(objects: str, base: str) -> bool:
    refused = fails(os.mkdir, "/run/git/hooks/x") and fails(os.listdir, base)
    return refused and not writes(f"{objects}/x")


def has_private_folders() -> bool:
    mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    kinds = {own.split()[4]: rest.split()[0] for own, rest in mounts}
    return all(kinds.get(path) == "tmpfs" for path in PRIVATE) and writes("/tmp/x")


def has_writable_tree() -> bool:
    return writes("x") and writes("tracked") and not fails(os.unlink, "tracked")


def has_read_only_git_file() -> bool:
    return not writes(".git") and fails(os.rename, ".git", "y") and fails(os.unlink, ".git") and Path(".git").exists()


def find_guarantees(port: str, secret: str, objects: str, namespaces: str, base: str) -> dict[str, bool]:
    """Each guarantee, and whether it holds."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    devices = Path("/proc/net/dev").read_text().count(":")
    return {
        "no network": devices == 1 and fails(socket.create_connection, ("127.0.0.1", int(port)), 1),
        "separate namespaces": not any(
            str(Path("/proc/self/ns", name).readlink()) in namespaces for name in NAMESPACES
        ),
        "no environment of the host": not can_read_memory_of_first_process(),
        "no open files of the host": not any(map(is_file_of_host, list_open_files())),
        "no files of the host": fails(os.stat, secret),
        "a read-only root": not any(map(writes, ("/usr/x", "/etc/x", "/x", "/dev/x"))),
        "a read-only /proc/sys": not any(map(writes, ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"))),
        "private temporary folders": has_private_folders(),
        "a writable worktree": has_writable_tree(),
        "a read-only .git file": has_read_only_git_file(),
        "a read-only repository": has_read_only_repository(objects, base),
        "no nested user namespace": not can_make_user_namespace(),
        "no privileges": int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1",
        "a system call filter": status["Seccomp"] == "2",
    }


def stay_busy() -> None:
    """Write to the file `beat` from a process that has left its parent and its session."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with Path("beat").open("ab", buffering=0) as beat:
                while True:
                    beat.write(b"x")
                    time.sleep(0.002)
        os._exit(0)
    time.sleep(60)


if __name__ == "__main__":
    for name, holds in find_guarantees(*sys.argv[1:]).items():
        if holds:
            sys.stdout.write(f"ok {name}\n")
    sys.stdout.flush()
    stay_busy()
