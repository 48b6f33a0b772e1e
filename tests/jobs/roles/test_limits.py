"""From policy and caps to what the runner heeds: pure."""

from __future__ import annotations

import dataclasses

from integrations.ports.agent_runner import ContextLimits, SpinningLimits
from jobs.loop.caps import Caps
from jobs.loop.policy import read_policy
from jobs.roles.limits import context_limits, spinning_limits
from tests.service.dashboard.story import a_loop, a_run

POLICY = """---
loop:
  spinning: {same_result: 7, same_error: 6, alternating: 5, monologue: 8, unchanged_turns: 9, polling: [poll]}
  context: {clear_at_tokens: 2000, keep_tool_uses: 2, clear_at_least_tokens: 30}
---
"""


def test_every_threshold_of_the_policy_reaches_the_runner() -> None:
    spec = a_run(a_loop(), policy=read_policy(POLICY, "acme/shop"), caps=Caps(no_progress_usd=0.5))

    assert spinning_limits(spec) == SpinningLimits(7, 6, 5, 8, 9, ("poll",), 0.5)
    assert context_limits(spec) == ContextLimits(2000, 2, 30)


def test_the_runners_defaults_are_the_policys() -> None:
    without_money = dataclasses.replace(spinning_limits(a_run(a_loop())), no_progress_usd=None)

    assert without_money == SpinningLimits()
