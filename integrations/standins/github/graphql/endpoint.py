"""The GraphQL endpoint: `POST /graphql`, over the cut of GitHub's schema in `schema.graphql`.

As at GitHub, every answer to a document is HTTP 200; what went wrong is in `errors`, each with a `type` and a path. A
field is resolved from the dictionaries of `pulls`, a mutation from the table in `mutations`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request
from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    build_schema,
    default_field_resolver,
    execute_sync,
    parse,
    validate,
)

from integrations.standins.github.auth import ANONYMOUS, Actor
from integrations.standins.github.graphql import pulls
from integrations.standins.github.graphql.errors import from_problem
from integrations.standins.github.graphql.mutations import perform_mutation
from integrations.standins.github.graphql.objects import Context
from integrations.standins.github.hub import Hub
from integrations.standins.github.problems import Problem
from integrations.standins.github.rest import (
    AFTER,
    BEFORE,
    base_url,
    check_headers,
    find_refusal,
    problem_response,
    with_headers,
)
from integrations.standins.github.shapes.view import View
from integrations.standins.wire import drop_connection


@cache
def schema() -> GraphQLSchema:
    """The part of GitHub's schema that this stand-in offers."""
    return build_schema(Path(__file__).with_name("schema.graphql").read_text(encoding="utf-8"))


def blueprint(hub: Hub) -> Blueprint:
    """The endpoint."""
    graph = Blueprint("graph", __name__)

    @graph.post("/graphql")
    def answer() -> Response:
        actor = ANONYMOUS
        try:
            actor = hub.gate.from_header(request.headers.get("Authorization"))
            check_headers()
            if actor is ANONYMOUS:
                raise Problem(403, "API rate limit exceeded. GraphQL requires authentication.")
            response = _answer(hub, actor)
        except Problem as problem:
            response = problem_response(problem)
        return with_headers(response, hub, actor, "graphql")

    return graph


def _answer(hub: Hub, actor: Actor) -> Response:
    body = _read_body()
    document = _prepare(str(body.get("query", "")))
    if isinstance(document, list):
        return _json({"errors": [one.formatted for one in document]})
    names = _names_of(document)
    if fault := hub.faults.take(names, BEFORE):
        raise find_refusal(fault)
    with hub.lock:
        result = execute_sync(
            schema(),
            document,
            context_value=Context(View(hub, base_url()), actor),
            variable_values=body.get("variables") or {},
            operation_name=body.get("operationName"),
            field_resolver=_resolve,
        )
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [_format_error(error) for error in result.errors]
    if hub.faults.take(names, AFTER):
        drop_connection(request.environ)
    return _json(answer)


def _read_body() -> Mapping[str, Any]:
    try:
        body = json.loads(request.get_data(cache=False))
    except ValueError:
        raise Problem(400, "Problems parsing JSON") from None
    if not isinstance(body, dict) or not body.get("query"):
        raise Problem(400, "A query attribute must be specified and must be a string.")
    return body


@lru_cache(maxsize=128)
def _prepare(text: str) -> DocumentNode | list[GraphQLError]:
    """The document, or why it is refused."""
    try:
        document = parse(text)
    except GraphQLSyntaxError as error:
        return [error]
    return validate(schema(), document) or document


def _names_of(document: DocumentNode) -> list[str]:
    """The names under which faults find a request: 'query <name>' and 'mutation <field>'."""
    names = []
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            fields = [getattr(field, "name", None) for field in node.selection_set.selections]
            roots = [name.value for name in fields if name] if node.operation.value == "mutation" else []
            names += [f"{node.operation.value} {name}" for name in (*([node.name.value] if node.name else []), *roots)]
    return names


def _resolve(source: Any, info: GraphQLResolveInfo[Context], **arguments: Any) -> Any:
    try:
        if info.parent_type.name == "Mutation":
            return perform_mutation(info.context, info.field_name, arguments["input"])
        if info.parent_type.name == "Query":
            return pulls.QUERIES[info.field_name](info.context, **arguments)
        return default_field_resolver(source, info, **arguments)
    except Problem as problem:
        raise from_problem(problem) from None


def _format_error(error: GraphQLError) -> dict[str, Any]:
    """GitHub's form: `type` stands beside the message."""
    formatted: dict[str, Any] = dict(error.formatted)
    extensions = formatted.pop("extensions", {})
    if error.original_error is not None and not isinstance(error.original_error, GraphQLError):
        raise error.original_error
    return {**({"type": extensions["type"]} if "type" in extensions else {}), **formatted}


def _json(body: Any) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), content_type="application/json; charset=utf-8")
