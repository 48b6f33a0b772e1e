"""From policy and caps to the limits of the runner: pure."""

from __future__ import annotations

import dataclasses

from integrations.ports.agent_runner import ContextLimits, SpinningLimits
from jobs.loop.caps import Caps
from jobs.loop.policy import read_policy
from jobs.roles.slice import build_spinning_limits
from tests.service.dashboard.story import a_loop, a_run

POLICY = """---
loop:
  spinning: {same_result: 7, same_error: 6, alternating: 5, monologue: 8, unchanged_turns: 9, polling: [poll]}
  context: {clear_at_tokens: 2000, keep_tool_uses: 2, clear_at_least_tokens: 30}
---
"""


def test_limits_of_the_policy_reach_the_runner() -> None:
    spec = a_run(a_loop(), policy=read_policy(POLICY, "acme/shop"), caps=Caps(no_progress_usd=0.5))

    assert build_spinning_limits(spec) == SpinningLimits(
        same_result=7,
        same_error=6,
        alternating=5,
        monologue=8,
        unchanged_turns=9,
        polling=("poll",),
        no_progress_usd=0.5,
    )
    assert ContextLimits(**vars(spec.policy.loop.context)) == ContextLimits(2000, 2, 30)


def test_limits_of_the_runner_default_to_the_policys() -> None:
    without_money = dataclasses.replace(build_spinning_limits(a_run(a_loop())), no_progress_usd=None)

    assert without_money == SpinningLimits()
