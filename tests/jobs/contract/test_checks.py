from __future__ import annotations

from integrations.results import BaseCheck
from jobs.contract.checks import mark_checks, replace_checks
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from jobs.loop.state import Contract, Criterion

AGREED, REQUESTED = Criterion(id="c1", text="it works", command="make try"), Criterion(id="r1", text="as Ana asked: …")
CHECK = Criterion(id="k1", text="tests (repository check)", command="pytest -q")
CONTRACT = Contract(criteria=(AGREED, CHECK, REQUESTED), version=3)


def policy(*commands: str) -> RepositoryPolicy:
    checks = tuple(Check(name=f"check {command}", run=command) for command in commands)
    return RepositoryPolicy(loop=LoopPolicy(checks=checks))


def test_checks_that_changed_are_replaced_and_other_criteria_stay() -> None:
    fresh = replace_checks(CONTRACT, policy("ruff check .", "pytest"))

    assert [c.command for c in fresh.criteria] == ["make try", "ruff check .", "pytest", ""]
    assert (fresh.version, fresh.criteria[0], fresh.criteria[-1]) == (4, AGREED, REQUESTED)


def test_checks_that_did_not_change_keep_the_version() -> None:
    assert replace_checks(CONTRACT, policy("pytest -q")) is CONTRACT


def test_checks_get_the_state_of_the_base_branch_and_lose_it_again() -> None:
    red = mark_checks(CONTRACT, [BaseCheck(command="pytest -q", state="failing")], "trunk")
    assert red.criteria[1].text == "tests (repository check, already failing on trunk)"
    assert (red.required, red.digest != CONTRACT.digest) == ((AGREED, REQUESTED), True)

    flaky = mark_checks(red, [BaseCheck(command="pytest -q", state="flaky")], "trunk")
    assert flaky.criteria[1].text == "tests (repository check, flaky on trunk)"
    assert flaky.required == flaky.criteria

    assert mark_checks(flaky, [BaseCheck(command="pytest -q")], "trunk") == CONTRACT


def test_check_that_the_ticket_names_as_its_goal_counts_although_it_fails_on_the_base() -> None:
    goal = Contract(criteria=(Criterion(id="c1", text="the suite passes", command="pytest -q"), CHECK))

    assert mark_checks(goal, [BaseCheck(command="pytest -q", state="failing")], "main") == goal
