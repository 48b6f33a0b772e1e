"""The command line, `python -m service COMMAND`, also installed as `loopline`; `--help` lists the commands.

Called by operators, by the supervisor and by the Procfile. Errors are printed to stderr, one sentence each.
"""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # until all is loaded: collections look at objects that stay, a sixth of the time of a start

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from integrations.disk import is_exhausted
from integrations.errors import Rejected, Unavailable
from integrations.explain import format_sentence
from integrations.outbound import get_outbound
from jobs.config.environment import Role, configure_clients, filter_environment, find_warnings, load, read_environment
from jobs.config.settings import Settings
from jobs.runtime import logging
from jobs.runtime.startup import prepare_process
from service import tokens
from service.arguments import build_parser
from service.dashboard.password import read_password
from service.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    prepare_process()
    given = build_parser().parse_args(arguments)
    try:
        code = _run(given)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except Rejected as error:  # by the registry of providers
        sys.stderr.write(f"{format_sentence(error)}\n")
        return 2
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        sys.stderr.write(f"The command {given.command} cannot read or write ({error.strerror}).\n")
        return 1
    return code


def _run(given: argparse.Namespace) -> int:
    match given.command:
        case "up":
            return _up(given.env_file, given.verbose)
        case "web" | "dashboard":
            return _serve(given.command)
        case "mcp":
            return _serve_mcp()
        case "token":
            return tokens.run_command(given, sys.stdout, sys.stderr)
        case "init":
            return _init(given)
        case "doctor" | "check":
            return _doctor(given)
        case "rebuild" | "dead-letters" | "dead" | "redrive":
            return _repair(given)
        case "freeze" | "thaw":
            return _switch(given)
        case "audit":
            return _audit(given)
        case "settings":
            return _settings(given.table)
        case "login":
            return _login(given.env_file)
        case "registries":
            return _registries()
        case "status" | "lessons":
            return _show(given.command, given.env_file, given.json)
        case "reclaim":
            return _reclaim(given)
        case "environments":
            return _environments(given)
        case "connectors":
            from service.connectors import run_connectors

            return run_connectors(given.part, given.server, given.env_file, sys.stdout)
        case "workflow":
            return _workflow(given)
        case "automations":
            return _automations(given)
        case _:
            sys.stdout.write(f"loopline {VERSION}\n")
            return 0


def _up(env_file: Path | None, verbose: bool) -> int:
    from service.supervisor.embedded_redis import CannotStart
    from service.supervisor.processes import check_address_is_free, list_addresses, list_processes
    from service.supervisor.supervisor import Supervisor

    environ = read_environment(env_file)
    settings = _load_with_warnings(env_file, environ)
    logging.configure("up", settings.secret_values())
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        sys.stderr.write(f"LOOPLINE_HOME cannot be created ({error.strerror}); choose another folder.\n")
        return 1 if is_exhausted(error) else 2  # a service manager restarts after 1
    taken = []
    for name, bind in settings.binds().items():
        try:
            check_address_is_free(bind, name)
        except CannotStart as error:
            taken.append(f"{error}\n")
    if taken:
        sys.stderr.write("".join(taken))
        return 1
    try:
        echo = sys.stdout if verbose else None
        return Supervisor(list_processes(settings, environ), settings.home, list_addresses(settings), echo).run()
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _configure(name: str, settings: Settings, environ: Mapping[str, str]) -> None:
    """Prepare a command that sends requests."""
    configure_clients(settings, environ)
    logging.configure(name, settings.secret_values() | get_outbound().secret_values(), sys.stderr)


def _load_with_warnings(env_file: Path | None, environ: Mapping[str, str]) -> Settings:
    settings = load("up", environ)
    sys.stderr.write("".join(f"Warning: {sentence}\n" for sentence in find_warnings(settings, env_file)))
    return settings


def _serve(role: str) -> int:
    """Replace this process with gunicorn, with the address of the settings and `service.<role>.gunicorn_config`."""
    own: Role = "web" if role == "web" else "dashboard"
    settings = load(own)
    if own == "dashboard":
        read_password(settings)  # a worker of gunicorn that fails is started again, without end
    bind = settings.web_bind if role == "web" else settings.dashboard_bind
    command = [sys.executable, "-m", "gunicorn", "--config", f"python:service.{role}.gunicorn_config", "--bind", bind]
    os.execve(sys.executable, command, filter_environment(own))  # gunicorn reads variables of its own, too


def _serve_mcp() -> int:
    from service.mcp.server import serve

    return serve(load("mcp"))


def _init(given: argparse.Namespace) -> int:
    """Set up, then run the doctor on the result."""
    from service.doctor.run import run_doctor
    from service.init.dialog import Aborted, Dialog
    from service.init.flow import Options, Setup, describe_error, run_setup

    file = given.env_file or Path(".env")
    environ = read_environment(file if file.exists() else None)
    dialog = Dialog(None if given.yes else sys.stdin, sys.stdout)
    options = Options(given.public_url, given.team, given.repository, changes=not given.no_changes)
    logging.configure("init", (), None)
    try:
        run_setup(Setup(file, environ, dialog, options))
    except (Aborted, Rejected, Unavailable, OSError) as error:
        sys.stderr.write(f"{describe_error(error)}\n")
        return 1
    sys.stdout.write(f"\n{file} is complete. loopline doctor:\n\n")
    code = run_doctor(read_environment(file), file, sys.stdout)
    sys.stdout.write("Next: merge the pull request, start `loopline up`, and move a card to the agent column.\n")
    return code


def _doctor(given: argparse.Namespace) -> int:
    from service.doctor.run import run_doctor

    environ = read_environment(given.env_file)
    return run_doctor(environ, given.env_file, sys.stdout, as_json=given.json, strict=given.strict, notify=given.notify)


def _settings(as_table: bool) -> int:
    from jobs.config.reference import render_env_example, render_table

    sys.stdout.write(render_table() if as_table else render_env_example())
    return 0


def _registries() -> int:
    from integrations.egress.registries import find_registries

    found = find_registries(read_environment(None))
    sys.stderr.write("".join(f"{problem}.\n" for problem in found.problems))
    sys.stdout.write(f"LOOPLINE_REGISTRIES={','.join(found.hosts)}\n")
    return 1 if found.problems else 0


def _environments(given: argparse.Namespace) -> int:
    from redis.exceptions import RedisError

    from jobs.runtime.connection import connect
    from service.environments import build_environment, list_environments, remove_environments

    if given.part == "build":
        environ = read_environment(given.env_file)
        settings = load("up", environ)
        _configure("environments", settings, environ)
        with connect(settings, timeout=5.0, retries=0) as redis:
            try:
                return build_environment(settings, redis, given.repository, given.branch, sys.stdout)
            except RedisError as error:
                return _report_redis_error(error)
    settings = load("clock", read_environment(given.env_file))
    if given.remove or given.remove_all:
        return remove_environments(settings.home, given.remove, sys.stdout)
    return list_environments(settings.home, sys.stdout)


def _workflow(given: argparse.Namespace) -> int:
    from jobs.loop.policy_schema import build_schema
    from service.workflow_file import check_file

    if given.part == "check":
        return check_file(given.file, sys.stdout, sys.stderr)
    sys.stdout.write(json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n")
    return 0


def _automations(given: argparse.Namespace) -> int:
    from redis.exceptions import RedisError

    from jobs.runtime.audit import AuditJournal
    from jobs.runtime.connection import connect
    from service import automations, starters

    if given.part == "add":
        return starters.add_starter(given.name, Path.cwd(), sys.stdout, sys.stderr)
    settings = load("dashboard", read_environment(given.env_file))
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            if given.part == "run":
                audit = AuditJournal(settings.home, redis)
                return automations.request_run(redis, sys.stdout, given.repository, given.name, audit)
            if given.part == "advance":
                return automations.advance(redis, sys.stdout, given.until, time.time())
            if given.part == "history":
                return automations.show_history(redis, sys.stdout, given.repository, given.name)
            return automations.list_automations(redis, sys.stdout, getattr(given, "repository", ""))
        except RedisError as error:
            return _report_redis_error(error)


def _show(command: str, env_file: Path | None, as_json: bool) -> int:
    from redis.exceptions import RedisError

    from jobs.runtime.connection import connect
    from service.operator import show_lessons, show_status

    show = show_lessons if command == "lessons" else show_status
    settings = load("dashboard", read_environment(env_file))
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            return show(settings, redis, sys.stdout, as_json=as_json)
        except RedisError as error:
            return _report_redis_error(error)


def _reclaim(given: argparse.Namespace) -> int:
    from redis.exceptions import RedisError

    from jobs.runtime.connection import connect
    from service.operator import reclaim_run_folders

    settings = load("clock", read_environment(given.env_file))
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            return reclaim_run_folders(settings, redis, sys.stdout, given.ticket)
        except RedisError as error:
            return _report_redis_error(error)


def _login(env_file: Path | None) -> int:
    from service.dashboard.login import link_with_password

    settings = load("dashboard", read_environment(env_file))
    if settings.oidc_issuer and not settings.dashboard_password.get_secret_value():
        sys.stdout.write(f"{settings.dashboard_url}/login\n")
        return 0
    sys.stdout.write(f"{link_with_password(settings, read_password(settings))}\n")
    return 0


def _switch(given: argparse.Namespace) -> int:
    """Freeze or thaw, with the settings that need no secret."""
    from jobs.runtime.connection import connect
    from service import switch

    settings = load("dashboard", read_environment(given.env_file))
    with connect(settings, timeout=5.0, retries=0) as redis:
        if given.command == "thaw":
            return switch.thaw_service(settings, redis, sys.stdout)
        return switch.freeze_service(settings, redis, sys.stdout, given.reason)


def _audit(given: argparse.Namespace) -> int:
    from jobs.runtime.connection import connect
    from service import audit

    settings = load("dashboard", read_environment(given.env_file))
    if given.part == "show":
        return audit.show_audit(settings, given.identifier, sys.stdout)
    with connect(settings, timeout=5.0, retries=0) as redis:
        return audit.verify_audit(settings, redis, sys.stdout)


def _report_redis_error(error: Exception) -> int:
    sys.stderr.write(f"Redis does not respond ({error}); start Loopline, or correct REDIS_URL or LOOPLINE_HOME.\n")
    return 1


def _repair(given: argparse.Namespace) -> int:
    """Run a repair command with the settings of a worker."""
    from redis.exceptions import RedisError

    from jobs.runtime.audit import AuditJournal
    from jobs.runtime.connection import connect
    from service import operator

    environ = read_environment(given.env_file)
    settings = load("worker", environ)
    _configure("repair", settings, environ)
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            match given.command:
                case "dead-letters" | "dead":
                    return operator.list_dead_letters(redis, sys.stdout)
                case "redrive":
                    return operator.redrive(
                        redis, sys.stdout, None if given.all else given.id, AuditJournal(settings.home, redis)
                    )
                case _:
                    return operator.rebuild_loops(settings, redis, sys.stdout, dry_run=given.dry_run)
        except RedisError as error:
            return _report_redis_error(error)


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    raise SystemExit(main())
