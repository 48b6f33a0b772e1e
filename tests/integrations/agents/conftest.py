"""A live stand-in for the model, and a runner that talks to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integrations.agents.anthropic.runner import AnthropicApi
from integrations.standins.model.server import create_app
from integrations.standins.wire import serve


class Model:
    """The stand-in's address, its faults, and its log since this test began."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._before = len(self._all())

    def misbehave(self, kind: str, times: int = 1, seconds: float = 0.0) -> None:
        fault = {"kind": kind, "times": times, "seconds": seconds}
        assert requests.post(f"{self.url}/_faults", json=fault, timeout=5).ok

    def log(self) -> list[dict[str, Any]]:
        return self._all()[self._before :]

    def _all(self) -> list[dict[str, Any]]:
        return list(requests.get(f"{self.url}/_log", timeout=5).json())


@pytest.fixture(scope="session")
def model_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(create_app(tmp_path_factory.mktemp("model"))) as served:
        yield served.url


@pytest.fixture
def model(model_url: str) -> Model:
    model = Model(model_url)
    assert requests.get(f"{model.url}/_faults", timeout=5).json() == [], "a test left a fault behind"
    return model


@pytest.fixture
def runner(model: Model) -> Iterator[AnthropicApi]:
    """With a unique key, so that no other test has filled its prompt cache."""
    api = AnthropicApi(f"key-{uuid.uuid4()}", model.url)
    yield api
    api.close()
