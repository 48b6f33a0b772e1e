"""Files that GitHub publishes on npm: descriptions of its REST API, its webhooks and its GraphQL API, and example
webhooks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from graphql import GraphQLSchema, build_schema

from tests.support.npm import published_file


def rest_description() -> Path:
    """The OpenAPI description of the REST API."""
    return published_file(
        "@octokit/openapi@23.0.2",
        "generated/api.github.com.json",
        "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
    )


def webhooks_description() -> Path:
    """The OpenAPI description of the webhooks."""
    return published_file(
        "@octokit/openapi-webhooks@12.1.0",
        "generated/api.github.com.json",
        "sha512-Z5eDsLCUNbx1zHpZb1LNQirADqdMTvWJQ/deahi0ws+tWWnwHXB+Pr4jfmM9OrETS9Y5iW8ZRu1fdbudObhLrg==",
    )


def webhook_examples() -> Path:
    """Example bodies of every webhook: a list of `name` and `examples`."""
    return published_file(
        "@octokit/webhooks-examples@7.6.1",
        "api.github.com/index.json",
        "sha512-De6U3XB6O3DtCa7bKgCMzTHdeopqqZ6SNivMYJnK65ierKL1AnNIA0tkRYCRS7lwGT792d+Ps1WbfHlso6MynQ==",
    )


@cache
def graphql_schema() -> GraphQLSchema:
    """The schema of the GraphQL API. Not validated itself, which takes seconds."""
    file = published_file(
        "@octokit/graphql-schema@15.26.1",
        "schema.graphql",
        "sha512-RFDC2MpRBd4AxSRvUeBIVeBU7ojN/SxDfALUd7iVYOSeEK3gZaqR2MGOysj4Zh2xj2RY5fQAUT+Oqq7hWTraMA==",
    )
    return build_schema(file.read_text(encoding="utf-8"), assume_valid=True)
