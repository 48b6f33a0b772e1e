"""The schema of the stand-in: a subset of Linear's published one, and no larger than its callers need."""

from __future__ import annotations

import ast
import inspect
import re
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
from tests.crash import soak
from tests.integrations.trackers import linear_boards

OURS = [kind for name, kind in schema().type_map.items() if not name.startswith("__")]
OBJECTS = [one for one in OURS if isinstance(one, GraphQLObjectType)]
INPUTS = [one for one in OURS if isinstance(one, GraphQLInputObjectType)]


def documents() -> Iterator[str]:
    """Every document that the product, the demo, the board's page and the product's tests send."""
    yield from (path.read_text() for path in Path(integrations.trackers.__file__).parent.rglob("*.graphql"))
    for module in (person, soak, linear_boards):
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
            if parent := types.get_parent_type():
                read.add((parent.name, node.name.value))

    for document in documents():
        types = TypeInfo(schema())
        visit(parse(document), TypeInfoVisitor(types, Reader()))
    assert {(one.name, name) for one in OBJECTS for name in one.fields} == read
