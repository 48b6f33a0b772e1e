"""What follows an attempt that goes nowhere: another strategy, a stronger model, a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.loop.commands import RunSpec, StartRun
from jobs.loop.state import Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from tests.jobs.workflow.values import BASE, HEAD, OTHER, evidence, finished, said
from tests.loops import changed


def gating(loop: Loop, **fields: object) -> Loop:
    run_id = loop.run_id.replace("maker", "gate")
    return changed(loop, stage=Stage.GATING, run_id=run_id, **{"head_sha": HEAD} | fields)


def started(decision: Decision) -> RunSpec:
    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    return start.spec


def test_attempt_after_all_iterations_begins_from_the_base(making: Loop, policy: ServicePolicy) -> None:
    loop = gating(making, iteration=3, tried=("iteration 1: x", "iteration 2: y"))

    decision = decide(loop, finished(loop, evidence=(evidence(1),)), policy)

    spec = started(decision)
    assert (spec.attempt.number, spec.attempt.iteration, spec.start_sha, spec.attempt.tried) == (2, 1, BASE, ())
    assert [line[:12] for line in spec.attempts[0].tried] == ["iteration 1:", "iteration 2:", "iteration 3 "]
    assert "exit 1" in spec.attempts[0].rejected


def test_attempt_with_a_pull_request_begins_at_its_head(making: Loop, policy: ServicePolicy) -> None:
    loop = gating(making, iteration=3, pushed_sha=OTHER)

    assert started(decide(loop, finished(loop, evidence=(evidence(1),)), policy)).start_sha == OTHER


def test_attempt_that_spins_ends_at_once(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, finished(making, outcome="spinning", summary="`ls` four times"), policy)

    assert started(decision).attempt.number == 2
    assert "`ls` four times" in decision.loop.attempts[0].rejected


def test_attempt_three_has_a_stronger_model(making: Loop, policy: ServicePolicy) -> None:
    second = changed(making, attempt_number=2)

    spec = started(decide(second, finished(second, outcome="spinning"), policy))

    assert (spec.attempt.number, spec.model, spec.effort) == (3, "s", "high")


def test_attempt_limit_escalates_to_a_person(making: Loop, policy: ServicePolicy) -> None:
    last = changed(making, attempt_number=3)

    loop = decide(last, finished(last, outcome="spinning", summary="`ls` again"), policy).loop

    assert loop.stage is Stage.NEEDS_HUMAN
    assert loop.escalation
    assert loop.escalation.kind == "spinning"
    assert "`ls` again" in loop.reason


def test_attempt_with_the_same_failures_three_times_spins(making: Loop, policy: ServicePolicy) -> None:
    wide = replace(policy, max_iterations=9)
    loop = making
    for _ in range(3):
        loop = gating(loop)
        loop = decide(loop, finished(loop, evidence=(evidence(1),)), wide).loop

    assert (loop.attempt.number, loop.attempt.iteration) == (2, 1)
    assert "3 times in a row" in loop.attempts[0].rejected


def test_attempt_with_different_failures_does_not_spin(making: Loop, policy: ServicePolicy) -> None:
    wide = replace(policy, max_iterations=9)
    loop = making
    for code in (1, 2, 3):
        loop = gating(loop)
        loop = decide(loop, finished(loop, evidence=(evidence(code),)), wide).loop

    assert (loop.attempt.number, loop.attempt.iteration) == (1, 4)


@pytest.mark.parametrize(
    ("trees", "now", "attempt"),
    [(("a", "b"), "a", 2), (("a", "b"), "b", 1), (("a",), "a", 1), (("a", "b"), "c", 1), ((), "a", 1)],
)
def test_attempt_with_a_reverted_edit_spins(
    making: Loop, policy: ServicePolicy, trees: tuple[str, ...], now: str, attempt: int
) -> None:
    loop = gating(making, trees=trees)

    assert decide(loop, finished(loop, evidence=(evidence(1),), tree=now), policy).loop.attempt.number == attempt


def test_attempt_after_a_retry_continues_the_record(making: Loop, policy: ServicePolicy) -> None:
    last = changed(making, attempt_number=3, tried=("iteration 1: x",))
    asked = decide(last, finished(last, outcome="spinning"), policy).loop

    again = decide(asked, said("/retry look at the clock"), policy).loop

    assert (again.attempt.number, again.attempt.iteration, len(again.attempts)) == (1, 0, 1)
    assert again.contract == making.contract
