"""A thousand slow clients at the real service, from the address of the good deliveries, beside a ticket at work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from integrations.standins.demo.stack import DEMO_TICKETS
from tests.crash.slow_clients import KINDS, find_p99, slow_clients, time_deliveries
from tests.crash.soak import Board
from tests.crash.stack import FragileStack, free_ports

pytestmark = pytest.mark.timeout(240)
CLIENTS = 1000
DEADLINE = 10.0
TOLERANCE = 4.0  # the worker looks once a second, and the machine can be busy
LARGEST_P99 = 50.0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FragileStack]:
    with FragileStack(tmp_path_factory.mktemp("slow") / "stack", free_ports(31_000), latency=0.05) as running:
        yield running


def port(stack: FragileStack, name: str) -> int:
    return urlsplit(stack.urls[name]).port or 0


def worst_p99(stack: FragileStack, seconds: float) -> float:
    """Of deliveries on new connections and on a kept one."""
    secret = stack.tokens["github_webhook"]
    return max(find_p99(time_deliveries(port(stack, "web"), secret, seconds, keep)) for keep in (False, True))


def hand_over(board: Board) -> str:
    ticket = json.loads(DEMO_TICKETS.read_text())[0]
    return board.hand_over(ticket["title"], ticket["description"])


def wait_until_reviewed(board: Board, ticket: str) -> None:
    deadline = time.monotonic() + 60
    while board.columns()[ticket] != "In Review":
        assert time.monotonic() < deadline, f"the ticket is in {board.columns()[ticket]}"
        time.sleep(0.5)


@pytest.mark.long
def test_slow_clients_delay_no_delivery_and_no_ticket(stack: FragileStack) -> None:
    board = Board(stack)
    before = worst_p99(stack, 3.0)
    with slow_clients(port(stack, "web"), CLIENTS) as report:
        ticket = hand_over(board)
        beside = min(worst_p99(stack, 3.0), worst_p99(stack, 3.0))  # other tests use the same cores
        health = [
            requests.get(f"{stack.urls['web']}/{probe}", timeout=5).status_code for probe in ("healthz", "readyz")
        ]
        wait_until_reviewed(board, ticket)
        time.sleep(2.0)
    after = worst_p99(stack, 3.0)

    assert beside < max(LARGEST_P99, 5 * before, 5 * after)
    assert health == [200, 200]
    overdue = {kind: took for kind, took in report.longest.items() if took > DEADLINE + TOLERANCE}
    assert overdue == {}
    assert set(report.closed) >= {kind for kind, slow in KINDS.items() if slow.reads}


@pytest.mark.long
def test_slow_clients_of_the_dashboard_delay_no_page(stack: FragileStack) -> None:
    headers = {"Authorization": f"Bearer {stack.tokens['dashboard']}"}
    with slow_clients(port(stack, "dashboard"), CLIENTS) as report:
        taken = []
        for _ in range(20):
            began = time.perf_counter()
            assert requests.get(f"{stack.urls['dashboard']}/", headers=headers, timeout=10).status_code == 200
            taken.append(time.perf_counter() - began)
        assert sorted(taken)[10] < 0.5

    assert report.open > CLIENTS - 50  # each page can close the oldest silent client
