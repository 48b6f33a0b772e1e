"""The proof of a candidate in a few lines: one for each kind of experiment, over all commands of the contract. Pure;
used by the other messages, the briefs of `jobs.roles` and the dashboard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from integrations.proof import CounterExample, Experiment, ExperimentKind, TestCounts
from integrations.results import Gated
from jobs.messages.text import code, inline

EXPERIMENT_NAMES: Mapping[ExperimentKind, str] = {
    "old_tests": "old tests with the new code",
    "new_tests": "new tests fail without the change",
    "broken_code": "tests notice broken code",
    "false_expectations": "tests notice false expectations",
    "without_extras": "checks pass without added configuration",
    "suppressions": "checks pass without added suppressions",
    "counts": "as many tests run as before, and the new ones",
    "writes": "checks leave the repository's files as they are",
}
"""A clause that a result completes, as in 'tests notice broken code: yes'."""
_SHORT_NAMES: Mapping[ExperimentKind, str] = {
    "old_tests": "old tests",
    "new_tests": "new tests",
    "broken_code": "broken code",
    "false_expectations": "false expectations",
    "without_extras": "without added configuration",
    "suppressions": "without added suppressions",
    "counts": "number of tests",
    "writes": "written files",
}
_HELD_VERBS: Mapping[ExperimentKind, str] = {"old_tests": " pass"}
_FOUND: Mapping[ExperimentKind, str] = {
    "old_tests": "existing tests no longer pass",
    "new_tests": "the new tests pass without the change, so they do not prove it",
    "broken_code": "it passes although the changed files cannot be loaded",
    "false_expectations": "it passes although expected values are false",
    "without_extras": "it passes only with added files",
    "suppressions": "it fails without the suppressions that the change adds",
    "counts": "fewer tests run",
    "writes": "it changed files of the repository",
}
"""What an experiment has found, if it gives no text itself."""
_REMEDIES: Mapping[ExperimentKind, str] = {
    "old_tests": "These tests of the base commit ran with your code. Fix the code so that they pass",
    "new_tests": "Write tests that assert the new behaviour: they have to fail on the base commit",
    "broken_code": "The command never runs the code that you changed. Let it run tests that import and call that code",
    "false_expectations": (
        "Assertions have no effect. Compare the real results with the expected ones, and remove what replaces "
        "assertions, equality or the test runner"
    ),
    "without_extras": "Make the command pass without these files, or remove them",
    "suppressions": "Fix what the tool reports instead of silencing it",
    "counts": "Run all existing and new tests: skip, deselect and remove none",
    "writes": "Let tests and checks write to a temporary folder",
}
"""What the maker can do about a refuted experiment."""
_PAIR: tuple[ExperimentKind, ExperimentKind] = ("broken_code", "false_expectations")
_PAIR_NAME = "tests notice broken code and false expectations"
_NO_RESULTS: Mapping[str, str] = {"unknown": "not known", "skipped": "not run"}
_MOST_NAMES, _NAME_CHARACTERS, _TEXT_CHARACTERS = 3, 120, 240


def list_proof(gate: Gated, accepted_by: str = "") -> list[str]:
    """The proof: a line for each kind with a result, one for each reason without one, then the time. Empty without
    experiments. As 'old tests with the new code: 214 of 214 pass'. `accepted_by` is the name of the person who has
    decided about what a person has to decide."""
    if not gate.experiments:
        return []
    by_kind = {kind: _select(gate.experiments, kind) for kind in get_args(ExperimentKind)}
    by_kind = {kind: found for kind, found in by_kind.items() if found}
    lines: list[str] = []
    is_pair = all(_is_plain_yes(by_kind.get(kind, [])) for kind in _PAIR)
    for kind, found in by_kind.items():
        if is_pair and kind in _PAIR:
            lines += [f"{_PAIR_NAME}: yes"] if kind == _PAIR[0] else []
        elif results := _list_results(kind, found, accepted_by):
            lines.append(f"{EXPERIMENT_NAMES[kind]}: {'; '.join(results)}")
    return [*lines, *_list_missing(gate.experiments), f"proof: {format_seconds(gate.proof_seconds)}"]


def proof_line(gate: Gated) -> str:
    """The short form, for progress and status: as 'Proof: 12 of 13 as expected, 1 to decide; 41 s.'"""
    ran = [one for one in gate.experiments if one.result not in _NO_RESULTS]
    if not gate.experiments:
        return ""
    held = sum(one.result == "held" for one in ran)
    parts = [f"{held} of {len(ran)} as expected"]
    for result, name in (("refuted", "refuted"), ("asked", "to decide"), *_NO_RESULTS.items()):
        number = sum(one.result == result for one in gate.experiments)
        parts += [f"{number} {name}"] if number else []
    return f"Proof: {', '.join(parts)}; {format_seconds(gate.proof_seconds)}."


def list_asked(experiments: Sequence[Experiment]) -> list[str]:
    """What a person has to decide, one line for each experiment with tests and files."""
    asked = [one for one in experiments if one.result == "asked"]
    return list(dict.fromkeys(describe_experiment(one) for one in asked))


def refuted_line(one: Experiment) -> str:
    """A refuted experiment for the maker: the finding, and what it can do."""
    return f"{EXPERIMENT_NAMES[one.kind]}: no. {_capitalize(describe_experiment(one))}. {_REMEDIES[one.kind]}."


def describe_experiment(one: Experiment) -> str:
    """What was found, with the first names after its first clause: '3 existing tests no longer pass: `a`, `b`, …; this
    change edits them'."""
    found = inline(one.text, _TEXT_CHARACTERS).rstrip(".") or _describe_finding(one)
    head, separator, tail = found.partition("; ")
    names = format_names(one.names, max(len(one.names), one.total - one.held))
    return f"{head}: {names}{separator}{tail}" if names else found


def counter_example_line(one: CounterExample) -> str:
    """A test of the checker that fails: 'fails for 7 passengers: `python3 own_test.py` exits with 1'."""
    shows = inline(one.shows, _TEXT_CHARACTERS).rstrip(".")
    return f"{shows}: {code(one.command, _NAME_CHARACTERS)} exits with {one.exit_code}"


def format_tests(counts: TestCounts) -> str:
    """As '217 tests, 3 skipped'."""
    ran = f"{counts.executed} test{'' if counts.executed == 1 else 's'}"
    return f"{ran}, {counts.skipped} skipped" if counts.skipped else ran


def format_names(names: Sequence[str], total: int = 0) -> str:
    """The first names as code, with the number of the others: '`a`, `b`, `c` and 4 more'."""
    shown = ", ".join(code(name, _NAME_CHARACTERS) for name in names[:_MOST_NAMES])
    more = max(total, len(names)) - min(len(names), _MOST_NAMES)
    return f"{shown} and {more} more" if shown and more else shown


def format_seconds(seconds: float) -> str:
    """As '41 s' or '2 min 5 s'; under a second with one digit."""
    if 0 < seconds < 1:
        return f"{max(seconds, 0.1):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _describe_finding(one: Experiment) -> str:
    wrong = one.total - one.held
    return f"{wrong} {_FOUND[one.kind]}" if one.kind == "old_tests" and wrong > 0 else _FOUND[one.kind]


def _select(experiments: Iterable[Experiment], kind: ExperimentKind) -> list[Experiment]:
    return [one for one in experiments if one.kind == kind]


def _is_plain_yes(found: Sequence[Experiment]) -> bool:
    return bool(found) and all(one.result == "held" for one in found)


def _list_results(kind: ExperimentKind, found: Sequence[Experiment], accepted_by: str) -> list[str]:
    """The tests that behave as they should, then each finding; with several commands it names its criterion."""
    ran = [one for one in found if one.result not in _NO_RESULTS]
    held, total = sum(one.held for one in ran), sum(one.total for one in ran)
    results = [f"{held} of {total}{_HELD_VERBS.get(kind, '')}"] if total else []
    if ran and not results and all(one.result == "held" for one in ran):
        results = ["yes"]
    decision = f"accepted by {inline(accepted_by)}: " if accepted_by else "needs a person: "
    many = len({one.criterion for one in found}) > 1
    for one in ran:
        if one.result != "held":
            mark = f"[{inline(one.criterion)}] " * many
            results.append(f"{mark}{decision * (one.result == 'asked')}{describe_experiment(one)}")
    return list(dict.fromkeys(results))


def _list_missing(experiments: Sequence[Experiment]) -> list[str]:
    """A line for each reason why experiments have no result: 'not run (`proof: fast`): broken code, …'."""
    reasons: dict[tuple[str, str], dict[ExperimentKind, list[str]]] = {}
    for one in experiments:
        if one.result in _NO_RESULTS:
            reason = reasons.setdefault((_NO_RESULTS[one.result], inline(one.text, _TEXT_CHARACTERS)), {})
            reason.setdefault(one.kind, []).append(one.criterion)
    lines = []
    for (state, text), kinds in reasons.items():
        names = []
        for kind, criteria in kinds.items():
            is_all = len(criteria) == len(_select(experiments, kind))
            names.append(_SHORT_NAMES[kind] + ("" if is_all else f" [{', '.join(map(inline, criteria))}]"))
        lines.append(f"{state}{f' ({text})' if text else ''}: {', '.join(names)}")
    return lines


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]
