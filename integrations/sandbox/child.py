"""Runs one bubblewrap process until all of the sandbox's processes have ended. Called by `bubblewrap` only.

Reads the pipes without blocking, polls the timeout, `stopped` and the limits, and returns when every process of the
sandbox is dead, including daemons that left their parent.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from integrations.errors import Unavailable
from integrations.sandbox.limits import SandboxUnavailable

_POLL_SECONDS = 0.05  # seconds; the delay until a stop or a timeout takes effect
_KILL_TIMEOUT = 10.0  # seconds that the kernel gets to remove a killed process tree
_SETUP_TIMEOUT = 10.0  # seconds between the mounts and the command on a busy machine
_CHUNK = 2**18

Sinks = Mapping[int, Callable[[bytes], str]]
"""For each pipe a function that takes its chunks and returns a reason to kill or ''."""

Check = tuple[float, Callable[[int], str]]
"""A poll interval in seconds, and a function of the sandbox's first process id that returns a reason to kill or ''."""


def _open_pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


def _is_dead_or_filtered(pid: int) -> bool:
    try:
        status = Path("/proc", str(pid), "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return re.search(r"^(State:\tZ|Seccomp:\t2)", status, re.MULTILINE) is not None


class Child:
    """One bubblewrap process in its own session. A context manager: leaving it kills all remaining processes.

    `options` are bubblewrap's; `fds` stay open for it. On `--json-status-fd` bubblewrap reports the first process's id
    and, if the sandbox was complete, the command's exit code. The first process waits at `--block-fd` until this
    process can kill it and it is in `group`, a file of `cgroup.task_limit`. Only then does bubblewrap ask for its
    parent's death signal, so the command waits a second time, on `start_fd`: without that, it would keep running if
    this process were killed in between.
    """

    def __init__(
        self,
        bwrap: Path,
        options: Sequence[str],
        command: Sequence[str],
        fds: Sequence[int],
        stdin: int,
        separate: bool,
        group: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self._bwrap, self._group = [*prefix, str(bwrap)], group
        self._options, self._command, self._fds = options, command, fds
        self._stdin, self._separate = stdin, separate
        self._status = b""
        self._init_pidfd = self.stderr = -1

    def __enter__(self) -> Child:
        with ExitStack() as parent_fds, ExitStack() as child_fds:
            self._status_fd, status = _open_pipe(parent_fds, child_fds)
            self.stdout, stdout = _open_pipe(parent_fds, child_fds)
            block_fd, self._block_fd = _open_pipe(child_fds, parent_fds)
            start_fd, self._start_fd = _open_pipe(child_fds, parent_fds)
            stderr = stdout
            if self._separate:
                self.stderr, stderr = _open_pipe(parent_fds, child_fds)
            # Runs the command once a line arrives on `start_fd`, and exits when its writer is gone.
            script = f'read -r -u {start_fd} && export -n SHLVL OLDPWD && exec "$@" {start_fd}<&-'
            status_options = ["--json-status-fd", str(status), "--block-fd", str(block_fd)]
            self._process = subprocess.Popen(
                [*self._bwrap, *status_options, *self._options, "--", "bash", "-c", script, "bash", *self._command],
                env={}, cwd="/", stdin=self._stdin, stdout=stdout, stderr=stderr,
                close_fds=True, pass_fds=(*self._fds, status, block_fd, start_fd), start_new_session=True,
            )  # fmt: skip
            self._pidfd = os.pidfd_open(self._process.pid)
            parent_fds.callback(os.close, self._pidfd)
            self._stack = parent_fds.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self.kill()
            self._process.wait()
            self._wait_for_all()

    @property
    def exit_code(self) -> int | None:
        """The command's exit code; None when it never started or the sandbox was killed."""
        found = re.search(rb'"exit-code": (\d+)', self._status)
        return int(found[1]) if found else None

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended bubblewrap itself, for example the kernel's when the memory is used up."""
        return not 0 <= (self._process.poll() or 0) <= 128

    @property
    def first_pid(self) -> int:
        """The host's process id of the sandbox's process 1, 0 while unknown."""
        found = re.search(rb'"child-pid": (\d+)', self._status)
        return int(found[1]) if found else 0

    def kill(self) -> None:
        """Kill every process of the sandbox: the kernel ends a pid namespace with its process 1."""
        with suppress(ProcessLookupError):
            if self._init_pidfd >= 0:
                signal.pidfd_send_signal(self._init_pidfd, signal.SIGKILL)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_status(self) -> bytes:
        chunk = os.read(self._status_fd, 4096)
        self._status += chunk
        if self._init_pidfd < 0 and self.first_pid:
            with suppress(ProcessLookupError, BrokenPipeError):
                self._init_pidfd = os.pidfd_open(self.first_pid)
                self._stack.callback(os.close, self._init_pidfd)
                if self._group:
                    self._group.write_text(str(self.first_pid))
                os.write(self._block_fd, b"go")
                self._wait_until_bound()
                os.write(self._start_fd, b"go\n")
        return chunk

    def _wait_until_bound(self) -> None:
        """Wait until process 1 is dead or will die with this process: it asks for that before it loads its filter."""
        deadline = time.monotonic() + _SETUP_TIMEOUT
        while not _is_dead_or_filtered(self.first_pid):
            if time.monotonic() > deadline:
                raise SandboxUnavailable(f"the sandbox did not load a system call filter in {_SETUP_TIMEOUT:.0f} s")
            time.sleep(0.0005)

    def _wait_for_all(self) -> None:
        """Wait for process 1, whose exit the kernel reports after killing and reaping the rest of its namespace."""
        if self._init_pidfd >= 0:
            with selectors.DefaultSelector() as selector:
                selector.register(self._init_pidfd, selectors.EVENT_READ)
                if not selector.select(_KILL_TIMEOUT):
                    raise Unavailable("a killed sandbox does not end: one of its processes hangs in the kernel")

    def read_until_exit(self, sinks: Sinks, deadline: float, checks: Sequence[Check]) -> str:
        """Read until the end. Returns why it must be killed: the reason of a sink or check, 'timeout', or empty.

        `deadline` is in time.monotonic seconds.
        """
        with selectors.DefaultSelector() as selector:
            for fd in (*sinks, self._status_fd, self._pidfd):
                selector.register(fd, selectors.EVENT_READ)
            due_times = [0.0] * len(checks)
            reason = ""
            while selector.get_map():
                for key, _ in selector.select(_POLL_SECONDS):
                    reason = reason or self._handle_event(selector, key.fd, sinks)
                now = time.monotonic()
                reason = reason or self._run_checks(checks, due_times, now) or ("timeout" if now > deadline else "")
                if reason:
                    return reason
        return ""

    def _handle_event(self, selector: selectors.BaseSelector, fd: int, sinks: Sinks) -> str:
        if fd == self._pidfd:
            selector.unregister(fd)
            return ""
        chunk = self._read_status() if fd == self._status_fd else os.read(fd, _CHUNK)
        if not chunk:
            selector.unregister(fd)
            return ""
        return sinks[fd](chunk) if fd in sinks else ""

    def _run_checks(self, checks: Sequence[Check], due_times: list[float], now: float) -> str:
        for index, (interval, check) in enumerate(checks):
            if now >= due_times[index]:
                due_times[index] = now + interval
                if reason := check(self.first_pid):
                    return reason
        return ""
