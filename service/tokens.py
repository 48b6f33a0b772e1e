"""The commands `token create`, `token list` and `token revoke`. Called by the command line.

Each prints the result and returns the exit code.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from typing import Any, TextIO

from redis import Redis
from redis.exceptions import RedisError

from integrations.errors import IntegrationError
from integrations.outbound import get_outbound
from jobs.config.environment import configure_clients, load, read_environment
from jobs.config.settings import Settings
from jobs.runtime import logging
from jobs.runtime.audit import AuditJournal
from jobs.runtime.connection import connect
from jobs.store.access_tokens import AccessToken, AccessTokens
from service.switch import find_operator

DAY, MOST_DAYS = 86_400, 365


def add_parsers(commands: Any) -> tuple[argparse.ArgumentParser, ...]:
    """Add the commands' arguments to argparse's `commands`; returns their parsers."""
    token = commands.add_parser("token", help="create, list or revoke the tokens of people for the MCP server")
    parts = token.add_subparsers(dest="part", required=True)
    create = parts.add_parser("create", help="print a new token of a person, once")
    create.add_argument("email", help="the person's e-mail address on the board")
    create.add_argument("--days", type=int, default=90, help=f"days until it expires, 1 to {MOST_DAYS} (default: 90)")
    revoke = parts.add_parser("revoke", help="revoke a token, or all tokens of a person, from the next request on")
    revoke.add_argument("which", metavar="ID|EMAIL", help="id from `token list`, or the person's e-mail address")
    return create, revoke, parts.add_parser("list", help="list the tokens: id, person, times")


def run_command(given: argparse.Namespace, out: TextIO, errors: TextIO) -> int:
    """Run one command. `create` looks the person up on the board, so it needs the settings of a worker."""
    environ = read_environment(given.env_file)
    settings = load("worker" if given.part == "create" else "dashboard", environ)
    configure_clients(settings, environ)
    logging.configure("token", settings.secret_values() | get_outbound().secret_values(), errors)
    with connect(settings, timeout=5.0, retries=0) as redis:
        try:
            match given.part:
                case "create":
                    return create_token(settings, redis, given.email, given.days, out)
                case "revoke":
                    return revoke_tokens(settings, redis, given.which, out)
                case _:
                    return list_tokens(redis, out)
        except RedisError as error:
            errors.write(f"Redis does not respond ({error}); start Loopline, or correct REDIS_URL or LOOPLINE_HOME.\n")
            return 1


def create_token(settings: Settings, redis: Redis, email: str, days: int, out: TextIO) -> int:
    """Print a new token of the member of the board with this address."""
    from jobs.effects.build import build_tracker  # the other commands need no provider

    if not 1 <= days <= MOST_DAYS:
        out.write(f"--days is {days}; choose a number from 1 to {MOST_DAYS}.\n")
        return 1
    try:
        tracker = build_tracker(settings)
        member = tracker.find_member(email, tuple(settings.teams)) if tracker else None
    except IntegrationError as error:
        out.write(f"No token was created, because the board cannot look up {email}: {error}.\n")
        return 1
    if member is None:
        out.write(f"No active member of the board has the address {email}; correct it, or invite the person first.\n")
        return 1
    token, text = AccessTokens(redis).create(email, time.time(), days * DAY, find_operator())
    _record(settings, redis, "created", token)
    address = settings.mcp_url or f"http://{settings.mcp_bind or '127.0.0.1:8702'}"
    out.write(f"{text}\n\n")
    out.write(f"The token of {member.person.name} is shown only now and expires on {_day(token.expires_at)}.\n")
    out.write(
        f"In Claude Code: claude mcp add --transport http loopline {address}/mcp "
        '--header "Authorization: Bearer <token>"\n'
    )
    if not settings.mcp_bind:
        out.write("The MCP server is off: set LOOPLINE_MCP_BIND, and start Loopline again.\n")
    return 0


def list_tokens(redis: Redis, out: TextIO) -> int:
    """Print all tokens without their secrets."""
    tokens = AccessTokens(redis).all()
    for token in tokens:
        state = "expired" if token.expires_at <= time.time() else "expires"
        times = f"created {_day(token.created_at)}, {state} {_day(token.expires_at)}"
        out.write(f"{token.id}  {token.email:<32} {times}\n")
    out.write(f"{len(tokens)} tokens.\n")
    return 0


def revoke_tokens(settings: Settings, redis: Redis, which: str, out: TextIO) -> int:
    """Revoke one token, or all of a person. Effective with the next request."""
    found = AccessTokens(redis).revoke(which)
    for token in found:
        _record(settings, redis, "revoked", token)
        out.write(f"Revoked {token.id} of {token.email}.\n")
    if not found:
        out.write(f"No token has the id or address {which}; `loopline token list` shows all.\n")
        return 1
    return 0


def _record(settings: Settings, redis: Redis, result: str, token: AccessToken) -> None:
    journal = AuditJournal(settings.home, redis)
    journal.record(kind="token", id=token.id, person=token.email, result=result, actor=find_operator())


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
