"""The team's columns by their ids: found once by the names in the settings, and kept when a column is renamed.

Called by the sweep every ten minutes, at the start of a worker, and for a ticket whose column is not the known one. A
team with a problem does not stop the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import structlog
from redis import Redis

from integrations.errors import IntegrationError
from integrations.ports.tracker import BoardColumn, ColumnRole
from integrations.values import Ticket
from jobs.effects.world import World
from jobs.runtime import keys, notices
from jobs.runtime.scripts import decode

REFRESH_SECONDS = 600.0
_log = structlog.get_logger(__name__)
Known = Mapping[str, Mapping[str, str]]
"""By role: the name in the settings, the id, and the present name of its column."""


def resolve_columns(
    wanted: Mapping[ColumnRole, str], known: Known, board: Sequence[BoardColumn]
) -> dict[str, dict[str, str]]:
    """The column of each role: the known one while it is on the board and the settings still have its name, else the
    one of that name. The id of a role without one is empty. Pure."""
    by_id, by_name = {column.id: column for column in board}, {column.name: column for column in board}
    found: dict[str, dict[str, str]] = {}
    for role, name in wanted.items():
        before = known.get(role, {})
        kept = by_id.get(before["id"]) if before.get("setting") == name else None
        column = kept or by_name.get(name) or BoardColumn("", "")
        found[role] = {"setting": name, "id": column.id, "name": column.name}
    return found


def describe_problems(
    team: str, wanted: Mapping[ColumnRole, str], found: Known, board: Sequence[BoardColumn]
) -> list[str]:
    """One sentence for each column whose name in the settings is not the board's, with the fix."""
    sentences, names = [], ", ".join(column.name for column in board)
    for role, name in wanted.items():
        now = found[role]["name"]
        column = f"LOOPLINE_TEAMS, team {team}: the column {name!r}"
        if not now:
            fix = f"restore it, or name one of {names} as {role!r} in the settings"
            sentences.append(f"{column} is not on the board: {fix}.")
        elif now != name:
            sentences.append(f'{column} is now {now!r} and keeps its role; write "{role}": "{now}" in the settings.')
    return sentences


def refresh_columns(team: str, world: World) -> list[str]:
    """Read the team's columns and keep their ids; returns the problems. Raises `Unavailable` and `Rejected`."""
    wanted, before = world.policy.teams[team].columns, _load(team, world.redis)
    board = world.tracker.columns(team)
    found = resolve_columns(wanted, before, board)
    problems = describe_problems(team, wanted, found, board)
    if found != before or problems != _load_problems(team, world.redis):
        world.redis.hset(keys.COLUMNS, team, json.dumps({"columns": found, "problems": problems}))
        for problem in problems:
            _log.error("column changed on the board", team=team, reason=problem)
    _apply(team, found, world)
    return problems


def find_new_names(team: str, wanted: Mapping[ColumnRole, str], redis: Redis) -> list[str]:
    """The names in the settings whose column was never found; the others can have been renamed since."""
    known = _load(team, redis)
    return [name for role, name in wanted.items() if known.get(role, {}).get("setting") != name]


def load_columns(world: World) -> None:
    """Take over the ids that any process has found."""
    for team in world.policy.teams:
        _apply(team, _load(team, world.redis), world)


def refresh_all_columns(world: World) -> None:
    """Every ten minutes, all processes together; the problems are a notice for operators."""
    load_columns(world)
    if world.redis.set(keys.COLUMNS_FRESH, 1, nx=True, ex=int(REFRESH_SECONDS)):
        for team in world.policy.teams:
            try:
                refresh_columns(team, world)
            except IntegrationError as error:
                _log.warning("columns not read", team=team, reason=str(error))
    problems = [problem for team in world.policy.teams for problem in _load_problems(team, world.redis)]
    if problems:
        notices.post(world.redis, "columns", " ".join(problems), 3 * world.settings.sweep_seconds)


def refresh_if_renamed(ticket: Ticket, world: World) -> None:
    """A ticket shows that a column was renamed, or replaced by another one of its name: read the columns again."""
    team = world.policy.teams.get(ticket.team)
    known = _load(ticket.team, world.redis) if team else {}
    if not team or not ticket.column_id or not known:
        return
    entry = next((one for one in known.values() if one["id"] == ticket.column_id), None)
    renamed = entry is not None and entry["name"] != ticket.column
    replaced = entry is None and ticket.column in team.columns.values()
    asked = f"{keys.COLUMNS_FRESH}:{ticket.team}"
    if (renamed or replaced) and world.redis.set(asked, 1, nx=True, ex=60):
        try:
            refresh_columns(ticket.team, world)
        except IntegrationError as error:
            _log.warning("columns not read", team=ticket.team, reason=str(error))


def _apply(team: str, found: Known, world: World) -> None:
    columns = world.policy.teams[team].columns.items()
    roles = {role: found[role]["id"] for role, name in columns if role in found and found[role]["setting"] == name}
    if world.policy.teams[team].column_ids != roles:
        changed = replace(world.policy.teams[team], column_ids=roles)
        world.policy = replace(world.policy, teams={**world.policy.teams, team: changed})


def _load(team: str, redis: Redis) -> Known:
    raw = redis.hget(keys.COLUMNS, team)
    columns: Known = json.loads(decode(raw))["columns"] if raw else {}
    return columns


def _load_problems(team: str, redis: Redis) -> list[str]:
    raw = redis.hget(keys.COLUMNS, team)
    problems: list[str] = json.loads(decode(raw))["problems"] if raw else []
    return problems
