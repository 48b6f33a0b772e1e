"""One supervised process: start, watch, restart with backoff, stop. Called by `service.supervisor.supervisor`.

The current time is an argument, so that tests do not have to wait.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from integrations.waits import exponential_wait
from service.supervisor.child_log import ChildLog
from service.supervisor.embedded_redis import CannotStart

REFUSED_EXIT_CODE = 2
"""Exit code of a process that cannot start, with the reason on stderr; it is not retried."""
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 30.0
LONGEST_BACKOFF_ONCE_READY_SECONDS = 4.0
"""Work of a dead process has to continue within 15 s, so one that was ready restarts with a shorter backoff."""
HEALTHY_SECONDS = 60.0


@dataclass(frozen=True)
class Process:
    """Definition of a process. `start` takes the file descriptor for stdout and stderr.

    Processes stop in ascending `stop_order`, equal ones together, each within `grace` seconds."""

    name: str
    start: Callable[[int], subprocess.Popen[bytes]]
    stop_order: int
    ready: Callable[[], bool] = lambda: True
    grace: float = 20.0


class Child:
    """A process and its current instance."""

    def __init__(self, process: Process, log: ChildLog) -> None:
        self.process = process
        self.log = log
        self.ready = False
        self.output = -1
        self.popen: subprocess.Popen[bytes] | None = None
        self.failures = 0
        self.next_start = 0.0
        self._started = 0.0
        self._was_ready = False

    @property
    def pid(self) -> int | None:
        """The pid; None while it is not running."""
        return self.popen.pid if self.popen else None

    def start(self, now: float) -> None:
        """Start it, or schedule a retry when the operating system cannot start it now.

        Raises `CannotStart` when it cannot be started and has never been ready."""
        self.output, child_end = os.pipe()
        os.set_blocking(self.output, False)
        self._started = now
        try:
            self.popen = self.process.start(child_end)
        except (CannotStart, OSError) as error:
            self.close_output()
            self._schedule(now, LONGEST_BACKOFF_SECONDS)
            self.log.write(f"{error}\n".encode())
            if isinstance(error, CannotStart) and not self._was_ready:
                raise
        finally:
            os.close(child_end)

    def check_ready(self) -> bool:
        """Whether it has been ready since its start; probes it until then."""
        self.ready = self.ready or (self.popen is not None and self.process.ready())
        self._was_ready = self._was_ready or self.ready
        return self.ready

    def reap(self) -> int | None:
        """Return the exit code once, after it has ended, and kill the rest of its process group."""
        code = self.popen.poll() if self.popen else None
        if code is None or self.popen is None:
            return None
        self.pump()
        self.close_output()
        with suppress(ProcessLookupError, PermissionError):  # an empty group; macOS: EPERM for a group of zombies
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen, self.ready = None, False
        return code

    def handle_exit(self, now: float) -> int | None:
        """As `reap`, and schedule the next start.

        Raises `CannotStart` when it ended with `REFUSED_EXIT_CODE` in its first minute."""
        longest = LONGEST_BACKOFF_ONCE_READY_SECONDS if self.ready else LONGEST_BACKOFF_SECONDS
        code = self.reap()
        if code is None:
            return None
        healthy = now - self._started >= HEALTHY_SECONDS
        if code == REFUSED_EXIT_CODE and not healthy:
            raise CannotStart(f"{self.process.name} refused to start: {self.log.last_lines()}")
        self.failures = 0 if healthy else self.failures
        self._schedule(now, longest)
        return code

    def pump(self) -> bool:
        """Move pending output to the log; False at its end."""
        while self.output >= 0:
            try:
                data = os.read(self.output, 65_536)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.log.write(data)
        return False

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.popen:
            self.popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill its process group."""
        if self.popen:
            self.popen.kill()
            self.popen.wait()
            self.reap()

    def close_output(self) -> None:
        """Close the reading end of its output."""
        if self.output >= 0:
            os.close(self.output)
        self.output = -1

    def _schedule(self, now: float, longest: float) -> None:
        self.next_start = now + exponential_wait(self.failures, FIRST_BACKOFF_SECONDS, longest)
        self.failures += 1
