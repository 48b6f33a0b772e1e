"""Runs one bubblewrap process to its end and nothing beyond it. Called by `bubblewrap` alone.

Reads its pipes without ever blocking on one of them, looks at the clock, at `stopped` and at the limits, and returns
when every process of the sandbox is dead, also those that ran away from their parent. Knows nothing of what is run.
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

_TICK = 0.05  # how late a stop or the end of the time may be noticed, seconds
_LAST_WORDS = 10.0  # the kernel may take this long to take a killed tree away, seconds
_SET_UP = 10.0  # a busy machine may take this long between the mounts and the command, seconds
_PIECE = 2**18

Look = tuple[float, Callable[[int], str]]
"""Seconds between two looks, and a question about the sandbox's first process whose answer, unless empty, kills it."""


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


def _waiting(word: int, command: Sequence[str]) -> list[str]:
    """`command`, begun when a line comes on descriptor `word`, and never when its writer is gone."""
    return ["bash", "-c", f'read -r -u {word} && export -n SHLVL OLDPWD && exec "$@" {word}<&-', "bash", *command]


def _is_dead_or_filtered(pid: int) -> bool:
    try:
        status = Path("/proc", str(pid), "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return re.search(r"^(State:\tZ|Seccomp:\t2)", status, re.MULTILINE) is not None


class Child:
    """One bubblewrap process in its own session. Use as a context manager: leaving it kills what is left.

    `options` are bubblewrap's; `fds` are kept open for it. On `--json-status-fd` bubblewrap tells the first process's
    id, and the command's exit code, the latter only if the sandbox was complete when it started.
    The first process waits at `--block-fd` until it can be killed by us and is in `group`, a file of `cgroup.bounded`.
    Only after that bubblewrap binds its life to ours, so the command waits once more, for the word that this is done:
    were we killed in between, it would otherwise run on with nobody to end it.
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
    ) -> None:
        self._bwrap, self._group = str(bwrap), group
        self._options, self._command, self._fds = options, command, fds
        self._stdin, self._separate = stdin, separate
        self._status = b""
        self._init_pidfd = self.stderr = -1

    def __enter__(self) -> Child:
        with ExitStack() as mine, ExitStack() as theirs:
            self._status_fd, status = _pipe(mine, theirs)
            self.stdout, stdout = _pipe(mine, theirs)
            gate, self._gate = _pipe(theirs, mine)
            word, self._word = _pipe(theirs, mine)
            stderr = stdout
            if self._separate:
                self.stderr, stderr = _pipe(mine, theirs)
            told = ["--json-status-fd", str(status), "--block-fd", str(gate)]
            self._process = subprocess.Popen(
                [self._bwrap, *told, *self._options, "--", *_waiting(word, self._command)],
                env={}, cwd="/", stdin=self._stdin, stdout=stdout, stderr=stderr,
                close_fds=True, pass_fds=(*self._fds, status, gate, word), start_new_session=True,
            )  # fmt: skip
            self._pidfd = os.pidfd_open(self._process.pid)
            mine.callback(os.close, self._pidfd)
            self._stack = mine.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self.kill()
            self._process.wait()
            self._wait_for_all()

    @property
    def exit_code(self) -> int | None:
        """The command's exit code; None when it never started or was killed by us."""
        told = re.search(rb'"exit-code": (\d+)', self._status)
        return int(told[1]) if told else None

    @property
    def first_pid(self) -> int:
        """The host's number of the sandbox's process 1, 0 while it is not known."""
        told = re.search(rb'"child-pid": (\d+)', self._status)
        return int(told[1]) if told else 0

    def kill(self) -> None:
        """Kill every process of the sandbox: the kernel ends a pid namespace with its process 1."""
        with suppress(ProcessLookupError):
            if self._init_pidfd >= 0:
                signal.pidfd_send_signal(self._init_pidfd, signal.SIGKILL)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_status(self) -> bytes:
        piece = os.read(self._status_fd, 4096)
        self._status += piece
        if self._init_pidfd < 0 and self.first_pid:
            with suppress(ProcessLookupError, BrokenPipeError):
                self._init_pidfd = os.pidfd_open(self.first_pid)
                self._stack.callback(os.close, self._init_pidfd)
                if self._group:
                    self._group.write_text(str(self.first_pid))
                os.write(self._gate, b"go")
                self._wait_until_bound()
                os.write(self._word, b"go\n")
        return piece

    def _wait_until_bound(self) -> None:
        """Return when process 1 is dead, or will die with us: it asks for that, then takes its system call filter."""
        deadline = time.monotonic() + _SET_UP
        while not _is_dead_or_filtered(self.first_pid):
            if time.monotonic() > deadline:
                raise SandboxUnavailable(f"the sandbox did not take a system call filter within {_SET_UP:.0f} s")
            time.sleep(0.0005)

    def _wait_for_all(self) -> None:
        """A process 1 is reported dead only after the kernel has killed and reaped the rest of its namespace."""
        if self._init_pidfd >= 0:
            with selectors.DefaultSelector() as selector:
                selector.register(self._init_pidfd, selectors.EVENT_READ)
                if not selector.select(_LAST_WORDS):
                    raise Unavailable("a killed sandbox does not end: a process in it hangs in the kernel")

    def follow(self, sinks: Mapping[int, Callable[[bytes], str]], deadline: float, looks: Sequence[Look]) -> str:
        """Read until the end. Returns why it was killed: a sink's or a look's answer, 'timeout', or empty.

        `sinks` takes each pipe's pieces; `deadline` is time.monotonic seconds.
        """
        with selectors.DefaultSelector() as selector:
            for fd in (*sinks, self._status_fd, self._pidfd):
                selector.register(fd, selectors.EVENT_READ)
            next_looks = [0.0] * len(looks)
            reason = ""
            while selector.get_map():
                for key, _ in selector.select(_TICK):
                    reason = reason or self._take(selector, key.fd, sinks)
                now = time.monotonic()
                reason = reason or self._look(looks, next_looks, now) or ("timeout" if now > deadline else "")
                if reason:
                    return reason
        return ""

    def _take(self, selector: selectors.BaseSelector, fd: int, sinks: Mapping[int, Callable[[bytes], str]]) -> str:
        if fd == self._pidfd:
            selector.unregister(fd)
            return ""
        piece = self._read_status() if fd == self._status_fd else os.read(fd, _PIECE)
        if not piece:
            selector.unregister(fd)
            return ""
        return sinks[fd](piece) if fd in sinks else ""

    def _look(self, looks: Sequence[Look], next_looks: list[float], now: float) -> str:
        for index, (interval, question) in enumerate(looks):
            if now >= next_looks[index]:
                next_looks[index] = now + interval
                if answer := question(self.first_pid):
                    return answer
        return ""
