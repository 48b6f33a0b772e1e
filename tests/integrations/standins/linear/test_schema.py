"""The schema of the stand-in, held against Linear's and against documents that clients send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    is_required_argument,
    is_required_input_field,
    parse,
    validate,
    validate_schema,
)

from integrations.standins.linear.execute import schema
from integrations.standins.linear.mutations import MUTATIONS
from integrations.standins.linear.queries import QUERIES
from integrations.trackers.linear import tracker as adapter
from tests.support.linear_schema import linear_schema

OURS = [kind for name, kind in schema().type_map.items() if not name.startswith("__")]


def of(kind: type) -> list[Any]:
    return [one for one in OURS if isinstance(one, kind)]


@pytest.fixture(scope="module")
def published() -> GraphQLSchema:
    return linear_schema()


def test_the_schema_is_valid() -> None:
    assert validate_schema(schema()) == []


def test_every_type_exists_at_linear_as_the_same_kind(published: GraphQLSchema) -> None:
    assert {one.name: type(one) for one in OURS}.items() <= {
        one.name: type(one) for one in published.type_map.values()
    }.items()


def test_every_field_has_linears_type(published: GraphQLSchema) -> None:
    for one in of(GraphQLObjectType) + of(GraphQLInputObjectType):
        theirs: Any = published.type_map[one.name]
        for name, field in one.fields.items():
            assert str(field.type) == str(theirs.fields[name].type), f"{one.name}.{name}"


def test_every_argument_is_linears_and_none_that_is_required_is_missing(published: GraphQLSchema) -> None:
    for one in of(GraphQLObjectType):
        theirs: Any = published.type_map[one.name]
        for name, field in one.fields.items():
            known = {key: str(value.type) for key, value in theirs.fields[name].args.items()}
            ours = {key: str(value.type) for key, value in field.args.items()}
            required = {key for key, value in theirs.fields[name].args.items() if is_required_argument(value)}
            assert ours.items() <= known.items() and required <= ours.keys(), f"{one.name}.{name}"


def test_no_required_input_field_is_missing(published: GraphQLSchema) -> None:
    for one in of(GraphQLInputObjectType):
        theirs: Any = published.type_map[one.name]
        assert {name for name, field in theirs.fields.items() if is_required_input_field(field)} <= one.fields.keys()


def test_enum_values_and_union_members_are_linears(published: GraphQLSchema) -> None:
    theirs: Any = published.type_map
    for one in of(GraphQLEnumType):
        assert one.values.keys() <= theirs[one.name].values.keys()
    for one in of(GraphQLUnionType):
        assert {member.name for member in one.types} <= {member.name for member in theirs[one.name].types}


def test_every_root_field_has_a_resolver() -> None:
    query, mutation = schema().query_type, schema().mutation_type
    assert query and query.fields.keys() == QUERIES.keys()
    assert mutation and mutation.fields.keys() == MUTATIONS.keys()


def test_operations_that_clients_send_are_valid_here_and_at_linear(published: GraphQLSchema) -> None:
    document = parse(Path(__file__).with_name("operations.graphql").read_text())
    assert validate(schema(), document) == []
    assert validate(published, document) == []


def test_the_adapters_documents_are_valid_here() -> None:
    document = parse(Path(adapter.__file__).with_name("operations.graphql").read_text())
    assert validate(schema(), document) == []
