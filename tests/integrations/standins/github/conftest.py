from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integrations.code_hosts.live_github import key_pair
from tests.integrations.standins.github.description import RestAnswers, WebhookPayloads
from tests.integrations.standins.github.world import World
from tests.integrations.standins.receiver import Receiver
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
    return key_pair(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def github(
    tmp_path: Path, keys: tuple[str, Path], receiver: Receiver, described_answers: RestAnswers
) -> Iterator[World]:
    """A served stand-in; its App is installed on acme/shop only."""
    shutil.copy(keys[1], tmp_path / "app.pub")
    world = World(tmp_path, keys[0], described_answers, receiver)
    yield world
    world.close()


REQUIRED = {"required_status_checks": [{"context": "build"}], "strict_required_status_checks_policy": False}
RULES = [
    {"type": "pull_request", "parameters": {"required_approving_review_count": 1}},
    {"type": "required_status_checks", "parameters": REQUIRED},
]


@pytest.fixture
def ruled(github: World) -> World:
    """The stand-in with rules of main: one approval, the check 'build'; auto-merge is allowed."""
    github.rules(rules=RULES, allow_auto_merge=True)
    return github
