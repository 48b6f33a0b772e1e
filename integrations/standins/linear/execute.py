"""One GraphQL request from text to answer. Called by the server; it holds the store's lock while it runs.

A document that does not parse or validate is HTTP 400, an error inside it is HTTP 200 with `errors`, as at Linear.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from integrations.standins.linear.context import Context
from integrations.standins.linear.errors import refused_document
from integrations.standins.linear.fields import QUERIES, resolve
from integrations.standins.linear.mutations import MUTATIONS

Answer = tuple[dict[str, Any], int]


@cache
def schema() -> GraphQLSchema:
    """What this stand-in offers."""
    return build_schema(Path(__file__).with_name("schema.graphql").read_text(encoding="utf-8"))


@lru_cache(maxsize=512)
def prepare(text: str) -> DocumentNode | list[GraphQLError]:
    """The document, or why it is refused."""
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        return [error]
    return validate(schema(), document) or document


def names_of(document: DocumentNode) -> set[str]:
    """The names under which faults find a request: its operations' own and those of their root fields."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    fields = [field for node in operations for field in node.selection_set.selections]
    return {name.value for node in [*operations, *fields] if (name := getattr(node, "name", None))}


def needed_scopes(document: DocumentNode) -> set[str]:
    """The scopes that an OAuth token needs for a document: `write` for a mutation, `read` for a query."""
    operations = [node.operation.value for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return {"write" if operation == "mutation" else "read" for operation in operations}


def refusal(errors: list[GraphQLError]) -> Answer:
    """The answer to a document that cannot be executed."""
    return {"errors": [refused_document(error.message) for error in errors]}, 400


def execute(context: Context, document: DocumentNode, variables: Mapping[str, Any], operation: str | None) -> Answer:
    """Run one operation: the body and the HTTP status."""
    with context.store.lock:
        result = execute_sync(
            schema(),
            document,
            context_value=context,
            variable_values=dict(variables),
            operation_name=operation,
            field_resolver=_resolve,
        )
    for error in result.errors or []:
        if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
            raise error.original_error
    if any(error.path is None for error in result.errors or []):
        return {"errors": [refused_document(error.message, "BAD_USER_INPUT") for error in result.errors or []]}, 400
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer = {"errors": [_formatted(error) for error in result.errors], **answer}
    return answer, 200


def _resolve(source: Any, info: GraphQLResolveInfo[Context], **arguments: Any) -> Any:
    if info.parent_type.name == "Query":
        return QUERIES[info.field_name](info.context, **arguments)
    if info.parent_type.name == "Mutation":
        return MUTATIONS[info.field_name](info.context, **arguments)
    return resolve(source, info, **arguments)


def _formatted(error: GraphQLError) -> dict[str, Any]:
    return {"message": error.message, "path": error.path, "extensions": error.extensions or {}}
