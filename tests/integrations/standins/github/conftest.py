from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.integrations.standins.github.description import RestAnswers, WebhookPayloads
from tests.integrations.standins.github.world import Receiver, World
from tests.support.github_published import rest_description, webhooks_description


@pytest.fixture(scope="session")
def described_answers() -> RestAnswers:
    """GitHub's description of its REST API; every client of these tests checks its answers against it."""
    return RestAnswers(rest_description())


@pytest.fixture(scope="session")
def described_payloads() -> WebhookPayloads:
    """GitHub's description of its webhooks."""
    return WebhookPayloads(webhooks_description())


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The App's private key, and the file of the public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path_factory.mktemp("keys") / "app.pub"
    file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), file


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def github(
    tmp_path: Path, keys: tuple[str, Path], receiver: Receiver, described_answers: RestAnswers
) -> Iterator[World]:
    """A served stand-in with an App."""
    shutil.copy(keys[1], tmp_path / "app.pub")
    world = World(tmp_path, keys[0], described_answers, receiver)
    yield world
    world.close()


@pytest.fixture
def github_without_app(tmp_path: Path, receiver: Receiver, described_answers: RestAnswers) -> Iterator[World]:
    """A served stand-in that only people use; its webhooks are the repositories'."""
    world = World(tmp_path, "", described_answers, receiver, apps=False)
    yield world
    world.close()
