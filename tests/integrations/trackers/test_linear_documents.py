"""The documents that Loopline sends, held against Linear's schema and its published cost rule."""

from __future__ import annotations

import inspect
import math
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    print_ast,
    specified_rules,
    validate,
    visit,
)
from graphql.language import Visitor
from graphql.validation import NoDeprecatedCustomRule

from integrations.trackers.linear import columns, requests, responses, session_responses, setup, tracker
from integrations.trackers.linear.client import load_documents
from integrations.trackers.linear.responses import Node
from tests.support.linear_schema import linear_schema

FILES = [Path(tracker.__file__).with_name(f"{name}.graphql") for name in ("operations", "setup")]
SOURCE = "\n".join(file.read_text() for file in FILES)
RULES = (*specified_rules, NoDeprecatedCustomRule)
MAX_COST = 2_000  # Linear refuses a single query above 10,000


def test_linear_documents_are_valid_and_not_deprecated() -> None:
    assert validate(linear_schema(), parse(SOURCE), RULES) == []


def test_linear_schema_check_finds_a_deprecated_field() -> None:
    errors = validate(linear_schema(), parse('{ team(id: "x") { draftWorkflowState { id } } }'), RULES)
    assert [error.message for error in errors if "deprecated" in error.message]


@pytest.mark.parametrize("operation", load_documents())
def test_linear_document_is_cheap_by_the_published_rule(operation: str) -> None:
    assert cost(load_documents()[operation]) <= MAX_COST


@pytest.mark.parametrize(
    ("source", "points"),
    [
        ("{ issue { id identifier updatedAt state { id name type } delegate { id } } }", 4),
        ("{ teams(first: 5) { nodes { a b c d e f g } } }", 9),
        ("{ issues(first: 50) { nodes { a b c d e f state { id } delegate { id } } pageInfo { a b } } }", 250),
        ("{ a { nodes { ...F } } } fragment F on X { b }", 55),
    ],
)
def test_linear_cost_rule_gives_known_costs(source: str, points: int) -> None:
    assert cost(parse(source)) == points


@pytest.mark.parametrize("operation", load_documents())
def test_linear_document_is_used_by_the_adapter(operation: str) -> None:
    assert f'"{operation}"' in "".join(map(inspect.getsource, (tracker, columns, requests, setup)))


def test_linear_documents_query_only_fields_that_are_read() -> None:
    classes = [
        model
        for module in (responses, session_responses, setup)
        for _, model in inspect.getmembers(module, inspect.isclass)
    ]
    models = [model for model in classes if issubclass(model, Node)]
    read = {field.alias for model in models for field in model.model_fields.values()}
    assert leaves(parse(SOURCE)) - read == {"success"}


def test_linear_document_includes_only_its_own_fragments() -> None:
    assert "fragment PersonFields" in print_ast(load_documents()["Comment"])
    assert "TicketFields" not in print_ast(load_documents()["Comment"])


def cost(document: DocumentNode) -> int:
    """A property 0.1, an object 1, a connection its children times `first` (50 when not given), rounded up."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}

    def inside(selections: SelectionSetNode | None) -> float:
        return sum(of(node) for node in selections.selections) if selections else 0.0

    def of(node: object) -> float:
        if isinstance(node, FragmentSpreadNode):
            return inside(fragments[node.name.value].selection_set)
        if isinstance(node, InlineFragmentNode):
            return inside(node.selection_set)
        assert isinstance(node, FieldNode), f"unknown node {node}"
        if node.selection_set is None:
            return 0.1
        names = {child.name.value for child in node.selection_set.selections if isinstance(child, FieldNode)}
        return _first(node) * inside(node.selection_set) if "nodes" in names else 1 + inside(node.selection_set)

    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return math.ceil(round(sum(inside(operation.selection_set) for operation in operations), 6))


def _first(node: FieldNode) -> int:
    given = [argument.value for argument in node.arguments or () if argument.name.value == "first"]
    return int(given[0].value) if given and isinstance(given[0], IntValueNode) else 50


def leaves(document: DocumentNode) -> set[str]:
    found: set[str] = set()

    class Leaves(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            if node.selection_set is None:
                found.add(node.name.value)

    visit(document, Leaves())
    return found
