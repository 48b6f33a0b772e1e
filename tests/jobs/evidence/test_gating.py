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
def test_a_failing_command_runs_again_until_it_passes_or_the_policy_says_enough(
    codes: tuple[int, ...], most: int, again: bool
) -> None:
    assert should_rerun(ran(*codes), most) is again


def test_what_ran_out_of_time_gets_one_more_chance() -> None:
    assert should_rerun(ran(124, timed_out=True), 3)
    assert not should_rerun(ran(124, 124, timed_out=True), 3)


def test_green_is_green() -> None:
    found = combine_runs(CRITERION, ran(0), None, None)

    assert (found.passed, found.exit_codes, found.before, found.own) == (True, (0,), None, None)


def test_what_ended_both_ways_is_flaky_and_shows_the_failure() -> None:
    found = combine_runs(CRITERION, ran(1, 0), None, None)

    assert (found.passed, found.flaky, found.exit_code, found.digest) == (False, True, 1, "d1")


def test_only_green_with_its_own_tests_is_red_and_says_so() -> None:
    found = combine_runs(CRITERION, ran(1, 1), ran(0), None)

    assert (found.passed, found.own, found.exit_codes) == (False, 0, (1, 1))
    assert "fails with the base commit's tests" in found.output


def test_only_green_with_the_base_s_tests_is_red_too() -> None:
    found = combine_runs(CRITERION, ran(0), ran(2, 2), None)

    assert (found.passed, found.exit_code, found.own) == (False, 2, 2)
    assert "fails with its own tests" in found.output


def test_the_run_before_is_kept() -> None:
    assert combine_runs(CRITERION, ran(0), None, ran(1)[0]).before == 1


def test_product_code_alone_is_taken_as_it_is() -> None:
    found = planned({"shop/cart.py": "x = 1\n"}, {"shop/cart.py": "x = 2\n"})

    assert (found.from_base, found.new_tests, found.before) == ({}, {}, frozenset())


@pytest.mark.parametrize("after", [CART.replace("== 3", "== 4"), None])
def test_a_test_that_was_changed_or_removed_is_the_base_s(after: str | None) -> None:
    found = planned({T: CART}, {T: after} if after else {})

    assert {path: side and side.text for path, side in found.from_base.items()} == {T: CART}


def test_a_conftest_of_the_change_is_taken_away() -> None:
    assert planned({}, {"conftest.py": "x = 1\n"}).from_base == {"conftest.py": None}


def test_a_test_that_only_grows_is_the_change_s_own_and_is_run_before() -> None:
    found = planned({T: CART}, {T: CART + "\n\ndef test_zero():\n    assert add(0, 0) == 0\n"})

    assert (found.from_base, list(found.new_tests), found.before) == ({}, [T], {"k1"})


def test_a_moved_test_is_run_at_its_old_place_too() -> None:
    found = planned({T: CART}, {"attic/test_cart.py": CART})

    assert {path: side is not None for path, side in found.from_base.items()} == {T: True, "attic/test_cart.py": False}
    assert found.tampering == ()


def test_product_code_that_a_command_names_is_not_taken_from_the_base() -> None:
    found = planned(
        {"shop/cart.py": "x = 1\n"}, {"shop/cart.py": "y = 2\n"}, "python3 shop/cart.py", "python3 -m shop.cart"
    )

    assert found.from_base == {}


def test_a_file_that_the_contract_hands_to_a_test_runner_is_a_test() -> None:
    found = planned({"checks/cart.py": CART}, {"checks/cart.py": CART.replace("== 3", "== 4")}, "pytest checks/cart.py")

    assert (list(found.from_base), [t.kind for t in found.tampering]) == (["checks/cart.py"], ["assertion_weakened"])


def test_only_a_few_commands_that_run_tests_are_run_before() -> None:
    commands = ("ruff check .", *(f"pytest tests/test_{n}.py" for n in range(9)))

    assert len(planned({}, {T: CART}, *commands).before) == MOST_BEFORE
    assert "k1" not in planned({}, {T: CART}, *commands).before


def test_what_passes_only_with_its_own_files_is_listed_even_where_no_pattern_saw_it() -> None:
    unseen = GatePlan((), (), {T: None}, {}, frozenset())
    red = Evidence(name="k1", command="pytest -q", exit_code=1, exit_codes=(1,), own=0)

    (found,) = find_tampering_by_running(unseen, [red])
    assert (found.kind, found.path) == ("test_changed", T)
    assert find_tampering_by_running(unseen, [replace(red, own=1)]) == ()


def test_output_keeps_its_ends() -> None:
    assert shorten_output("a" * 3000 + "b" * 3000) == "a" * 2000 + "\n…\n" + "b" * 2000
