"""A running local Linear for each test, a client of it, and a receiver of its webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from graphql import GraphQLField, GraphQLSchema

from integrations.standins.linear.execute import schema
from integrations.standins.linear.seed import stable_id
from integrations.standins.linear.server import LinearApp, Subscription, create_app, serve
from integrations.standins.wire import Served
from tests.integrations.standins.receiver import Receiver
from tests.support.linear_payloads import error_responses
from tests.support.linear_schema import linear_schema

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
        {"key": "ENG", "name": "Engineering", "states": STATES, "labels": [{"name": "bug"}]},
        {"key": "OPS", "name": "Operations", "states": STATES},
    ],
    "issues": [
        {"team": "ENG", "title": "Retry the export!", "description": "It **fails**.", "state": "Backlog"},
        {"team": "ENG", "title": "Greet people", "state": "Agent"},
        {"team": "OPS", "title": "Rotate the keys", "state": "Backlog"},
    ],
}
SECRET = "lin_wh_of_the_tests"


def _document(name: str, field: GraphQLField) -> str:
    """The mutation with all of its arguments."""
    declared = ", ".join(f"${key}: {argument.type}" for key, argument in field.args.items())
    passed = ", ".join(f"{key}: ${key}" for key in field.args)
    made = " issue { id identifier }" if name == "issueCreate" else ""
    return f"mutation({declared}) {{ {name}({passed}) {{ success{made} }} }}"


MUTATION = schema().mutation_type
assert MUTATION
WRITES = {name: _document(name, field) for name, field in MUTATION.fields.items()}


@pytest.fixture(scope="session")
def published() -> GraphQLSchema:
    """Linear's schema."""
    return linear_schema()


@pytest.fixture(scope="session")
def published_errors() -> dict[str, Any]:
    """Bodies of Linear's error responses by case."""
    return {case: one["body"] for case, one in error_responses().items()}


def state_id(name: str, team: str = "ENG") -> str:
    return stable_id("WorkflowState", team, name)


def user_id(email: str) -> str:
    return stable_id("User", email)


@dataclass
class Linear:
    """A client of the stand-in at `url`."""

    url: str
    app: LinearApp

    def post(self, document: str, variables: Mapping[str, Any] | None = None, token: str = "lin_api_ana") -> Any:
        """The raw answer."""
        headers = {"Authorization": token if token.startswith("lin_api_") else f"Bearer {token}"}
        body = {"query": document, "variables": variables or {}}
        return requests.post(f"{self.url}/graphql", json=body, headers=headers, timeout=10)

    def ask(self, document: str, variables: Mapping[str, Any] | None = None, token: str = "lin_api_ana") -> Any:
        """The data of an answer without errors."""
        answer = self.post(document, variables, token).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def error(self, document: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The first error of an answer with HTTP 200, as Linear sends those of a resolver."""
        answer = self.post(document, variables)
        assert answer.status_code == 200, answer.text
        return answer.json()["errors"][0]

    def write(self, operation: str, token: str = "lin_api_ana", **variables: Any) -> Any:
        return self.ask(WRITES[operation], variables, token)[operation]

    def move(self, issue: str, **columns: Any) -> None:
        self.write("issueUpdate", id=issue, input=columns)

    def comment(self, issue: str = "ENG-1", token: str = "lin_api_ana", body: str = "hello", **more: Any) -> str:
        """The new comment's id."""
        self.write("commentCreate", token, input={"issueId": issue, "body": body, **more})
        return str([entry for entry in self.log() if entry["operation"] == "commentCreate"][-1]["result"])

    def read(self, selection: str, issue: str = "ENG-1") -> Any:
        return self.ask(f"query($id: String!) {{ issue(id: $id) {{ {selection} }} }}", {"id": issue})["issue"]

    def log(self) -> Any:
        return requests.get(f"{self.url}/_log", timeout=10).json()

    def fault(self, **fault: Any) -> requests.Response:
        return requests.post(f"{self.url}/_faults", json=fault, timeout=10)


Start = Callable[..., Linear]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a stand-in; a second call restarts it in the same home."""
    running: list[Served] = []

    def start(seed: Mapping[str, Any] = SEED, **options: Any) -> Linear:
        while running:
            running.pop().close()
        app = create_app(tmp_path / "linear", seed, **options)
        running.append(serve(app))
        return Linear(running[-1].url, app)

    yield start
    while running:
        running.pop().close()


@pytest.fixture
def linear(start: Start) -> Linear:
    return start()


@pytest.fixture
def subscribed(start: Start, receiver: Receiver) -> Linear:
    """A stand-in that sends its webhooks to the receiver and retries quickly."""
    return start(webhooks=[Subscription(receiver.url, SECRET)], retry_seconds=(0.05, 0.1, 0.15))
