"""Which tests of a checker are counter-examples."""

from __future__ import annotations

import pytest

from integrations.proof import CounterExample, Measured
from integrations.results import CriterionResult, Verdict
from jobs.evidence.counter_examples import (
    CONTROL_FAILS,
    NO_CONTROL,
    PASSES,
    add_unconfirmed,
    apply_examples,
    explain_unconfirmed,
)

FAILS, PASSED = Measured(exit_code=1, output="AssertionError"), Measured(exit_code=0)
VERDICT = Verdict(
    head_sha="a" * 40,
    results=tuple(CriterionResult(criterion=name, result="pass", evidence="seen") for name in ("c1", "c2")),
)


def test_counter_example_fails_twice_while_its_control_passes() -> None:
    assert explain_unconfirmed("python3 t.py", [FAILS, FAILS], PASSED) == ""


@pytest.mark.parametrize(
    ("runs", "control", "problem"),
    [
        ([PASSED], None, PASSES),
        ([FAILS, PASSED], PASSED, PASSES),
        ([FAILS], None, NO_CONTROL),
        ([FAILS], FAILS, CONTROL_FAILS),
        ([FAILS], Measured(exit_code=0, limit="stopped after 9 s"), CONTROL_FAILS),
        ([Measured(exit_code=127)], PASSED, "it cannot run (exit 127)"),
        ([Measured(exit_code=126, output="bash: ./t.sh: Permission denied")], PASSED, "it cannot run (./t.sh)"),
        ([Measured(exit_code=1, output="python3: No module named pytest")], PASSED, "it cannot run (pytest)"),
        ([FAILS, Measured(exit_code=-9, limit="stopped after 9 s")], PASSED, "a limit ended it (stopped after 9 s)"),
    ],
)
def test_own_test_decides_nothing_otherwise(runs: list[Measured], control: Measured | None, problem: str) -> None:
    assert explain_unconfirmed("python3 -m pytest t.py", runs, control) == problem


def test_counter_example_makes_its_criterion_fail() -> None:
    example = CounterExample(criterion="c2", command="python3 t.py", shows="fails for 7", exit_code=3)
    found = apply_examples(VERDICT, [example])

    assert [(r.criterion, r.result) for r in found.results] == [("c1", "pass"), ("c2", "fail")]
    assert (found.results[1].evidence, found.results[1].place) == (
        "`python3 t.py` fails: fails for 7",
        "`python3 t.py` exit 3",
    )
    assert found.examples == (example,)


@pytest.mark.parametrize(
    ("problem", "findings", "lines"),
    [(NO_CONTROL, 1, 0), (CONTROL_FAILS, 1, 0), (PASSES, 0, 1), ("it cannot run", 0, 1)],
)
def test_unconfirmed_test_is_a_finding_or_not_checked(problem: str, findings: int, lines: int) -> None:
    found = add_unconfirmed(VERDICT, "python3 t.py", "fails for 7", problem)

    assert (len(found.findings), len(found.not_checked), found.results) == (findings, lines, VERDICT.results)
