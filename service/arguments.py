"""The command line of `loopline`: all commands with their arguments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

from service import tokens

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def build_parser() -> argparse.ArgumentParser:
    """The parser; every command that reads settings has --env-file."""
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
    _add_doctor_options(doctor)
    status = commands.add_parser("status", help="list the loops: stage, attempt, money, reason for waiting")
    status.add_argument("--json", action="store_true", help="print all fields as JSON")
    lessons = commands.add_parser("lessons", help="list the lessons of all repositories, and what becomes of them")
    lessons.add_argument("--json", action="store_true", help="print all fields as JSON, with the skills")
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
    shown = (up, init, doctor, status, lessons, login, rebuild, dead, redrive, freeze, thaw, verify, show)
    groups = (_add_files, _add_connectors, _add_automations, tokens.add_parsers)
    for command in (*shown, *(one for add in groups for one in add(commands))):
        command.add_argument("--env-file", type=Path, help="settings file, or none (default: .env, if it exists)")
    commands.add_parser("web", help="receive webhooks")
    commands.add_parser("dashboard", help="serve the dashboard")
    commands.add_parser("mcp", help="serve the MCP server, for people's clients")
    settings = commands.add_parser("settings", help="print every setting with its meaning, as in .env.example")
    settings.add_argument("--table", action="store_true", help="as the rows of the README's table")
    commands.add_parser("registries", help="list the hosts of this machine's package registries, asking pip and npm")
    commands.add_parser("version", help="print the version")
    return parser


def _add_doctor_options(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument("--json", action="store_true", help="print all findings as JSON")
    doctor.add_argument("--notify", action="store_true", help="send a test to each target of LOOPLINE_NOTIFY")
    doctor.add_argument("--strict", action="store_true", help="exit with 1 for warnings, too")


def _add_automations(commands: Commands) -> list[argparse.ArgumentParser]:
    """Add the command with its parts; returns those that read settings."""
    automations = commands.add_parser("automations", help="list, run or add automations, or show their history")
    parts = automations.add_subparsers(dest="part")
    listing = parts.add_parser("list", help="list them with their next start, and declarations that cannot be used")
    listing.add_argument("repository", nargs="?", default="", metavar="OWNER/NAME")
    request = parts.add_parser("run", help="start a run now")
    request.add_argument("repository", metavar="OWNER/NAME")
    request.add_argument("name", help="the automation")
    adding = parts.add_parser("add", help="copy a shipped automation into this checkout; without a name, list them")
    adding.add_argument("name", nargs="?", default="", help="the automation, as ci-triage")
    advance = parts.add_parser("advance", help="start what is scheduled until a time, as if it were then")
    advance.add_argument("until", metavar="TIME", help="at most two days ahead, as 2026-11-28T07:00+01:00")
    history = parts.add_parser("history", help="list the runs that have ended, with their results and costs")
    history.add_argument("repository", nargs="?", default="", metavar="OWNER/NAME")
    history.add_argument("name", nargs="?", default="", help="only this automation")
    return [automations, listing, request, advance, history]


def _add_files(commands: Commands) -> list[argparse.ArgumentParser]:
    environments = commands.add_parser("environments", help="list, build or remove the environments of repositories")
    environments.add_argument("--remove", metavar="DIGEST", default="", help="remove one, by the beginning of its name")
    environments.add_argument("--remove-all", action="store_true", help="remove all that no command uses")
    parts = environments.add_subparsers(dest="part")
    build = parts.add_parser("build", help="build a repository's environment now, unless it exists")
    build.add_argument("repository", metavar="OWNER/NAME", help="a repository of LOOPLINE_TEAMS")
    build.add_argument("--branch", default="", help="for the lock files of this branch; default: the base branch")
    build.add_argument("--env-file", type=Path, default=argparse.SUPPRESS, help="settings file, or none")
    reclaim = commands.add_parser("reclaim", help="remove the files of ended runs; their work is in the mirror")
    reclaim.add_argument("ticket", nargs="?", default="", help="only those of this ticket, as ENG-1")
    workflow = commands.add_parser("workflow", help="check a WORKFLOW.md, or print its JSON schema")
    workflows = workflow.add_subparsers(dest="part", required=True)
    workflow_check = workflows.add_parser("check", help="list errors and warnings as file:line: message")
    workflow_check.add_argument("file", nargs="?", default="WORKFLOW.md", help="the file, or - (default: WORKFLOW.md)")
    workflows.add_parser("schema", help="print the JSON schema of the front matter, for editors")
    return [environments, reclaim]


def _add_connectors(commands: Commands) -> list[argparse.ArgumentParser]:
    parser = commands.add_parser(
        "connectors", help="list the MCP servers and their tools, check them now, or accept changed tools"
    )
    parser.add_argument("part", nargs="?", default="list", choices=["list", "check", "accept"])
    parser.add_argument("server", nargs="?", default="", help="for accept: the server whose tools agents can use again")
    return [parser]
