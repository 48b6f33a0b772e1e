"""The cost of a request and the allowance per hour. `complexity` is pure; a `Bucket` keeps one token's account.

Called by the server for each request. The cost rule is Linear's published one (0.1 for a property, 1 for an object, a
connection multiplies its children by its page size, rounded up) with the exceptions measured on live answers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_leaf_type,
)

HOUR_MS = 3_600_000
COMPLEXITY_PER_HOUR = 3_000_000
COMPLEXITY_PER_QUERY = 10_000
NOT_MULTIPLIED = {("Query", "issues"), ("Issue", "labels"), ("Issue", "comments")}
FREE = {("Query", "viewer")}


@dataclass(frozen=True)
class _Price:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]

    def of(self, selections: SelectionSetNode, parent: Any) -> float:
        return sum(self._one(node, parent) for node in selections.selections)

    def _one(self, node: Any, parent: Any) -> float:
        if isinstance(node, FragmentSpreadNode):
            node = self.fragments[node.name.value]
        if isinstance(node, FieldNode):
            return self._field(node, parent)
        return self.of(node.selection_set, parent)

    def _field(self, node: FieldNode, parent: Any) -> float:
        name = node.name.value
        if name.startswith("__") or not isinstance(parent, GraphQLObjectType):
            return 0.0
        target = get_named_type(parent.fields[name].type)
        if is_leaf_type(target) or node.selection_set is None:
            return 0.1
        children = self.of(node.selection_set, target)
        if target.name.endswith("Connection") and (parent.name, name) not in NOT_MULTIPLIED:
            return children * _page_size(node)
        return children + (0 if (parent.name, name) in FREE else 1)


def _page_size(node: FieldNode) -> int:
    given = [argument.value for argument in node.arguments or () if argument.name.value == "first"]
    return int(given[0].value) if given and isinstance(given[0], IntValueNode) else 50


def complexity(schema: GraphQLSchema, document: DocumentNode) -> int:
    """Points of the document's first operation."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            root = schema.get_root_type(node.operation)
            return math.ceil(round(_Price(schema, fragments).of(node.selection_set, root), 6))
    return 0


class Bucket:
    """A leaky bucket that holds an hour's allowance and refills at a constant rate."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self._left = float(allowed)
        self._at = time.monotonic()

    def take(self, amount: float) -> bool:
        """Use `amount`; False, and nothing taken, when the bucket holds less."""
        self._refill()
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def headers(self, name: str) -> dict[str, str]:
        """Linear's three headers; the reset is in Unix milliseconds."""
        self._refill()
        full_at_ms = int(time.time() * 1000 + (self.allowed - self._left) / self.allowed * HOUR_MS)
        values = {"Limit": self.allowed, "Remaining": int(self._left), "Reset": full_at_ms}
        return {f"X-RateLimit-{name}-{key}": str(value) for key, value in values.items()}

    def _refill(self) -> None:
        now = time.monotonic()
        self._left = min(self.allowed, self._left + (now - self._at) * self.allowed / 3600)
        self._at = now


@dataclass(frozen=True)
class Allowance:
    """One person's buckets."""

    requests: Bucket
    points: Bucket

    def headers(self, cost: int) -> dict[str, str]:
        """The headers of an answer that cost so many points."""
        return {"X-Complexity": str(cost), **self.requests.headers("Requests"), **self.points.headers("Complexity")}
