"""A running local Linear for each test, somebody to talk to it, and a receiver of its webhooks."""

from __future__ import annotations

import http.server
import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.standins.linear.server import LinearApp, Subscription, create_app, serve

STATES = [
    {"name": "Backlog", "type": "backlog", "color": "#bec2c8"},
    {"name": "Agent", "type": "started", "color": "#26b5ce"},
    {"name": "Done", "type": "completed", "color": "#5e6ad2"},
]
SEED: dict[str, Any] = {
    "organization": {"name": "Acme", "urlKey": "acme"},
    "users": [
        {"name": "Ana Silva", "email": "ana@example.com", "admin": True, "token": "lin_api_ana"},
        {"name": "Ben Okafor", "email": "ben@example.com", "guest": True, "token": "lin_api_ben"},
        {"name": "Loopline", "email": "loopline@oauthapp.linear.app", "app": True, "token": "lin_oauth_loop"},
        {"name": "Gone Person", "email": "gone@example.com", "active": False, "token": "lin_api_gone"},
    ],
    "teams": [
        {"key": "ENG", "name": "Engineering", "states": STATES},
        {"key": "OPS", "name": "Operations", "states": STATES},
    ],
    "issues": [
        {"team": "ENG", "title": "Retry the export!", "description": "It **fails**.", "labels": ["bug"]},
        {"team": "ENG", "title": "Greet people", "state": "Agent", "assignee": "ben@example.com", "priority": 2},
        {"team": "OPS", "title": "Rotate the keys"},
    ],
}
SECRET = "lin_wh_of_the_tests"
MOVE = "mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }"
COMMENT = """mutation($input: CommentCreateInput!) {
  commentCreate(input: $input) { success lastSyncId comment { id body } } }"""


def credentials(token: str) -> dict[str, str]:
    """The header for an API key or an OAuth token."""
    return {"Authorization": token if token.startswith("lin_api_") else f"Bearer {token}"}


@dataclass
class Linear:
    """A client of the stand-in at `url` that asserts nothing by itself."""

    url: str
    app: LinearApp

    def post(self, document: str, variables: Mapping[str, Any] | None = None, token: str = "lin_api_ana") -> Any:
        """The raw answer."""
        body = {"query": document, "variables": variables or {}}
        return requests.post(f"{self.url}/graphql", json=body, headers=credentials(token), timeout=10)

    def ask(self, document: str, variables: Mapping[str, Any] | None = None, token: str = "lin_api_ana") -> Any:
        """The data of an answer without errors."""
        answer = self.post(document, variables, token).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def error(self, document: str, variables: Mapping[str, Any] | None = None, token: str = "lin_api_ana") -> Any:
        """The first error of an answer at HTTP 200, as Linear sends those of a resolver."""
        answer = self.post(document, variables, token)
        assert answer.status_code == 200, answer.text
        return answer.json()["errors"][0]

    def move(self, issue: str, **columns: Any) -> None:
        self.ask(MOVE, {"id": issue, "input": columns})

    def comment(self, issue: str = "ENG-1", token: str = "lin_api_ana", **columns: Any) -> str:
        """The new comment's id."""
        input = {"issueId": issue, "body": "hello", **columns}
        return str(self.ask(COMMENT, {"input": input}, token)["commentCreate"]["comment"]["id"])

    def log(self) -> Any:
        return requests.get(f"{self.url}/_log", timeout=10).json()

    def fault(self, **fault: Any) -> requests.Response:
        return requests.post(f"{self.url}/_faults", json=fault, timeout=10)

    def state_id(self, name: str, team: str = "ENG") -> str:
        document = """query($name: String!, $team: String!) { workflowStates(
          filter: { name: { eq: $name }, team: { key: { eq: $team } } }) { nodes { id } } }"""
        return str(self.ask(document, {"name": name, "team": team})["workflowStates"]["nodes"][0]["id"])

    def user_id(self, email: str) -> str:
        document = "query($email: String!) { users(filter: { email: { eq: $email } }) { nodes { id } } }"
        return str(self.ask(document, {"email": email})["users"]["nodes"][0]["id"])


Start = Callable[..., Linear]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a stand-in; one that is started again goes on in the same home."""
    running = []

    def start(**options: Any) -> Linear:
        while running:
            running.pop().close()
        app = create_app(tmp_path / "linear", options.pop("seed", SEED), **options)
        running.append(serve(app))
        return Linear(running[-1].url, app)

    yield start
    while running:
        running.pop().close()


@pytest.fixture
def linear(start: Start) -> Linear:
    return start()


@dataclass
class Receiver:
    """Takes webhooks; `answers` are the codes of the next answers, 200 after them."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    came: queue.Queue[tuple[dict[str, str], bytes]] = field(default_factory=queue.Queue)

    def take(self, count: int = 1, timeout: float = 5.0) -> list[tuple[dict[str, str], bytes]]:
        """The next deliveries: headers by lower-case name, and the bytes."""
        return [self.came.get(timeout=timeout) for _ in range(count)]

    def bodies(self, count: int = 1) -> list[Any]:
        return [json.loads(body) for _, body in self.take(count)]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.came.put(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()


@pytest.fixture
def subscribed(start: Start, receiver: Receiver) -> Linear:
    """A stand-in that sends everything to the receiver and tries again quickly."""
    return start(webhooks=[Subscription(receiver.url, SECRET)], retry_seconds=(0.05, 0.1, 0.15))
