"""Response times of good deliveries beside 0, 64 and 1,000 slow clients, and the rate without any.

Run by hand: `python -m tests.benchmarks.bench_slow_clients [seconds] [gunicorn configuration file]`. All connections
come from one address, as behind a reverse proxy. The last line is the ratio of the p99 with 1,000 slow clients to the
p99 with none, in the same run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from service.supervisor import embedded_redis
from tests.benchmarks.bench_endpoint import load, report
from tests.crash.slow_clients import find_p99, slow_clients, time_deliveries
from tests.service.conftest import serving

DRIPPING = ("silent", "half a request line", "dripping header", "dripping body", "dripping chunks")
COUNTS = (0, 64, 1000)


def measure(port: int, number: int, seconds: float) -> float:
    """Print one line for new and one for kept connections; returns the higher p99 in milliseconds."""
    worst = 0.0
    with slow_clients(port, number, *DRIPPING):
        for keep in (False, True):
            taken = time_deliveries(port, "github-secret-new", seconds, keep)
            report(f"{number} slow, {'kept' if keep else 'new'}", len(taken) / seconds, taken)
            worst = max(worst, find_p99(taken))
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
                found = {number: measure(web.port, number, seconds) for number in COUNTS}
                time.sleep(1.0)
                report("afterwards", *load(web.port, seconds))
            process.terminate()
    sys.stdout.write(f"p99 with {COUNTS[-1]} / none = {found[COUNTS[-1]] / found[0]:.2f}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0, sys.argv[2] if len(sys.argv) > 2 else "")
