"""Fixtures: the dashboard application with a real Redis, and its server under gunicorn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from flask.testing import FlaskClient
from redis import Redis

from jobs.config.settings import Settings
from service.dashboard.app import create_app
from service.dashboard.live import Limits
from tests.service.conftest import free_port, until
from tests.service.dashboard.story import Story
from tests.support.browser import browser
from tests.support.checkout import REPOSITORY

__all__ = ["address", "browser", "client", "story"]

PASSWORD = "a-password-of-tests"
HEADERS = {"Authorization": f"Bearer {PASSWORD}"}


@pytest.fixture
def story(redis: Redis) -> Story:
    return Story(redis)


@pytest.fixture
def client(settings: Settings, redis: Redis) -> FlaskClient:
    """A client of the application in this process, with its password, fast heartbeats and at most two streams."""
    made = create_app(settings, PASSWORD, Limits(streams=2, heartbeat_seconds=0.1)).test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = HEADERS["Authorization"]
    return made


@contextmanager
def serving(folder: Path, redis_url: str, **more: str) -> Iterator[str]:
    """Run the dashboard process as the supervisor does; yields its address."""
    port = free_port()
    environ = {"LOOPLINE_HOME": str(folder), "REDIS_URL": redis_url, "PATH": os.environ["PATH"]} | more
    environ.setdefault("LOOPLINE_DASHBOARD_PASSWORD", PASSWORD)
    environ["LOOPLINE_DASHBOARD_BIND"] = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "service", "dashboard"]
    with (
        (folder / "dashboard.log").open("wb") as log,
        subprocess.Popen(command, env=environ, cwd=REPOSITORY, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            until(lambda: _answers(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def open_page(url: str, timeout: float = 10) -> Any:
    """Open a page of a real dashboard, with its password."""
    return urlopen(Request(url, headers=HEADERS), timeout=timeout)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory, redis_server: str) -> Iterator[str]:
    """One dashboard process for all tests that need a real one."""
    with serving(tmp_path_factory.mktemp("dashboard"), redis_server) as running:
        yield running


def _answers(port: int) -> bool:
    connection: Any = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return bool(connection.getresponse().status == 200)
    except OSError:
        return False
    finally:
        connection.close()
