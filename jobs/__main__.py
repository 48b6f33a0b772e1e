"""The background processes: `python -m jobs worker|agent|clock|egress|connectors`. Started by the supervisor or a
Procfile.

Each loads its role's part of the settings, refuses to start with invalid ones (exit code 2, one sentence on stderr),
and works until SIGTERM. A second signal ends it at once; another process continues its work.
"""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # until all is loaded: collections look at objects that stay, a sixth of the time of a start

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from importlib import import_module

import structlog
from redis import Redis
from redis.exceptions import RedisError

from integrations import failpoints
from integrations.disk import read_disk
from integrations.errors import NotConnected, Paused, Rejected, Unavailable
from integrations.outbound import get_outbound
from jobs.config.environment import Role, configure_clients, load
from jobs.config.settings import Settings
from jobs.recovery import older_redis
from jobs.runtime import dead_processes, epoch, logging
from jobs.runtime.connection import check_persistence, connect, find_refusal
from jobs.runtime.disk import check_disk
from jobs.runtime.freeze import watch_freeze
from jobs.runtime.keys import BOUNDS, REFUSAL
from jobs.runtime.queues import AGENTS, EVENTS, FIRST, REQUESTS, SWEEP, wake
from jobs.runtime.run_folders import watch_run_folders
from jobs.runtime.slots import run_slots
from jobs.runtime.startup import prepare_process

REFUSED = 2
CLOCK_TIMEOUT_SECONDS = 5.0
REQUEST_SLOTS = 3
"""Requests of agents that a worker answers at the same time."""
"""Redis measures blocking reads with the wall clock: after it goes back, a read of 250 ms lasts until this timeout."""
_log = structlog.get_logger("jobs.__main__")  # `__name__` is `__main__`, which logs no INFO


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one process; returns its exit code."""
    prepare_process()
    parser = argparse.ArgumentParser(prog="python -m jobs")
    parser.add_argument("role", choices=["agent", "clock", "connectors", "egress", "worker"])
    role: Role = parser.parse_args(arguments).role
    settings = load(role)
    configure_clients(settings)
    logging.configure(role, settings.secret_values() | get_outbound().secret_values())
    failpoints.arm(settings.failpoint, settings.home)
    stop = threading.Event()
    _stop_on_signals(stop)
    with connect(settings, timeout=CLOCK_TIMEOUT_SECONDS if role == "clock" else 30.0) as redis:
        try:
            reasons = _reasons_to_refuse(role, settings, redis)
        except RedisError as error:
            _log.error("Redis unavailable", reason=str(error))
            return 1
        except (Paused, OSError) as error:  # the supervisor retries, until there is space
            _log.error("start failed", reason=str(error))
            return 1
        if reasons:
            sys.stderr.write("".join(f"{reason}\n" for reason in reasons))
            return REFUSED
        return 0 if _work(role, settings, redis, stop) else 1


def _reasons_to_refuse(role: Role, settings: Settings, redis: Redis) -> list[str]:
    if refused := find_refusal(redis):
        return refused
    weak = check_persistence(redis)
    for problem in weak:
        _log.warning("Redis is not durable", problem=problem)
    found = [] if settings.i_accept_weak_redis else weak
    found += older_redis.find_problems(redis, settings.home)
    if role == "agent":
        return [*found, *_sandbox_problems(settings, redis)]
    if role == "connectors":
        return [*found, *import_module("jobs.store.connector_pins").find_problems(settings.home)]
    return [*found, *_column_problems(settings, redis)] if role == "worker" else found


def _column_problems(settings: Settings, redis: Redis) -> list[str]:
    """A worker needs the board's columns; those that it has found before can be renamed. While the tracker is
    unavailable, it starts without the check."""
    from jobs.effects.build import build_tracker
    from jobs.effects.columns import find_new_names

    found = []
    for key, team in settings.teams.items():
        try:
            if board := build_tracker(settings):
                board.check_columns(key, find_new_names(key, team.columns.roles(), redis))
        except NotConnected as error:
            _log.error("workspace not connected", team=key, reason=str(error))
        except Rejected as error:
            found.append(f"LOOPLINE_TEAMS, team {key}: {error}")
        except Unavailable as error:
            _log.warning("columns not checked", team=key, reason=str(error))
    return found


def _sandbox_problems(settings: Settings, redis: Redis) -> list[str]:
    """An agent needs a sandbox that passes its self-test on this host. Raises `Paused` on a full disk."""
    from integrations.sandbox.cgroup import CONTROLLERS, explain_polling, find_parents
    from integrations.sandbox.selftest import run_self_test
    from jobs.effects.build import build_sandbox

    check_disk(read_disk(settings.home), settings, redis, begins=False)
    try:
        run_self_test(build_sandbox(settings), settings.home / "sandbox-test")
    except Rejected as error:
        redis.set(REFUSAL, str(error))
        return [str(error)]
    redis.delete(REFUSAL)
    redis.set(BOUNDS, explain_polling([name for name in CONTROLLERS if name not in find_parents()]))
    return []


def _log_model_problems(settings: Settings) -> None:
    """Report wrong models, keys and endpoints at the start. Runs wait or escalate by themselves."""
    for problem in import_module("jobs.effects.build").find_model_problems(settings, thorough=False):
        _log.error("model check failed", reason=problem)


def _work(role: Role, settings: Settings, redis: Redis, stop: threading.Event) -> bool:
    """Work until `stop`; False when a job did not end in time."""
    dead_processes.register_process(settings.home)
    epoch.watch(settings.home)
    threading.Thread(target=watch_freeze, args=[redis, settings.home, stop], name="freeze", daemon=True).start()
    if role in ("clock", "egress"):
        import_module(f"jobs.{role}").run(settings, redis, stop)
        return True
    if role == "connectors":
        return bool(import_module("jobs.connectors").run(settings, redis, stop))
    for name in (
        (
            *("jobs.drive", "jobs.automate", "jobs.sweep", "jobs.redeliver", "jobs.tend_lessons"),
            *("jobs.acknowledge", "jobs.access", "jobs.inform", "jobs.notify", "jobs.serve_request"),
        )
        if role == "worker"
        else ("jobs.advance_run",)
    ):
        import_module(name)  # a broken module fails at the start instead of in a job
    from jobs.effects import world

    built = import_module("jobs.effects.build").build_world(settings, redis, role)
    built.stopping = stop
    world.install(built)
    if role == "agent":
        threading.Thread(target=_log_model_problems, args=[settings], name="model-check", daemon=True).start()
        threading.Thread(
            target=watch_run_folders, args=[settings, redis, stop], name="run-folders", daemon=True
        ).start()
    if role == "worker":
        wake(redis, SWEEP)  # find missed events, and rebuild an empty Redis, at once
    queue, slots = (EVENTS, settings.worker_slots) if role == "worker" else (AGENTS, settings.agent_slots)
    _log.info("working", queue=queue, slots=slots)
    return run_slots(queue, slots, redis, stop, also=[FIRST, *[REQUESTS] * REQUEST_SLOTS] if role == "worker" else ())


def _stop_on_signals(stop: threading.Event) -> None:
    """The first SIGTERM or SIGINT sets `stop`, the second one ends the process.

    A thread reads the wake-up descriptor, because a signal handler that sets an event can deadlock with the thread that
    it interrupts."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def listen() -> None:
        with reader, writer:
            reader.recv(1)
            _log.info("stopping")
            stop.set()
            reader.recv(1)
            os._exit(1)

    threading.Thread(target=listen, name="signals", daemon=True).start()


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    code = main()
    if code == 1:
        os._exit(code)  # do not wait for a thread that did not end in time
    raise SystemExit(code)
