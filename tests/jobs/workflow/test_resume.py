"""How a rebuilt loop goes on, phase by phase."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.loop.commands import MergePullRequest, PublishBranch, StartRun
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy
from jobs.workflow.resume import resume
from tests.jobs.workflow.values import HEAD, kinds
from tests.loops import changed

HERE = ["MoveTicket", "SetNeedsHuman"]


def at(loop: Loop, stage: Stage, **fields: object) -> Loop:
    return changed(loop, stage=stage, run_id="", **fields)


@pytest.mark.parametrize(("stage", "role"), [(Stage.MAKING, "maker"), (Stage.GATING, "gate"), (Stage.CHECKING, "gate")])
def test_resume_starts_a_lost_run_in_a_new_generation(
    making: Loop, policy: ServicePolicy, stage: Stage, role: str
) -> None:
    decision = resume(at(making, stage, head_sha=HEAD, iteration=2), 5.0, policy)

    (run,) = [c.spec for c in decision.commands if isinstance(c, StartRun)]
    assert kinds(decision.commands) == [*HERE, "StartRun"]
    assert (run.role, run.run_id, run.start_sha) == (role, f"ENG-1-g2-r0-i2-{role}", HEAD)


def test_resume_publishes_a_known_verdict_without_another_run(review: Loop, policy: ServicePolicy) -> None:
    decision = resume(at(review, Stage.PUBLISHING), 5.0, policy)

    (push,) = [c for c in decision.commands if isinstance(c, PublishBranch)]
    assert (push.generation, push.sha, decision.loop.stage) == (2, HEAD, Stage.PUBLISHING)


def test_resume_repeats_a_verdict_that_was_too_long_to_store(review: Loop, policy: ServicePolicy) -> None:
    decision = resume(at(review, Stage.PUBLISHING, verdict=None), 5.0, policy)

    assert decision.loop.stage is Stage.GATING


@pytest.mark.parametrize("stage", [Stage.ASKING, Stage.REVIEW, Stage.NEEDS_HUMAN, Stage.STOPPED])
def test_resume_leaves_waiting_loops_unchanged(review: Loop, policy: ServicePolicy, stage: Stage) -> None:
    loop = at(review, stage)

    assert resume(loop, 5.0, policy).loop == loop
    assert not resume(loop, 5.0, policy).commands


def test_resume_cleans_up_an_ended_loop_again(review: Loop, policy: ServicePolicy) -> None:
    loop = at(review, Stage.DONE)

    assert resume(loop, 5.0, policy).loop == loop
    assert kinds(resume(loop, 5.0, policy).commands) == ["CleanUp"]


def test_resume_merges_with_an_approval_and_waits_without(review: Loop, policy: ServicePolicy) -> None:
    approved = resume(at(review, Stage.MERGING, approved_sha=HEAD), 5.0, policy)
    bare = resume(at(review, Stage.MERGING), 5.0, policy)

    assert [c.sha for c in approved.commands if isinstance(c, MergePullRequest)] == [HEAD]
    assert (bare.loop.stage, kinds(bare.commands)) == (Stage.REVIEW, [])
    assert "again" in bare.loop.reason


@pytest.mark.parametrize(("asked", "stage"), [(True, Stage.ASKING), (False, Stage.NEEDS_HUMAN)])
def test_resume_of_a_waiting_ticket_posts_no_comment(
    making: Loop, policy: ServicePolicy, asked: bool, stage: Stage
) -> None:
    ticket = replace(making.ticket, column="Needs Human")
    contract = None if asked else making.contract

    decision = resume(at(making, Stage.PREPARING, ticket=ticket, contract=contract), 5.0, policy)

    assert (decision.loop.stage, kinds(decision.commands)) == (stage, [])
    assert "last comment above" in decision.loop.reason


def test_resume_stops_a_ticket_that_was_moved_away(making: Loop, policy: ServicePolicy) -> None:
    ticket = replace(making.ticket, column="Backlog")

    decision = resume(at(making, Stage.MAKING, ticket=ticket), 5.0, policy)

    assert (decision.loop.stage, kinds(decision.commands)) == (Stage.STOPPED, ["PostComment"])


def test_resume_with_a_used_up_budget_starts_nothing(making: Loop, policy: ServicePolicy) -> None:
    spent = replace(making.spend.usage, cost_usd=policy.caps.ticket_usd)

    assert resume(at(making, Stage.MAKING, usage=spent), 5.0, policy).loop.stage is Stage.NEEDS_HUMAN
