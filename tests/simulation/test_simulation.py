"""A fixed sample of stories, and that the promises can break; `python -m tests.simulation --seeds N` plays more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from integrations.events import BranchPushed, Event
from jobs.loop import commands as c
from jobs.loop.state import Loop
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.decision import is_still_wanted
from tests.loops import changed
from tests.simulation.checks import Violation
from tests.simulation.outside import MAIN
from tests.simulation.worker import Decide, StillWanted
from tests.simulation.world import World

SAMPLE, LONG_SAMPLE, ENOUGH = range(0, 20, 20), range(20, 200, 20), 300


@pytest.mark.parametrize("first", [*SAMPLE, *(pytest.param(first, marks=pytest.mark.long) for first in LONG_SAMPLE)])
def test_simulation_of_the_sample_keeps_every_promise(first: int) -> None:
    for seed in range(first, first + 20):
        World(seed).run()


def anything_is_approved(loop: Loop, event: Event, policy: ServicePolicy) -> Decision:
    return decide(changed(loop, approved_sha=loop.pull_request.pushed_sha), event, policy)


def money_is_no_object(loop: Loop, event: Event, policy: ServicePolicy) -> Decision:
    caps = replace(policy.caps, ticket_usd=1e9)
    return decide(loop, event, replace(policy, caps=caps))


def guidance_is_lost(loop: Loop, event: Event, policy: ServicePolicy) -> Decision:
    decision = decide(loop, event, policy)
    return replace(decision, loop=changed(decision.loop, pending=()))


def new_bases_are_ignored(loop: Loop, event: Event, policy: ServicePolicy) -> Decision:
    on_base = isinstance(event, BranchPushed) and event.branch == MAIN
    return Decision(loop) if on_base else decide(loop, event, policy)


def without(kind: type) -> Decide:
    def rule(loop: Loop, event: Event, policy: ServicePolicy) -> Decision:
        decision = decide(loop, event, policy)
        return replace(decision, commands=[one for one in decision.commands if not isinstance(one, kind)])

    return rule


def broken_by(seed: int, rule: Decide, wanted: StillWanted = is_still_wanted) -> tuple[str, list[str]]:
    """The promise that this seed's story breaks ('' for none), and how the story went."""
    world = World(seed, rule, wanted)
    try:
        world.run()
    except Violation as violation:
        return violation.promise, world.schedule
    return "", world.schedule


def first_to_break(promise: str, rule: Decide, wanted: Callable[[Loop, c.Command], bool] = is_still_wanted) -> int:
    for seed in range(ENOUGH):
        if broken_by(seed, rule, wanted)[0] == promise:
            return seed
    raise AssertionError(f"no story noticed: {promise}")


@pytest.mark.parametrize(
    ("rule", "promise"),
    [
        (anything_is_approved, "only what was approved is merged"),
        (money_is_no_object, "the budget holds"),
        pytest.param(
            guidance_is_lost, "guidance is delivered before done", marks=[pytest.mark.long, pytest.mark.timeout(600)]
        ),
        (new_bases_are_ignored, "a new base is tried"),
        (without(c.StopRun), "no run is forgotten"),
        (without(c.SetNeedsHuman), "the label agrees"),
        (without(c.MergePullRequest), "no ticket is stuck"),
    ],
)
def test_simulation_detects_a_broken_rule(rule: Decide, promise: str) -> None:
    first_to_break(promise, rule)


@pytest.mark.long
def test_simulation_detects_an_effect_that_no_longer_applies() -> None:
    first_to_break("nothing is published after a stop", decide, lambda loop, command: True)


def test_simulation_with_the_same_seed_fails_in_the_same_way() -> None:
    seed = first_to_break("only what was approved is merged", anything_is_approved)

    once, again = broken_by(seed, anything_is_approved), broken_by(seed, anything_is_approved)

    assert once == again
    assert once[0] == "only what was approved is merged"
