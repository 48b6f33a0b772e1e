"""A stack whose service has a clock that can jump while it runs: libfaketime below all of its processes.

Only the wall clock is shifted. The monotonic clocks, the stand-ins and the test itself keep the true time.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from integrations.standins.demo.stack import START_SECONDS, STOP_SECONDS, Stack
from tests.crash.stack import FragileStack, processes_below

HERE = Path(__file__).resolve().parent / "shifted_time"
PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime")
INTERPRETER = """\
#!/bin/sh
export LD_PRELOAD={library} PYTHONPATH={path}
export FAKETIME_TIMESTAMP_FILE={offset} FAKETIME_CACHE_DURATION=1 DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1
exec {python} "$@"
"""


def find_library() -> Path:
    """The library of libfaketime. Raises `FileNotFoundError` where `infra/test-tools` has not run."""
    for place in PLACES:
        for found in Path("/").glob(f"{place[1:]}/libfaketimeMT.so.1"):
            return found
    raise FileNotFoundError("libfaketime is missing: run infra/test-tools, or 'sudo apt-get install libfaketime'")


@dataclass
class ShiftedStack(FragileStack):
    """A crash stack with a clock of the service's own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.home = self.home.resolve()
        self._offset = self.home / "clock-offset"
        self._interpreter = self.home / "python"
        self.before_start: Callable[[], None] | None = None
        self.set_clock(0)
        self._interpreter.write_text(
            INTERPRETER.format(library=find_library(), offset=self._offset, path=HERE, python=sys.executable)
        )
        self._interpreter.chmod(stat.S_IRWXU)

    def close(self) -> None:
        """As before, and delete the shared memory that libfaketime leaves of processes that were killed."""
        super().close()
        for file in Path("/dev/shm").glob("*faketime_*"):
            if not Path("/proc", file.name.rpartition("_")[2]).exists():
                file.unlink(missing_ok=True)

    def set_clock(self, offset: float) -> None:
        """From now on the service's wall clock differs by `offset` seconds from the true time."""
        draft = self._offset.with_suffix(".new")
        draft.write_text(f"{offset:+.0f}\n")
        draft.replace(self._offset)

    def freeze(self) -> list[int]:
        """Stop all processes of the service, as a suspended host does; returns their ids for `thaw`."""
        found = [pid for pid, line in processes_below(self.service_home).items() if "standins" not in line]
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        return found

    def thaw(self, pids: list[int]) -> None:
        """Let them run again."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def restart(self, between: Callable[[], None]) -> None:
        """Stop the service, call `between`, start it and return when it is ready."""
        self.before_start = between
        name, process = self._processes[-1]
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)
        deadline = time.monotonic() + START_SECONDS
        while self.before_start and time.monotonic() < deadline:
            time.sleep(0.05)
        Stack._await(self, name, f"{self.urls['web']}/readyz")

    def read_log(self, event: str) -> list[str]:
        """The lines of the service's logs with this event."""
        files = [self.home / "service.log", *sorted((self.service_home / "logs").glob("*.log*"))]
        lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
        return [line for line in lines if f'"event": "{event}"' in line]

    def _spawn(self, name: str, args: list[str], environment: dict[str, str]) -> None:
        if name == "service" and args[0] != str(self._interpreter):
            _, _, _, *command = args  # instead of `python -m service`
            args = [str(self._interpreter), str(HERE / "up.py"), str(self._interpreter), *command]
        if name == "service" and self.before_start:
            self.before_start()
            self.before_start = None
        super()._spawn(name, args, environment)
