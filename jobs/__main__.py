"""The processes behind the door: `python -m jobs worker|agent|clock`. Started by the supervisor or a Procfile.

Each loads its role's share of the settings, refuses what it cannot work with (exit code 2, one sentence on stderr), and
works until SIGTERM. A second signal ends it at once; what was under way is taken up by another process.
"""

from __future__ import annotations

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
from integrations.errors import Rejected, Unavailable
from jobs.config.environment import Role, load
from jobs.config.settings import Settings
from jobs.runtime import dead_processes, logging
from jobs.runtime.connection import check_persistence, connect
from jobs.runtime.queues import AGENTS, EVENTS, wake_sweep
from jobs.runtime.slots import run_slots

REFUSED = 2
_ROLES: dict[str, Role] = {"worker": "worker", "agent": "agent", "clock": "clock"}
_log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m jobs")
    parser.add_argument("role", choices=sorted(_ROLES))
    role = _ROLES[parser.parse_args(arguments).role]
    settings = load(role)
    logging.configure(role, settings.secret_values())
    failpoints.arm(settings.failpoint, settings.home)
    stop = threading.Event()
    _stop_on_signals(stop)
    with connect(settings) as redis:
        try:
            reasons = _reasons_to_refuse(role, settings, redis)
        except RedisError as error:
            _log.error("Redis is away", reason=str(error))
            return 1
        if reasons:
            sys.stderr.write("".join(f"{reason}\n" for reason in reasons))
            return REFUSED
        return 0 if _work(role, settings, redis, stop) else 1


def _reasons_to_refuse(role: Role, settings: Settings, redis: Redis) -> list[str]:
    weak = check_persistence(redis)
    for sentence in weak:
        _log.warning("weak Redis", problem=sentence)
    found = [] if settings.i_accept_weak_redis else weak
    if role == "agent":
        return [*found, *_sandbox_problems(settings)]
    return [*found, *_column_problems(settings)] if role == "worker" else found


def _column_problems(settings: Settings) -> list[str]:
    """No worker for a board whose columns are not there; a board that is away now is asked again later."""
    from jobs.effects.build import build_tracker

    found = []
    for key, team in settings.teams.items():
        try:
            board = build_tracker(settings)
            if board:
                board.check_columns(key, team.columns.names())
        except Rejected as error:
            found.append(f"LOOPLINE_TEAMS, team {key}: {error}")
        except Unavailable as error:
            _log.warning("the columns could not be checked", team=key, reason=str(error))
    return found


def _sandbox_problems(settings: Settings) -> list[str]:
    """No agent without a sandbox that proved itself on this host."""
    from integrations.sandbox.selftest import run_self_test
    from jobs.effects.build import build_sandbox

    try:
        run_self_test(build_sandbox(settings), settings.home / "sandbox-test")
    except Rejected as error:
        return [str(error)]
    return []


def _work(role: Role, settings: Settings, redis: Redis, stop: threading.Event) -> bool:
    """Until `stop`; False when something under way did not end in time."""
    dead_processes.register_process(settings.home)
    if role == "clock":
        import_module("jobs.clock").run(settings, redis, stop)
        return True
    for name in ("jobs.drive", "jobs.sweep", "jobs.redeliver") if role == "worker" else ("jobs.advance_run",):
        import_module(name)  # now, so that a broken module shows at the start and no job pays for it
    from jobs.effects import world

    here = import_module("jobs.effects.build").build_world(settings, redis, role)
    here.stopping = stop
    world.install(here)
    if role == "worker":
        wake_sweep(redis)  # what was missed or, with an empty Redis, forgotten is looked for at once
    queue, slots = (EVENTS, settings.worker_slots) if role == "worker" else (AGENTS, settings.agent_slots)
    _log.info("working", queue=queue, slots=slots)
    return run_slots(queue, slots, redis, stop)


def _stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM or SIGINT sets `stop`, the second one ends the process.

    By a thread that reads the wake-up descriptor: a handler that sets an event can deadlock with the thread that it
    interrupts."""
    mine, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def listen() -> None:
        with mine, theirs:
            mine.recv(1)
            _log.info("stopping")
            stop.set()
            mine.recv(1)
            os._exit(1)

    threading.Thread(target=listen, name="signals", daemon=True).start()


if __name__ == "__main__":
    code = main()
    if code == 1:
        os._exit(code)  # a thread that did not end in time must not hold up the exit
    raise SystemExit(code)
