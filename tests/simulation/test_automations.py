"""A sample of stories of automations, and that the promises can break."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.automation_events import AutomationEvent
from integrations.events import RunFinished
from integrations.findings import Found
from jobs.loop.automation_state import AutomationState
from jobs.workflow.automations import AutomationDecision, decide
from jobs.workflow.decision import ServicePolicy
from tests.simulation.automations import Decide, Story
from tests.simulation.checks import Violation


def test_automations_of_the_sample_keep_every_promise() -> None:
    for seed in range(40):
        Story(seed).run()


@pytest.mark.long
def test_automations_of_many_stories_keep_every_promise() -> None:
    for seed in range(40, 1_000):
        Story(seed).run()


def slots_are_forgotten(state: AutomationState, event: AutomationEvent, policy: ServicePolicy) -> AutomationDecision:
    earlier = {name: min(slot, event.at - 90_000) for name, slot in state.last_slots.items()}
    return decide(replace(state, last_slots=earlier, history=()), event, policy)


def titles_identify(state: AutomationState, event: AutomationEvent, policy: ServicePolicy) -> AutomationDecision:
    if isinstance(event, RunFinished) and isinstance(event.result, Found):
        found = tuple(
            replace(one, fingerprint=one.title, items=(f"{one.items[0]}@{one.title}",)) for one in event.result.findings
        )
        event = replace(event, result=Found(findings=found))
    return decide(state, event, policy)


def money_is_not_counted(state: AutomationState, event: AutomationEvent, policy: ServicePolicy) -> AutomationDecision:
    decision = decide(state, event, policy)
    return replace(decision, state=replace(decision.state, spent={}))


@pytest.mark.parametrize(
    ("rule", "promise"),
    [
        (slots_are_forgotten, "one run for each slot"),
        (titles_identify, "one open ticket for each failure"),
        (money_is_not_counted, "costs are exact"),
    ],
)
def test_automations_with_a_broken_rule_are_detected(rule: Decide, promise: str) -> None:
    for seed in range(100):
        try:
            Story(seed, rule).run()
        except Violation as violation:
            if violation.promise == promise:
                return
    raise AssertionError(f"no story noticed: {promise}")
