"""The columns of Linear's teams, and lists of tickets by column or filter. A base class of `tracker`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from integrations.errors import Rejected
from integrations.ports.tracker import BoardColumn, TicketSearch
from integrations.trackers.linear.client import HiddenTeam, LinearClient
from integrations.trackers.linear.inputs import describe_search
from integrations.trackers.linear.requests import LinearRequests
from integrations.trackers.linear.responses import Connection, IssueNode, NamedNode, Records, TeamNode
from integrations.values import Ticket

COLUMNS_SECONDS = 600.0
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class LinearColumns(LinearRequests):
    """Names of columns are cached; `Tracker` documents the methods."""

    def __init__(self, client: LinearClient) -> None:
        super().__init__(client)
        self._columns: dict[str, dict[str, str]] = {}
        self._fetched_at: dict[str, float] = {}

    def check_columns(self, team: str, columns: Sequence[str]) -> None:
        """Raise `HiddenTeam` or `Rejected` for a wrong name, with a list of the teams or the team's columns. Reads them
        again."""
        self._refresh_columns(team)
        for column in columns:
            self._find_column(team, column)

    def columns(self, team: str) -> tuple[BoardColumn, ...]:
        """All columns of the team in the board's order, read again."""
        self._columns[team], self._fetched_at[team] = self._fetch_columns(team), time.monotonic()
        return tuple(BoardColumn(state_id, name) for name, state_id in self._columns[team].items())

    def in_columns(self, team: str, columns: Sequence[str]) -> Iterator[Ticket]:
        """Every ticket of `team` in one of `columns`; paginated lazily, 50 per request."""
        state_ids = [self._state_id(team, column, refresh=not place) for place, column in enumerate(columns)]
        if not state_ids:
            return
        nodes = self._paginate(Records[IssueNode], "TicketsInColumns", "issues", stateIds=state_ids)
        yield from (node.to_ticket() for node in nodes)

    def find_tickets(self, search: TicketSearch, most: int) -> Iterator[Ticket]:
        """The tickets, 50 per request; a team that is not known, and columns, are checked first."""
        if search.columns or search.team not in self._columns:
            self._refresh_columns(search.team)
        states = [self._find_column(search.team, column) for column in search.columns]
        found = self._paginate(Records[IssueNode], "TicketsByFilter", "issues", filter=describe_search(search, states))
        yield from (node.to_ticket() for node in islice(found, most))

    def _state_id(self, team: str, column: str, *, refresh: bool = True) -> str:
        """The column's id, given its name or id. Names are cached, and read again when one is missing, and regularly: a
        column can be replaced by one of the same name. `refresh`: not where Linear refuses the id of a column that was
        replaced."""
        if _UUID.fullmatch(column):
            return column
        is_old = refresh and time.monotonic() - self._fetched_at.get(team, 0.0) > COLUMNS_SECONDS
        if is_old or column not in self._columns.get(team, {}):
            self._refresh_columns(team)
        return self._find_column(team, column)

    def _find_column(self, team: str, column: str) -> str:
        """The id of a known column. Raises `Rejected`."""
        known = self._columns[team]
        if column not in known:
            raise Rejected(
                f"Linear team {team} has no column {column!r}: its columns are {', '.join(known)}; "
                "rename one in Linear, or change the column in the settings"
            )
        return known[column]

    def _refresh_columns(self, team: str) -> None:
        self._columns[team], self._fetched_at[team] = self._fetch_columns(team), time.monotonic()

    def _fetch_columns(self, team: str) -> dict[str, str]:
        teams = self._query(Connection[TeamNode], "TeamColumns", "teams", key=team).nodes
        if not teams:
            nodes = self._paginate(Connection[NamedNode], "Teams", "teams")
            visible = ", ".join(f"{node.key} ({node.name})" for node in nodes) or "no team"
            raise HiddenTeam(
                f"Linear team {team!r} not found with this credential, which can see {visible}: give Loopline's "
                "account access to the team in Linear, or correct the key in LOOPLINE_TEAMS"
            )
        states = sorted(teams[0].states.nodes, key=lambda state: state.position)
        return {state.name: state.id for state in states}
