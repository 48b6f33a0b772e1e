"""Response times of good deliveries beside 0, 64 and 1,000 slow clients, and the rate without any.

Run by hand: `python -m tests.benchmarks.bench_slow_clients [seconds] [gunicorn configuration file]`. All connections
come from one address, as behind a reverse proxy. The last line is the ratio of the p99 with 1,000 slow clients to the
p99 with none, in the same run.
"""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from service.supervisor import embedded_redis
from tests.benchmarks.bench_endpoint import delivery, load, report
from tests.crash.slow_clients import slow_clients
from tests.service.conftest import serving

DRIPPING = ("silent", "half a request line", "dripping header", "dripping body", "dripping chunks")
COUNTS = (0, 64, 1000)
PATIENCE = 30.0
_numbers = count(10_000_000)


def deliver(connection: http.client.HTTPConnection) -> float:
    """Send one delivery; returns its milliseconds, also of one that fails."""
    body, headers = delivery(next(_numbers))
    began = time.perf_counter()
    with suppress(OSError, http.client.HTTPException):
        connection.request("POST", "/webhooks/github", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    return (time.perf_counter() - began) * 1000


def deliveries(port: int, seconds: float, keep: bool) -> list[float]:
    """Milliseconds of deliveries one after the other, on one connection or each on a new one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    until, taken = time.monotonic() + seconds, []
    while time.monotonic() < until:
        taken.append(deliver(connection))
        if not keep:
            connection.close()
        time.sleep(0.01)
    connection.close()
    return taken


def measure(port: int, number: int, seconds: float, kinds: Sequence[str]) -> float:
    """Print one line for new and one for kept connections; returns the higher p99 in milliseconds."""
    worst = 0.0
    with slow_clients(port, number, *kinds):
        time.sleep(1.0)
        for keep in (False, True):
            taken = deliveries(port, seconds, keep)
            report(f"{number} slow, {'kept' if keep else 'new'}", len(taken) / seconds, taken * 2)
            worst = max(worst, statistics.quantiles(taken * 2, n=100)[98])
    return worst


def main(seconds: float, config: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(home=Path(name) / "home")
        with embedded_redis.start(settings.redis_socket, subprocess.DEVNULL) as process, connect(settings) as redis:
            embedded_redis.wait_for(redis, process)
            with serving(settings.home, "", Path(name) / "server.log", config) as web:
                load(web.port, 0.5)
                report("no slow clients", *load(web.port, seconds))
                found = {number: measure(web.port, number, seconds, DRIPPING) for number in COUNTS}
                report("afterwards", *load(web.port, seconds))
            process.terminate()
    sys.stdout.write(f"p99 with {COUNTS[-1]} / none = {found[COUNTS[-1]] / found[0]:.2f}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0, sys.argv[2] if len(sys.argv) > 2 else "")
