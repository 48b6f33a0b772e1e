"""A sandbox that stays up for several commands. Created by `Sandbox.open`.

bubblewrap starts one supervisor program (`programs/supervisor.py`), which runs the commands; services, background
processes and the files in /tmp live until the session is closed. The sandbox starts with the first command, and again
with the next one after it was killed for a limit.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from integrations.disk import read_disk
from integrations.errors import Rejected
from integrations.failpoints import fail
from integrations.git.workspace import Workspace
from integrations.sandbox import limits as exit_codes
from integrations.sandbox.environment import Environment
from integrations.sandbox.limits import CommandResult, Limits
from integrations.sandbox.output import Output
from integrations.sandbox.running import Machine, RunningSandbox, build_python_command
from integrations.sandbox.services import Services
from integrations.sandbox.streams import Command, Ending, run_command

_MAX_ARGUMENT = 2**17  # bytes; MAX_ARG_STRLEN of Linux
_KILLED = "the command was killed from outside, for example because this machine ran out of memory"


class Session:
    """Runs commands in one sandbox. A context manager: leaving it ends all processes. Thread-safe.

    `run` and `capture` start a new process for each command and end what it leaves behind; a `Shell` keeps its state.
    """

    def __init__(self, machine: Machine, workspace: Workspace, environment: Environment, writable: bool) -> None:
        self._machine, self._environment = machine, environment
        self.workspace, self.writable = workspace, writable
        self._lock = threading.Lock()
        self._running: RunningSandbox | None = None
        self._services = Services(workspace, environment)

    @property
    def limits(self) -> Limits:
        return self._machine.limits

    @property
    def is_running(self) -> bool:
        """Whether the sandbox is up: it has started and was not killed."""
        return self._running is not None and self._running.is_usable

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._close()

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float,
        variables: Mapping[str, str] = {},
        stopped: Callable[[], bool] = lambda: False,
    ) -> CommandResult:
        """Run `argv` in the work tree and wait until all its processes have ended.

        `timeout` is in seconds. `variables` are added to those of the environment and the sandbox's own. `stopped` is
        polled five times a second; True kills the command. `Limits` bounds the output. Raises `SandboxUnavailable`
        when the sandbox cannot be set up, `ServiceNotReady` when a service cannot; every other outcome is a result.
        """
        limits = self._machine.limits
        command = Command(
            argv, Output(limits.head, limits.tail), limits.output, timeout, stopped, stdin=stdin, variables=variables
        )
        return self.execute("run", command, lambda running: run_command(running, command))

    def capture(
        self,
        argv: Sequence[str],
        *,
        max_bytes: int,
        stdin: bytes = b"",
        timeout: float,
        variables: Mapping[str, str] = {},
        stopped: Callable[[], bool] = lambda: False,
    ) -> CommandResult:
        """Like `run`, for programs whose stdout is data: `output` is all of stdout, at most `max_bytes`.

        More than that kills the command: then `truncated` is set and `output` holds only the beginning."""
        limits = self._machine.limits
        command = Command(
            argv, Output(max_bytes, 0), max_bytes, timeout, stopped,
            errors=Output(limits.head, limits.tail), max_errors=limits.output, stdin=stdin, variables=variables,
        )  # fmt: skip
        return self.execute("capture", command, lambda running: run_command(running, command))

    def build_python_command(self, program: str, *arguments: str) -> tuple[str, ...]:
        """The command that runs a program's text with the sandbox's own Python."""
        return build_python_command(self._machine, self._environment, "-c", program, *arguments)

    def execute(
        self, kind: Literal["run", "capture"], command: Command, act: Callable[[RunningSandbox], Ending]
    ) -> CommandResult:
        """The result of `act`, which runs the command in the sandbox. `kind` is part of the failpoint's name."""
        workspace, operation = self.workspace, f"sandbox.{kind}.{Path(command.argv[0]).name}"
        if not workspace.folder.is_dir():
            raise Rejected(f"there is no workspace at {workspace.folder}")
        if problem := _find_text_problem((*command.argv, *map("=".join, command.variables.items()))):
            return make_result(problem, 0, command, 0.0)
        with suppress(FileNotFoundError):
            # An agent can take its own access to the tree, and then no command could start to restore it.
            workspace.tree.chmod(workspace.tree.stat().st_mode | stat.S_IRWXU)
        fail(operation, "before")
        running, notes = self._ensure_running(command.stopped)
        if running is None:
            return make_result("stopped", 0, command, 0.0)
        with running.watch_disk() as disk:
            started = time.monotonic()
            ending = act(running)
            seconds = time.monotonic() - started
            reason = ending.reason or ("" if ending.exit_code is not None else running.reason or _KILLED)
            fail(operation, "done")
            over_limit = disk.check(final=True)
            reason = reason or over_limit or ("stopped" if ending.exit_code and command.stopped() else "")
            if reason and (over_limit or read_disk(workspace.folder).level == "full"):
                disk.reclaim(workspace.tree)
        return make_result(reason, ending.exit_code or 0, command, seconds, (*notes, *self._services.find_ended()))

    def _ensure_running(self, stopped: Callable[[], bool]) -> tuple[RunningSandbox | None, Sequence[str]]:
        """The sandbox, and what happened to the one before it; None if the run was stopped before it was ready."""
        with self._lock:
            notes = []
            if self._running and not self._running.is_usable:
                notes = [f"the sandbox was started again: {self._running.reason or 'it was killed'}"]
                self._close()
            if self._running is None:
                self._running = RunningSandbox(self._machine, self.workspace, self._environment, self.writable)
                try:
                    self._services.prepare()
                    self._running.start()
                    is_ready = self._services.start(self._running, stopped)
                except BaseException:
                    self._close()
                    raise
                if not is_ready:
                    self._close()
            return self._running, notes

    def _close(self) -> None:
        running, self._running = self._running, None
        self._services.forget()
        if running:
            running.close()


def _find_text_problem(texts: Iterable[str]) -> str:
    """One sentence about an argument that no program can get; empty without one. Commands come from models too."""
    for text in texts:
        if "\0" in text:
            return "the command was not run because it contains a NUL character"
        try:
            size = len(os.fsencode(text))
        except UnicodeEncodeError:
            return "the command was not run because it contains half of a surrogate pair"
        if size >= _MAX_ARGUMENT:
            return f"the command was not run because it has {size} bytes: write a script to a file and run that"
    return ""


def make_result(
    reason: str, exit_code: int, command: Command, seconds: float, notes: Sequence[str] = ()
) -> CommandResult:
    """`reason` is why the sandbox ended the command: 'timeout', 'stopped', a sentence about a limit, or empty."""
    codes = {"": exit_code, "timeout": exit_codes.TIMED_OUT, "stopped": exit_codes.STOPPED}
    code = codes.get(reason, exit_codes.OVER_LIMIT)
    note = "; ".join((*([reason] if reason not in codes else []), *notes))
    output = command.output.read()
    return CommandResult(
        exit_code=code,
        output=output if command.errors is not None or not note else output + f"\n[{note}]\n".encode(),
        digest=command.output.digest,
        truncated=command.output.truncated,
        timed_out=reason == "timeout",
        stopped=reason == "stopped",
        seconds=seconds,
        stderr=command.errors.read() if command.errors else b"",
        note=note,
    )
