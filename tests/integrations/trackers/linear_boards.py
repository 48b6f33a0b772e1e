"""Boards on Linear for the tracker contract: one on the live stand-in, one on recorded responses.

`LOOPLINE_RECORD=stand-in` or `LOOPLINE_RECORD=linear` records new cassettes; see cassettes/ORIGIN.md.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import requests
from vcr import VCR

from integrations.standins.linear.server import LinearApp, create_app, serve
from integrations.trackers.linear.tracker import Linear
from tests.integrations.trackers.board import Board, OpenBoard

CASSETTES = Path(__file__).with_name("cassettes")
LINEAR_URL = "https://api.linear.app/graphql"
FIRST_TEAM = "{ teams(first: 1) { nodes { id key states { nodes { id name position } } } } }"
OUR_KEY, ADA_KEY = "lin_api_loopline", "lin_api_ada"
COLUMNS = {"Backlog": "backlog", "Agent": "unstarted", "Working": "started", "Review": "started", "Done": "completed"}
STATES = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
SEED: Mapping[str, Any] = {
    "projects": [{"name": "Totals"}],
    "users": [
        {"name": "Loopline", "email": "loopline@example.com", "token": OUR_KEY},
        {"name": "Ada", "email": "ada@example.com", "token": ADA_KEY},
        {"name": "Guest", "email": "guest@example.com", "guest": True, "token": "lin_api_guest"},
        {"name": "Bot", "email": "bot@example.com", "app": True, "token": "oauth-of-bot"},
    ],
    "teams": [
        {"key": "OPS", "name": "Operations", "states": STATES[:2]},
        {"key": "ENG", "name": "Engineering", "states": STATES, "labels": [{"name": "bug"}]},
    ],
}


class LinearBoard:
    """The first team that the key can see, with the actions of a person."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self.tracker = Linear(url, key)
        [team] = self._ask(FIRST_TEAM)["teams"]["nodes"]
        first, second, *_ = sorted(team["states"]["nodes"], key=lambda state: state["position"])
        self.team, self.columns = team["key"], (first["name"], second["name"])
        self._place = {"teamId": team["id"], "stateId": first["id"]}
        self._random = random.Random()

    def new_ticket(self, title: str, description: str = "") -> str:
        query = "mutation M($input: IssueCreateInput!) { issueCreate(input: $input) { issue { id } } }"
        wanted = {"title": title, "description": description, **self._place}
        ticket_id = str(self._ask(query, input=wanted)["issueCreate"]["issue"]["id"])
        self._random.seed(ticket_id)  # Linear chose it, so ids derived from it are unique, and equal at a replay
        return ticket_id

    def delete_ticket(self, ticket_id: str) -> None:
        self._ask("mutation M($id: String!) { issueDelete(id: $id) { success } }", id=ticket_id)

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def new_name(self) -> str:
        return f"loopline-{self.new_id()[:8]}"

    def close(self) -> None:
        self.tracker.close()

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        payload = {"query": query, "variables": variables}
        response = requests.post(self._url, json=payload, headers={"Authorization": self._key}, timeout=20).json()
        assert "errors" not in response, response
        return dict(response["data"])


@contextmanager
def standin(**options: Any) -> Iterator[tuple[str, LinearApp]]:
    """A new Linear stand-in: its GraphQL URL, and the application for inspection."""
    with tempfile.TemporaryDirectory() as home:
        app = create_app(Path(home), SEED, **options)
        served = serve(app)
        try:
            yield f"{served.url}/graphql", app
        finally:
            served.close()


@contextmanager
def live() -> Iterator[OpenBoard]:
    """One stand-in for all tests."""
    with standin() as (url, _):
        yield lambda test: closing(LinearBoard(url, OUR_KEY))


@contextmanager
def recorded() -> Iterator[OpenBoard]:
    """Responses from each test's own cassette; records new cassettes when LOOPLINE_RECORD is set."""
    against = os.environ.get("LOOPLINE_RECORD", "")
    with _ACCOUNTS[against]() as (url, key):

        @contextmanager
        def open_board(test: str) -> Iterator[Board]:
            cassette = CASSETTES / f"{test}.yaml"
            if against:
                cassette.unlink(missing_ok=True)
            tape = _tape("once" if against else "none")
            with tape.use_cassette(str(cassette)) as played, closing(LinearBoard(url, key)) as board:
                yield board
                assert against or played.all_played, f"{cassette.name} has responses that were not requested"

        yield open_board


BOARDS: Mapping[str, Callable[[], AbstractContextManager[OpenBoard]]] = {"live": live, "recorded": recorded}


@contextmanager
def _recording_of_the_standin() -> Iterator[tuple[str, str]]:
    with standin() as (url, _):
        yield url, OUR_KEY


_ACCOUNTS: Mapping[str, Callable[[], AbstractContextManager[tuple[str, str]]]] = {
    "": lambda: nullcontext((LINEAR_URL, OUR_KEY)),
    "stand-in": _recording_of_the_standin,
    "linear": lambda: nullcontext((LINEAR_URL, os.environ["LINEAR_API_KEY"])),
}


def _tape(record_mode: str) -> VCR:
    return VCR(
        record_mode=record_mode,
        match_on=["method", "uri", "body"],
        before_record_request=_plain_request,
        before_record_response=_plain_response,
        decode_compressed_response=True,
    )


def _plain_request(request: Any) -> Any:
    """The request without credentials and with Linear's URL. `request` is a copy, its headers are not."""
    request.uri, request.headers = LINEAR_URL, {"Content-Type": "application/json"}
    return request


def _plain_response(response: dict[str, Any]) -> dict[str, Any]:
    """The response with only the headers that the adapter reads, and without mail addresses."""
    kept = ("content-type", "x-complexity", "x-ratelimit")
    headers = {name: value for name, value in response["headers"].items() if name.lower().startswith(kept)}
    text = re.sub(rb"[\w.+-]+@[\w.-]+", b"somebody@example.com", response["body"]["string"])
    return {**response, "headers": headers, "body": {"string": text}}
