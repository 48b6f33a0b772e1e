"""A base branch that moves while the pull request is open: noticed, merged, and decided again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.events import (
    BaseMerged,
    BranchPublished,
    BranchPushed,
    ChecksRead,
    PullRequestOpened,
    RunFinished,
    TimePassed,
    WorkspaceReady,
)
from integrations.ports.pull_request import PullRequestFacts
from integrations.results import Tampering
from integrations.values import MergeConflict
from jobs.loop.base_policy import BasePolicy
from jobs.loop.commands import MergeBase, MoveTicket, PostComment, PrepareWorkspace, PublishBranch, StartRun
from jobs.loop.policy import POLICY, RepositoryPolicy
from jobs.loop.state import Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.upstream import LOOK_AGAIN, UPDATE_SECONDS
from tests.jobs.workflow.values import BASE, HEAD, evidence, finished, kinds, passing, said
from tests.loops import changed

NEW, MERGE, FIXED = "d" * 40, "e" * 40, "f" * 40
PLAIN = RepositoryPolicy()
CONFLICT = MergeConflict(path="shop/login.py", text="CONFLICT (content): Merge conflict in shop/login.py")


def pushed(at: float = 10.0, head: str = NEW) -> BranchPushed:
    return BranchPushed(event_id=f"p{at}", ticket_id="t1", at=at, repository="acme/shop", branch="main", head_sha=head)


def facts(**fields: Any) -> PullRequestFacts:
    shown = {"number": 7, "url": "http://h/7", "state": "open", "merged": False, "draft": False, "base": "main"}
    own = {"branch": "loopline/eng-1-limit-logins", "head_sha": HEAD, "base_sha": NEW, "mergeable": "yes"}
    return PullRequestFacts(**{**shown, **own, **fields})


def due(loop: Loop, shown: PullRequestFacts | None, policy: ServicePolicy) -> Decision:
    at = loop.upstream.due_at
    return decide(loop, TimePassed(event_id=f"d{at}", ticket_id="t1", at=at, due=at, facts=shown), policy)


def noticed(review: Loop, policy: ServicePolicy, **fields: Any) -> Decision:
    """The decision after a push to the base branch, with these facts of the pull request."""
    return due(decide(review, pushed(), policy).loop, facts(**fields), policy)


def read_again(loop: Loop, policy: ServicePolicy, repository: RepositoryPolicy = PLAIN, **fields: Any) -> Decision:
    event = WorkspaceReady(
        event_id="w", ticket_id="t1", at=20.0, generation=1, repository="acme/shop", base_branch="main", base_sha=NEW,
        policy=POLICY.encode(repository), branch_sha=loop.pull_request.pushed_sha, fork_sha=BASE, **fields,
    )  # fmt: skip
    return decide(loop, event, policy)


def merged(loop: Loop, policy: ServicePolicy, *conflicts: MergeConflict, merge_sha: str = MERGE) -> Decision:
    event = BaseMerged(
        event_id="m", ticket_id="t1", at=21.0, generation=1, head_sha=loop.pull_request.pushed_sha, base_sha=NEW,
        merge_sha=merge_sha, conflicts=conflicts, commits=("abc1234 Bob: Rename login",) if conflicts else (),
    )  # fmt: skip
    return decide(loop, event, policy)


def at_gate(review: Loop, policy: ServicePolicy) -> Loop:
    """A merge without conflicts whose gate runs."""
    loop = read_again(noticed(review, policy, behind=True, must_be_current=True).loop, policy).loop
    loop = merged(loop, policy).loop
    return decide(loop, finished(loop), policy).loop


def at_maker(review: Loop, policy: ServicePolicy) -> Loop:
    """A merge with a conflict that the maker resolves."""
    loop = merged(read_again(noticed(review, policy, mergeable="conflict").loop, policy).loop, policy, CONFLICT).loop
    return decide(loop, finished(loop), policy).loop


def texts(decision: Decision) -> str:
    return "\n".join(c.body for c in decision.commands if isinstance(c, PostComment))


def spec_of(decision: Decision) -> StartRun:
    (started,) = [c for c in decision.commands if isinstance(c, StartRun)]
    return started


def test_base_push_only_sets_a_deadline_that_further_pushes_do_not_move(review: Loop, policy: ServicePolicy) -> None:
    first = decide(review, pushed(10.0), policy)
    second = decide(first.loop, pushed(30.0, "9" * 40), policy)

    assert first.commands == second.commands == ()
    assert 40.0 <= first.loop.upstream.due_at == second.loop.upstream.due_at <= 70.0
    assert first.loop.due_at == first.loop.upstream.due_at


def test_base_push_of_a_known_or_deleted_commit_changes_nothing(review: Loop, policy: ServicePolicy) -> None:
    for head in (BASE, ""):
        assert decide(review, pushed(head=head), policy) == Decision(review)


def test_base_push_during_the_work_is_looked_at_when_the_pull_request_opens(
    review: Loop, policy: ServicePolicy
) -> None:
    working = decide(changed(review, stage=Stage.PUBLISHING), pushed(), policy).loop
    opened = PullRequestOpened(event_id="o", ticket_id="t1", at=50.0, generation=1, number=7, url="http://h/7")

    assert working.upstream.due_at == 0.0
    assert decide(working, opened, policy).loop.upstream.due_at >= 80.0


@pytest.mark.parametrize(
    ("update", "fields", "expected"),
    [
        ("when_required", {"mergeable": "conflict"}, "conflict"),
        ("when_required", {"behind": True, "must_be_current": True}, "behind"),
        ("when_required", {"behind": True}, ""),
        ("when_required", {}, ""),
        ("always", {"behind": True}, "behind"),
        ("always", {"mergeable": "conflict"}, "conflict"),
        ("never", {"behind": True, "must_be_current": True}, ""),
        ("never", {"mergeable": "conflict"}, ""),
    ],
)
def test_update_begins_when_policy_or_code_host_ask_for_it(
    review: Loop, policy: ServicePolicy, update: Any, fields: dict[str, Any], expected: str
) -> None:
    own = replace(review.policy, loop=replace(review.policy.loop, base=BasePolicy(update=update)))
    decision = noticed(replace(review, policy=own), policy, **fields)

    assert decision.loop.upstream.cause == expected
    assert [c.kind for c in decision.commands if c.kind != "PostComment"] == ["PrepareWorkspace"] * bool(expected)
    assert decision.loop.stage is (Stage.PREPARING if expected else Stage.REVIEW)


def test_conflict_that_policy_leaves_to_people_has_one_message(review: Loop, policy: ServicePolicy) -> None:
    own = replace(review.policy, loop=replace(review.policy.loop, base=BasePolicy(update="never")))
    first = noticed(replace(review, policy=own), policy, mergeable="conflict")
    again = due(decide(first.loop, pushed(500.0, "9" * 40), policy).loop, facts(mergeable="conflict"), policy)

    assert "conflicts with `main`" in texts(first) and "/changes merge main" in texts(first)
    assert again.commands == ()


def test_conflict_is_noticed_while_the_checks_are_awaited(review: Loop, policy: ServicePolicy) -> None:
    """Many code hosts run no checks of a pull request that conflicts."""
    decision = noticed(replace(review, stage=Stage.CI), policy, mergeable="conflict")

    assert (decision.loop.stage, decision.loop.upstream.cause) == (Stage.PREPARING, "conflict")


def test_update_leaves_a_persons_commit_alone(review: Loop, policy: ServicePolicy) -> None:
    foreign = changed(review, head_sha=NEW, pushed_sha=NEW)
    decision = due(decide(foreign, pushed(head=FIXED), policy).loop, facts(head_sha=NEW, mergeable="conflict"), policy)

    assert (decision.loop.stage, kinds(decision.commands)) == (Stage.REVIEW, ["PostComment"])


def test_update_is_not_repeated_within_ten_minutes(review: Loop, policy: ServicePolicy) -> None:
    loop = replace(review, upstream=replace(review.upstream, updated_at=5.0))
    decision = noticed(loop, policy, behind=True, must_be_current=True)

    assert (decision.commands, decision.loop.upstream.due_at) == ((), 5.0 + UPDATE_SECONDS)


def test_unknown_mergeability_is_looked_up_a_few_times(review: Loop, policy: ServicePolicy) -> None:
    loop, seconds = decide(review, pushed(), policy).loop, []
    for _ in range(len(LOOK_AGAIN) + 1):
        before = loop.upstream.due_at
        loop = due(loop, facts(mergeable="unknown"), policy).loop
        seconds.append(loop.upstream.due_at - before if loop.upstream.due_at else 0.0)

    assert seconds == pytest.approx([*LOOK_AGAIN, 0.0])
    assert (loop.stage, loop.upstream.looks) == (Stage.REVIEW, 0)


def test_deadline_without_facts_or_for_another_head_changes_nothing(review: Loop, policy: ServicePolicy) -> None:
    loop = decide(review, pushed(), policy).loop
    for shown in (None, facts(head_sha=NEW, mergeable="conflict"), facts(state="closed", mergeable="conflict")):
        decision = due(loop, shown, policy)
        assert (decision.commands, decision.loop.upstream.due_at, decision.loop.stage) == ((), 0.0, Stage.REVIEW)


def test_merge_is_of_the_present_base_into_the_pushed_head(review: Loop, policy: ServicePolicy) -> None:
    decision = read_again(noticed(review, policy, mergeable="conflict").loop, policy)

    (command,) = [c for c in decision.commands if isinstance(c, MergeBase)]
    assert (command.head_sha, command.base_sha, command.at) == (HEAD, NEW, 20.0)


def test_clean_merge_is_examined_by_the_gate_alone_and_keeps_the_verdict(review: Loop, policy: ServicePolicy) -> None:
    loop = read_again(noticed(review, policy, behind=True, must_be_current=True).loop, policy).loop
    decision = merged(loop, policy)
    gate = decide(decision.loop, finished(decision.loop), policy)
    spec = spec_of(gate).spec
    done = decide(gate.loop, finished(gate.loop, evidence=(evidence(0),)), policy)

    assert "**Merging `main` (`ddddddd`) into the branch**" in texts(decision)
    assert decision.loop.stage is Stage.PREFLIGHT
    assert (spec.role, spec.start_sha, spec.workspace.base_sha) == ("gate", MERGE, NEW)
    assert done.loop.stage is Stage.PUBLISHING
    (push,) = [c for c in done.commands if isinstance(c, PublishBranch)]
    assert (push.sha, push.expected) == (MERGE, HEAD)
    assert not any(isinstance(c, MoveTicket) for d in (decision, gate, done) for c in d.commands)


def test_verdict_says_that_it_was_carried_over(review: Loop, policy: ServicePolicy) -> None:
    gate = at_gate(review, policy)
    loop = decide(gate, finished(gate, evidence=(evidence(0),)), policy).loop
    loop = decide(loop, BranchPublished(event_id="b", ticket_id="t1", generation=1, head_sha=MERGE), policy).loop
    opened = PullRequestOpened(event_id="o", ticket_id="t1", at=50.0, generation=1, number=7, url="http://h/7")
    loop = decide(loop, opened, policy).loop
    decision = decide(loop, ChecksRead(event_id="r", ticket_id="t1", at=51.0, generation=1, head_sha=MERGE), policy)

    assert decision.loop.stage is Stage.REVIEW
    assert "The checker examined `aaaaaaa`. Since then only `main` (`ddddddd`) was merged" in texts(decision)
    assert decision.loop.pull_request.approved_sha == ""
    assert decision.loop.workspace.base_sha == NEW


def test_red_gate_after_a_clean_merge_is_the_makers_work_on_the_merge(review: Loop, policy: ServicePolicy) -> None:
    gate = at_gate(review, policy)
    decision = decide(gate, finished(gate, evidence=(evidence(1),)), policy)
    spec = spec_of(decision).spec

    assert decision.loop.stage is Stage.MAKING
    assert MoveTicket(column="working") in decision.commands
    assert (spec.start_sha, spec.workspace.base_sha, spec.attempt.iteration) == (MERGE, NEW, 1)
    assert "merged without conflicts" in spec.attempt.cause
    assert spec.attempts[-1].accepted


def test_accepted_change_of_tests_stays_accepted_after_a_clean_merge(review: Loop, policy: ServicePolicy) -> None:
    found = Tampering(kind="test_changed", path="tests/test_login.py", line=3, text="assert 5")
    moved_down = replace(found, line=9)
    accepted = changed(review, tampering=(found,), accepted_sha=HEAD, accepted_by="Ana")
    insists = replace(evidence(0), refuted="the new tests pass without the change too")
    gate = at_gate(accepted, policy)

    kept = decide(gate, finished(gate, evidence=(insists,), tampering=(moved_down,)), policy)
    more = decide(
        gate, finished(gate, evidence=(evidence(0),), tampering=(moved_down, replace(found, path="x"))), policy
    )

    assert kept.loop.stage is Stage.PUBLISHING
    assert (more.loop.stage, more.loop.escalation and more.loop.escalation.kind) == (Stage.NEEDS_HUMAN, "tamper")


def test_accepted_lost_tests_stay_accepted_after_a_clean_merge_only_if_they_are_the_same(
    review: Loop, policy: ServicePolicy
) -> None:
    lost = Tampering(kind="tests_lost", path="tests/test_login.py", text="tests/test_login.py::test_sixth")
    gate = at_gate(changed(review, tampering=(lost,), accepted_sha=HEAD, accepted_by="Ana"), policy)
    another = replace(lost, text="tests/test_login.py::test_sixth, tests/test_login.py::test_seventh")

    kept, more = (
        decide(gate, finished(gate, evidence=(evidence(0),), tampering=(found,)), policy) for found in (lost, another)
    )

    assert (kept.loop.stage, more.loop.stage) == (Stage.PUBLISHING, Stage.NEEDS_HUMAN)


def test_verdict_is_not_carried_to_a_contract_with_another_check(review: Loop, policy: ServicePolicy) -> None:
    verdict = passing()
    fewer = changed(review, verdict=replace(verdict, results=verdict.results[1:]))
    gate = at_gate(fewer, policy)

    assert decide(gate, finished(gate, evidence=(evidence(0),)), policy).loop.stage is Stage.JUDGING


def test_conflict_goes_to_the_maker_with_both_sides_and_the_reason(review: Loop, policy: ServicePolicy) -> None:
    loop = read_again(noticed(review, policy, mergeable="conflict").loop, policy).loop
    decision = merged(loop, policy, CONFLICT)
    maker = decide(decision.loop, finished(decision.loop), policy)
    spec = spec_of(maker).spec

    assert "Conflict with `main` (`ddddddd`)** in `shop/login.py`" in texts(decision)
    assert "abc1234 Bob: Rename login" in texts(decision)
    assert MoveTicket(column="working") in decision.commands
    assert (spec.role, spec.start_sha, spec.workspace.base_sha, spec.pushed_sha) == ("maker", MERGE, NEW, HEAD)
    assert (spec.conflicts, spec.attempts[-1].accepted) == ((CONFLICT,), True)
    assert maker.loop.candidate.verdict is None


def test_conflict_that_is_resolved_is_examined_by_judge_and_checker_again(review: Loop, policy: ServicePolicy) -> None:
    maker = at_maker(review, policy)
    gate = decide(maker, finished(maker, head_sha=FIXED), policy).loop
    judge = decide(gate, finished(gate, evidence=(evidence(0),)), policy).loop

    assert (gate.stage, judge.stage) == (Stage.GATING, Stage.JUDGING)


def test_conflict_markers_start_another_iteration_before_any_command(review: Loop, policy: ServicePolicy) -> None:
    maker = at_maker(review, policy)
    gate = decide(maker, finished(maker, outcome="no_change", head_sha=MERGE), policy).loop
    decision = decide(gate, finished(gate, unresolved=("shop/login.py:3",)), policy)

    assert (decision.loop.stage, decision.loop.attempt.iteration) == (Stage.MAKING, 2)
    assert "shop/login.py:3" in decision.loop.attempt.tried[-1]


def test_attempt_after_a_failed_one_begins_at_the_merge_again(review: Loop, policy: ServicePolicy) -> None:
    maker = at_maker(review, policy)
    decision = decide(maker, finished(maker, outcome="spinning", head_sha=FIXED), policy)

    assert decision.loop.attempt.number == 2
    assert (spec_of(decision).spec.start_sha, decision.loop.workspace.base_sha) == (MERGE, NEW)


def test_hand_over_keeps_a_merge_that_is_under_way(review: Loop, policy: ServicePolicy) -> None:
    maker = at_maker(review, policy)
    stopped = decide(maker, said("/stop"), policy).loop
    again = decide(stopped, said("/retry"), policy).loop

    assert (again.generation, again.upstream.merge_sha, again.upstream.conflicts) == (2, MERGE, (CONFLICT,))
    assert again.candidate.head_sha == MERGE


def test_hint_after_a_stopped_update_is_the_makers(review: Loop, policy: ServicePolicy) -> None:
    """A stop ends the update; what follows is work like any other, from the merge that was made."""
    loop = read_again(noticed(review, policy, behind=True, must_be_current=True).loop, policy).loop
    stopped = decide(merged(loop, policy).loop, said("/stop"), policy).loop
    again = decide(stopped, said("/retry use decimals"), policy).loop
    ready = WorkspaceReady(
        event_id="w2", ticket_id="t1", at=40.0, generation=2, repository="acme/shop", base_branch="main",
        base_sha=NEW, policy=POLICY.encode(PLAIN), branch_sha=HEAD, fork_sha=NEW,
    )  # fmt: skip
    loop = decide(again, ready, policy).loop
    loop = decide(loop, finished(loop), policy).loop

    assert loop.stage in {Stage.SCOUTING, Stage.MAKING}
    assert (loop.candidate.head_sha, loop.workspace.base_sha) == (MERGE, NEW)


def test_attempt_after_a_persons_push_does_not_begin_at_the_old_merge(review: Loop, policy: ServicePolicy) -> None:
    maker = at_maker(review, policy)
    foreign = changed(maker, pushed_sha="9" * 40)
    decision = decide(foreign, finished(foreign, outcome="spinning"), policy)

    assert spec_of(decision).spec.start_sha == "9" * 40
    assert spec_of(decision).spec.conflicts == ()


def test_conflict_outside_the_repository_asks_a_person(review: Loop, policy: ServicePolicy) -> None:
    loop = read_again(noticed(review, policy, mergeable="conflict").loop, policy).loop
    decision = merged(loop, policy, CONFLICT, replace(CONFLICT, path="lib", is_outside=True))

    assert (decision.loop.stage, decision.loop.escalation and decision.loop.escalation.kind) == (
        Stage.NEEDS_HUMAN,
        "conflict",
    )
    assert "`lib`" in texts(decision) and "Merge it by hand" in texts(decision)


def test_new_base_during_the_preflight_of_a_merge_merges_the_newer_one(review: Loop, policy: ServicePolicy) -> None:
    """Nothing of the first merge was pushed, so the second one starts from the pushed head too."""
    loop = merged(read_again(noticed(review, policy, mergeable="conflict").loop, policy).loop, policy, CONFLICT).loop
    broken = decide(loop, finished(loop, outcome="environment", summary="no compiler"), policy).loop
    restarted = decide(broken, pushed(90.0, "9" * 40), policy)
    again = read_again(restarted.loop, policy)

    assert restarted.loop.stage is Stage.PREPARING
    (command,) = [c for c in again.commands if isinstance(c, MergeBase)]
    assert command.head_sha == HEAD


@pytest.mark.parametrize(
    "text", ["/changes merge main into the branch and solve the conflict", "/changes update the branch"]
)
def test_request_for_an_update_needs_no_revision_and_no_agent(review: Loop, policy: ServicePolicy, text: str) -> None:
    decision = decide(review, said(text), policy)

    assert (decision.loop.revision, decision.loop.upstream.cause) == (0, "request")
    assert [type(c) for c in decision.commands if c.kind != "React"] == [PrepareWorkspace]
    assert decision.loop.contract == review.contract


def test_request_for_an_update_that_is_not_needed_is_answered(review: Loop, policy: ServicePolicy) -> None:
    review = replace(review, pull_request=replace(review.pull_request, announced=True))
    loop = read_again(decide(review, said("/changes merge main"), policy).loop, policy).loop
    decision = merged(loop, policy, merge_sha="")

    assert decision.loop.stage is Stage.REVIEW
    assert "nothing to merge" in texts(decision)
    assert decision.loop.candidate.verdict == review.candidate.verdict


def test_maker_that_merges_the_base_itself_is_compared_with_the_merged_commit(
    making: Loop, policy: ServicePolicy
) -> None:
    gate = decide(making, finished(making, head_sha=FIXED, base_sha=NEW), policy)
    spun = decide(making, finished(making, outcome="spinning", head_sha=FIXED, base_sha=NEW), policy)

    assert spec_of(gate).spec.workspace.base_sha == NEW
    assert (spun.loop.workspace.base_sha, spun.loop.candidate.head_sha) == (BASE, "")
    failed = gate.loop
    for _ in range(3):
        decision = decide(failed, finished(failed, evidence=(evidence(1),)), policy)
        failed = decision.loop
        if failed.attempt.number == 2:
            break
        failed = decide(failed, finished(failed, head_sha=FIXED), policy).loop
    assert (failed.attempt.number, failed.workspace.base_sha, failed.candidate.head_sha) == (2, BASE, "")


def test_late_merge_of_another_generation_or_stage_is_ignored(review: Loop, policy: ServicePolicy) -> None:
    assert merged(review, policy) == Decision(review)
    loop = read_again(noticed(review, policy, mergeable="conflict").loop, policy).loop
    assert merged(replace(loop, generation=2), policy).commands == ()


def test_runs_after_a_merge_have_ids_of_their_own(review: Loop, policy: ServicePolicy) -> None:
    assert at_gate(review, policy).run_id == "ENG-1-g1-r0-b1-i1-gate"
    assert isinstance(finished(at_gate(review, policy)), RunFinished)
