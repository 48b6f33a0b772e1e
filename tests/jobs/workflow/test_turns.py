"""A maker without turns: its own escalation, and the bound of model calls between two decisions of people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.values import Usage
from jobs.loop.caps import Caps
from jobs.loop.commands import RunSpec, StartRun
from jobs.loop.state import Loop, Stage
from jobs.messages.escalations import escalation_message
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.run import EXAMINING_CALLS, LEAST_CALLS
from tests.jobs.workflow.values import HEAD, evidence, finished, said
from tests.loops import changed

UNCLEAR = "The contract may ask for something"


def with_calls(loop: Loop, calls: int) -> Loop:
    return replace(loop, spend=replace(loop.spend, calls=calls))


def started(decision: Decision) -> RunSpec:
    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    return start.spec


@pytest.mark.parametrize(
    ("outcome", "kind"), [("turns", "turns"), ("failed", "infrastructure"), ("spinning", "spinning")]
)
def test_maker_without_a_result_escalates_with_its_own_class(
    making: Loop, policy: ServicePolicy, outcome: str, kind: str
) -> None:
    last = changed(making, attempt_number=3, iteration=3, approach="a cache")

    loop = decide(last, finished(last, outcome=outcome, summary="no luck"), policy).loop

    assert loop.escalation and loop.escalation.kind == kind
    assert UNCLEAR not in escalation_message(loop)


def test_turns_used_up_name_what_was_tried(making: Loop, policy: ServicePolicy) -> None:
    last = changed(making, attempt_number=3, iteration=3, approach="a cache")

    loop = decide(last, finished(last, outcome="turns", summary="the run's 50 turns are used up"), policy).loop

    message = escalation_message(loop)
    assert "out of turns" in message and "Tried: a cache." in message and "50 turns" in message
    assert all(choice in message for choice in ("`/retry` gives", "`/retry <hint>`", "`/takeover`", "`/close`"))


def test_turns_of_the_checker_are_no_infrastructure_problem(making: Loop, policy: ServicePolicy) -> None:
    checking = changed(making, stage=Stage.CHECKING, head_sha=HEAD, run_id=making.run_id.replace("maker", "checker"))

    loop = decide(checking, finished(checking, outcome="turns", summary="the run's 50 turns are used up"), policy).loop

    assert loop.escalation and loop.escalation.kind == "turns"
    assert loop.reason.startswith("the checker ran out of turns")


def test_calls_of_the_current_run_are_counted(making: Loop, policy: ServicePolicy) -> None:
    ended = finished(making, outcome="turns", usage=Usage(model_calls=30))
    assert decide(making, ended, policy).loop.spend.calls == 30
    late = replace(ended, generation=0)
    assert decide(making, late, policy).loop.spend.calls == 0


def test_calls_left_bound_the_turns_of_the_next_maker(making: Loop, policy: ServicePolicy) -> None:
    spec = started(decide(making, finished(making, outcome="turns", usage=Usage(model_calls=60)), policy))

    assert spec.role == "maker" and spec.caps.turns == 40


def test_calls_used_up_escalate_instead_of_another_maker(making: Loop, policy: ServicePolicy) -> None:
    ended = finished(making, outcome="turns", usage=Usage(model_calls=101 - LEAST_CALLS))

    loop = decide(making, ended, policy).loop

    assert loop.escalation and loop.escalation.kind == "turns"
    assert "96 of 100 model calls are used up" in loop.reason and "Tried: " in loop.reason


def test_calls_used_up_still_examine_the_candidate(making: Loop, policy: ServicePolicy) -> None:
    gating = changed(
        with_calls(making, 100), stage=Stage.GATING, head_sha=HEAD, run_id=making.run_id.replace("maker", "gate")
    )

    spec = started(decide(gating, finished(gating, evidence=(evidence(0),)), policy))

    assert spec.role == "judge" and spec.caps.turns == EXAMINING_CALLS


@pytest.mark.parametrize("text", ["/retry", "/retry use a cache"])
def test_calls_begin_again_after_a_decision_of_a_person(making: Loop, policy: ServicePolicy, text: str) -> None:
    ended = finished(making, outcome="turns", usage=Usage(model_calls=99))
    asked = decide(making, ended, policy).loop

    again = decide(asked, said(text), policy).loop

    assert again.stage is Stage.PREPARING and again.spend.calls == 0
    assert again.spend.usage.model_calls == 99


def test_hopeless_ticket_ends_after_a_hundred_calls(making: Loop, policy: ServicePolicy) -> None:
    """A maker that uses all turns of each run, whose work is never accepted."""
    loop, runs = making, 0
    turns = policy.caps.turns
    while loop.stage is Stage.MAKING:
        decision = decide(loop, finished(loop, outcome="turns", usage=Usage(model_calls=turns)), policy)
        loop, runs = decision.loop, runs + 1
        turns = started(decision).caps.turns if loop.stage is Stage.MAKING else 0

    assert (loop.stage, runs, loop.spend.usage.model_calls) == (Stage.NEEDS_HUMAN, 2, 100)


def test_bound_of_calls_allows_two_full_runs() -> None:
    assert Caps().calls >= 2 * Caps().turns
