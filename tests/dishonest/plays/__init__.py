"""All scenarios, by theme. A new one is an entry in one of these files."""

from __future__ import annotations

from tests.dishonest.plays import (
    bent_checks,
    bent_tests,
    checkers,
    circles,
    honest,
    outside,
    people,
    talk,
    tricks,
    unmade,
)
from tests.dishonest.scenario import Scenario

_THEMES = (unmade, bent_tests, bent_checks, tricks, talk, circles, outside, checkers, honest, people)
ALL: tuple[Scenario, ...] = tuple(scenario for theme in _THEMES for scenario in theme.SCENARIOS)
