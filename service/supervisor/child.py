"""One process under supervision: start, watch, restart with back-off, stop. Called by `service.supervisor.supervisor`
only.

Time is given to it, so that its rules can be tested without waiting.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from service.supervisor.child_log import ChildLog
from service.supervisor.embedded_redis import CannotStart

REFUSED = 2
"""The exit code of a process that says on stderr why it will not start; trying again would not help."""
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
LONGEST_WAIT_OF_A_READY_ONE_SECONDS = 4.0
"""A process that did its work until it died is missed: within 15 s of its death somebody has to go on."""
HEALTHY_SECONDS = 60.0


@dataclass(frozen=True)
class Process:
    """What the supervisor has to know of a process. `start` is given the file descriptor for stdout and stderr.

    Processes stop in the order of `stops`, those with the same number together, each with `grace` seconds."""

    name: str
    start: Callable[[int], subprocess.Popen[bytes]]
    stops: int
    ready: Callable[[], bool] = lambda: True
    grace: float = 20.0


class Child:
    """A process and its present incarnation."""

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
        """The pid while it runs."""
        return self.popen.pid if self.popen else None

    def start(self, now: float) -> None:
        """Start it, or schedule the next try when the machine has no room for it just now.

        Raises `CannotStart` when it cannot be started at all and has never been ready."""
        self.output, theirs = os.pipe()
        os.set_blocking(self.output, False)
        self._started = now
        try:
            self.popen = self.process.start(theirs)
        except (CannotStart, OSError) as error:
            self.close_output()
            self._schedule(now, LONGEST_WAIT_SECONDS)
            self.log.write(f"{error}\n".encode())
            if isinstance(error, CannotStart) and not self._was_ready:
                raise
        finally:
            os.close(theirs)

    def check_ready(self) -> bool:
        """Whether it has been ready since its start; asks until it is."""
        self.ready = self.ready or (self.popen is not None and self.process.ready())
        self._was_ready = self._was_ready or self.ready
        return self.ready

    def reap(self) -> int | None:
        """The exit code, once, when it has ended; whoever is left of its process group is killed then."""
        code = self.popen.poll() if self.popen else None
        if code is None or self.popen is None:
            return None
        self.pump()
        self.close_output()
        _kill_group(self.popen.pid)
        self.popen, self.ready = None, False
        return code

    def notice_exit(self, now: float) -> int | None:
        """As `reap`, and the next start is scheduled.

        Raises `CannotStart` when it refused to start before it has ever lived for a minute."""
        longest = LONGEST_WAIT_OF_A_READY_ONE_SECONDS if self.ready else LONGEST_WAIT_SECONDS
        code = self.reap()
        if code is None:
            return None
        healthy = now - self._started >= HEALTHY_SECONDS
        if code == REFUSED and not healthy:
            raise CannotStart(f"{self.process.name} refused to start: {self.log.last_words()}")
        self.failures = 0 if healthy else self.failures
        self._schedule(now, longest)
        return code

    def pump(self) -> bool:
        """Move waiting output into the log; False at its end."""
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
        """Ask it to end."""
        if self.popen:
            self.popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and everything in its process group now."""
        if self.popen:
            self.popen.kill()
            self.popen.wait()
            self.reap()

    def close_output(self) -> None:
        """Close our end of its output."""
        if self.output >= 0:
            os.close(self.output)
        self.output = -1

    def _schedule(self, now: float, longest: float) -> None:
        self.next_start = now + min(FIRST_WAIT_SECONDS * 2**self.failures, longest)
        self.failures += 1


def _kill_group(pid: int) -> None:
    """Whoever is left of the process's group; it leads one of its own."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # nobody is left; macOS says 'not permitted' for a group of zombies
