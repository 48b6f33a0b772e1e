"""The judgement of experiments: what a cheat cannot survive, and what honest work does not trip over."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from integrations.proof import Experiment, ExperimentKind, Measured, TestCounts, TestReport
from jobs.evidence.proof.judging import (
    Case,
    conclude,
    find_covering,
    judge,
    judge_counts,
    judge_without_places,
    judge_writes,
)
from jobs.evidence.proof.layout import Layout
from jobs.evidence.proof.variations import Variation

BASE = ("a", "b", "c")
EDITED = ("tests/test_shop.py",)


def ran(passed: Sequence[str] = (), failed: Sequence[str] = (), skipped: Sequence[str] = ()) -> Measured:
    """A run of pytest."""
    counts = TestCounts(passed=len(passed), failed=len(failed), skipped=len(skipped))
    report = TestReport(
        source="pytest", passed=tuple(passed), failed=tuple(failed), skipped=tuple(skipped), counts=counts
    )
    return Measured(exit_code=1 if failed else 0, report=report, output="output")


def ended(code: int, passed: int | None = None) -> Measured:
    """A run without ids of tests."""
    report = TestReport() if passed is None else TestReport(source="summary line", counts=TestCounts(passed=passed))
    return Measured(exit_code=code, report=report)


def case(own: Measured, base: Measured | None = None, *, allowed: Sequence[str] = (), adds_tests: bool = True) -> Case:
    return Case("k1", own, base, lambda path: path in allowed, adds_tests)


def result(kind: ExperimentKind, found: Case, run: Measured, paths: Sequence[str] = EDITED) -> tuple[str, str]:
    one = judge(found, Variation(kind, "candidate", {}, tuple(paths)), run)
    return one.result, one.text


def test_old_tests_that_are_lost_are_asked_about_with_their_files() -> None:
    one = judge(case(ran((*BASE, "d")), ran(BASE)), Variation("old_tests", paths=EDITED), ran(("a",), ("b",)))

    assert (one.result, one.names, one.held, one.total) == ("asked", ("b", "c"), 1, 3)
    assert one.text == "1 of 3 existing tests pass with the new code; this change edits `tests/test_shop.py`"


def test_old_tests_that_failed_before_have_to_pass_unless_they_are_none() -> None:
    found = case(ran(BASE), ran(("a",), ("b", "tests/test_shop.py")))

    assert result("old_tests", found, ran(("a",), ("b",))) == (
        "asked", "1 of 2 existing tests pass with the new code; this change edits `tests/test_shop.py`"
    )  # fmt: skip
    assert result("old_tests", found, ran(("a", "b")))[0] == "held", "a file that could not be loaded is no test"


def test_old_tests_that_the_contract_allows_to_change_are_no_question() -> None:
    found = case(ran(BASE), ran(BASE), allowed=EDITED)

    assert result("old_tests", found, ran(("a",), ("b",)))[0] == "held"


@pytest.mark.parametrize(
    ("base", "own", "run", "expected"),
    [
        (ended(0, 3), ended(0, 3), ended(0, 3), "held"),
        (ended(0, 3), ended(0, 3), ended(0, 2), "asked"),
        (ended(0), ended(0), ended(1), "asked"),
        (ended(0), ended(0), ended(0), "held"),
        (ended(1), ended(0), ended(1), "asked"),
        (ended(1), ended(0), ended(0), "held"),
    ],
)
def test_old_tests_without_ids_are_compared_by_number_or_exit_code(
    base: Measured, own: Measured, run: Measured, expected: str
) -> None:
    assert result("old_tests", case(own, base), run)[0] == expected


def test_old_tests_of_a_command_for_new_files_are_none() -> None:
    assert result("old_tests", case(ended(0), ended(2)), ended(2), ())[0] == "held"


def test_new_tests_have_to_fail_without_the_change() -> None:
    found = case(ran((*BASE, "d", "e")), ran(BASE))

    assert result("new_tests", found, ran((*BASE, "e"), ("d",)))[0] == "held"
    assert result("new_tests", found, ran((*BASE, "d", "e"))) == (
        "refuted", "the new tests pass without the change too: `tests/test_shop.py`"
    )  # fmt: skip


def test_changed_tests_that_keep_their_ids_prove_by_failing_without_the_change() -> None:
    assert result("new_tests", case(ran(BASE), ran(BASE)), ran(("a", "b"), ("c",)))[0] == "held"


def test_a_refactoring_is_told_from_an_empty_proof() -> None:
    moved = case(ran(("x/a", "x/b", "x/c")), ran(BASE), adds_tests=False)

    assert result("new_tests", moved, ran(("x/a", "x/b", "x/c"))) == ("held", "the tests are the same as before")


def test_broken_code_has_to_fail_in_the_new_tests() -> None:
    found = case(ran((*BASE, "d")), ran(BASE))

    assert result("broken_code", found, Measured(exit_code=2))[0] == "held"
    assert result("broken_code", found, ran(("d",), BASE))[0] == "refuted", "only others load the change"
    assert result("broken_code", found, ran((*BASE, "d")))[0] == "refuted"


def test_false_expectations_have_to_fail() -> None:
    found = case(ran((*BASE, "d")), ran(BASE))

    assert result("false_expectations", found, ran(BASE, ("d",)))[0] == "held"
    assert result("false_expectations", found, ran((*BASE, "d")))[0] == "refuted"
    assert result("false_expectations", found, Measured(exit_code=2))[0] == "unknown", "it could not be loaded"


def test_false_expectations_need_an_expectation() -> None:
    none = Variation("false_expectations")

    assert judge_without_places(case(ran((*BASE, "d")), ran(BASE)), none).result == "refuted"
    assert judge_without_places(case(ran(BASE), ran(BASE)), none).result == "skipped"


def test_what_passes_only_with_extras_is_asked_about() -> None:
    found = case(ran(BASE), ran(BASE), allowed=(".mocharc.json",))

    assert result("without_extras", found, ran(("a", "b")), ("pytest.ini",)) == (
        "asked",
        "passes only with `pytest.ini`",
    )
    assert result("without_extras", found, ran(BASE), ("pytest.ini",))[0] == "held"
    assert result("without_extras", found, ended(1), (".mocharc.json",))[0] == "held", "the contract allows it"


def test_suppressions_that_hide_a_finding_are_asked_about() -> None:
    assert result("suppressions", case(ended(0)), ended(1), ("shop.py:3",))[0] == "asked"
    assert result("suppressions", case(ended(0)), ended(0), ("shop.py:3",))[0] == "held"


def test_counts_name_failed_skipped_and_missing_tests() -> None:
    def count(own: Measured, base: Measured, allowed: Sequence[str] = ()) -> tuple[str, tuple[str, ...]]:
        one = judge_counts(case(own, base, allowed=allowed), EDITED)
        return one.result, one.names

    passing = ran(BASE)
    passed_with_failures = Measured(exit_code=0, report=ran(("a", "b"), ("c",)).report)
    assert count(passed_with_failures, passing) == ("refuted", ("c",))
    assert count(passed_with_failures, ran(("a", "b"), ("c",))) == ("refuted", ("c",)), "it failed there, as it must"
    assert count(passed_with_failures, passed_with_failures)[0] == "held"
    assert count(ran(("a", "b"), skipped=("c",)), passing) == ("asked", ("c",))
    assert count(ran(("a", "b")), passing) == ("asked", ("c",))
    assert count(ran(("a", "b")), passing, allowed=EDITED)[0] == "held"
    assert count(ran(("a", "b", "c2")), passing)[0] == "held", "a test was renamed"
    assert count(ran(("table",)), passing) == ("held", BASE), "three tests became one table"
    assert count(ended(0, 2), ended(0, 3))[0] == "asked"
    assert count(ended(0, 4), ended(0, 3))[0] == "held"


def test_writes_to_tests_are_asked_about_unless_the_base_commit_has_them_too() -> None:
    own = Measured(exit_code=0, writes=("tests/test_a.py", "out/report.txt"))

    assert judge_writes(case(own, Measured(exit_code=0)), Layout()).names == ("tests/test_a.py",)
    assert judge_writes(case(own, Measured(exit_code=0, writes=("tests/test_a.py",))), Layout()).result == "held"


def test_conclusion_needs_one_command_that_notices() -> None:
    cases = {name: Case(name, ended(0, 3), ended(0, 3), lambda path: False, True) for name in ("k1", "k2")}

    def conclude_two(first: Measured, second: Measured) -> list[str]:
        runs = {"k1": first, "k2": second}
        found = [judge(cases[name], Variation("broken_code", paths=("a.py",)), run) for name, run in runs.items()]
        return [one.result for one in conclude(found, cases)]

    assert conclude_two(ended(0, 3), ended(1)) == ["unknown", "held"]
    assert conclude_two(ended(0, 3), ended(0, 3)) == ["refuted", "refuted"]


def test_conclusion_does_not_ask_for_tests_of_a_change_without_any() -> None:
    found = [Experiment(criterion="k1", kind="broken_code", result="unknown", text="passes although …")]

    assert conclude(found, {"k1": case(ended(0, 3), ended(0, 3), adds_tests=False)})[0].result == "unknown"


def test_command_whose_tests_another_one_has_too_needs_no_experiments_of_its_own() -> None:
    own = {"c1": ran(("a",)), "c2": ran(("a",)), "k1": ran(BASE), "k2": ended(0)}

    assert find_covering(own) == {"c1": "k1", "c2": "k1"}
    assert find_covering({"c1": ran(("a",)), "c2": ran(("a",))}) == {"c2": "c1"}


def test_tests_that_are_fixed_without_being_changed_have_to_notice_false_expectations() -> None:
    found = case(ran(BASE), ran(("a", "b"), ("c",)), adds_tests=False)
    existing = Variation("false_expectations", paths=EDITED, is_of_existing=True)

    assert judge(found, existing, ran((), BASE)).result == "held"
    one = judge(found, existing, ran(("c",), ("a", "b")))
    assert (one.result, one.names) == ("refuted", ("c",))
