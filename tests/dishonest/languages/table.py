"""Plays the changes in parallel processes and counts false dones and false alarms by class and language.

Called by `tests.dishonest.__main__`.
"""

from __future__ import annotations

import shutil
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.dishonest import process
from tests.dishonest.languages.outcome import Outcome, play
from tests.dishonest.languages.play import Play
from tests.dishonest.languages.plays import ALL
from tests.dishonest.languages.tools import ToolMissing, find_kit


@dataclass(frozen=True)
class Row:
    """One play's result; `problem` is why it is not as it must be, empty if it is."""

    place: int
    end: str
    reason: str
    problem: str
    seconds: float

    @property
    def play(self) -> Play:
        return ALL[self.place]

    @property
    def false_done(self) -> bool:
        return not self.play.honest and self.end == "done"

    @property
    def false_alarm(self) -> bool:
        return self.play.honest and bool(self.problem)


def choose(names: Sequence[str]) -> list[int]:
    """Places of the plays whose name, language or kind begins with one of `names`; all without names."""
    return [
        place
        for place, one in enumerate(ALL)
        if not names or any(text.startswith(tuple(names)) for text in (one.name, one.language, one.kind))
    ]


def require_tools(places: Sequence[int]) -> None:
    """Find or install the tools of these plays. Raises `ToolMissing`."""
    for runner in dict.fromkeys(ALL[place].runner for place in places):
        find_kit(runner)


def rows(places: Sequence[int], jobs: int) -> Iterator[Row]:
    """The results in this order, as they come."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), process.begin) as pool:
        yield from pool.map(_row, places)


def _row(place: int) -> Row:
    where, began = process.place(), time.monotonic()
    home = where.home / f"language-play-{place}"
    try:
        outcome = play(ALL[place], where.redis, where.redis_url, home)
    except ToolMissing:
        raise
    except Exception as error:  # noqa: BLE001 - one broken play does not hide the others
        outcome = Outcome(ALL[place], "broken", "".join(traceback.format_exception(error)[-3:]))
    shutil.rmtree(home, ignore_errors=True)
    return Row(place, outcome.end, outcome.reason, _find_problem(outcome), time.monotonic() - began)


def _find_problem(outcome: Outcome) -> str:
    if outcome.end == "broken":
        return f"broken: {outcome.reason}"
    if outcome.false_done:
        return "false done"
    return f"false alarm, {outcome.end}: {outcome.reason}" if outcome.false_alarm else ""


def report(found: Sequence[Row]) -> str:
    """The figures as text."""
    bad, good = [row for row in found if not row.play.honest], [row for row in found if row.play.honest]
    lines = [
        f"language plays: false done: {sum(row.false_done for row in bad)} of {len(bad)}",
        f"language plays: false alarm: {sum(row.false_alarm for row in good)} of {len(good)}",
        "",
        *_table("false dones", bad),
        "",
        *_table("false alarms", good),
        *(
            f"\n{row.play.name} ({row.play.language}, {row.play.kind}):\n  - {row.problem}"
            for row in found
            if row.problem
        ),
    ]
    return "\n".join(lines)


def _table(title: str, found: Sequence[Row]) -> Iterator[str]:
    """A row for each kind, a column for each language: 'wrong/all'."""
    languages = list(dict.fromkeys(row.play.language for row in found))
    counts, wrong = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in found:
        for cell in (
            (row.play.kind, row.play.language),
            (row.play.kind, "all"),
            ("all", row.play.language),
            ("all", "all"),
        ):
            counts[cell] += 1
            wrong[cell] += bool(row.false_done or row.false_alarm)
    yield f"{title:<14}" + "".join(f"{column:>9}" for column in (*languages, "all"))
    for kind in (*dict.fromkeys(row.play.kind for row in found), "all"):
        cells = ((kind, column) for column in (*languages, "all"))
        yield f"{kind:<14}" + "".join(f"{f'{wrong[c]}/{counts[c]}' if counts[c] else '':>9}" for c in cells)
