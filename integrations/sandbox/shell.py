"""A bash process that stays between commands: its folder, variables, functions and background processes survive.

Called by `jobs.roles.tools` for a role that writes. The exit code is the one that this shell reports: processes of the
agent can change its answers, so the gate and read-only roles run each command in a new process instead.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress

from integrations.sandbox.child import open_memory_file
from integrations.sandbox.limits import CommandResult
from integrations.sandbox.output import Output
from integrations.sandbox.running import RunningSandbox
from integrations.sandbox.session import Session, make_result
from integrations.sandbox.streams import Command, Ending, ending, make_sink, open_input, open_pipe, read_until_end

# For each line on file descriptor 202 it runs the next command, which ends with NUL, from the file 201, and writes the
# exit code to 203. Commands get none of the three. The braces hide this loop from `set -x`.
_LOOP = """
exec 201<&3 202<&4 203>&5 3<&- 4<&- 5>&-
while { builtin read -r -u 202 __command && IFS= builtin read -r -d '' -u 201 __command; } 2>/dev/null; do
builtin eval "$__command" 201<&- 202<&- 203>&-
{ builtin echo "$?" >&203; } 2>/dev/null
done
"""
_LOCK_SECONDS = 0.2
_MAX_ANSWER = 4096


class Shell:
    """One shell of a session; starts with the first command. Thread-safe: several commands run one after another."""

    def __init__(self, session: Session, variables: Mapping[str, str] = {}) -> None:
        self._session, self._variables = session, variables
        self._lock = threading.Lock()
        self._process: _Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether the next command runs in the same shell as the last."""
        return self._process is not None

    def run(self, text: str, *, timeout: float, stopped: Callable[[], bool]) -> CommandResult:
        """Run a command; a timeout, a stop and a limit end the shell with all of its processes.

        `timeout` is in seconds, without the time that other commands of the shell take. Raises as `Session.run`."""
        limits = self._session.limits
        command = Command(("bash", "-c", text), Output(limits.head, limits.tail), limits.output, timeout, stopped)
        while not self._lock.acquire(timeout=_LOCK_SECONDS):
            if stopped():
                return make_result("stopped", 0, command, 0.0)
        try:
            return self._session.execute("run", command, lambda running: self._run(running, command))
        finally:
            self._lock.release()

    def restart(self) -> None:
        """End the shell and all of its processes; the next command starts a new one."""
        with self._lock:
            self._end()

    def _run(self, running: RunningSandbox, command: Command) -> Ending:
        process = self._process
        if process is None or process.running is not running or process.job.check_end():
            self._end()
            process = self._process = _Process(running, self._variables)
        ended = process.run(command)
        if ended.reason or process.job.has_ended:
            self._end()
        return ended

    def _end(self) -> None:
        if self._process:
            self._process.close()
        self._process = None


class _Process:
    """The bash process, and the host's ends of its files."""

    def __init__(self, running: RunningSandbox, variables: Mapping[str, str]) -> None:
        self.running = running
        self._size = 0
        self._stack = running.files.enter_context(ExitStack())
        with ExitStack() as inside:
            self._commands = self._stack.enter_context(open_memory_file(b""))
            self._output, output = open_pipe(self._stack)
            self._answers, answers = open_pipe(self._stack)
            lines, self._lines = os.pipe()
            self._stack.callback(os.close, self._lines)
            for fd in (output, answers, lines):
                inside.callback(os.close, fd)
            streams = (open_input(inside, b""), output, output, self._commands, lines, answers)
            self.job = running.start_command(("bash", "--noprofile", "--norc", "-c", _LOOP), variables, streams)
        self._stack.callback(self.job.close)

    def run(self, command: Command) -> Ending:
        with ending(self.running, self.job) as end:
            deadline = time.monotonic() + command.timeout
            self._send(command.argv[-1])
            sinks = {self._output: make_sink(command.output, command.max_bytes)}
            reason = read_until_end(self.job, sinks, deadline, command.stopped, done=self._answers)
            answer = self._read_answer()
            if not reason and not answer and not self.job.has_ended:  # `exec` has replaced the shell
                reason = read_until_end(self.job, sinks, deadline, command.stopped)
            if reason:
                end()
                return Ending(reason)
        if self.job.has_ended:
            return Ending(self.running.explain_refusal() if self.job.error else "", self.job.exit_code)
        return Ending("", int(answer) if answer.isdigit() else 1)

    def _send(self, text: str) -> None:
        self._read_answer()  # left by a process that has written there by itself
        content = os.fsencode(text) + b"\0"
        os.pwrite(self._commands, content, self._size)
        self._size += len(content)
        with suppress(BrokenPipeError):  # the shell has just ended
            os.write(self._lines, b"\n")

    def _read_answer(self) -> bytes:
        try:
            return os.read(self._answers, _MAX_ANSWER).strip()
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """End the shell and all of its processes."""
        with self._stack:
            if not self.job.end():
                self.running.kill()
