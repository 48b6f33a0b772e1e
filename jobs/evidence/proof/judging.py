"""Judges the experiments: whether the checks behaved as with a real change. Pure. Called by `jobs.roles.proof`.

A command that passes proves something only if it fails where it has to. `judge` looks at one run; `conclude` at all
commands of the contract, because not each of them has to notice each file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from integrations.proof import Experiment, ExperimentKind, ExperimentResult, Measured
from jobs.evidence.proof.layout import Layout
from jobs.evidence.proof.variations import Variation

MOST_NAMES = 20
PASSES = "passes "
"""Begins the text of an experiment in which the command passes where one of the contract has to fail."""
_BASE = Measured(exit_code=-1)
"""Stands for a command that never ran on the base commit."""


@dataclass(frozen=True)
class Case:
    """What is known of one command of the contract.

    `base` is its run on the base commit, `own` that on the candidate. `is_allowed` tells whether the contract or the
    ticket names a path as one that may change. `adds_tests`: the change has new lines in tests, beyond moved ones."""

    criterion: str
    own: Measured
    base: Measured | None
    is_allowed: Callable[[str], bool]
    adds_tests: bool

    @property
    def before(self) -> Measured:
        return self.base or _BASE

    @property
    def runs_tests(self) -> bool:
        return bool(self.own.report.source or self.before.report.source)

    @property
    def added(self) -> frozenset[str]:
        """The tests that pass on the candidate and are unknown on the base commit."""
        base = self.before.report
        return frozenset(self.own.report.passed) - {*base.passed, *base.failed, *base.skipped}

    @property
    def fixed(self) -> frozenset[str]:
        """The tests that pass on the candidate and fail on the base commit."""
        return frozenset(self.own.report.passed) & frozenset(self.before.report.failed)


def judge_without_places(case: Case, variation: Variation) -> Experiment:
    """An experiment whose files have nothing that could be altered: new tests that compare nothing prove nothing."""
    if variation.kind == "false_expectations" and case.added and case.adds_tests:
        return _find(case, variation.kind, "refuted", "the new tests compare nothing", sorted(case.added))
    return skip(case.criterion, variation.kind, "there is nothing that can be altered")


def find_covering(own: Mapping[str, Measured]) -> dict[str, str]:
    """For each criterion whose tests are all among those of another one, that other one: its experiments prove both, as
    when a criterion names a file of the whole suite. `own` are the runs on the candidate by criterion."""
    tests = {name: frozenset(run.report.passed) for name, run in own.items() if run.report.passed}
    kept: list[str] = []
    found: dict[str, str] = {}
    for name in sorted(tests, key=lambda one: -len(tests[one])):
        if other := next((one for one in kept if tests[name] <= tests[one]), ""):
            found[name] = other
        else:
            kept.append(name)
    return found


def judge(case: Case, variation: Variation, ran: Measured) -> Experiment:
    """The result of one run. An experiment that no single command can decide is 'unknown' until `conclude`."""
    found = _JUDGES[variation.kind](case, variation, ran)
    return replace(found, output="" if found.result == "held" else ran.output, seconds=ran.seconds)


def skip(criterion: str, kind: ExperimentKind, reason: str) -> Experiment:
    """An experiment that was not run."""
    return Experiment(criterion=criterion, kind=kind, result="skipped", text=reason)


def judge_counts(case: Case, edited: Sequence[str]) -> Experiment:
    """Whether the candidate runs all tests of the base commit and lists none as failed, but for those with which the
    command passes there too; `edited` are the existing tests that the change edits."""
    own, base = case.own.report, case.before.report
    tolerated = () if case.before.exit_code else base.failed
    failing = sorted(set(own.failed) - set(tolerated))
    if failing:
        return _find(case, "counts", "refuted", f"{_count(failing)} fail, and the command exits with 0", failing)
    if not base.source:
        return skip(case.criterion, "counts", "the command reports no tests on the base commit")
    total, held = base.counts.executed, own.counts.executed
    skipped = sorted(set(base.passed) & set(own.skipped))
    gone = (set(base.passed) | set(base.failed)) - {*own.passed, *own.failed, *own.skipped}
    text, names = "", list[str]()
    if skipped:
        text, names = f"{_count(skipped)} that passed are skipped", skipped
    elif base.has_ids and len(gone) > len(case.added):
        text, names = f"{_count(sorted(gone))} of the base commit do not run any more", sorted(gone)
        if case.added:  # as three tests that become one table: they still pass with the new code, or are asked about
            return _find(case, "counts", "held", f"{text}, {_count(sorted(case.added))} came", names, held, total)
    elif not base.has_ids and held < total:
        text = f"{held} tests run, {total} did on the base commit"
    if not text:
        return _find(case, "counts", "held", "", held=held, total=held)
    if edited and all(map(case.is_allowed, edited)):
        return _find(case, "counts", "held", f"{text}, as the contract allows", names, held, total)
    return _find(case, "counts", "asked", text, names, held, total)


def judge_writes(case: Case, layout: Layout) -> Experiment:
    """Whether the command changes tests or configuration while it runs, as it does not on the base commit."""
    new = [path for path in case.own.writes if path not in case.before.writes]
    found = [path for path in new if layout.classify(path) in ("test", "data", "configuration")]
    if not found:
        return _find(case, "writes", "held", "")
    return _find(case, "writes", "asked", f"changes {_list(found)} while it runs", found)


def _judge_old_tests(case: Case, variation: Variation, ran: Measured) -> Experiment:
    """All tests of the base commit have to pass, also those that fail there: the candidate is green. A command that
    fails there and reports no tests has none, unless the change edits some."""
    base, found = case.before.report, ran.report
    wanted = set(base.passed) | (set(base.failed) & {*found.passed, *found.failed, *found.skipped})
    lost = sorted(wanted - set(found.passed))
    held, total, text = len(wanted) - len(lost), len(wanted), ""
    if not base.has_ids and base.source and found.source:
        held, total = found.counts.passed, base.counts.executed
    if held < total:
        text = f"{held} of {total} existing tests pass with the new code"
    elif ran.exit_code and not base.has_ids and (variation.paths or not case.before.exit_code):
        text = "the existing tests fail with the new code"
    if not text:
        return _find(case, "old_tests", "held", "", held=held, total=total)
    if variation.paths and all(map(case.is_allowed, variation.paths)):
        return _find(case, "old_tests", "held", f"{text}, as the contract allows", lost, held, total)
    edits = f"; this change edits {_list(variation.paths)}" if variation.paths else ""
    return _find(case, "old_tests", "asked", f"{text}{edits}", lost, held, total)


def _judge_new_tests(case: Case, variation: Variation, ran: Measured) -> Experiment:
    proving = frozenset(case.own.report.passed) - frozenset(ran.report.passed)
    total = len(proving | case.added)
    if proving if case.own.report.has_ids else ran.exit_code:
        return _find(case, "new_tests", "held", "", held=len(proving), total=total)
    if not case.adds_tests:
        return _find(case, "new_tests", "held", "the tests are the same as before")
    if case.added:
        text = f"the new tests pass without the change too: {_list(variation.paths)}"
        return _find(case, "new_tests", "refuted", text, sorted(case.added), 0, total)
    return _find(case, "new_tests", "unknown", f"{PASSES}without the change too")


def _judge_broken_code(case: Case, variation: Variation, ran: Measured) -> Experiment:
    files = _list(variation.paths)
    untouched = case.added & frozenset(ran.report.passed)
    if case.added and untouched == case.added:
        text = f"the new tests pass although {files} cannot be loaded: they never look at the change"
        return _find(case, "broken_code", "refuted", text, sorted(untouched), 0, len(case.added))
    if ran.exit_code:
        return _find(case, "broken_code", "held", "")
    return _find(case, "broken_code", "unknown", f"{PASSES}although {files} cannot be loaded")


def _judge_false_expectations(case: Case, variation: Variation, ran: Measured) -> Experiment:
    failing = frozenset(case.own.report.passed) - frozenset(ran.report.passed)
    total = len(case.added | failing)
    if case.own.report.has_ids and failing and not ran.report.failed and case.added.isdisjoint(ran.report.passed):
        return _find(case, "false_expectations", "unknown", "the altered tests could not be loaded")
    if variation.is_of_existing and (still := sorted(case.fixed & frozenset(ran.report.passed))):
        text = f"the tests that failed before pass with false expectations too: {_list(variation.paths)}"
        return _find(case, "false_expectations", "refuted", text, still, len(case.fixed) - len(still), len(case.fixed))
    deaf = sorted(case.added & frozenset(ran.report.passed))
    if deaf and 2 * len(deaf) >= len(case.added) and not variation.is_partial:
        text = f"{len(deaf)} of {len(case.added)} new tests pass with false expectations too: {_list(variation.paths)}"
        return _find(case, "false_expectations", "refuted", text, deaf, total - len(deaf), total)
    if ran.exit_code and (failing or not case.own.report.has_ids):
        return _find(case, "false_expectations", "held", "", held=len(failing), total=total)
    if case.added:
        text = f"the new tests pass with false expectations too: {_list(variation.paths)}"
        return _find(case, "false_expectations", "refuted", text, sorted(case.added), 0, total)
    return _find(case, "false_expectations", "unknown", f"{PASSES}with false expectations too")


def _judge_without_extras(case: Case, variation: Variation, ran: Measured) -> Experiment:
    fewer = len(ran.report.passed) < len(case.own.report.passed)
    if not ran.exit_code and not fewer:
        return _find(case, "without_extras", "held", "")
    needed = [path for path in variation.paths if not case.is_allowed(path)]
    if not needed:
        return _find(case, "without_extras", "held", f"needs {_list(variation.paths)}, as the contract allows")
    return _find(case, "without_extras", "asked", f"passes only with {_list(needed)}", needed)


def _judge_suppressions(case: Case, variation: Variation, ran: Measured) -> Experiment:
    if not ran.exit_code:
        return _find(case, "suppressions", "held", "")
    text = f"passes only with the added suppressions in {_list(variation.paths)}"
    return _find(case, "suppressions", "asked", text, variation.paths)


_JUDGES: Mapping[ExperimentKind, Callable[[Case, Variation, Measured], Experiment]] = {
    "old_tests": _judge_old_tests,
    "new_tests": _judge_new_tests,
    "broken_code": _judge_broken_code,
    "false_expectations": _judge_false_expectations,
    "without_extras": _judge_without_extras,
    "suppressions": _judge_suppressions,
}


def conclude(found: Sequence[Experiment], cases: Mapping[str, Case]) -> tuple[Experiment, ...]:
    """The experiments, in which what no command noticed is refuted. One command is enough that fails where it has to.

    Broken code that no command loads is refuted only where the change has tests: there are files without checks."""
    final = list(found)
    for kind in ("new_tests", "false_expectations", "broken_code"):
        those = [one for one in found if one.kind == kind and one.result != "skipped"]
        open_ = [one for one in those if one.result == "unknown" and one.text.startswith(PASSES)]
        if (
            open_
            and not any(one.result in ("held", "refuted") for one in those)
            and cases[open_[0].criterion].adds_tests
        ):
            final = [replace(one, result="refuted") if one in open_ else one for one in final]
    return tuple(final)


def _find(
    case: Case,
    kind: ExperimentKind,
    result: ExperimentResult,
    text: str,
    names: Sequence[str] = (),
    held: int = 0,
    total: int = 0,
) -> Experiment:
    return Experiment(
        criterion=case.criterion, kind=kind, result=result, text=text, names=tuple(names[:MOST_NAMES]), held=held,
        total=total,
    )  # fmt: skip


def _count(names: Sequence[str], what: str = "test") -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"


def _list(paths: Sequence[str]) -> str:
    shown = ", ".join(f"`{path}`" for path in paths[:3])
    return f"{shown} and {len(paths) - 3} more" if len(paths) > 3 else shown
