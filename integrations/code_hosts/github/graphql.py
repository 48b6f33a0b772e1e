"""GitHub's GraphQL API: sends the documents of `queries.graphql` by name, and turns its errors into Loopline's.

Used where REST has no answer or needs many requests. GitHub replies with status 200 and `errors`; a query can be
answered in part. Called by `facts` and `merging`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from graphql import OperationType, get_operation_ast, parse, print_ast
from graphql.utilities import separate_operations

from integrations.code_hosts.github.api import GitHubApi, Grant, GraphQLReply, LostReply
from integrations.errors import Conflict, Forbidden, IntegrationError, NotFound, Rejected, Unavailable
from integrations.texts import cut

_LIMITS = {"RATE_LIMITED", "RATE_LIMIT"}
_FORBIDDEN = {"FORBIDDEN", "INSUFFICIENT_SCOPES"}
_TRANSIENT = {"SERVICE_UNAVAILABLE", "INTERNAL", "TIMEOUT", "RESOURCE_LIMITS_EXCEEDED"}
_FAILED = ("Something went wrong", "We couldn't respond to your request in time", "Something unexpected")
"""Messages of errors without a type, for which GitHub is to blame: they name no field."""
_LONGEST = 300


@dataclass(frozen=True)
class Document:
    """One operation with its fragments."""

    text: str
    reads: bool


@cache
def load_documents() -> Mapping[str, Document]:
    """The documents of `queries.graphql` by the name of their operation."""
    source = Path(__file__).with_name("queries.graphql").read_text(encoding="utf-8")
    found = {}
    for name, document in separate_operations(parse(source, no_location=True)).items():
        operation = get_operation_ast(document)
        assert operation is not None
        found[name] = Document(print_ast(document), operation.operation is OperationType.QUERY)
    return found


@dataclass(frozen=True)
class Answer:
    """`data` of a reply, and the names of the optional fields that could not be read."""

    data: Mapping[str, Any]
    unread: frozenset[str] = frozenset()


class GraphQL:
    """Sends documents with the credentials of `api`."""

    def __init__(self, api: GitHubApi) -> None:
        self._api = api

    def run(self, name: str, grant: Grant, variables: Mapping[str, Any], optional: Collection[str] = ()) -> Answer:
        """Send the document `name`. Fields called `optional` can be missing from the answer.

        Raises `Unavailable` or `Rejected`; `LostReply` when a mutation may have taken effect."""
        document = load_documents()[name]
        body = {"query": document.text, "operationName": name, "variables": dict(variables)}
        reply = self._api.post_graphql(grant, name, body, reads=document.reads)
        if not isinstance(reply.body, dict):
            raise _unreadable(name, document)
        errors = [one for one in reply.body.get("errors") or [] if isinstance(one, dict)]
        unread = {_find_optional(one, optional) for one in errors}
        if failed := next((one for one in errors if not _find_optional(one, optional)), None):
            raise _classify(failed, name, grant, reply)
        data = reply.body.get("data")
        if not isinstance(data, dict):
            raise _unreadable(name, document)
        return Answer(data, frozenset(unread))


def _find_optional(error: Mapping[str, Any], optional: Collection[str]) -> str:
    """The optional field that the error is about, empty if it is about another one."""
    path = error.get("path")
    return next((str(part) for part in path if part in optional), "") if isinstance(path, list) else ""


def _unreadable(name: str, document: Document) -> IntegrationError:
    message = f"GitHub's response to the GraphQL document {name} cannot be read"
    return Unavailable(message) if document.reads else LostReply(message)


def _classify(error: Mapping[str, Any], name: str, grant: Grant, reply: GraphQLReply) -> IntegrationError:
    """The exception for GitHub's first error, by its type.

    Source: https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api"""
    kind, message = str(error.get("type") or ""), cut(str(error.get("message") or "no message"), _LONGEST)
    message = message.strip("[]\"' ")
    where = f"{name} on {grant.repository}"
    if kind in _LIMITS:
        return Unavailable(f"GitHub rate limit exceeded at {where}: {message}", max(reply.reset or 60.0, 1.0))
    if kind in _TRANSIENT or (not kind and message.startswith(_FAILED)):
        return Unavailable(f"GitHub failed at {where}: {message}")
    if kind in _FORBIDDEN:
        needed = ", ".join(f"{permission}: {level}" for permission, level in grant.permissions)
        return Forbidden(f"GitHub forbids {where}: {message}; permissions needed: {needed}", needed)
    if kind == "NOT_FOUND":
        return NotFound(f"GitHub has no {where}, or Loopline has no access: {message}")
    if kind == "STALE_DATA" or "was modified" in message:
        return Conflict(f"GitHub refuses {where}: {message}")
    return Rejected(f"GitHub refuses {where}: {message}")
