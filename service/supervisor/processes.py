"""The processes of `loopline up`: command and environment, readiness check, stop order.

Called by `python -m service up`. Each process gets only the environment variables of its role.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from redis.exceptions import RedisError

from integrations.settings import split_address
from jobs.config.environment import Role, filter_environment
from jobs.config.settings import Settings
from jobs.runtime.connection import connect
from jobs.runtime.heartbeats import EGRESS, list_live_roles
from jobs.runtime.queues import AGENTS, EVENTS
from service.lifeline import wrap_command
from service.supervisor import embedded_redis
from service.supervisor.child import Process
from service.supervisor.embedded_redis import CannotStart

ROOT = Path(__file__).resolve().parents[2]


def list_processes(settings: Settings, environ: Mapping[str, str]) -> list[Process]:
    """Return the processes in start order. The web process stops first, to stop the intake, and Redis stops last."""
    agents = [f"agent-{number}" for number in range(1, settings.agent_processes + 1)]
    redis = [] if settings.redis_url.get_secret_value() else [_redis_process(settings)]
    # Children start in another folder, so paths have to be absolute.
    start = partial(_build_starter, {**environ, **{name: str(path) for name, path in settings.paths().items()}})
    mcp = Process("mcp", start("service", "mcp"), 4, lambda: _is_healthy(settings.mcp_bind), 5.0)
    return [
        *redis,
        Process("web", start("service", "web"), 1, lambda: _is_healthy(settings.web_bind)),
        Process("dashboard", start("service", "dashboard"), 4, lambda: _is_healthy(settings.dashboard_bind), 5.0),
        *([mcp] if settings.mcp_bind else []),
        Process("egress", start("jobs", "egress"), 4, lambda: _is_live(EGRESS, settings)),
        Process("worker", start("jobs", "worker"), 3, lambda: _is_live(EVENTS, settings), 25.0),
        *(Process(name, start("jobs", "agent"), 3, lambda: _is_live(AGENTS, settings), 25.0) for name in agents),
        Process("clock", start("jobs", "clock"), 2),
        *([Process("connectors", start("jobs", "connectors"), 3, grace=25.0)] if settings.connectors else []),
    ]


def list_addresses(settings: Settings) -> dict[str, str]:
    """Return the URLs of the web process, the dashboard and, if there is one, the MCP server."""
    mcp = {"mcp": settings.mcp_url or f"http://{settings.mcp_bind}"} if settings.mcp_bind else {}
    return {"web": f"http://{settings.web_bind}", "dashboard": settings.dashboard_url, **mcp}


def check_address_is_free(address: str, name: str) -> None:
    """Raise `CannotStart` when another program listens on host:port `address`, the value of setting `name`."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotStart(f"{name} is {address}, which is not available: {error.strerror}.") from error


def _redis_process(settings: Settings) -> Process:
    def ready() -> bool:
        with connect(settings, timeout=1.0, retries=0) as client:
            return embedded_redis.is_answering(client)

    return Process("redis", lambda output: embedded_redis.start(settings.redis_socket, output), 5, ready)


def _is_live(queue: str, settings: Settings) -> bool:
    with connect(settings, timeout=1.0, retries=0) as client:
        try:
            return queue in list_live_roles(client)
        except RedisError:
            return False


def _build_starter(environ: Mapping[str, str], module: str, role: Role) -> Callable[[int], subprocess.Popen[bytes]]:
    """A function that starts `python -m module role` with the environment variables of `role`."""
    env = filter_environment(role, environ)

    def start(output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            wrap_command([sys.executable, "-m", module, role]), env=env, cwd=ROOT, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return start


def _is_healthy(address: str) -> bool:
    host, port = split_address(address)
    connection = HTTPConnection("127.0.0.1" if host == "0.0.0.0" else host, port, timeout=1)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
