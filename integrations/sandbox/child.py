"""Runs one bubblewrap process with the supervisor program inside. Called by `session` only.

The supervisor starts commands on request (`Child.start_command`) and exits when its socket is closed, so no process of
a sandbox outlives this one: besides, bubblewrap's first process gets a signal when the thread that started it ends.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from integrations.errors import Unavailable
from integrations.sandbox.limits import SandboxUnavailable

_KILL_TIMEOUT = 10.0  # seconds that the kernel gets to remove a killed process tree
_END_TIMEOUT = 2.0  # seconds that the supervisor gets to end one command before the whole sandbox is killed
_SETUP_TIMEOUT = 30.0  # seconds until the supervisor answers on a busy machine
_READY = b"ready"


@contextmanager
def open_memory_file(content: bytes) -> Iterator[int]:
    """A file descriptor from which `content` can be read."""
    fd = os.memfd_create("loopline")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


@dataclass(frozen=True)
class Request:
    """A command for the supervisor. `limits` are values of setrlimit(2) by their number."""

    argv: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    limits: Mapping[int, int]

    def encode(self) -> bytes:
        """The fields in the format of `programs/supervisor.py`."""
        limits = ",".join(f"{number}:{value}" for number, value in self.limits.items())
        variables = (f"{name}={value}" for name, value in self.variables.items())
        fields = (str(self.folder), limits, str(len(self.argv)), *self.argv, *variables)
        return b"".join(os.fsencode(field) + b"\0" for field in fields)


class Job:
    """A started command: the socket of its keeper, which replies once all processes of the command have ended."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self.has_ended = False
        self.exit_code: int | None = None
        """128 + n for signal n; None when the keeper was killed or could not start the command."""
        self.error = ""
        """Why the command could not be started."""

    def fileno(self) -> int:
        return self._channel.fileno()

    def read_reply(self) -> None:
        """Called when the channel is readable: the command has ended."""
        reply = b""
        with suppress(ConnectionError):
            reply = self._channel.recv(1000)
        kind, _, value = reply.partition(b" ")
        if kind == b"exit":
            code = os.waitstatus_to_exitcode(int(value))
            self.exit_code = code if code >= 0 else 128 - code
        else:
            self.error = value.decode(errors="replace")
        self.has_ended = True

    def check_end(self) -> bool:
        """Whether the command has ended; does not wait."""
        if not self.has_ended and _is_readable(self._channel, 0):
            self.read_reply()
        return self.has_ended

    def end(self) -> bool:
        """Kill all processes of the command; returns whether they have ended."""
        if not self.has_ended:
            with suppress(OSError):
                self._channel.shutdown(socket.SHUT_WR)
            if _is_readable(self._channel, _END_TIMEOUT):
                self.read_reply()
        return self.has_ended

    def close(self) -> None:
        """Called after the end of the command, or of its sandbox."""
        self.has_ended = True
        self._channel.close()


def _is_readable(file: socket.socket | int, timeout: float) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


class Child:
    """One bubblewrap process in its own session.

    `options` are bubblewrap's; `fds` stay open for it. `command` starts the supervisor, whose text is `program`.
    On `--json-status-fd` bubblewrap reports the first process's id. Nothing but the supervisor runs before that is
    known, and before it is in `group`, a file of `cgroup.task_limit`.
    """

    def __init__(
        self,
        bwrap: Path,
        options: Sequence[str],
        command: Sequence[str],
        program: bytes,
        fds: Sequence[int],
        group: Path | None,
    ) -> None:
        self._bwrap, self._group = str(bwrap), group
        self._options, self._command, self._program, self._fds = options, command, program, fds
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._first_pidfd = -1
        self.first_pid = 0
        """The host's process id of the sandbox's process 1."""

    def start(self) -> None:
        """Return when the supervisor is ready. Call it in a thread that lives as long as the sandbox.

        Raises `OSError` if bubblewrap cannot be run, `SandboxUnavailable` with its error if it cannot set up the
        sandbox, `Unavailable` if it was killed meanwhile. Call `close` in any case."""
        control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = self._stack.enter_context(control)
        status_fd, status = os.pipe()
        self._errors_fd, errors = os.pipe()
        for fd in (status_fd, self._errors_fd):
            self._stack.callback(os.close, fd)
        try:
            with open_memory_file(self._program) as program:
                self._process = subprocess.Popen(
                    [self._bwrap, "--as-pid-1", "--json-status-fd", str(status), *self._options,
                     "--", *self._command, str(inside.fileno())],
                    env={}, cwd="/", stdin=program, stdout=errors, stderr=errors,
                    close_fds=True, pass_fds=(*self._fds, status, inside.fileno()), start_new_session=True,
                )  # fmt: skip
        finally:
            inside.close()
            os.close(status)
            os.close(errors)
        self._stack.callback(self._end)
        self._control.settimeout(_SETUP_TIMEOUT)
        try:
            ready = self._control.recv(len(_READY)) == _READY
        except TimeoutError:
            raise SandboxUnavailable(f"the sandbox did not start in {_SETUP_TIMEOUT:.0f} s") from None
        except ConnectionError:
            ready = False
        if not ready:
            raise self._explain()
        found = re.search(rb'"child-pid": (\d+)', os.read(status_fd, 4096))
        if found is None:
            raise SandboxUnavailable("the sandbox did not start: bubblewrap did not report its first process")
        self.first_pid = int(found[1])
        self._first_pidfd = os.pidfd_open(self.first_pid)
        if self._group:
            self._group.write_text(str(self.first_pid))

    def _explain(self) -> SandboxUnavailable | Unavailable:
        if self._process.wait() < 0:
            return Unavailable(f"the sandbox was killed by signal {-self._process.returncode} while it started")
        lines = os.read(self._errors_fd, 65536).decode(errors="replace").strip().splitlines()
        return SandboxUnavailable(f"the sandbox did not start: {lines[0] if lines else 'bubblewrap printed no error'}")

    def start_command(self, request: Request, streams: Sequence[int]) -> Job:
        """Start a command with `streams` as its file descriptors 0, 1, 2, … Thread-safe.

        In a sandbox that has ended, the job ends at once without an exit code."""
        channel, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inside, open_memory_file(request.encode()) as file, suppress(ConnectionError):
            try:
                socket.send_fds(self._control, [b"r"], [file, inside.fileno(), *streams])
            except TimeoutError:  # the supervisor is stuck
                self.kill()
        return Job(channel)

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill every process of the sandbox: the kernel ends a pid namespace with its process 1. Thread-safe."""
        with self._lock, suppress(ProcessLookupError):
            if self._first_pidfd >= 0:
                signal.pidfd_send_signal(self._first_pidfd, signal.SIGKILL)
            elif self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill every process of the sandbox and wait until all have ended."""
        self._stack.close()

    def _end(self) -> None:
        """Wait for process 1, whose exit the kernel reports after killing and reaping the rest of its namespace."""
        self.kill()
        self._process.wait()
        with self._lock:
            pidfd, self._first_pidfd = self._first_pidfd, -1
        if pidfd < 0:
            return
        try:
            if not _is_readable(pidfd, _KILL_TIMEOUT):
                raise Unavailable("a killed sandbox does not end: one of its processes hangs in the kernel")
        finally:
            os.close(pidfd)
