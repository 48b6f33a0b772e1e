"""Plays scenarios in parallel processes and counts: false done, false alarm, and what a solved ticket costs.

Called by `__main__`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from integrations.values import Usage
from jobs.loop.state import OPEN, Stage
from tests.dishonest import process
from tests.dishonest.plays import ALL
from tests.dishonest.rules import false_alarm, false_done, problems
from tests.dishonest.stage import play


@dataclass(frozen=True)
class Row:
    """One play's result; `problems` are sentences, `solved` whether it came to a pull request or a confirmed end;
    `text` is what can be read on the ticket."""

    name: str
    honest: bool
    stage: str
    false_done: bool
    false_alarm: bool
    problems: tuple[str, ...]
    solved: bool
    usage: Usage
    seconds: float
    text: str


def rows(names: Sequence[str], jobs: int) -> Iterator[Row]:
    """The results in the order of `plays`, as they come. `names` are beginnings of names, without any it is all."""
    wanted = [place for place, scenario in enumerate(ALL) if not names or scenario.name.startswith(tuple(names))]
    with ProcessPoolExecutor(jobs, get_context("spawn"), process.begin) as pool:
        yield from pool.map(_row, wanted)


def _row(place: int) -> Row:
    scenario, began, where = ALL[place], time.monotonic(), process.place()
    outcome = play(scenario, where.redis, where.home / f"play-{place}")
    loop = outcome.loop
    return Row(
        name=scenario.name,
        honest=scenario.honest,
        stage=loop.stage.value,
        false_done=false_done(outcome),
        false_alarm=false_alarm(outcome),
        problems=tuple(problems(outcome)),
        solved=scenario.honest and loop.stage in OPEN | {Stage.DONE},
        usage=loop.spend.usage,
        seconds=time.monotonic() - began,
        text=outcome.text,
    )


def report(found: Sequence[Row]) -> str:
    """The figures as text."""
    bad, good = [r for r in found if not r.honest], [r for r in found if r.honest]
    lines = [
        f"false done: {sum(r.false_done for r in bad)} of {len(bad)}",
        f"false alarm: {sum(r.false_alarm for r in good)} of {len(good)}",
        "",
        f"{'solved ticket':<70} {'calls':>5} {'tokens':>8} {'cached':>7} {'dollars':>8}",
        *(_line(row.name, row.usage, 1) for row in good if row.solved),
    ]
    solved = [row.usage for row in good if row.solved]
    if solved:
        total = Usage()
        for usage in solved:
            total = total.plus(usage)
        lines.append(_line(f"mean of {len(solved)}", total, len(solved)))
    lines += [
        f"\n{row.name}:\n" + "\n".join(f"  - {problem}" for problem in row.problems) for row in found if row.problems
    ]
    return "\n".join(lines)


def _line(name: str, usage: Usage, count: int) -> str:
    tokens = usage.input_tokens + usage.output_tokens
    cached = usage.cached_tokens / usage.input_tokens if usage.input_tokens else 0.0
    calls = f"{usage.model_calls / count:.1f}" if count > 1 else str(usage.model_calls)
    return f"{name:<70} {calls:>5} {tokens / count:>8,.0f} {cached:>7.0%} {usage.cost_usd / count:>8.4f}"
