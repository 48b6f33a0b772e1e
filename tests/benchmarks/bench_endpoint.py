"""Durable webhooks per second of the webhook endpoint, compared with a bare Flask "ok" on the same gunicorn.

Run by hand: `python -m tests.benchmarks.bench_endpoint [seconds]`. The load comes from the same machine, so
the ratio is more meaningful than the rates. Every delivery is new and on disk (appendfsync always) before the response.
"""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from jobs.runtime.keys import INBOX
from service.supervisor import embedded_redis
from tests.service.conftest import serving, signed_by_github

SENDERS = 8
BARE = """
from flask import Flask
from service.web.gunicorn_config import worker_class, workers, keepalive, loglevel, control_socket_disable
wsgi_app = "bare:app()"
pythonpath = {folder!r}
"""
BARE_APP = """
from flask import Flask, request
def app():
    flask = Flask("bare")
    @flask.post("/webhooks/github")
    def ok():
        request.get_data(cache=False)
        return {"accepted": True}
    @flask.get("/healthz")
    def healthz():
        return {"ok": True}
    return flask
"""
Message = tuple[bytes, dict[str, str]]


def delivery(number: int) -> Message:
    """A push of a realistic size, signed; no two are the same."""
    body = json.dumps({"after": f"{number:040x}", "ref": "refs/heads/x", "run": str(uuid.uuid4()), "pad": "x" * 3800})
    return body.encode(), signed_by_github(body.encode())


def load(port: int, seconds: float) -> tuple[float, list[float]]:
    """Requests per second and their latencies in milliseconds, from a few keep-alive connections."""
    numbers = count()
    until = time.monotonic() + seconds

    def send(_: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        taken = []
        while time.monotonic() < until:
            body, headers = delivery(next(numbers))
            began = time.perf_counter()
            connection.request("POST", "/webhooks/github", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            taken.append((time.perf_counter() - began) * 1000)
        connection.close()
        return taken

    with ThreadPoolExecutor(SENDERS) as pool:
        latencies = [one for some in pool.map(send, range(SENDERS)) for one in some]
    return len(latencies) / seconds, latencies


def report(name: str, rate: float, latencies: list[float]) -> None:
    """One line on stdout."""
    p50, p99 = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
    sys.stdout.write(f"{name:<22}{rate:>8.0f} requests/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms\n")


def measured(folder: Path, settings: Settings, config: str, check: Callable[[float], None], seconds: float) -> float:
    """Start a server, warm it up, measure it."""
    with serving(settings.home, "", folder / "server.log", config) as web:
        load(web.port, 0.5)
        rate, latencies = load(web.port, seconds)
    report("bare Flask" if config else "endpoint, durable", rate, latencies)
    check(rate)
    return rate


def main(seconds: float) -> None:
    """Measure both and print the ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(home=folder / "home")
        (folder / "bare.py").write_text(BARE_APP)
        (folder / "gunicorn_bare.py").write_text(BARE.format(folder=name))
        with embedded_redis.start(settings.redis_socket, subprocess.DEVNULL) as process, connect(settings) as redis:
            embedded_redis.wait_for(redis, process)

            def all_are_stored(rate: float) -> None:
                assert redis.xlen(INBOX) >= rate * seconds

            bare = measured(folder, settings, str(folder / "gunicorn_bare.py"), lambda _: None, seconds)
            endpoint = measured(folder, settings, "", all_are_stored, seconds)
            process.terminate()
    sys.stdout.write(f"endpoint / bare = {endpoint / bare:.2f}\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
