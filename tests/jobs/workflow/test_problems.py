"""The triage inbox: one problem for each cause, filed once, resolved when the cause is gone for a while."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.values import Ticket
from jobs.loop.automation import Automation
from jobs.loop.automation_state import AutomationState, RunRecord
from jobs.loop.problem import DeadTarget, KnownProblem, Problem
from jobs.loop.state import Escalation, Loop, Stage
from jobs.workflow.problems import (
    MOST_OPEN,
    RESOLVED_SECONDS,
    SHOW_SECONDS,
    Failures,
    Letter,
    find_problems,
    fingerprint,
    is_shared,
    reconcile,
)
from tests.loops import loop_with

TEAMS = ("ENG", "OPS")
PROBLEM = Problem(key="k", team="ENG", kind="dead_letter", subject="PublishBranch", reason="it failed")


def stuck(number: int, reason: str = "the disk is full", **changes: Any) -> Loop:
    """A loop whose escalation is listed in the inbox."""
    ticket = Ticket(id=f"t{number}", identifier=f"ENG-{number}", title="T", team="ENG")
    call = Escalation(kind="infrastructure", at=1.0, raised=4, listed=True)
    return loop_with(ticket, **{"stage": Stage.NEEDS_HUMAN, "reason": reason, "escalation": call} | changes)


def letter(number: int, cause: str = "KeyError: 'x'", **changes: Any) -> Letter:
    one = Letter(f"{number:012x}", "PublishBranch", cause, f"t{number}", f"ENG-{number}")
    return replace(one, **changes)


def automations(*outcomes: str, **changes: Any) -> AutomationState:
    ran = {"automation": "ci-triage", "cause": "schedule", "started_at": 1.0, "ended_at": 2.0, "note": "no model"}
    history = tuple(RunRecord(**ran, id=str(n), outcome=one) for n, one in enumerate(outcomes))  # type: ignore[arg-type]
    state = AutomationState(repository="acme/shop", team="ENG", automations=(Automation(name="ci-triage"),))
    return replace(state, history=history, **changes)


def summarize(**found: Any) -> list[tuple[str, str, int]]:
    """Team, kind and number of affected ones of each problem."""
    return [(one.team, one.kind, len(one.affected)) for one in find_problems(Failures(**found), TEAMS)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("could not push `loopline/eng-1` at 10:03", "could not push `loopline/eng-22` at 9:59"),
        ("ENG-1: commit 0a1b2c3d failed after 3.5 s", "ENG-999: commit 99ffe0a1b2c failed after 12 s"),
        ("see https://a.test/1?x=y", "see https://b.test/2"),
    ],
)
def test_fingerprint_is_equal_for_tickets_with_one_cause(first: str, second: str) -> None:
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(first) != fingerprint(f"{first} because of another thing")


def test_cause_of_fifty_tickets_is_one_problem() -> None:
    loops = [stuck(n, f"the disk of ENG-{n} is full") for n in range(1, 51)]
    assert summarize(loops=loops) == [("ENG", "escalation", 50)]
    assert summarize(letters=[letter(n) for n in range(1, 51)], loops=loops) == [("ENG", "dead_letter", 50)]


def test_causes_that_differ_are_different_problems() -> None:
    loops = [stuck(1), stuck(2, "no free port")]
    letters = [letter(3), letter(4, "ValueError: y"), letter(5, kind="MoveTicket")]
    assert sorted(summarize(loops=loops, letters=letters)) == [
        *[("ENG", "dead_letter", 1)] * 3, *[("ENG", "escalation", 1)] * 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"stage": Stage.MAKING},
        {"escalation": None},
        {"escalation": Escalation(kind="infrastructure", at=1.0, listed=True, acknowledged=True)},
        {"escalation": Escalation(kind="infrastructure", at=1.0, raised=2)},
    ],
)
def test_escalation_that_is_answered_or_still_reminded_is_no_problem(change: dict[str, Any]) -> None:
    assert summarize(loops=[stuck(1, **change)]) == []


def test_dead_letter_of_no_served_team_is_shown_to_the_first_team() -> None:
    found = [letter(1, ticket_id="", identifier=""), letter(2, ticket_id="x", identifier="OLD-3", kind="event")]
    assert summarize(letters=found) == [("ENG", "dead_letter", 1)] * 2
    assert summarize(letters=[letter(1, ticket_id="", identifier="OPS-3")]) == [("OPS", "dead_letter", 1)]
    assert find_problems(Failures(letters=found), ()) == ()


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        ((), False),
        (("failed",), True),
        (("nothing", "failed"), True),
        (("failed", "skipped"), True),
        (("failed", "filed"), False),
        (("failed", "nothing"), False),
    ],
)
def test_automation_is_a_problem_while_its_last_run_failed(outcomes: tuple[str, ...], found: bool) -> None:
    assert bool(summarize(automations=[automations(*outcomes)])) is found


def test_automation_that_was_removed_or_disabled_is_no_problem() -> None:
    disabled = (Automation(name="ci-triage", enabled=False),)
    assert summarize(automations=[automations("failed", automations=())]) == []
    assert summarize(automations=[automations("failed", automations=disabled)]) == []


def test_declarations_that_cannot_be_used_are_one_problem_of_the_repository() -> None:
    assert summarize(automations=[automations(problems=("a: no", "b: no"))]) == [("ENG", "declarations", 2)]


def test_credentials_and_targets_are_problems() -> None:
    assert summarize(refused="401", alarm="no credit") == [("ENG", "credentials", 0)] * 2
    assert summarize(targets=[DeadTarget(id="abc", team="OPS", scheme="slack", reason="status 500")]) == [
        ("OPS", "notification", 0)
    ]


def test_escalation_is_shared_with_a_ticket_of_the_same_cause_and_team() -> None:
    same, other = stuck(2, "the disk is full"), stuck(3, "no free port")
    elsewhere = stuck(4)
    elsewhere = replace(elsewhere, ticket=replace(elsewhere.ticket, team="OPS"))
    assert is_shared(stuck(1), [stuck(1), same], ())
    assert not is_shared(stuck(1), [stuck(1), other, elsewhere], ())
    assert is_shared(stuck(1), [stuck(1)], ["t1"])


# --- over time -------------------------------------------------------------------------------------------------------


def filed(known: KnownProblem, at: float) -> KnownProblem:
    return replace(known, ticket_id="x", shown=known.problem.affected, shown_at=at)


def play(rounds: list[tuple[float, list[Problem]]]) -> list[tuple[float, str]]:
    """The steps of these rounds with their times; each is taken."""
    known: list[KnownProblem] = []
    seen = []
    for at, found in rounds:
        kept, steps = reconcile(known, found, at)
        seen += [(at, step.kind) for step in steps]
        changed = {step.known.problem.key for step in steps if step.kind != "resolve"}
        known = [filed(one, at) if one.problem.key in changed else one for one in kept]
    return seen


def test_problem_is_filed_once_while_it_lasts() -> None:
    assert play([(float(at), [PROBLEM]) for at in range(0, 100_000, 1_000)]) == [(0.0, "file")]


def test_problem_that_comes_and_goes_is_filed_and_resolved_once() -> None:
    rounds = [(at * 300.0, [PROBLEM] if at % 2 else []) for at in range(100)]
    quiet = [(30_000.0 + at * 300, []) for at in range(5)]
    assert play([*rounds, *quiet]) == [(300.0, "file"), (29_700.0 + RESOLVED_SECONDS, "resolve")]


def test_problem_of_credentials_is_filed_when_it_lasts() -> None:
    refused = replace(PROBLEM, kind="credentials")
    assert play([(0.0, [refused]), (30.0, [refused]), (60.0, [refused])]) == [(60.0, "file")]
    assert play([(0.0, [refused]), (30.0, []), (2_000.0, [])]) == [(2_000.0, "resolve")]


def test_problem_shows_more_affected_ones_at_intervals() -> None:
    rounds = [(at, [replace(PROBLEM, affected=tuple(f"ENG-{n}" for n in range(int(at))))]) for at in range(0, 1_300, 5)]
    seen = play([(float(at), found) for at, found in rounds])
    assert seen == [(0.0, "file"), (SHOW_SECONDS, "show"), (2 * SHOW_SECONDS, "show")]


def test_problem_is_filed_by_a_clock_that_went_back() -> None:
    refused = replace(PROBLEM, kind="credentials")
    known = [KnownProblem(problem=refused, first_at=1e9, last_at=1e9)]
    _, steps = reconcile(known, [refused], 5.0)
    assert [step.kind for step in steps] == ["file"]


def test_storm_of_causes_gets_a_bounded_number_of_tickets() -> None:
    causes = [replace(PROBLEM, key=f"k{n}", subject=f"S{n}") for n in range(40)]
    known, steps = reconcile([], causes, 0.0)
    assert len(steps) == MOST_OPEN + 1
    assert (known[-1].problem.kind, len(known[-1].problem.affected)) == ("more", 40 - MOST_OPEN)
    taken = [filed(one, 0.0) for one in known]
    _, again = reconcile(taken, list(reversed(causes)), 30.0)
    assert again == []
    _, later = reconcile(taken, causes[5:], RESOLVED_SECONDS + 1)
    assert sorted(step.kind for step in later) == ["file"] * 5 + ["resolve"] * 5 + ["show"]


def test_storm_of_one_team_leaves_room_for_another() -> None:
    causes = [replace(PROBLEM, key=f"k{n}") for n in range(40)] + [replace(PROBLEM, key="o", team="OPS")]
    known, _ = reconcile([], causes, 0.0)
    assert "o" in {one.problem.key for one in known}
