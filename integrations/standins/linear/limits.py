"""What a request costs and how much an hour allows. `complexity` is pure; a `Bucket` keeps one token's account.

Called by the server per request. The cost rule is Linear's published one (0.1 a property, 1 an object, a connection
multiplies what is in it by its page size, rounded up) with the exceptions that were measured on live answers.
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
    VariableNode,
    get_named_type,
    is_leaf_type,
)

HOUR_MS = 3_600_000
COMPLEXITY_PER_HOUR = 3_000_000
COMPLEXITY_PER_QUERY = 10_000
NOT_MULTIPLIED = {("Query", "issues"), ("Issue", "labels"), ("Issue", "comments"), ("Issue", "children")}
FREE = {("Query", "viewer")}


@dataclass(frozen=True)
class _Price:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]

    def of(self, selections: SelectionSetNode, parent: Any) -> float:
        return sum(self._one(node, parent) for node in selections.selections)

    def _one(self, node: Any, parent: Any) -> float:
        if isinstance(node, FragmentSpreadNode):
            node = self.fragments[node.name.value]
        if not isinstance(node, FieldNode):
            condition = node.type_condition
            return self.of(node.selection_set, self.schema.type_map[condition.name.value] if condition else parent)
        return self._field(node, parent)

    def _field(self, node: FieldNode, parent: Any) -> float:
        name = node.name.value
        if name.startswith("__") or not isinstance(parent, GraphQLObjectType):
            return 0.0
        target = get_named_type(parent.fields[name].type)
        if is_leaf_type(target) or node.selection_set is None:
            return 0.1
        children = self.of(node.selection_set, target)
        if target.name.endswith("Connection") and (parent.name, name) not in NOT_MULTIPLIED:
            return children * self._page(node)
        return children + (0 if (parent.name, name) in FREE else 1)

    def _page(self, node: FieldNode) -> float:
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                if isinstance(argument.value, IntValueNode):
                    return int(argument.value.value)
                if isinstance(argument.value, VariableNode):
                    return self.variables.get(argument.value.name.value) or 50
        return 50


def complexity(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> int:
    """Points of the document's first operation."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            root = schema.get_root_type(node.operation)
            return math.ceil(round(_Price(schema, fragments, variables).of(node.selection_set, root), 6))
    return 0


class Bucket:
    """A leaky bucket that holds an hour's allowance and fills up evenly."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self._left = float(allowed)
        self._at = time.monotonic()

    def take(self, amount: float) -> bool:
        """Use up `amount`; False, and nothing taken, when that much is not there."""
        self._fill()
        if amount > self._left:
            return False
        self._left -= amount
        return True

    @property
    def left(self) -> int:
        self._fill()
        return int(self._left)

    @property
    def full_at_ms(self) -> int:
        """Unix milliseconds at which the whole allowance is there again."""
        return int(time.time() * 1000 + (self.allowed - self._left) / self.allowed * HOUR_MS)

    def _fill(self) -> None:
        now = time.monotonic()
        self._left = min(self.allowed, self._left + (now - self._at) * self.allowed / 3600)
        self._at = now


@dataclass(frozen=True)
class Allowance:
    """One person's buckets."""

    requests: Bucket
    points: Bucket

    def headers(self, cost: int) -> dict[str, str]:
        """Linear's headers on an answer that cost so many points."""
        return {"X-Complexity": str(cost), **_headers("Requests", self.requests), **_headers("Complexity", self.points)}

    def status(self) -> list[dict[str, Any]]:
        """The limits as `rateLimitStatus` tells them."""
        return [_status("requests", self.requests), _status("complexity", self.points)]


def _headers(name: str, bucket: Bucket) -> dict[str, str]:
    start = f"X-RateLimit-{name}"
    values = {"Limit": bucket.allowed, "Remaining": bucket.left, "Reset": bucket.full_at_ms}
    return {f"{start}-{what}": str(value) for what, value in values.items()}


def _status(kind: str, bucket: Bucket) -> dict[str, Any]:
    amounts = {"allowedAmount": bucket.allowed, "remainingAmount": bucket.left, "requestedAmount": 0}
    return {"type": kind, **amounts, "period": HOUR_MS, "reset": bucket.full_at_ms}
