"""Supervisor of `loopline up`: starts processes in order, restarts them when they end, stops them in order.

Called by `python -m service up` with the list of `service.supervisor.processes`. It runs in one thread, because the
kernel binds the life of a child to the thread that started it.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import IO

import structlog

from jobs.runtime.logging import OutageLog
from service.supervisor.child import Child, Process
from service.supervisor.child_log import ChildLog
from service.supervisor.embedded_redis import CannotStart

PROBE_SECONDS = 0.1
POLL_SECONDS = 0.5
_log = structlog.get_logger(__name__)


class Supervisor:
    """Runs `processes`, given in start order, until it gets a signal.

    Writes their output to `<home>/logs/`, and pids and `addresses` to `<home>/up.json`."""

    def __init__(
        self, processes: Sequence[Process], home: Path, addresses: Mapping[str, str], echo: IO[str] | None = None
    ) -> None:
        self._children = [Child(process, ChildLog(home / "logs", process.name, echo)) for process in processes]
        self._home = home
        self._addresses = addresses
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._reported_up = False
        self._state_is_written = False
        self._state_outage = OutageLog()
        self._fault = OutageLog()

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; returns the exit code. A second signal kills the processes."""
        with hold_home_lock(self._home), self._handle_signals():
            try:
                while not self._signals:
                    self._tick_safely()
                return 0
            except CannotStart as error:
                sys.stderr.write(f"{error}\n")
                return 1
            finally:
                self._stop_all()

    def _tick_safely(self) -> None:
        """Repeat a tick that fails, for example without free file descriptors: nothing else restarts processes."""
        try:
            self._tick(time.monotonic())
            self._fault.info("supervision continues")
        except OSError as error:
            self._fault.error("supervision interrupted, will retry", error)
            time.sleep(PROBE_SECONDS)

    def _tick(self, now: float) -> None:
        for child in self._children:
            if child.popen is None and now >= child.next_start:
                self._start(child, now)
            if not child.check_ready() and not child.failures:
                break  # the next one waits for it, but not after its first failure
        if not self._reported_up and all(child.ready for child in self._children):
            self._reported_up = True
            _log.info("all processes ready", home=str(self._home), **self._addresses)
        if not self._state_is_written:
            self._write_state()
        self._wait(POLL_SECONDS if self._reported_up else PROBE_SECONDS)
        self._handle_exits()

    def _start(self, child: Child, now: float) -> None:
        child.start(now)
        if child.popen:
            self._selector.register(child.output, selectors.EVENT_READ, child)
            _log.info("process started", process=child.process.name, pid=child.pid)
        else:
            _log.warning("process not started, will retry", process=child.process.name, reason=child.log.last_lines())
        self._write_state()

    def _handle_exits(self) -> None:
        for child in self._children:
            if child.popen is None or child.popen.poll() is None:
                continue
            self._unregister(child)
            code = child.handle_exit(time.monotonic())
            *_, last = child.log.last_lines().split("\n")
            facts = {"process": child.process.name, "code": code, "failures": child.failures, "output": last[-500:]}
            _log.warning("process ended", **facts)
            self._write_state()

    def _wait(self, seconds: float) -> None:
        """Return after output, the end of a child, a signal, or the timeout."""
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Child):
                if not key.data.pump():
                    self._unregister(key.data)
            else:
                key.fileobj.recv(4096)  # type: ignore[union-attr]

    def _unregister(self, child: Child) -> None:
        if child.output >= 0 and child.output in self._selector.get_map():
            self._selector.unregister(child.output)

    def _stop_all(self) -> None:
        signals = self._signals
        in_order = sorted(self._children, key=lambda child: child.process.stop_order)
        for _, group in groupby(in_order, key=lambda child: child.process.stop_order):
            self._stop(list(group), signals)
        for child in self._children:
            child.log.close()
        with suppress(OSError):  # a read-only disk
            (self._home / "up.json").unlink(missing_ok=True)

    def _stop(self, group: list[Child], signals: int) -> None:
        """Terminate the group, wait for the grace period, then kill the rest."""
        for child in group:
            child.terminate()
        deadline = time.monotonic() + max(child.process.grace for child in group)
        while running := [child for child in group if child.popen and not self._has_stopped(child)]:
            if time.monotonic() > deadline or self._signals > max(signals, 1):
                for child in running:
                    _log.warning("process killed", process=child.process.name)
                    self._unregister(child)
                    child.kill()
                return
            self._wait(PROBE_SECONDS)

    def _has_stopped(self, child: Child) -> bool:
        """Whether the child has ended; reaps it then."""
        if not child.popen or child.popen.poll() is None:
            return False
        self._unregister(child)
        _log.info("process stopped", process=child.process.name, code=child.reap())
        return True

    def _write_state(self) -> None:
        """Write `up.json`; the next tick retries when that fails."""
        state = {
            "pid": os.getpid(),
            "home": str(self._home),
            **self._addresses,
            "processes": {child.process.name: child.pid for child in self._children},
        }
        draft = self._home / "up.json.new"
        try:
            draft.write_text(json.dumps(state, indent=2))
            draft.replace(self._home / "up.json")
        except OSError as error:
            self._state_is_written = False
            self._state_outage.error("up.json cannot be written, will retry", error)
        else:
            self._state_is_written = True
            self._state_outage.info("up.json is written again")

    @contextmanager
    def _handle_signals(self) -> Iterator[None]:
        """Wake the selector on signals, including SIGCHLD."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        handled = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)}
        with reader, writer, self._selector:
            self._selector.register(reader, selectors.EVENT_READ)
            before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            for number in handled:
                signal.signal(number, self._on_signal)
            try:
                yield
            finally:
                for number, handler in handled.items():
                    signal.signal(number, handler)
                signal.set_wakeup_fd(before)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += number != signal.SIGCHLD


@contextmanager
def hold_home_lock(home: Path) -> Iterator[None]:
    """Hold the lock of `home`. Raises `CannotStart` when another supervisor holds it, or it cannot be created."""
    try:
        opened = (home / "up.lock").open("a+")
    except OSError as error:
        raise CannotStart(f"LOOPLINE_HOME, {home}, cannot be written to: {error.strerror}.") from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"Loopline already runs on {home}; stop it, or choose another LOOPLINE_HOME.") from None
        yield
