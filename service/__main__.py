"""The command line, `python -m service COMMAND`, also installed as `loopline`; `--help` lists the commands.

Called by operators, by the supervisor and by the Procfile. Errors are printed to stderr, one sentence each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from integrations.disk import is_exhausted
from integrations.errors import Rejected, Unavailable
from integrations.explain import format_sentence
from integrations.outbound import get_outbound
from jobs.config.environment import Role, configure_clients, filter_environment, find_warnings, load, read_environment
from jobs.config.settings import Settings
from jobs.runtime import logging
from jobs.runtime.startup import prepare_process
from service.dashboard.password import read_password
from service.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    prepare_process()
    given = _parser().parse_args(arguments)
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
        case "status":
            return _status(given.env_file, given.json)
        case "reclaim":
            return _reclaim(given)
        case "environments":
            return _environments(given)
        case "connectors":
            from service.connectors import run_connectors

            return run_connectors(given.part, given.server, given.env_file, sys.stdout)
        case "workflow":
            return _workflow(given)
        case _:
            sys.stdout.write(f"loopline {VERSION}\n")
            return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loopline", description="Turns a board of tickets into a coding loop.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start all processes and restart them when they end")
    up.add_argument("--verbose", action="store_true", help="show the logs of all processes")
    init = commands.add_parser("init", help="set up Loopline: guided, with few questions; continues after an interrupt")
    init.add_argument("--yes", action="store_true", help="ask nothing: credentials come from the environment or .env")
    init.add_argument("--public-url", default="", metavar="URL", help="https:// address at which webhooks arrive")
    init.add_argument("--team", default="", metavar="KEY", help="the tracker's team, as ENG")
    init.add_argument("--repository", default="", metavar="NAME", help="the repository, as acme/shop")
    init.add_argument("--no-changes", action="store_true", help="create nothing at the providers, only report it")
    doctor = commands.add_parser("doctor", aliases=["check"], help="check everything that Loopline needs, for real")
    doctor.add_argument("--json", action="store_true", help="print all findings as JSON")
    doctor.add_argument("--strict", action="store_true", help="exit with 1 for warnings, too")
    status = commands.add_parser("status", help="list the loops: stage, attempt, money, reason for waiting")
    status.add_argument("--json", action="store_true", help="print all fields as JSON")
    rebuild = commands.add_parser("rebuild", help="restore loops that are missing in Redis from the board")
    rebuild.add_argument("--dry-run", action="store_true", help="only list what would be restored")
    dead = commands.add_parser("dead-letters", aliases=["dead"], help="list dead letters: items that failed five times")
    redrive = commands.add_parser("redrive", help="retry dead letters")
    which = redrive.add_mutually_exclusive_group(required=True)
    which.add_argument("id", nargs="?", default="", help="id of a dead letter, from `dead-letters`")
    which.add_argument("--all", action="store_true", help="retry all of them")
    login = commands.add_parser("login", help="print a link to the dashboard that signs in")
    freeze = commands.add_parser("freeze", help="stop all agents and all writes to board and code host, until the thaw")
    freeze.add_argument("--reason", default="", help="shown by status, /readyz and the dashboard")
    thaw = commands.add_parser("thaw", help="end the freeze; all work continues")
    audit = commands.add_parser("audit", help="verify the journal of decisions and effects, or show a ticket's part")
    parts = audit.add_subparsers(dest="part", required=True)
    verify = parts.add_parser("verify", help="find lines that were changed, removed, inserted or reordered")
    show = parts.add_parser("show", help="list the lines about a ticket")
    show.add_argument("identifier", help="the ticket, as ENG-1")
    environments = commands.add_parser("environments", help="list, build or remove the environments of repositories")
    environments.add_argument("--remove", metavar="DIGEST", default="", help="remove one, by the beginning of its name")
    environments.add_argument("--remove-all", action="store_true", help="remove all that no command uses")
    parts = environments.add_subparsers(dest="part")
    build = parts.add_parser("build", help="build a repository's environment now, unless it exists")
    build.add_argument("repository", metavar="OWNER/NAME", help="a repository of LOOPLINE_TEAMS")
    build.add_argument("--branch", default="", help="for the lock files of this branch; default: the base branch")
    build.add_argument("--env-file", type=Path, default=argparse.SUPPRESS, help="settings file, or none")
    reclaim = commands.add_parser(
        "reclaim", help="remove the files of runs that have ended; their work is in the mirror"
    )
    reclaim.add_argument("ticket", nargs="?", default="", help="only those of this ticket, as ENG-1")
    workflow = commands.add_parser("workflow", help="check a WORKFLOW.md, or print its JSON schema")
    workflows = workflow.add_subparsers(dest="part", required=True)
    workflow_check = workflows.add_parser("check", help="list errors and warnings as file:line: message")
    workflow_check.add_argument("file", nargs="?", default="WORKFLOW.md", help="the file, or - (default: WORKFLOW.md)")
    workflows.add_parser("schema", help="print the JSON schema of the front matter, for editors")
    shown = (up, init, doctor, status, login, environments, reclaim, rebuild, dead, redrive, freeze, thaw, verify, show)
    for command in (*shown, _add_connectors(commands)):
        command.add_argument("--env-file", type=Path, help="settings file, or none (default: .env, if it exists)")
    commands.add_parser("web", help="receive webhooks")
    commands.add_parser("dashboard", help="serve the dashboard")
    settings = commands.add_parser("settings", help="print every setting with its meaning, as in .env.example")
    settings.add_argument("--table", action="store_true", help="as the rows of the README's table")
    commands.add_parser("registries", help="list the hosts of this machine's package registries, asking pip and npm")
    commands.add_parser("version", help="print the version")
    return parser


def _add_connectors(commands: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        "connectors", help="list the MCP servers and their tools, check them now, or accept changed tools"
    )
    parser.add_argument("part", nargs="?", default="list", choices=["list", "check", "accept"])
    parser.add_argument("server", nargs="?", default="", help="for accept: the server whose tools agents can use again")
    return parser


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
    for name, bind in (("LOOPLINE_WEB_BIND", settings.web_bind), ("LOOPLINE_DASHBOARD_BIND", settings.dashboard_bind)):
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
    return run_doctor(environ, given.env_file, sys.stdout, as_json=given.json, strict=given.strict)


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


def _status(env_file: Path | None, as_json: bool) -> int:
    from redis.exceptions import RedisError

    from jobs.runtime.connection import connect
    from service.operator import show_status

    settings = load("dashboard", read_environment(env_file))
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            return show_status(settings, redis, sys.stdout, as_json=as_json)
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
    raise SystemExit(main())
