"""The services of an environment: programs that run in a session's sandbox beside its commands. Called by `session`.

`$STATE` is a folder of the run for each service; `setup` fills it once per run. Before the first service the relay to
the egress proxy starts, if commands have a network. A log is a file of the host that commands inside cannot reach.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from integrations.errors import Rejected
from integrations.git.workspace import Workspace
from integrations.sandbox import state
from integrations.sandbox.child import Job
from integrations.sandbox.environment import Environment, Service
from integrations.sandbox.network import build_relay_command
from integrations.sandbox.output import Output
from integrations.sandbox.running import RunningSandbox
from integrations.sandbox.streams import Command, Ending, open_input, run_command

TAIL_LINES = 40
_TAIL_BYTES = 2**14
_MAX_OUTPUT = 2**20
_POLL_SECONDS = 0.1
_RELAY = "egress-relay"
_RELAY_SECONDS = 30.0

IsStopped = Callable[[], bool]


class ServiceNotReady(Rejected):
    """A service of WORKFLOW.md cannot be used. `command` is the one that failed, `reason` is how, as a clause, and
    `tail` are the last lines of its output."""

    def __init__(self, name: str, command: str, reason: str, tail: str) -> None:
        printed = f"; its last output:\n{tail}" if tail else "; it printed nothing"
        super().__init__(f"the service {name} of WORKFLOW.md is not ready: `{command}` {reason}{printed}")
        self.name, self.command, self.reason, self.tail = name, command, reason, tail


@dataclass
class _Started:
    """A service that runs, or has ended."""

    name: str
    job: Job
    log: int
    is_reported: bool = False

    def read_tail(self) -> str:
        size = os.fstat(self.log).st_size
        return _cut_tail(os.pread(self.log, _TAIL_BYTES, max(0, size - _TAIL_BYTES)))


class Services:
    """The services of one session."""

    def __init__(self, workspace: Workspace, environment: Environment) -> None:
        self._workspace, self._environment = workspace, environment
        self._stack, self._lock = ExitStack(), threading.Lock()
        self._started: list[_Started] = []

    def prepare(self) -> None:
        """Create the folders that the sandbox mounts."""
        state.prepare_state(self._workspace, self._environment.services)

    def start(self, running: RunningSandbox, stopped: IsStopped) -> bool:
        """Start all services in order. Returns False once `stopped` returns True; raises `ServiceNotReady`."""
        if self._environment.network:
            self._start_relay(running)
        return all(self._start_service(running, service, stopped) for service in self._environment.services)

    def find_ended(self) -> list[str]:
        """A sentence for each service that has ended by itself, once."""
        found = []
        with self._lock:
            for started in self._started:
                if not started.is_reported and started.job.check_end():
                    started.is_reported = True
                    lines = started.read_tail().splitlines()
                    last = f": {lines[-1]}" if lines else ""
                    found.append(f"the service {started.name} {_describe_end(started.job.exit_code)}{last}")
        return found

    def forget(self) -> None:
        """Called when the sandbox of the services ends."""
        with self._lock:
            self._started = []
            self._stack.close()

    def _start_relay(self, running: RunningSandbox) -> None:
        started = self._launch(running, _RELAY, build_relay_command(self._environment.image), {})
        deadline = time.monotonic() + _RELAY_SECONDS
        while "ready" not in started.read_tail().splitlines():
            if started.job.check_end() or time.monotonic() > deadline:
                raise ServiceNotReady(_RELAY, "relay.py", "did not start", started.read_tail())
            time.sleep(0.005)

    def _start_service(self, running: RunningSandbox, service: Service, stopped: IsStopped) -> bool:
        variables = {"STATE": str(state.STATE / service.name)}
        deadline = time.monotonic() + service.seconds
        if service.setup and not state.is_set_up(self._workspace, service):
            ending, tail = self._run_step(running, service.setup, variables, service.seconds, stopped)
            if ending.reason == "stopped":
                return False
            if ending.exit_code != 0:
                raise ServiceNotReady(service.name, service.setup, _describe_failure(ending, service.seconds), tail)
        state.mark_set_up(self._workspace, service)
        started = self._launch(running, service.name, ("bash", "-c", service.run), variables)
        while not stopped():
            time.sleep(_POLL_SECONDS)
            if started.job.check_end():
                reason = _describe_end(started.job.exit_code)
                raise ServiceNotReady(service.name, service.run, reason, started.read_tail())
            left = deadline - time.monotonic()
            if not service.ready or self._is_ready(running, service.ready, variables, left, stopped):
                return True
            if left < 0:
                reason = f"did not succeed within {service.seconds:g} s"
                raise ServiceNotReady(service.name, service.ready, reason, started.read_tail())
        return False

    def _launch(
        self, running: RunningSandbox, name: str, argv: Sequence[str], variables: Mapping[str, str]
    ) -> _Started:
        log = state.open_log(self._workspace, name)
        self._stack.callback(os.close, log)
        job = running.start_command(argv, variables, (open_input(self._stack, b""), log, log))
        self._stack.callback(job.close)
        started = _Started(name, job, log)
        self._started.append(started)
        return started

    def _is_ready(
        self, running: RunningSandbox, command: str, variables: Mapping[str, str], left: float, stopped: IsStopped
    ) -> bool:
        ending, _ = self._run_step(running, command, variables, max(left, 1.0), stopped)
        return ending.exit_code == 0

    def _run_step(
        self, running: RunningSandbox, command: str, variables: Mapping[str, str], timeout: float, stopped: IsStopped
    ) -> tuple[Ending, str]:
        output = Output(0, _TAIL_BYTES)
        argv = ("bash", "-c", command)
        ending = run_command(running, Command(argv, output, _MAX_OUTPUT, timeout, stopped, variables=variables))
        return ending, _cut_tail(output.read())


def _cut_tail(output: bytes) -> str:
    return "\n".join(output.decode(errors="replace").splitlines()[-TAIL_LINES:])


def _describe_end(exit_code: int | None) -> str:
    return "was killed" if exit_code is None else f"ended with exit code {exit_code}"


def _describe_failure(ending: Ending, seconds: float) -> str:
    if ending.reason == "timeout":
        return f"did not end within {seconds:g} s"
    return ending.reason or _describe_end(ending.exit_code)
