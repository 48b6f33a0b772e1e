"""Linear's errors, as values. The texts and extensions are those of Linear's answers, quoted in public threads."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError


def _extensions(kind: str, code: str, status: int, shown: str) -> dict[str, Any]:
    return {
        "type": kind,
        "code": code,
        "statusCode": status,
        "userError": status < 500,
        "userPresentableMessage": shown,
    }


def conflict(kind: str, entity_id: str) -> GraphQLError:
    """An insert under an id that exists already, or of something that may exist once."""
    shown = f"Entity {kind} with id {entity_id} already exists."
    extensions = _extensions("invalid input", "INPUT_ERROR", 400, shown)
    return GraphQLError(f"conflict on insert of {kind}", extensions=extensions)


def not_found(kind: str) -> GraphQLError:
    """A reference to an entity that does not exist."""
    extensions = _extensions("invalid input", "INPUT_ERROR", 400, f"Could not find referenced {kind}.")
    return GraphQLError(f"Entity not found: {kind}", extensions=extensions)


def invalid(field: str, constraint: str, shown: str) -> GraphQLError:
    """An argument that breaks a rule that the schema does not express; `constraint` as 'isUuid'."""
    extensions = _extensions("invalid input", "INVALID_INPUT", 400, f"{shown}.")
    extensions["validationErrors"] = [{"target": {}, "property": field, "constraints": {constraint: shown}}]
    return GraphQLError("Argument Validation Error", extensions=extensions)


def forbidden(shown: str) -> GraphQLError:
    """An operation that the caller lacks the role for."""
    return GraphQLError(shown, extensions=_extensions("forbidden", "FORBIDDEN", 403, shown))


def unauthenticated() -> dict[str, Any]:
    """The body of a 401."""
    shown = "You need to authenticate to access this operation."
    extensions = _extensions("authentication error", "AUTHENTICATION_ERROR", 401, shown)
    extensions |= {"meta": {}, "http": {"status": 401}}
    return {"errors": [{"message": "Authentication required, not authenticated", "extensions": extensions}]}


def missing_scope(scope: str) -> dict[str, Any]:
    """The body of a 400 for an OAuth token without this scope."""
    message = f"Invalid scope: `{scope}` required"
    return {"errors": [{"message": message, "extensions": _extensions("forbidden", "FORBIDDEN", 403, message)}]}


def rate_limited(allowed: int) -> dict[str, Any]:
    """The body of a 400 for one request too many; `allowed` is requests per hour."""
    shown = f"Rate limit exceeded. Only {allowed} requests are allowed per hour."
    extensions = _extensions("ratelimited", "RATELIMITED", 400, shown)
    return {"errors": [{"message": "Rate limit exceeded", "extensions": extensions}]}


def internal() -> dict[str, Any]:
    """The body of a 500."""
    extensions = _extensions("internal error", "INTERNAL_SERVER_ERROR", 500, "An internal error occurred.")
    return {"errors": [{"message": "Internal server error", "extensions": extensions}]}


def refused_document(message: str, code: str = "GRAPHQL_VALIDATION_FAILED") -> dict[str, Any]:
    """One error of a document that does not parse, validate or fit the limits; the answer is a 400."""
    return {"message": message, "extensions": _extensions("graphql error", code, 400, message)}
