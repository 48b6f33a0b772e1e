"""Fixture: a headless browser. Imported by the conftest.py of a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.support.session import enter_once

__all__ = ["browser"]

_BROWSER = pytest.StashKey[Browser]()
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


_EXPECT_MS = 20_000
"""How long `expect` waits; Playwright's own 5 seconds are too few on a busy machine."""


@contextmanager
def _chromium() -> Iterator[Browser]:
    expect.set_options(timeout=_EXPECT_MS)
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.fail("Chromium is not on PATH: run infra/test-tools, or install Chromium.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=_QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def browser(pytestconfig: pytest.Config) -> Browser:
    """Debian's Chromium, headless; `infra/test-tools` installs it. One for the whole session."""
    return enter_once(pytestconfig, _BROWSER, _chromium())
