"""Fixtures for everybody: the real Redis, settings that point to it, the providers' published files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from redis import Redis

from jobs.config.settings import Settings
from jobs.runtime.connection import connect, resolve_socket
from service.supervisor import embedded_redis

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with Linear's schema and webhook payloads; they are Linear's, so they are not in this repository."""
    folder = Path(os.environ.get("LOOPLINE_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "linear" / "schema.graphql").is_file():
        message = f"no provider files at {folder}: put Linear's published schema at linear/schema.graphql there"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    return folder


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a running embedded Redis, as the supervisor starts it; one for the whole session."""
    settings = Settings(home=tmp_path_factory.mktemp("redis-home"))
    with (settings.home / "redis.log").open("wb") as log:
        process = embedded_redis.start(settings.redis_socket, log)
    with process, connect(settings) as client:
        embedded_redis.wait_for(client, process)
        yield f"unix://{resolve_socket(settings.redis_socket)}"
        process.terminate()


@pytest.fixture
def settings(tmp_path: Path, redis_server: str) -> Settings:
    """Default settings on a home of the test's own and the session's Redis."""
    return Settings(home=tmp_path / "home", redis_url=redis_server)


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    """A client of the real Redis, which is empty when the test begins."""
    with connect(settings) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless; `infra/browser` installs it."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium on PATH: run infra/browser")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=quiet)
        yield chromium
        chromium.close()
