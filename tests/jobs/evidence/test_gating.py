"""What the gate plans, and what its runs come to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.results import Evidence
from jobs.evidence.gate_plan import (
    MOST_BEFORE,
    CommandRun,
    GatePlan,
    combine_runs,
    find_tampering_by_running,
    plan_gate,
    shorten_output,
    should_rerun,
)
from jobs.loop.policy import TESTS
from jobs.loop.state import Contract, Criterion
from tests.jobs.evidence.tampering.corpus import Files, changes
from tests.jobs.evidence.tampering.dishonest import CART, T

CRITERION = Criterion(id="k1", text="tests", command="pytest -q")


def ran(*codes: int, timed_out: bool = False) -> list[CommandRun]:
    return [CommandRun(code, f"ended with {code}", f"d{code}", 1.0, timed_out) for code in codes]


def planned(before: Files, after: Files, *commands: str) -> GatePlan:
    criteria = tuple(Criterion(id=f"k{n}", text=c, command=c) for n, c in enumerate(commands or ("pytest -q",), 1))
    return plan_gate(changes(before, after), Contract(criteria=criteria), TESTS, "Add two numbers")


@pytest.mark.parametrize(
    ("codes", "most", "again"),
    [((0,), 3, False), ((1,), 0, False), ((1,), 1, True), ((1, 1), 1, False), ((1, 0), 3, False), ((1, 1), 3, True)],
)
def test_rerun_of_a_failing_command_ends_at_a_pass_or_the_limit(codes: tuple[int, ...], most: int, again: bool) -> None:
    assert should_rerun(ran(*codes), most) is again


def test_rerun_after_a_timeout_happens_once() -> None:
    assert should_rerun(ran(124, timed_out=True), 3)
    assert not should_rerun(ran(124, 124, timed_out=True), 3)


def test_evidence_of_a_passing_command_is_green() -> None:
    found = combine_runs(CRITERION, ran(0), None, None)

    assert (found.passed, found.exit_codes, found.before, found.own) == (True, (0,), None, None)


def test_evidence_with_both_endings_is_flaky_and_shows_the_failure() -> None:
    found = combine_runs(CRITERION, ran(1, 0), None, None)

    assert (found.passed, found.flaky, found.exit_code, found.digest) == (False, True, 1, "d1")


def test_evidence_green_only_with_its_own_tests_is_red_with_a_reason() -> None:
    found = combine_runs(CRITERION, ran(1, 1), ran(0), None)

    assert (found.passed, found.own, found.exit_codes) == (False, 0, (1, 1))
    assert "fails with the base commit's tests" in found.output


def test_evidence_green_only_with_the_base_s_tests_is_red() -> None:
    found = combine_runs(CRITERION, ran(0), ran(2, 2), None)

    assert (found.passed, found.exit_code, found.own) == (False, 2, 2)
    assert "fails with its own tests" in found.output


def test_evidence_has_the_run_before_the_change() -> None:
    assert combine_runs(CRITERION, ran(0), None, ran(1)[0]).before == 1


def test_gate_plan_keeps_product_code() -> None:
    found = planned({"shop/cart.py": "x = 1\n"}, {"shop/cart.py": "x = 2\n"})

    assert (found.from_base, found.new_tests, found.before) == ({}, {}, frozenset())


@pytest.mark.parametrize("after", [CART.replace("== 3", "== 4"), None])
def test_gate_plan_restores_a_changed_or_removed_test(after: str | None) -> None:
    found = planned({T: CART}, {T: after} if after else {})

    assert {path: side and side.text for path, side in found.from_base.items()} == {T: CART}


def test_gate_plan_removes_a_new_conftest() -> None:
    assert planned({}, {"conftest.py": "x = 1\n"}).from_base == {"conftest.py": None}


def test_gate_plan_keeps_a_test_that_only_grows_and_runs_it_before() -> None:
    found = planned({T: CART}, {T: CART + "\n\ndef test_zero():\n    assert add(0, 0) == 0\n"})

    assert (found.from_base, list(found.new_tests), found.before) == ({}, [T], {"k1"})


def test_gate_plan_runs_a_moved_test_at_its_old_place_too() -> None:
    found = planned({T: CART}, {"attic/test_cart.py": CART})

    assert {path: side is not None for path, side in found.from_base.items()} == {T: True, "attic/test_cart.py": False}
    assert found.tampering == ()


def test_gate_plan_keeps_product_code_that_a_command_names() -> None:
    found = planned(
        {"shop/cart.py": "x = 1\n"}, {"shop/cart.py": "y = 2\n"}, "python3 shop/cart.py", "python3 -m shop.cart"
    )

    assert found.from_base == {}


def test_gate_plan_protects_a_file_that_the_contract_passes_to_a_test_runner() -> None:
    found = planned({"checks/cart.py": CART}, {"checks/cart.py": CART.replace("== 3", "== 4")}, "pytest checks/cart.py")

    assert (list(found.from_base), [t.kind for t in found.tampering]) == (["checks/cart.py"], ["assertion_weakened"])


def test_gate_plan_runs_only_a_few_commands_before() -> None:
    commands = ("ruff check .", *(f"pytest tests/test_{n}.py" for n in range(9)))

    assert len(planned({}, {T: CART}, *commands).before) == MOST_BEFORE
    assert "k1" not in planned({}, {T: CART}, *commands).before


def test_tampering_by_running_lists_files_that_no_pattern_found() -> None:
    unseen = GatePlan((), (), {T: None}, {}, frozenset())
    red = Evidence(name="k1", command="pytest -q", exit_code=1, exit_codes=(1,), own=0)

    (found,) = find_tampering_by_running(unseen, [red])
    assert (found.kind, found.path) == ("test_changed", T)
    assert find_tampering_by_running(unseen, [replace(red, own=1)]) == ()


def test_output_keeps_head_and_tail() -> None:
    assert shorten_output("a" * 3000 + "b" * 3000) == "a" * 2000 + "\n…\n" + "b" * 2000
