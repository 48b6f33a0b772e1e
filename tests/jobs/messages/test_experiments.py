from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.proof import Experiment, TestCounts
from integrations.results import Gated
from jobs.messages.experiments import (
    describe_experiment,
    format_names,
    format_seconds,
    format_tests,
    list_asked,
    list_proof,
    proof_line,
)
from tests.jobs.messages.test_messages import BLIND, DISPUTED, LOST, PROOF


def test_proof_has_a_line_for_each_kind_and_its_time() -> None:
    assert list_proof(PROOF) == [
        "old tests with the new code: 214 of 214 pass",
        "new tests fail without the change: 3 of 3",
        "tests notice broken code and false expectations: yes",
        "checks pass without added suppressions: yes",
        "proof: 41 s",
    ]


def test_proof_names_what_a_person_decides_what_was_refuted_and_what_did_not_run() -> None:
    assert list_proof(DISPUTED, "Ana") == [
        f"old tests with the new code: 211 of 214 pass; [c1] accepted by Ana: {describe_experiment(LOST)}",
        "new tests fail without the change: 3 of 3",
        "tests notice broken code: [k1] it passes although the changed files cannot be loaded: `shop/fees.py`",
        "not run (`proof: fast`): broken code [c1], false expectations",
        "not run (the time budget is used up): new tests [c2]",
        "not known (no report): old tests [k1], new tests [k1]",
        "proof: 2 min 5 s",
    ]


def test_proof_of_many_commands_stays_short() -> None:
    commands = [f"c{number}" for number in range(30)]
    held = [Experiment(criterion=c, kind="old_tests", result="held", held=2, total=2) for c in commands]
    unknown = [Experiment(criterion=c, kind="new_tests", result="unknown", text="no report") for c in commands]

    assert list_proof(Gated(experiments=(*held, *unknown), proof_seconds=0.2)) == [
        "old tests with the new code: 60 of 60 pass",
        "not known (no report): new tests",
        "proof: 0.2 s",
    ]


def test_proof_is_empty_without_experiments() -> None:
    assert (list_proof(Gated(proof_seconds=3.0)), proof_line(Gated(proof_seconds=3.0))) == ([], "")


def test_experiment_names_tests_after_its_first_clause() -> None:
    assert describe_experiment(LOST) == (
        "3 existing tests no longer pass: `tests/test_a.py::test_x`, `tests/test_a.py::test_y` and 1 more; this change "
        "edits them"
    )


def test_experiment_without_a_text_has_one() -> None:
    assert describe_experiment(replace(LOST, text="")) == (
        "3 existing tests no longer pass: `tests/test_a.py::test_x`, `tests/test_a.py::test_y` and 1 more"
    )


def test_questions_are_the_experiments_for_a_person() -> None:
    assert list_asked((BLIND, LOST, LOST)) == [describe_experiment(LOST)]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 s"), (0.04, "0.1 s"), (41.4, "41 s"), (125, "2 min 5 s"), (3600, "60 min 0 s")]
)
def test_times_are_in_minutes_and_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_names_are_bounded() -> None:
    assert format_names(("a", "b", "c", "d"), 9) == "`a`, `b`, `c` and 6 more"
    assert format_names((), 9) == ""


def test_counts_name_skipped_tests() -> None:
    assert format_tests(TestCounts(passed=1)) == "1 test"
    assert format_tests(TestCounts(passed=216, failed=1, skipped=3)) == "217 tests, 3 skipped"
