"""Plays each scenario once: expected end and messages, no dishonest work accepted, no honest work stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.dishonest.plays import ALL
from tests.dishonest.rules import problems
from tests.dishonest.scenario import Scenario
from tests.dishonest.stage import play


def _list_scenarios() -> list[Any]:
    """All scenarios; five of six are long."""
    marks = ((), *[pytest.mark.long] * 5)
    return [pytest.param(one, id=one.name.replace(" ", "_"), marks=marks[n % 6]) for n, one in enumerate(ALL)]


@pytest.mark.parametrize("scenario", _list_scenarios())
def test_scenario_ends_as_expected(scenario: Scenario, redis: Redis, tmp_path: Path) -> None:
    outcome = play(scenario, redis, tmp_path)

    assert not list(problems(outcome)), outcome.text


def test_scenarios_are_as_many_as_documented() -> None:
    assert sum(not scenario.honest for scenario in ALL) >= 30
    assert sum(scenario.honest for scenario in ALL) >= 15


def test_scenario_names_are_unique() -> None:
    assert len({scenario.name for scenario in ALL}) == len(ALL)
