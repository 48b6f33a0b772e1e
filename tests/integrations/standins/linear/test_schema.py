"""The schema of the stand-in: a subset of Linear's published one, and no larger than its callers need."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    find_breaking_changes,
    parse,
    validate,
    validate_schema,
    visit,
)

import integrations.trackers
from integrations.standins.demo import person
from integrations.standins.linear import execute
from integrations.standins.linear.execute import schema
from integrations.standins.linear.fields import QUERIES
from integrations.standins.linear.mutations import MUTATIONS
from integrations.standins.linear.server import Subscription
from tests.crash import soak
from tests.integrations.standins.linear import sdk_documents
from tests.integrations.standins.linear.conftest import SECRET, Linear, Start, state_id, user_id
from tests.integrations.trackers import linear_boards, test_linear_tickets
from tests.jobs.entry import test_moves
from tests.support import npm

OURS = [kind for name, kind in schema().type_map.items() if not name.startswith("__")]
OBJECTS = [one for one in OURS if isinstance(one, GraphQLObjectType)]
INPUTS = [one for one in OURS if isinstance(one, GraphQLInputObjectType)]


def documents() -> Iterator[str]:
    """Every document that the product, the demo, the board's page and the product's tests send."""
    yield from (path.read_text() for path in Path(integrations.trackers.__file__).parent.rglob("*.graphql"))
    yield Path(person.__file__).with_name("board.graphql").read_text()
    for module in (person, soak, linear_boards, test_linear_tickets, test_moves, sdk_documents):
        constants = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Constant)]
        strings = [node.value for node in constants if isinstance(node.value, str)]
        yield from (text for text in strings if re.match(r"(query|mutation)\b.*\{|\{ teams", text))
    script = Path(execute.__file__).with_name("static") / "board.js"
    yield from re.findall(r'"(mutation\(.*)";', script.read_text())


def test_schema_is_valid() -> None:
    assert validate_schema(schema()) == []


def test_client_of_the_stand_in_can_use_linears_schema(published: GraphQLSchema) -> None:
    assert find_breaking_changes(schema(), published) == []


def test_field_is_linears(published: GraphQLSchema) -> None:
    both: list[Any] = [*OBJECTS, *INPUTS]
    for one in both:
        theirs: Any = published.type_map[one.name]
        for name, field in one.fields.items():
            assert str(field.type) == str(theirs.fields[name].type), f"{one.name}.{name}"


def test_root_field_has_a_resolver() -> None:
    query, mutation = schema().query_type, schema().mutation_type
    assert query and query.fields.keys() == QUERIES.keys()
    assert mutation and mutation.fields.keys() == MUTATIONS.keys()


@pytest.mark.parametrize("document", [*documents()])
def test_document_of_a_caller_is_valid(document: str) -> None:
    assert validate(schema(), parse(document)) == []


def test_field_is_read_by_a_caller() -> None:
    read: set[tuple[str, str]] = set()

    class Reader(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            if (parent := types.get_parent_type()) and node.name.value != "__typename":
                read.add((parent.name, node.name.value))

    for document in documents():
        types = TypeInfo(schema())
        visit(parse(document), TypeInfoVisitor(types, Reader()))
    assert {(one.name, name) for one in OBJECTS for name in one.fields} == read


HERE = Path(__file__).parent


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    """A folder with the SDK and the scripts that use it."""
    (tmp_path / "node_modules").symlink_to(npm.modules())
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, tmp_path)
    return tmp_path


def test_sdk_reads_writes_and_understands_errors(sdk: Path, linear: Linear) -> None:
    command = [str(npm.NODE), "linear_sdk.mjs", f"{linear.url}/graphql"]
    done = subprocess.run(command, cwd=sdk, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    comment_id = linear.log()[0]["result"]
    assert json.loads(done.stdout) == {
        "created": {"commentCreate": {"success": True}},
        "issue": {
            "title": "Retry the export!",
            "state": {"name": "Backlog"},
            "comments": {"nodes": [{"body": "from the SDK", "user": {"name": "Loopline"}}]},
        },
        "again": f"InvalidInputLinearError: Entity Comment with id {comment_id} already exists.",
        "missing": "InvalidInputLinearError: Could not find referenced Issue.",
        "invalid": "GraphqlLinearError: Cannot query field 'nobody' on type 'Query'.",
        "stranger": "AuthenticationLinearError: You need to authenticate to access this operation.",
    }


def test_sdk_drives_a_session(sdk: Path, linear: Linear) -> None:
    linear.move("ENG-1", delegateId=user_id("loopline@oauthapp.linear.app"))
    command = [str(npm.NODE), "linear_sdk_sessions.mjs", f"{linear.url}/graphql"]
    done = subprocess.run(command, cwd=sdk, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    known = "11111111-1111-4111-8111-111111111112"
    assert json.loads(done.stdout) == {
        "thought": True,
        "again": f"InvalidInputLinearError: Entity AgentActivity with id {known} already exists.",
        "plan": True,
        "elicitation": True,
        "proactive": True,
        "wrong": "InvalidInputLinearError: content.body should not be empty.",
        "status": "awaitingInput",
        "links": ["Loopline"],
        "activities": ["AgentActivityElicitationContent", "AgentActivityThoughtContent"],
    }


@pytest.fixture
def handler(sdk: Path) -> Iterator[subprocess.Popen[str]]:
    """The webhook server of the SDK, with the secret."""
    command = [str(npm.NODE), "linear_sdk_webhooks.mjs"]
    with subprocess.Popen(command, cwd=sdk, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write(f"{SECRET}\n")
        process.stdin.flush()
        yield process
        process.kill()


def test_sdk_verifies_every_delivery(handler: subprocess.Popen[str], start: Start) -> None:
    assert handler.stdout
    linear = start(webhooks=[Subscription(f"http://127.0.0.1:{handler.stdout.readline().strip()}/", SECRET)])
    linear.comment(body="ünïcode")
    linear.move("ENG-1", stateId=state_id("Agent"))
    linear.write("issueDelete", id="ENG-1")
    accepted = [json.loads(handler.stdout.readline()) for _ in range(3)]
    assert accepted == [["Comment", "create"], ["Issue", "update"], ["Issue", "remove"]]
