from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from integrations.code_hosts.github.code_host import GitHub
from tests.integrations.code_hosts.answering import Answering


@pytest.fixture
def server() -> Iterator[Answering]:
    """A server with the canned responses of the test."""
    server = Answering()
    yield server
    server.close()


@pytest.fixture
def github(server: Answering) -> Iterator[GitHub]:
    """The adapter with a personal token, connected to `server`, without backoff."""
    github = GitHub(server.url, token="github_pat_secret", backoff=0.0)
    yield github
    github.close()


@pytest.fixture(scope="session")
def private_key() -> str:
    """An App's private key in PEM form."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
