"""Errors of the GraphQL endpoint: GitHub's types, which stand beside the message."""

from __future__ import annotations

from typing import Literal

from graphql import GraphQLError

from integrations.standins.github.problems import Problem

Kind = Literal["NOT_FOUND", "FORBIDDEN", "UNPROCESSABLE", "MISSING_PAGINATION_BOUNDARIES", "EXCESSIVE_PAGINATION"]
KINDS: dict[int, Kind] = {403: "FORBIDDEN", 404: "NOT_FOUND"}


def refuse(kind: Kind, message: str) -> GraphQLError:
    """The error of this type."""
    return GraphQLError(message, extensions={"type": kind})


def from_problem(problem: Problem) -> GraphQLError:
    """The error with which the API answers what REST answers with a status."""
    return refuse(KINDS.get(problem.status, "UNPROCESSABLE"), problem.sentence.strip())
