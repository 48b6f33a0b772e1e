"""A worker's world on stand-ins in threads of the test: a real board, a real code host, a real Redis, no agent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import requests
from redis import Redis

from integrations.events import TicketCommented
from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import TALLY, Project, Stack
from integrations.standins.github import server as github
from integrations.standins.linear import server as linear
from integrations.standins.wire import serve
from jobs.config.environment import parse_settings
from jobs.config.settings import Settings
from jobs.drive import drive
from jobs.effects import world as worlds
from jobs.effects.build import build_world
from jobs.effects.world import World
from jobs.loop.state import Loop

OTHERS: list[dict[str, object]] = [
    {"name": "Rude bot", "email": "bot@acme.test", "app": True, "token": "lin_api_bot"},
    {"name": "Eve", "email": "eve@acme.test", "guest": True, "token": "lin_api_eve"},
    {"name": "Max", "email": "max@acme.test", "guest": True, "token": "lin_api_max"},
    {"name": "Script", "email": "script@acme.test", "token": "lin_api_script"},
]
"""Further accounts on the board: an app, two guests, and a member behind which a script writes."""
READER = "ghp_reader"
"""Token of an account that can read the repositories only."""
BEA = "ghp_second_reviewer"
"""Token of a second reviewer, who can write."""


@dataclass
class Board:
    """What a test needs of the stand-ins: a person, the service's world and settings, and the stand-ins' addresses."""

    ana: Ana
    world: World
    urls: dict[str, str]
    environ: dict[str, str]
    app: linear.LinearApp

    def ticket_id(self, identifier: str) -> str:
        return str(self.ana.board()[identifier]["id"])

    def write_as(self, token: str, identifier: str, body: str) -> str:
        """A comment by the account of this token (one of `OTHERS`); its webhook is delivered. Returns its id."""
        ticket_id, comment_id = self.ticket_id(identifier), str(uuid4())
        variables = {"input": {"id": comment_id, "issueId": ticket_id, "body": body}}
        query = "mutation($input: CommentCreateInput!) { commentCreate(input: $input) { success } }"
        answer = requests.post(
            f"{self.urls['board']}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": token},
            timeout=20,
        )
        assert answer.json()["data"]["commentCreate"]["success"], answer.text
        event = TicketCommented(event_id=f"comment:{comment_id}", ticket_id=ticket_id, comment_id=comment_id, body=body)
        self.world.store.deliver(event)
        return comment_id

    def drive(self, identifier: str) -> Loop | None:
        """Take the ticket as far as it goes now."""
        ticket_id = self.ticket_id(identifier)
        drive(ticket_id)
        return self.world.store.load(ticket_id)


@pytest.fixture
def board(tmp_path: Path, redis: Redis, settings: Settings) -> Iterator[Board]:
    with open_board(tmp_path, redis, settings) as board:
        yield board


@contextmanager
def open_board(
    folder: Path,
    redis: Redis,
    settings: Settings,
    webhooks: Sequence[linear.Subscription] = (),
    *,
    issues: Sequence[object] = (),
    projects: Sequence[Project] = (TALLY,),
    wrap: Callable[[linear.LinearApp], Any] = lambda app: app,
    of_repositories: Mapping[str, object] | None = None,
    **options: Any,
) -> Iterator[Board]:
    """The board with further `issues`, which sends its webhooks to `webhooks`, the code host with the repositories of
    `projects`, and the world. `wrap` returns what is served in place of the app, `of_repositories` are further keys of
    each repository in the code host's seed, as its rules; `options` are those of `create_app`."""
    stack = Stack(folder / "stack", 1, projects=projects)
    seed = stack.linear_seed()
    seed["users"] = [*cast("list[dict[str, object]]", seed["users"]), *OTHERS]
    teams = cast("list[dict[str, object]]", seed["teams"])
    seed["teams"] = [*teams, {**teams[0], "key": "OPS", "name": "Operations"}]
    seed["apps"] = [{"clientId": "app-1", "clientSecret": "app-secret-1", "user": "loopline@acme.test"}]
    seed["issues"] = [*cast("list[object]", seed["issues"]), *issues]
    app = linear.create_app(folder / "linear", seed, webhooks=webhooks, **options)
    board_app = serve(wrap(app))
    repositories = stack.github_seed()
    people = cast("list[dict[str, object]]", repositories["users"])
    seeded = cast("list[dict[str, object]]", repositories["repositories"])
    repositories = {**repositories, "repositories": [{**one, **(of_repositories or {})} for one in seeded]}
    reader = {
        **people[1],
        "login": "reader",
        "token": READER,
        "permissions": {p.repository: "read" for p in stack.projects},
    }
    writes = {p.repository: "write" for p in stack.projects}
    bea = {**people[0], "login": "bea", "name": "Bea", "email": "bea@acme.test", "token": BEA, "permissions": writes}
    host_app = serve(github.create_app(folder / "github", {**repositories, "users": [*people, reader, bea]}))
    stack.urls |= {"board": board_app.url, "pull_requests": host_app.url}
    hidden = {"ANTHROPIC_API_KEY", "LINEAR_WEBHOOK_SECRETS", "GITHUB_WEBHOOK_SECRETS"}
    given = {name: value for name, value in stack.settings().items() if name not in hidden}
    redis_url = settings.redis_url.get_secret_value()
    given |= {"REDIS_URL": redis_url, "LOOPLINE_HOME": str(settings.home)}
    world = build_world(parse_settings(given), redis)
    world.raise_faults = True
    worlds.install(world)
    yield Board(Ana(stack), world, stack.urls, given, app)
    for part in (world.tracker, world.code_host, board_app, host_app):
        part.close()  # type: ignore[union-attr]
