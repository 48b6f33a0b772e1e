"""The proof of a candidate: runs the contract's commands in variations of the change. Called by `jobs.roles.gate` when
all of them pass on the candidate.

`jobs.evidence.proof` decides what the variations are and judges their results. Each result is in the transcript, so a
crash or a deployment costs at most the experiments that were running. Baselines are shared by all tickets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from integrations.errors import Rejected
from integrations.git.changes import Side
from integrations.git.tree_policy import FILE
from integrations.ports.agent_runner import Entry
from integrations.proof import EXPERIMENT, Experiment, ExperimentKind, Measured
from integrations.values import CommitSha
from jobs.evidence.proof.judging import (
    Case,
    conclude,
    find_covering,
    judge,
    judge_counts,
    judge_without_places,
    judge_writes,
    skip,
)
from jobs.evidence.proof.layout import Layout
from jobs.evidence.proof.variations import (
    ORDER,
    SLOW_ONLY,
    ClassifiedChange,
    Variation,
    find_test_files,
    plan_existing_expectations,
    plan_variations,
)
from jobs.loop.state import Criterion
from jobs.roles.environment import identify_environment
from jobs.roles.fresh_trees import FreshTrees
from jobs.roles.reported_check import show_running_check
from jobs.roles.slice import Slice
from jobs.store.preflights import BaseChecks

T = TypeVar("T")
R = TypeVar("R")
TEST_ONLY: frozenset[ExperimentKind] = frozenset({"old_tests", "new_tests", "false_expectations", "broken_code"})
"""Left out for a command without tests, such as a linter, if another one of the contract runs tests."""


@dataclass(frozen=True)
class Unit:
    """One experiment with one command."""

    criterion: Criterion
    variation: Variation


class Proof:
    """The experiments with one change. `own` are the runs on the candidate of the criteria that passed, by their id."""

    def __init__(
        self,
        run: Slice,
        trees: FreshTrees,
        change: ClassifiedChange,
        own: Mapping[str, Measured],
        is_allowed: Callable[[str], bool],
    ) -> None:
        self._run, self._trees, self._change, self._own, self._is_allowed = run, trees, change, own, is_allowed
        self._covering = find_covering(own)
        self._criteria = [c for c in run.spec.contract.criteria if c.id in own and c.id not in self._covering]
        self._existing: Variation | None = None
        self._spent, self._budget = 0.0, run.spec.policy.loop.proof.minutes * 60

    def advance(self, deadline: float) -> tuple[Experiment, ...] | None:
        """All experiments, or None if the slice's time ends before the last: `deadline` is on the monotonic clock.

        Raises `Stopped`, and as `FreshTrees.prepare`."""
        bases = self._measure_bases(deadline)
        if bases is None:
            return None
        cases = {
            c.id: Case(c.id, self._own[c.id], bases[c.command], self._is_allowed, self._change.adds_tests)
            for c in self._criteria
        }
        known = {(one.criterion, one.kind): one for one in _read_notes(self._run)}
        self._existing = self._plan_existing(cases.values())
        units, found = list[Unit](), list[Experiment]()
        for unit in self._plan(by_test=any(own.report.has_ids for own in self._own.values())):
            case, key = cases[unit.criterion.id], (unit.criterion.id, unit.variation.kind)
            if key in known:
                found.append(known[key])
            elif reason := self._find_reason(unit, case, cases.values()):
                found.append(skip(case.criterion, unit.variation.kind, reason))
            elif not unit.variation.contents and unit.variation.onto == "candidate":
                found.append(judge_without_places(case, unit.variation))
            else:
                units.append(unit)
        self._spent = sum(one.seconds for one in known.values())
        for unit, result in self._work(units, lambda one: self._experiment(one, cases[one.criterion.id]), deadline):
            self._spent += result.seconds
            self._note(unit, result)
            found.append(result)
        if len(found) < len(ORDER) * len(cases):
            return None
        layout = Layout.of(self._run.spec.policy.loop)
        for case in cases.values():
            found += [judge_counts(case, self._change.edited_tests), judge_writes(case, layout)]
        return (*conclude(found, cases), *(skip(name, "counts", f"its tests are among those of {other}")
                                           for name, other in self._covering.items()))  # fmt: skip

    def _plan(self, *, by_test: bool) -> Iterator[Unit]:
        planned = plan_variations(self._change, by_test=by_test)
        if self._existing and planned["false_expectations"].reason:
            planned["false_expectations"] = self._existing
        yield from (Unit(criterion, planned[kind]) for kind in ORDER for criterion in self._criteria)

    def _plan_existing(self, cases: Iterable[Case]) -> Variation | None:
        """False expectations in the tests that failed on the base commit and that the candidate has unchanged."""
        fixed = {test for case in cases for test in case.fixed}
        if not fixed:
            return None
        mirror, start = self._run.mirror, self._run.spec.start_sha
        old, new = mirror.list_objects(self._run.spec.workspace.base_sha), mirror.list_objects(start)
        unchanged = (path for path, sha in new.items() if old.get(path) == sha)  # others' commits can change tests too
        paths = find_test_files(fixed, unchanged, Layout.of(self._run.spec.policy.loop))
        texts: dict[str, Side] = {}
        for path in paths:
            with suppress(Rejected):  # too large, or not text
                if (text := mirror.read(start, path)) is not None:
                    texts[path] = Side(FILE, "", len(text), text)
        return plan_existing_expectations(texts) if texts else None

    def _find_reason(self, unit: Unit, case: Case, cases: Iterable[Case]) -> str:
        """Why the experiment is not run, empty if it is."""
        kind = unit.variation.kind
        if unit.variation.reason:
            return unit.variation.reason
        if kind in SLOW_ONLY and self._run.spec.policy.loop.proof.mode == "fast":
            return "`proof: fast`"
        if kind in TEST_ONLY and not case.runs_tests and any(other.runs_tests for other in cases):
            return "the command runs no tests"
        return ""

    def _measure_bases(self, deadline: float) -> dict[str, Measured] | None:
        """The runs of the commands on the base commit, from the store or made now; None if the slice's time ends."""
        run, base = self._run, self._run.spec.workspace.base_sha
        tree, environment = run.mirror.tree_of(base), identify_environment(run, base)
        store = BaseChecks(run.world.redis, run.spec.workspace.repository, tree, environment)
        commands = list(dict.fromkeys(criterion.command for criterion in self._criteria))
        found = store.find_reports(commands)
        missing = [command for command in commands if command not in found]
        if missing:
            self._trees.prepare(base)
        for command, measured in self._work(missing, lambda one: self._run_at_base(one, base), deadline):
            store.keep_report(command, measured)
            found[command] = measured
        return found if len(found) == len(commands) else None

    def _run_at_base(self, command: str, base: CommitSha) -> Measured:
        return self._trees.execute(command, base, {}, base).measure()

    def _experiment(self, unit: Unit, case: Case) -> Experiment:
        """Run one variation; a result that a person would be asked about is repeated, as it can be a flaky test."""
        spec, variation, command = self._run.spec, unit.variation, unit.criterion.command
        if self._spent >= self._budget:
            return skip(
                case.criterion,
                variation.kind,
                f"the {spec.policy.loop.proof.minutes:g} min of `proof: minutes` are used up",
            )
        onto = spec.workspace.base_sha if variation.onto == "base" else spec.start_sha
        seconds = 0.0
        for _ in range(1 + spec.policy.loop.flaky_reruns):
            ran = self._trees.execute(command, onto, variation.contents, spec.start_sha).measure()
            found = judge(case, variation, ran)
            seconds += ran.seconds
            if found.result != "asked":
                break
        return replace(found, seconds=round(seconds, 3))

    def _work(self, items: Sequence[T], act: Callable[[T], R], deadline: float) -> Iterator[tuple[T, R]]:
        """The result of each item as it comes, a few at once. After the deadline no further one begins; at least one
        does."""
        queue, running, started = iter(items), dict[Future[R], T](), 0
        with ThreadPoolExecutor(self._trees.slots) as pool:
            while True:
                room = self._trees.slots - len(running) if not started or time.monotonic() < deadline else 0
                for item in islice(queue, room):
                    running[pool.submit(act, item)] = item
                    started += 1
                    command = item.criterion.command if isinstance(item, Unit) else str(item)
                    show_running_check(self._run, command, started, len(items), is_proof=True)
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()

    def _note(self, unit: Unit, found: Experiment) -> None:
        text = f"$ {unit.criterion.command}\n{found.kind}: {found.result} {found.text}\n{found.output[-1000:]}"
        data = {"text": text, "experiment": EXPERIMENT.to_builtins(found)}
        self._run.conversation.append(Entry("note", data))


def _read_notes(run: Slice) -> list[Experiment]:
    notes = (entry.data for entry in run.conversation.entries() if entry.kind == "note")
    return [EXPERIMENT.from_builtins(note["experiment"]) for note in notes if "experiment" in note]
