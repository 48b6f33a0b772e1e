"""Order of the tests: the files that take longest come first, so that parallel workers end at the same time. Logs of
the tests' own process show exceptions plainly: with Rich, which import-linter brings, one takes a second to draw."""

from __future__ import annotations

import gc

import pytest
import structlog

structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

SLOWEST = (
    "journeys", "simulation", "crash", "service/test_endpoint_without_redis", "dishonest", "service/test_slow_clients",
    "badday", "jobs/entry", "service",
)  # fmt: skip


gc.disable()  # collecting makes a million objects that stay, and each full collection looks at all of them


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((n for n, name in enumerate(SLOWEST) if f"tests/{name}" in item.nodeid), len(SLOWEST))

    items.sort(key=rank)
