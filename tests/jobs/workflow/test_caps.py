"""What a repository and people may change of the operator's limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.values import Usage
from jobs.loop.caps import Caps
from jobs.loop.policy import AgentPolicy, LoopPolicy, RepositoryPolicy
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from tests.jobs.workflow.values import finished
from tests.loops import changed


def with_policy(loop: Loop, agent: AgentPolicy | None = None, **own: object) -> Loop:
    rules = LoopPolicy(**own)
    return replace(loop, policy=RepositoryPolicy(loop=rules, agent=agent or AgentPolicy()))


@pytest.mark.parametrize(("own", "run_usd"), [({}, 5.0), ({"budget_usd": 2.0}, 2.0), ({"budget_usd": 99.0}, 5.0)])
def test_caps_of_a_run_can_be_tightened_but_not_raised_by_the_repository(
    making: Loop, policy: ServicePolicy, own: dict[str, object], run_usd: float
) -> None:
    assert policy.caps_of(with_policy(making, **own)).run_usd == run_usd


@pytest.mark.parametrize(("turns", "wanted"), [(None, 50), (30, 30), (900, 50)])
def test_caps_of_turns_can_be_tightened_but_not_raised(
    making: Loop, policy: ServicePolicy, turns: int | None, wanted: int
) -> None:
    assert policy.caps_of(with_policy(making, AgentPolicy(max_turns=turns))).turns == wanted


def test_caps_of_ticket_and_time_can_be_tightened_but_not_raised(making: Loop, policy: ServicePolicy) -> None:
    caps = policy.caps_of(with_policy(making, ticket_budget_usd=7.0, wall_minutes=0.5))

    assert (caps.ticket_usd, caps.wall_seconds) == (7.0, 30)


def test_caps_include_the_budget_that_people_add(making: Loop, policy: ServicePolicy) -> None:
    extended = changed(with_policy(making, ticket_budget_usd=7.0), extra_usd=3.0)

    assert policy.caps_of(extended).ticket_usd == 10.0


def test_caps_of_zero_start_no_run(making: Loop, policy: ServicePolicy) -> None:
    broke = replace(policy, caps=Caps(ticket_usd=0.0))

    loop = decide(making, finished(making, outcome="failed", usage=Usage()), broke).loop

    assert (loop.stage, "no run can start" in loop.reason) == (Stage.NEEDS_HUMAN, True)
