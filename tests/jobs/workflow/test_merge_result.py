"""The merge result with a base branch that has moved since the verdict: checked before Loopline merges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import BaseMerged, BranchPushed, MergeHeld, ReviewSubmitted, RunFinished
from integrations.ports.merge_rules import MissingKind, MissingPart
from integrations.values import MergeConflict
from jobs.loop.base_policy import BasePolicy
from jobs.loop.commands import MergePullRequest, PostComment, PrepareWorkspace, StartRun, StopRun
from jobs.loop.state import Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.merge_result import MAX_ROUNDS
from tests.jobs.workflow.values import ANA, BASE, HEAD, evidence, finished, said
from tests.loops import changed

NEW, NEWER, RESULT = "d" * 40, "9" * 40, "e" * 40
CONFLICT = MergeConflict(path="shop/login.py", text="CONFLICT (content)")


@pytest.fixture
def merging(review: Loop, policy: ServicePolicy) -> Loop:
    return decide(decide(review, said("/approve"), policy).loop, said("/merge"), policy).loop


def base_moved(loop: Loop, policy: ServicePolicy, base: str = NEW, *conflicts: MergeConflict) -> Decision:
    """The answer to `MergePullRequest`: the base branch is at another commit."""
    event = BaseMerged(
        event_id=f"m{base}", ticket_id="t1", at=30.0, generation=1, head_sha=HEAD, base_sha=base, merge_sha=RESULT,
        conflicts=conflicts,
    )  # fmt: skip
    return decide(loop, event, policy)


def gated(loop: Loop, policy: ServicePolicy, exit_code: int = 0) -> Decision:
    return decide(loop, finished(loop, evidence=(evidence(exit_code),)), policy)


def texts(decision: Decision) -> str:
    return "\n".join(c.body for c in decision.commands if isinstance(c, PostComment))


def merges(decision: Decision) -> list[MergePullRequest]:
    return [c for c in decision.commands if isinstance(c, MergePullRequest)]


def test_merge_names_the_base_commit_of_the_verdict(review: Loop, policy: ServicePolicy) -> None:
    approved = decide(review, said("/approve"), policy).loop
    (command,) = merges(decide(approved, said("/merge"), policy))

    assert (command.base_branch, command.known_bases) == ("main", (BASE,))


def test_merge_result_is_gated_and_the_ticket_shows_it(merging: Loop, policy: ServicePolicy) -> None:
    decision = base_moved(merging, policy)
    (started,) = [c for c in decision.commands if isinstance(c, StartRun)]

    assert decision.loop.stage is Stage.MERGING
    assert (started.spec.role, started.spec.start_sha, started.spec.workspace.base_sha) == ("gate", RESULT, NEW)
    assert "Checking the merge result with `main` (`ddddddd`)" in texts(decision)
    assert decision.loop.candidate == merging.candidate


def test_merge_result_that_is_green_is_merged_on_that_base(merging: Loop, policy: ServicePolicy) -> None:
    (command,) = merges(gated(base_moved(merging, policy).loop, policy))

    assert (command.sha, command.known_bases) == (HEAD, (BASE, NEW))


def test_merge_result_that_is_red_is_not_merged_and_the_base_is_merged_into_the_branch(
    merging: Loop, policy: ServicePolicy
) -> None:
    decision = gated(base_moved(merging, policy).loop, policy, 1)

    assert not merges(decision)
    assert "**Not merged:** on the merge result with `main` (`ddddddd`) `pytest -q` (exit 1) fails" in texts(decision)
    assert (decision.loop.stage, decision.loop.upstream.cause) == (Stage.PREPARING, "result")
    assert any(isinstance(c, PrepareWorkspace) for c in decision.commands)


def test_merge_result_with_a_conflict_is_resolved_in_the_branch(merging: Loop, policy: ServicePolicy) -> None:
    decision = base_moved(merging, policy, NEW, CONFLICT)

    assert "**Not merged:** the pull request conflicts with `main` (`ddddddd`) in `shop/login.py`" in texts(decision)
    assert decision.loop.upstream.cause == "conflict"


def test_merge_result_with_a_conflict_is_left_to_a_person_by_policy(merging: Loop, policy: ServicePolicy) -> None:
    own = replace(merging.policy, loop=replace(merging.policy.loop, base=BasePolicy(update="never")))
    decision = base_moved(replace(merging, policy=own), policy, NEW, CONFLICT)

    assert decision.loop.stage is Stage.REVIEW
    assert "resolve the conflict there yourself" in texts(decision)


def test_merge_result_is_checked_again_when_the_base_moves_meanwhile_but_not_for_ever(
    merging: Loop, policy: ServicePolicy
) -> None:
    loop, runs = merging, []
    for number in range(MAX_ROUNDS):
        loop = base_moved(loop, policy, str(number) * 40).loop
        runs.append(loop.run_id)
        loop = gated(loop, policy).loop
    decision = base_moved(loop, policy, NEWER)

    assert len(set(runs)) == MAX_ROUNDS
    assert decision.loop.stage is Stage.REVIEW
    assert f"`main` moved {MAX_ROUNDS} times" in texts(decision)
    assert decision.loop.upstream.rounds == 0


def test_merge_result_that_cannot_be_checked_is_not_merged(merging: Loop, policy: ServicePolicy) -> None:
    loop = base_moved(merging, policy).loop
    decision = decide(loop, finished(loop, outcome="environment", summary="no compiler."), policy)

    assert (decision.loop.stage, merges(decision)) == (Stage.REVIEW, [])
    assert "could not be checked: no compiler." in texts(decision)
    assert decision.loop.pull_request.approved_sha == HEAD


def test_stop_ends_the_check_of_a_merge_result_and_the_merge(merging: Loop, policy: ServicePolicy) -> None:
    loop = base_moved(merging, policy).loop
    decision = decide(loop, said("/stop"), policy)

    assert decision.loop.stage is Stage.REVIEW
    assert StopRun(run_id=loop.run_id) in decision.commands
    assert gated(replace(decision.loop, run_id=loop.run_id), policy).commands == ()


def test_approval_withdrawn_during_the_check_prevents_the_merge(merging: Loop, policy: ServicePolicy) -> None:
    loop = base_moved(merging, policy).loop
    kept = replace(loop, pull_request=loop.pull_request.unapproved())
    dismissed = ReviewSubmitted(
        event_id="r", ticket_id="t1", repository="acme/shop", number=7, review_id="5", state="dismissed", author=ANA
    )

    assert decide(loop, dismissed, policy).loop.stage is Stage.REVIEW
    decision = gated(kept, policy)
    assert (decision.loop.stage, merges(decision)) == (Stage.REVIEW, [])
    assert "approval was withdrawn" in texts(decision)


def test_foreign_commit_during_the_check_prevents_the_merge(merging: Loop, policy: ServicePolicy) -> None:
    loop = base_moved(merging, policy).loop
    event = BranchPushed(
        event_id="p", ticket_id="t1", repository="acme/shop", branch=loop.workspace.branch, head_sha=NEWER, by="bob"
    )
    after = decide(loop, event, policy).loop

    assert after.stage is Stage.REVIEW
    assert decide(after, finished(loop, evidence=(evidence(0),)), policy).commands == ()


def test_accepted_failure_with_the_old_tests_does_not_stop_the_merge(merging: Loop, policy: ServicePolicy) -> None:
    accepted = changed(merging, accepted_sha=HEAD, accepted_by="Ana")
    loop = base_moved(accepted, policy).loop
    insists = replace(evidence(0), refuted="the new tests pass without the change too")

    assert merges(decide(loop, finished(loop, evidence=(insists,)), policy))


@pytest.mark.parametrize(("kind", "cause"), [("conflict", "conflict"), ("behind", "behind"), ("approval", "")])
def test_merge_that_lacks_the_base_branch_begins_its_update(
    merging: Loop, policy: ServicePolicy, kind: MissingKind, cause: str
) -> None:
    missing = (MissingPart(kind=kind, name="main"),)
    decision = decide(merging, MergeHeld(event_id="h", ticket_id="t1", generation=1, missing=missing), policy)

    assert (decision.loop.upstream.cause, decision.loop.stage is Stage.REVIEW) == (cause, not cause)
    assert "Not merged" in texts(decision)


def test_late_gate_of_an_earlier_round_is_ignored(merging: Loop, policy: ServicePolicy) -> None:
    first = base_moved(merging, policy).loop
    late: RunFinished = finished(first, evidence=(evidence(0),))
    second = base_moved(gated(first, policy).loop, policy, NEWER).loop

    assert decide(second, late, policy).commands == ()
