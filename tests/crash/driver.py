"""Runs one cell of the crash matrix on a fresh stack and says what the crash changed."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from integrations.failpoints import TRACE
from integrations.standins.demo.stack import TALLY
from tests.crash import morning
from tests.crash.cells import Cell
from tests.crash.facts import Facts, complaints, facts_of
from tests.crash.morning import MorningFacts
from tests.crash.stack import REVIEWER, FragileStack, processes_below
from tests.crash.story import Stuck, play
from tests.crash.watch import Watch

ORACLE = Cell("oracle", TRACE)
MORNING_ORACLE = Cell("oracle-morning", TRACE, story="morning")
ORACLES = {oracle.story: oracle for oracle in (ORACLE, MORNING_ORACLE)}
SWEEP_SECONDS, QUIET_SECONDS = "3", "0.5"
FLAKY_CI = [
    {"name": "build", "branch": "main"},
    {"name": "build", "conclusions": ["failure", "success"], "log": "read: ECONNRESET"},
]
"""Each push fails once for a reason of the infrastructure, so that the check is run again."""
UNEVEN = 1.5  # stacks beside each other do not slow each other down evenly


@dataclass(frozen=True)
class Outcome:
    """What came of a cell: the sentences are empty when everything held. `seconds` is the story's duration.

    `passed` counts the points of the oracle's trace."""

    cell: str
    sentences: list[str]
    seconds: float
    facts: Facts | MorningFacts | None = None
    passed: Counter[str] = field(default_factory=Counter)


def run(cell: Cell, home: Path, first_port: int, oracle: Outcome | None = None) -> Outcome:
    """Play the story with this cell's crash in it and compare. The home is removed when everything held."""
    settings = {"LOOPLINE_SWEEP_SECONDS": SWEEP_SECONDS, "LOOPLINE_FAILPOINT": cell.point}
    settings["LOOPLINE_CHECKS_QUIET_SECONDS"] = QUIET_SECONDS
    settings |= {"GITHUB_REVIEWER_TOKEN": REVIEWER, "LOOPLINE_REVIEW_QUIET_SECONDS": "0.5"}
    is_morning = cell.story == "morning"
    projects = (morning.project(home / "files"),) if is_morning else (TALLY,)
    stack = FragileStack(home, first_port, latency=0.0, extra=settings, projects=projects)
    facts: Facts | MorningFacts | None = None
    seconds, sentences, passed = 0.0, list[str](), Counter[str]()
    try:
        with stack:
            stack.script_ci(morning.RED_CI if is_morning else FLAKY_CI)
            for fault in cell.faults:
                stack.misbehave(fault.standin, **{k: v for k, v in asdict(fault).items() if k != "standin"})
            with Watch(stack) as watch:
                seconds = morning.play(stack) if is_morning else play(stack)
                watch.settle(cell.recovery)
            facts = morning.facts_of(stack) if is_morning else facts_of(stack)
            if cell.point == TRACE:
                passed = Counter(_mark(cell, stack).read_text().split())
            sentences += _unreached(cell, stack) or _unhealthy(cell, stack, watch)
    except (Stuck, RuntimeError, OSError) as error:
        sentences.append(f"{type(error).__name__}: {error}")
    sentences += stragglers(home)
    if oracle and oracle.facts and facts:
        sentences += _compare(oracle.facts, facts)
        if seconds > oracle.seconds * UNEVEN + cell.recovery:
            sentences.append(f"I12 it took {seconds:.1f} s instead of {oracle.seconds:.1f} s")
    if not sentences:
        shutil.rmtree(home, ignore_errors=True)
    return Outcome(cell.name, sentences, seconds, facts, passed)


def _compare(oracle: Facts | MorningFacts, found: Facts | MorningFacts) -> list[str]:
    if isinstance(oracle, Facts) and isinstance(found, Facts):
        return complaints(oracle, found)
    assert isinstance(oracle, MorningFacts) and isinstance(found, MorningFacts), "facts of another story"
    return morning.complaints(oracle, found)


def _mark(cell: Cell, stack: FragileStack) -> Path:
    """The file that the point leaves when it is reached."""
    return stack.service_home / "failpoints" / ".".join(cell.point.split(":")[:3])


def _unhealthy(cell: Cell, stack: FragileStack, watch: Watch) -> list[str]:
    """What the health page should have said when a process died."""
    if ":kill" not in cell.point:
        return []
    return list(watch.complaints(_mark(cell, stack).stat().st_mtime, cell.recovery))


def _unreached(cell: Cell, stack: FragileStack) -> list[str]:
    """A cell whose crash never came proves nothing."""
    if cell.point and not _mark(cell, stack).exists():
        return [f"the point {cell.point} was never reached"]
    for fault in cell.faults:
        if any(left["times"] == fault.times for left in stack.faults_left(fault.standin)):
            return [f"the fault {fault.kind} on {fault.operation} never came"]
    return []


def stragglers(home: Path) -> list[str]:
    """Processes that outlive their stack by two seconds; they are ended, so that the next cell is undisturbed."""
    deadline = time.monotonic() + 2
    while (found := processes_below(home)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return [f"I6 still running: {line}" for line in found.values()]
