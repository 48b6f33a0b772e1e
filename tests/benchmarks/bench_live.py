"""Response time of `/api/loops` with and without 100 open live pages.

Run by hand: `python -m tests.benchmarks.bench_live [streams] [requests]`. Starts its own Redis and its own dashboard,
prints one line of JSON, and ends with 1 when a stream was lost or the median got more than `WORST_RATIO` times longer.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from jobs.config.settings import Settings
from jobs.loop.commands import RunSpec
from jobs.runtime.connection import build_redis_url, connect
from service.supervisor import embedded_redis
from tests.service.dashboard.conftest import HEADERS, serving
from tests.service.dashboard.story import Story, a_loop, says

WORST_RATIO = 2.0
LOOPS = 50
WRITES_PER_SECOND = 5  # what a busy agent writes
READ_SECONDS = 10.0


def main(streams: int = 100, requests: int = 300) -> int:
    """Measure; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder, _running(Path(folder)) as (story, host):
        run = _prepare(story)
        quiet = _measure(host, requests)
        with _Pages(host, run, streams) as pages, _writing(story, run):
            busy = _measure(host, requests)
            pages.forget()
            alive = pages.wait_for_all()
    ratio = round(busy["p50_ms"] / quiet["p50_ms"], 2)
    line = {"streams": streams, "alive": alive, "without": quiet, "with": busy, "ratio_p50": ratio}
    sys.stdout.write(json.dumps(line) + "\n")
    return 0 if alive == streams and ratio <= WORST_RATIO else 1


class _Pages:
    """Live pages, read by one thread so that the reading itself costs little; knows which were sent an entry."""

    def __init__(self, host: str, run: RunSpec, count: int) -> None:
        name, _, port = host.partition(":")
        login = f"Authorization: {HEADERS['Authorization']}"
        asked = f"GET /api/runs/{run.run_id}/events HTTP/1.1\r\nHost: {host}\r\n{login}\r\n\r\n".encode()
        self._sockets = [socket.create_connection((name, int(port)), timeout=READ_SECONDS) for _ in range(count)]
        self._selector = selectors.DefaultSelector()
        for one in self._sockets:
            one.sendall(asked)
            self._selector.register(one, selectors.EVENT_READ)
        self._told: set[int] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> _Pages:
        self._thread.start()
        assert self.wait_for_all() == len(self._sockets), "not every stream began"
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._selector.close()
        for one in self._sockets:
            one.close()

    def forget(self) -> None:
        """Reset the count."""
        self._told.clear()

    def wait_for_all(self) -> int:
        """Count the pages that received an entry since the reset; waits for all, with a timeout."""
        deadline = time.monotonic() + READ_SECONDS
        while len(self._told) < len(self._sockets) and time.monotonic() < deadline:
            time.sleep(0.02)
        return len(self._told)

    def _read(self) -> None:
        while not self._done.is_set():
            for key, _ in self._selector.select(timeout=0.2):
                if b"event: entry" in cast(socket.socket, key.fileobj).recv(65_536):
                    self._told.add(key.fd)


def _prepare(story: Story) -> RunSpec:
    for number in range(LOOPS):
        loop = story.remember(a_loop(number, run_id=f"ENG-{number}-g1-r0-i1-maker"))
        run = story.begin(loop)
        story.tell(run, says("I begin."))
    return run


def _measure(host: str, requests: int) -> dict[str, float]:
    """Milliseconds for `/api/loops`, one request after the other on one connection."""
    connection, taken = HTTPConnection(host, timeout=30), []
    for _ in range(requests):
        start = time.perf_counter()
        connection.request("GET", "/api/loops", headers=HEADERS)
        assert len(json.loads(connection.getresponse().read())["loops"]) == LOOPS
        taken.append((time.perf_counter() - start) * 1000)
    connection.close()
    cuts = statistics.quantiles(taken, n=100)
    return {"p50_ms": round(statistics.median(taken), 2), "p99_ms": round(cuts[98], 2)}


@contextmanager
def _writing(story: Story, run: RunSpec) -> Iterator[None]:
    done = threading.Event()

    def write() -> None:
        while not done.wait(1 / WRITES_PER_SECOND):
            story.tell(run, says("Another step, in a sentence of the usual length."))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@contextmanager
def _running(home: Path) -> Iterator[tuple[Story, str]]:
    settings = Settings(home=home)
    with (home / "redis.log").open("wb") as log:
        process: subprocess.Popen[bytes] = embedded_redis.start(settings.redis_socket, log)
    try:
        with connect(settings) as redis:
            embedded_redis.wait_for(redis, process)
            with serving(home, build_redis_url(settings)) as url:
                yield Story(redis), urlsplit(url).netloc
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
