"""The connectors process: holds the tokens of the operator's MCP servers and the sessions with them.

Started by `python -m jobs connectors` where servers are declared. It lists the tools of each server at the start and
every ten minutes, and answers the calls of agents (`jobs.effects.connector_calls`). No other process imports the MCP
SDK. A broken server costs a notice and an answer; it never stops the process.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations.connectors.client import Connectors
from integrations.connectors.servers import UnusableServers
from integrations.connectors.stdio import Host
from integrations.explain import show_name
from integrations.sandbox.bubblewrap import Sandbox
from integrations.sandbox.leftovers import kill_sandboxes
from integrations.sandbox.selftest import run_self_test
from jobs.config.connectors import load_servers
from jobs.config.settings import Settings
from jobs.effects.answering import answer_request
from jobs.effects.build import build_sandbox, build_world
from jobs.effects.connector_calls import KIND, ConnectorDesk
from jobs.effects.world import current_world, install
from jobs.runtime import keys, notices, queues
from jobs.runtime.disk import compute_command_room
from jobs.runtime.slots import run_slots
from jobs.store.connector_pins import PinFile
from jobs.store.connectors import Connector, ConnectorStore

FOLDER = "connectors"
"""The folder of the servers' work trees in LOOPLINE_HOME."""
CHECK_SECONDS, RETRY_SECONDS = 600.0, 10.0
NOTICE_SECONDS, CHECK_KEPT_SECONDS = 3_600, 600
_CHECKS_AT_ONCE = 4
_LIBRARIES = ("mcp", "client", "httpx2", "httpcore2")
_log = structlog.get_logger(__name__)
_desk: ConnectorDesk | None = None
"""Of this process. Global, because RQ calls jobs by name."""


def run(settings: Settings, redis: Redis, stop: threading.Event) -> bool:
    """Serve until `stop` is set; False when a call did not end in time."""
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.CRITICAL)  # they log the servers' data
    world = build_world(settings, redis, "connectors")
    world.stopping = stop
    install(world)
    pins = PinFile(settings.home)
    with open_connectors(settings, redis) as connectors:
        threading.Thread(target=_check_until, args=[stop, redis, connectors, pins], name="checks", daemon=True).start()
        _log.info("working", queue=queues.CONNECTORS, slots=settings.connector_slots)
        return run_slots(queues.CONNECTORS, settings.connector_slots, redis, stop)


@contextmanager
def open_connectors(settings: Settings, redis: Redis) -> Iterator[Connectors]:
    """The client of the declared servers, by which this process answers calls. Raises `UnusableServers`."""
    global _desk
    servers, folder = load_servers(settings), settings.home / FOLDER
    kill_sandboxes(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    sandbox = cache(partial(_build_tested_sandbox, settings, redis))
    secrets = {name: secret.get_secret_value() for name, secret in settings.connector_secrets.items()}
    connectors = Connectors(servers, secrets, Host(sandbox, folder, settings.home / "egress"))
    ConnectorStore(redis).keep_only(tuple(servers))
    _desk = ConnectorDesk(connectors)
    try:
        yield connectors
    finally:
        _desk = None
        connectors.close()


def _build_tested_sandbox(settings: Settings, redis: Redis) -> Sandbox:
    """The sandbox of servers, after its self-test. Raises `SandboxUnavailable`: then servers in it are unavailable."""
    sandbox = build_sandbox(settings, partial(compute_command_room, settings, redis))
    run_self_test(sandbox, settings.home / "sandbox-test")
    return sandbox


def call_connector(request_id: str) -> None:
    """RQ's entry: answer one call of an agent."""
    answer_request(request_id, {KIND: _get_desk().perform}, current_world(), queues.CALL_CONNECTOR)


def check_connectors(check_id: str) -> None:
    """RQ's entry: list the tools of all servers now, for an operator or after a change."""
    redis = current_world().redis
    queues.clear_wake_flag(redis, queues.CHECK_CONNECTORS, check_id)
    check_servers(_get_desk().connectors, redis, PinFile(current_world().settings.home))
    redis.lpush(keys.connector_check(check_id), 1)
    redis.expire(keys.connector_check(check_id), CHECK_KEPT_SECONDS)


def check_servers(connectors: Connectors, redis: Redis, pins: PinFile) -> None:
    """List the tools of all servers, store the results, and post a notice about those that need a person. Raises
    `UnusableServers` if the accepted tools cannot be read."""
    store, kept = ConnectorStore(redis), pins.read()

    def check(name: str) -> Connector:
        listed = connectors.list_tools(name)
        if listed.problem:
            _log.warning("connector unavailable", server=name, reason=listed.problem)
        return store.record(name, connectors.servers[name], listed, kept.get(name))

    with ThreadPoolExecutor(_CHECKS_AT_ONCE, thread_name_prefix="check") as pool:
        problems = [problem for found in pool.map(check, connectors.servers) if (problem := explain_problem(found))]
    pins.write({**kept, **store.read_pins()})
    if problems:
        notices.post(redis, "connectors", " ".join(problems), NOTICE_SECONDS)
    else:
        notices.clear(redis, "connectors")


def explain_problem(connector: Connector) -> str:
    """The sentence for operators; empty for a server that works."""
    name = connector.name
    if connector.listed.problem:
        return f"The connector {name} is not available: {connector.listed.problem}."
    if changed := connector.unaccepted():
        shown = ", ".join(map(show_name, changed))[:200]
        return (
            f"The connector {name} has new or changed tools ({shown}), which agents cannot use: see "
            f"loopline connectors list, then run loopline connectors accept {name}."
        )
    return ""


def _check_until(stop: threading.Event, redis: Redis, connectors: Connectors, pins: PinFile) -> None:
    while not stop.is_set():
        try:
            check_servers(connectors, redis, pins)
        except (RedisError, OSError, UnusableServers) as error:
            _log.warning("connectors not checked, will retry", error=str(error))
            stop.wait(RETRY_SECONDS)
        else:
            stop.wait(CHECK_SECONDS)


def _get_desk() -> ConnectorDesk:
    if _desk is None:
        raise RuntimeError("no connectors: a job was called outside of `python -m jobs connectors`")
    return _desk
