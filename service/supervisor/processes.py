"""The processes of `loopline up`: what each is started with, when it is ready, in which order they stop.

Called by `python -m service up`. Each gets its role's share of the environment and not a variable more.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from redis.exceptions import RedisError

from jobs.config.environment import Role, environment_for
from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from jobs.runtime.heartbeats import alive
from jobs.runtime.queues import AGENTS, EVENTS
from service.lifeline import wrapped
from service.supervisor import embedded_redis
from service.supervisor.child import Process
from service.supervisor.embedded_redis import CannotStart

ROOT = Path(__file__).resolve().parents[2]


def processes(settings: Settings, environ: Mapping[str, str]) -> list[Process]:
    """In the order in which they start. They stop web first, so that nothing more comes in, and Redis last."""
    agents = [f"agent-{number}" for number in range(1, settings.agent_processes + 1)]
    redis = [] if settings.redis_url.get_secret_value() else [_redis(settings)]
    # The children start in another folder, so relative paths have to be made whole.
    environ = {**environ, **{name: str(path) for name, path in settings.paths().items()}}
    return [
        *redis,
        Process("web", _python("web", environ, "service", "web"), 1, lambda: _healthy(settings.web_bind)),
        Process(
            "dashboard",
            _python("dashboard", environ, "service", "dashboard"),
            4,
            lambda: _healthy(settings.dashboard_bind),
            grace=5.0,
        ),
        Process("worker", _python("worker", environ, "jobs", "worker"), 3, lambda: _lives(EVENTS, settings), 25.0),
        *(
            Process(name, _python("agent", environ, "jobs", "agent"), 3, lambda: _lives(AGENTS, settings), 25.0)
            for name in agents
        ),
        Process("clock", _python("clock", environ, "jobs", "clock"), 2),
    ]


def addresses(settings: Settings) -> dict[str, str]:
    """Where people and providers find it."""
    return {"web": f"http://{settings.web_bind}", "dashboard": settings.dashboard_url}


def check_free(address: str, name: str) -> None:
    """Raise `CannotStart` when another program listens on host:port `address`, the value of setting `name`."""
    host, port = split(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(f"{name} is {address}, which cannot be used: {error.strerror}.") from error


def split(address: str) -> tuple[str, int]:
    """Host and port of 'host:port'; an IPv6 host loses its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _redis(settings: Settings) -> Process:
    def ready() -> bool:
        with connect(settings, timeout=1.0, retries=0) as client:
            return embedded_redis.answers(client)

    return Process("redis", lambda output: embedded_redis.start(settings.redis_socket, output), 5, ready)


def _lives(queue: str, settings: Settings) -> bool:
    with connect(settings, timeout=1.0, retries=0) as client:
        try:
            return queue in alive(client, time.time())
        except RedisError:
            return False


def _python(
    role: Role, environ: Mapping[str, str], module: str, command: str
) -> Callable[[int], subprocess.Popen[bytes]]:
    share = environment_for(role, environ)

    def start(output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            wrapped([sys.executable, "-m", module, command]), env=share, cwd=ROOT, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return start


def _healthy(address: str) -> bool:
    host, port = split(address)
    connection = HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
