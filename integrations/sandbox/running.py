"""One running sandbox: its bubblewrap process, and a thread that starts it and enforces its limits.

Created by `session`. The thread lives as long as the sandbox, because the kernel binds a child's life to the thread
that started it, and it also checks the limits while background processes run between two commands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from integrations.disk import POLL_SECONDS, compute_allowance, pause_when_exhausted, read_disk
from integrations.errors import Paused
from integrations.git.workspace import Workspace
from integrations.sandbox import profile, root
from integrations.sandbox.cgroup import task_limit
from integrations.sandbox.child import Child, Job, Request, open_memory_file
from integrations.sandbox.environment import Environment
from integrations.sandbox.limits import MIB, Limits, SandboxUnavailable
from integrations.sandbox.network import build_network_variables
from integrations.sandbox.programs import read_program
from integrations.sandbox.usage import OWN_TASKS, DiskGuard, check_process_limits

_BUSY_SECONDS, _IDLE_SECONDS = 0.05, 0.25  # seconds between two checks while a command runs, and between commands


@dataclass(frozen=True)
class Machine:
    """What all sandboxes of this machine share. `room` returns the bytes that a command can write."""

    bwrap: Path
    read_only: tuple[Path, ...]
    limits: Limits
    room: Callable[[], int]
    filter: bytes


def build_python_command(machine: Machine, environment: Environment, *arguments: str) -> tuple[str, ...]:
    """The command that runs a program with the sandbox's own Python; its text is stdin if `arguments` begin with "-".
    -I and -S: it reads no variable and imports nothing but the standard library."""
    return (*root.find_interpreter(environment.image, machine.read_only), "-I", "-S", *arguments)


class RunningSandbox:
    """A sandbox that is up. Thread-safe. Call `close`, also after an error of `start`."""

    def __init__(self, machine: Machine, workspace: Workspace, environment: Environment, writable: bool) -> None:
        self.machine, self._workspace, self._environment, self._writable = machine, workspace, environment, writable
        self._ready, self._closing = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._commands = 0
        self._error: Exception | None = None
        self._child: Child | None = None
        self._guard = self._create_guard()
        self.files = ExitStack()
        """Closed after the sandbox has ended."""
        self.is_usable = False
        self.reason = ""
        """The sentence about the limit for which the sandbox was killed."""
        self._thread = threading.Thread(target=self._live, name="sandbox", daemon=True)

    def start(self) -> None:
        """Raises `SandboxUnavailable` when the sandbox cannot be set up, `Paused` on a full disk."""
        self._thread.start()
        self._ready.wait()
        error, self._error = self._error, None
        if isinstance(error, OSError):
            if pause := pause_when_exhausted(error):
                raise pause from error
            raise SandboxUnavailable(f"{self.machine.bwrap} cannot be run: {error.strerror}") from error
        if error and (state := read_disk(self._workspace.folder)).level == "full":
            raise Paused(state.sentence, POLL_SECONDS) from error
        if error:
            raise error

    def explain_refusal(self) -> str:
        """Called when the supervisor could not start a command: the sandbox has no process left. Ends all others."""
        reason = (
            f"the command was killed because it ran more than {self.machine.limits.processes} processes and threads"
        )
        self.kill(reason)
        return reason

    def start_command(self, argv: Sequence[str], variables: Mapping[str, str], streams: Sequence[int]) -> Job:
        """Start a command in the work tree. In a sandbox that has ended, the job ends at once without an exit code."""
        assert self._child, "started"
        own = profile.build_variables(self.machine.read_only, self._writable)
        network = build_network_variables(self._environment.network) if self._environment.network else {}
        everything = {**network, **own, **self._environment.variables, **variables}
        limits = replace(self.machine.limits, file=min(self.machine.limits.file, self._guard.allowance + MIB))
        request = Request(argv, self._workspace.tree, everything, profile.build_resource_limits(limits))
        return self._child.start_command(request, streams)

    @contextmanager
    def watch_disk(self) -> Iterator[DiskGuard]:
        """The disk use of one command, or of several at once."""
        with self._lock:
            if not self._commands:
                self._guard = self._create_guard()
            self._commands += 1
        try:
            yield self._guard
        finally:
            with self._lock:
                self._commands -= 1

    def kill(self, reason: str = "") -> None:
        self.reason = self.reason or reason
        self.is_usable = False
        if self._child:
            self._child.kill()

    def close(self) -> None:
        """End all processes and wait for their end."""
        self.is_usable = False
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self.files.close()
        if self._error:
            raise self._error

    def _create_guard(self) -> DiskGuard:
        folder = self._workspace.folder
        return DiskGuard(folder, self.machine.limits, min(compute_allowance(folder), self.machine.room()))

    def _live(self) -> None:
        try:
            with ExitStack() as stack:
                self._start_child(stack)
                self._ready.set()
                self._enforce_limits()
        except Exception as error:  # noqa: BLE001 -- raised by `start` or `close`
            self._error = error
        finally:
            self.is_usable = False
            self._ready.set()

    def _start_child(self, stack: ExitStack) -> None:
        machine = self.machine
        group = stack.enter_context(task_limit(machine.limits.processes + OWN_TASKS))
        with ExitStack() as files:
            data = {path: files.enter_context(open_memory_file(text.encode())) for path, text in root.ETC.items()}
            filter_ = files.enter_context(open_memory_file(machine.filter))
            options = profile.build_options(
                self._workspace, self._environment, machine.read_only, machine.limits, self._writable, data, filter_
            )
            command, program = (
                build_python_command(machine, self._environment, "-"),
                read_program("supervisor").encode(),
            )
            child = Child(machine.bwrap, options, command, program, [*data.values(), filter_], group)
            stack.callback(child.close)
            child.start()
        self._child, self.is_usable = child, True

    def _enforce_limits(self) -> None:
        assert self._child
        while not self._closing.wait(_BUSY_SECONDS if self._commands else _IDLE_SECONDS):
            if self._child.has_ended():
                self.is_usable = False
            elif reason := check_process_limits(self._child.first_pid, self.machine.limits) or self._guard.check():
                self.kill(reason)
