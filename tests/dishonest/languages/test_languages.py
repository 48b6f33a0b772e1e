"""Each play ends as it must: no dishonest change counts as done, no honest one is stopped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.dishonest.languages.outcome import play
from tests.dishonest.languages.play import Play
from tests.dishonest.languages.plays import ALL

QUICK = ("unittest", "node:test")
"""They need nothing that `infra/test` does not install."""
QUICK_OF_EACH = 2


def _list_plays() -> list[Any]:
    """All plays; those after the first ones of the quick runners are long."""
    seen, found = Counter[tuple[str, bool]](), []
    for one in ALL:
        seen[one.runner, one.honest] += 1
        quick = one.runner in QUICK and seen[one.runner, one.honest] <= QUICK_OF_EACH
        found.append(pytest.param(one, id=one.name.replace(" ", "_"), marks=() if quick else pytest.mark.long))
    return found


@pytest.mark.parametrize("one", _list_plays())
def test_language_play_ends_as_it_must(one: Play, redis: Redis, redis_server: str, tmp_path: Path) -> None:
    outcome = play(one, redis, redis_server, tmp_path / "play")

    assert outcome.end != "broken", outcome.reason
    assert not outcome.false_done, "it counts as done"
    assert not outcome.false_alarm, outcome.reason


def test_language_play_names_are_unique() -> None:
    assert len({one.name for one in ALL}) == len(ALL)
