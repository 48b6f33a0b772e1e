"""Linear's error shapes, raised by the resolvers of the stand-in.

The texts and extensions are those of Linear's answers as quoted in public threads; the product must cope with them.
Only values are made here.
"""

from __future__ import annotations

from typing import Any

from graphql import GraphQLError


def _input_error(message: str, shown: str) -> GraphQLError:
    extensions = {
        "type": "invalid input",
        "code": "INPUT_ERROR",
        "statusCode": 400,
        "userError": True,
        "userPresentableMessage": shown,
    }
    return GraphQLError(message, extensions=extensions)


def conflict(kind: str, entity_id: str) -> GraphQLError:
    """An insert under an id, or of a reaction, that exists already."""
    return _input_error(f"conflict on insert of {kind}", f"Entity {kind} with id {entity_id} already exists.")


def not_found(kind: str) -> GraphQLError:
    """A reference to something that is not there, or not any more."""
    return _input_error(f"Entity not found: {kind}", f"Could not find referenced {kind}.")


def duplicate_url() -> GraphQLError:
    """A second `attachmentLink…` of one URL on one issue."""
    message = "Duplicate attachment for duplicate url"
    return _input_error(message, message)


def invalid(field: str, constraint: str, shown: str) -> GraphQLError:
    """An argument whose value breaks a rule that the schema does not express; `constraint` as 'isUuid'."""
    extensions = {
        "type": "invalid input",
        "code": "INVALID_INPUT",
        "statusCode": 400,
        "userError": True,
        "userPresentableMessage": f"{shown}.",
        "validationErrors": [{"target": {}, "property": field, "constraints": {constraint: shown}}],
    }
    return GraphQLError("Argument Validation Error", extensions=extensions)


def forbidden(shown: str) -> GraphQLError:
    """The person behind the token may not do this."""
    extensions = {
        "type": "forbidden",
        "code": "FORBIDDEN",
        "statusCode": 403,
        "userError": True,
        "userPresentableMessage": shown,
    }
    return GraphQLError(shown, extensions=extensions)


def unauthenticated(shown: str = "You need to authenticate to access this operation.") -> dict[str, Any]:
    """The body of a 401."""
    extensions = {
        "type": "authentication error",
        "code": "AUTHENTICATION_ERROR",
        "statusCode": 401,
        "userError": True,
        "userPresentableMessage": shown,
        "meta": {},
        "http": {"status": 401},
    }
    return {"errors": [{"message": "Authentication required, not authenticated", "extensions": extensions}]}


def rate_limited(allowed: int) -> dict[str, Any]:
    """The body of a 400 for one request too many; `allowed` is requests an hour."""
    extensions = {
        "type": "ratelimited",
        "code": "RATELIMITED",
        "statusCode": 400,
        "userError": True,
        "userPresentableMessage": f"Rate limit exceeded. Only {allowed} requests are allowed per hour.",
    }
    return {"errors": [{"message": "Rate limit exceeded", "extensions": extensions}]}


def internal() -> dict[str, Any]:
    """The body of a 500."""
    extensions = {
        "type": "internal error",
        "code": "INTERNAL_SERVER_ERROR",
        "statusCode": 500,
        "userError": False,
        "userPresentableMessage": "An internal error occurred.",
    }
    return {"errors": [{"message": "Internal server error", "extensions": extensions}]}


def refused_document(message: str, code: str = "GRAPHQL_VALIDATION_FAILED") -> dict[str, Any]:
    """One error of a document that does not parse, validate or fit the limits; the answer is a 400."""
    extensions = {
        "type": "graphql error",
        "code": code,
        "statusCode": 400,
        "userError": True,
        "userPresentableMessage": message,
    }
    return {"message": message, "extensions": extensions}
