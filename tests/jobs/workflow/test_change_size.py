"""The size budget proposes a split, once per ticket. Case 37: a slow check is no reason for another maker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.results import BaseCheck, ChangedFolder, ChangeSize, Evidence, Preflighted
from jobs.loop.commands import PostComment
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.state import Loop, Preflight, Stage
from jobs.workflow import ServicePolicy, decide
from tests.jobs.workflow.values import HEAD, finished
from tests.loops import changed

SIZE = ChangeSize(
    files=30,
    lines=2_000,
    folders=(ChangedFolder(path="api", files=20, lines=1_500), ChangedFolder(path="web", files=10, lines=500)),
)
GREEN = Evidence(name="c1", command="pytest -q", exit_code=0)
SLOW = Evidence(name="c1", command="pytest -q", exit_code=124, timeout=300.0)


@pytest.fixture
def gating(making: Loop) -> Loop:
    return changed(making, stage=Stage.GATING, run_id=making.run_id.replace("maker", "gate"), head_sha=HEAD)


def posted(loop: Loop, policy: ServicePolicy, most: int) -> tuple[Loop, list[str]]:
    limited = replace(loop, policy=RepositoryPolicy(loop=LoopPolicy(pull_request=PullRequestPolicy(size_lines=most))))
    decision = decide(limited, finished(limited, evidence=(GREEN,), size=SIZE), policy)
    return decision.loop, [one.body for one in decision.commands if isinstance(one, PostComment)]


def test_change_beyond_the_size_budget_is_shown_with_its_parts_before_the_review(
    gating: Loop, policy: ServicePolicy
) -> None:
    loop, [comment] = posted(gating, policy, 1_000)

    assert loop.stage is Stage.JUDGING
    assert "2,000 changed lines" in comment and "`api`: 1,500 lines in 20 files" in comment and "/stop" in comment
    assert posted(replace(loop, stage=Stage.GATING, run_id=gating.run_id), policy, 1_000)[1] == []


@pytest.mark.parametrize("most", [2_000, 0])
def test_change_within_the_size_budget_is_not_mentioned(gating: Loop, policy: ServicePolicy, most: int) -> None:
    loop, comments = posted(gating, policy, most)

    assert loop.stage is Stage.JUDGING and comments == []


def test_check_that_never_ended_on_the_base_branch_is_a_problem_of_the_environment(
    gating: Loop, policy: ServicePolicy
) -> None:
    decision = decide(gating, finished(gating, evidence=(SLOW,)), policy)
    [comment] = [one.body for one in decision.commands if isinstance(one, PostComment)]

    assert decision.loop.stage is Stage.NEEDS_HUMAN and decision.loop.attempt.iteration == gating.attempt.iteration
    assert "pytest -q" in comment and "minutes" in comment and "WORKFLOW.md" in comment


def test_check_that_is_fast_on_the_base_branch_is_returned_to_the_maker(gating: Loop, policy: ServicePolicy) -> None:
    fast = Preflight(result=Preflighted(checks=(BaseCheck(command="pytest -q", seconds=3.0),)))
    known = replace(gating, preflight=fast)

    assert decide(known, finished(known, evidence=(SLOW,)), policy).loop.stage is Stage.MAKING
