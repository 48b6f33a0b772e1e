"""Files that GitHub publishes on npm: descriptions of its REST API and of its webhooks, and example webhooks."""

from __future__ import annotations

from pathlib import Path

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
