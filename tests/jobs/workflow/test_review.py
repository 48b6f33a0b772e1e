from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import (
    BranchPublished,
    BranchPushed,
    ChecksReported,
    CommandFailed,
    PullRequestClosed,
    PullRequestMerged,
    PullRequestOpened,
    PullRequestReopened,
    ReviewSubmitted,
)
from integrations.values import Person
from jobs.loop.commands import CleanUp, DescribePullRequest, MoveTicket, OpenPullRequest, PostComment
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.decision import is_still_wanted
from tests.jobs.workflow.values import HEAD, OTHER, kinds
from tests.loops import changed

HERE = {"event_id": "e", "ticket_id": "t1", "repository": "acme/shop", "number": 7}
ANA = Person(id="ana", name="Ana", may_steer=True)
GUEST = Person(id="eve", name="Eve")


@pytest.fixture
def publishing(review: Loop) -> Loop:
    return changed(review, stage=Stage.PUBLISHING, number=0, url="", pushed_sha="")


def test_branch_published_opens_a_pull_request_that_linear_links(publishing: Loop, policy: ServicePolicy) -> None:
    event = BranchPublished(event_id="e", ticket_id="t1", generation=1, head_sha=HEAD)

    (command,) = [c for c in decide(publishing, event, policy).commands if isinstance(c, OpenPullRequest)]

    assert command.title == "ENG-1: Limit logins"
    assert command.body.startswith("Fixes ENG-1\n")
    assert all(part in command.body for part in ("Counts logins.", "the sixth login is refused", "Not checked"))


def test_pull_request_opened_moves_the_ticket_to_review(publishing: Loop, policy: ServicePolicy) -> None:
    event = PullRequestOpened(event_id="e", ticket_id="t1", generation=1, number=7, url="http://h/7")

    decision = decide(publishing, event, policy)

    assert decision.loop.stage is Stage.REVIEW
    shown = ["PostComment", "SetNeedsHuman", "MoveTicket"]
    new = ["DescribePullRequest", "DescribePullRequest"]
    assert kinds(decision.commands) == ["SetStatus", "LinkPullRequest", *new, *shown]
    again = replace(decision.loop, stage=Stage.PUBLISHING)
    assert kinds(decide(again, event, policy).commands) == ["SetStatus", "LinkPullRequest", *shown]


def test_pull_request_that_was_opened_as_a_draft_is_marked_ready_once(publishing: Loop, policy: ServicePolicy) -> None:
    event = PullRequestOpened(event_id="e", ticket_id="t1", generation=1, number=7, url="http://h/7", draft=True)
    first = decide(publishing, event, policy)
    again = decide(replace(first.loop, stage=Stage.PUBLISHING), event, policy)  # a person made it a draft since then

    assert kinds(first.commands).count("MarkReadyForReview") == 1 and not first.loop.pull_request.draft
    assert "MarkReadyForReview" not in kinds(again.commands)


@pytest.mark.parametrize(
    ("wanted", "described"),
    [
        (PullRequestPolicy(reviewers="none"), [((), "none", "", True)]),
        (
            PullRequestPolicy(labels=("a",), milestone="1.0"),
            [(("a",), "none", "1.0", True), ((), "codeowners", "", False)],
        ),
    ],
)
def test_pull_request_gets_labels_when_it_opens_and_reviewers_when_its_review_begins(
    publishing: Loop, policy: ServicePolicy, wanted: PullRequestPolicy, described: list[object]
) -> None:
    loop = replace(publishing, policy=RepositoryPolicy(loop=LoopPolicy(pull_request=wanted)))
    event = PullRequestOpened(event_id="e", ticket_id="t1", generation=1, number=7, url="http://h/7")
    found = [one for one in decide(loop, event, policy).commands if isinstance(one, DescribePullRequest)]

    assert [(d.wanted.labels, d.wanted.reviewers, d.wanted.milestone, d.is_first) for d in found] == described


def test_details_that_cannot_be_added_are_shown_on_the_ticket(review: Loop, policy: ServicePolicy) -> None:
    event = CommandFailed(
        event_id="e", ticket_id="t1", generation=1, command="DescribePullRequest", reason="no milestone '1.0'"
    )
    decision = decide(review, event, policy)

    assert decision.loop.stage is Stage.REVIEW
    assert [one.body for one in decision.commands if isinstance(one, PostComment)] == ["no milestone '1.0'"]


def test_merge_ends_the_loop_and_cleans_up(review: Loop, policy: ServicePolicy) -> None:
    decision = decide(review, PullRequestMerged(**HERE), policy)

    assert decision.loop.stage is Stage.DONE
    assert MoveTicket(column="done") in decision.commands
    assert CleanUp(repository="acme/shop", branch=review.workspace.branch) in decision.commands


def test_merge_reported_twice_changes_nothing(review: Loop, policy: ServicePolicy) -> None:
    done = decide(review, PullRequestMerged(**HERE), policy).loop

    assert not decide(done, PullRequestMerged(**HERE), policy).commands


def test_pull_request_of_another_number_is_ignored(review: Loop, policy: ServicePolicy) -> None:
    assert not decide(review, PullRequestMerged(**{**HERE, "number": 8}), policy).commands


def test_pull_request_closed_stops_and_reopened_continues(review: Loop, policy: ServicePolicy) -> None:
    stopped = decide(review, PullRequestClosed(**{**HERE, "by": "ana"}), policy).loop
    assert (stopped.stage, "ana" in stopped.reason) == (Stage.STOPPED, True)

    assert decide(stopped, PullRequestReopened(**HERE), policy).loop.stage is Stage.REVIEW


def test_pull_request_reopened_keeps_its_branch(review: Loop, policy: ServicePolicy) -> None:
    closed = decide(review, PullRequestClosed(**HERE), policy)
    (clean_up,) = [c for c in closed.commands if isinstance(c, CleanUp)]
    reopened = PullRequestReopened(**{**HERE, "branch": review.workspace.branch})

    assert is_still_wanted(closed.loop, clean_up)
    assert not is_still_wanted(decide(closed.loop, reopened, policy).loop, clean_up)


def _review(state: str, author: Person, sha: str = HEAD) -> ReviewSubmitted:
    given = {**HERE, "review_id": "1", "state": state, "body": "use a constant", "head_sha": sha}
    return ReviewSubmitted(**{**given, "comments": ("a.py:3: name it",), "author": author})


def test_review_requesting_changes_starts_a_revision_on_the_same_branch(review: Loop, policy: ServicePolicy) -> None:
    decision = decide(review, _review("changes_requested", ANA), policy)

    assert (decision.loop.stage, decision.loop.revision, decision.loop.workspace.branch) == (
        Stage.PREPARING,
        1,
        review.workspace.branch,
    )
    assert decision.loop.comments.guidance[-1].text == "use a constant\na.py:3: name it"
    assert decision.loop.contract is not None
    assert "use a constant" in decision.loop.contract.criteria[-1].text


@pytest.mark.parametrize("state", ["changes_requested", "approved"])
def test_review_without_permission_is_ignored(review: Loop, policy: ServicePolicy, state: str) -> None:
    assert decide(review, _review(state, GUEST), policy).loop == review


@pytest.mark.parametrize(("sha", "approved"), [(HEAD, HEAD), (OTHER, "")])
def test_approval_holds_for_its_commit(review: Loop, policy: ServicePolicy, sha: str, approved: str) -> None:
    assert decide(review, _review("approved", ANA, sha), policy).loop.pull_request.approved_sha == approved


def test_approval_dismissed_no_longer_counts(review: Loop, policy: ServicePolicy) -> None:
    approved = decide(review, _review("approved", ANA), policy).loop

    assert decide(approved, _review("dismissed", ANA), policy).loop.pull_request.approved_sha == ""


@pytest.mark.parametrize(
    ("state", "stage", "approved"), [("changes_requested", Stage.PREPARING, ""), ("dismissed", Stage.REVIEW, "")]
)
def test_review_cancels_a_queued_merge(
    review: Loop, policy: ServicePolicy, state: str, stage: Stage, approved: str
) -> None:
    approval = {"approved_sha": HEAD, "approved_by": "Ana"}
    merging = changed(review, stage=Stage.MERGING, **approval)

    loop = decide(merging, _review(state, ANA), policy).loop

    assert (loop.stage, loop.pull_request.approved_sha) == (stage, approved)


def test_merge_cancelled_too_late_still_ends_the_loop(review: Loop, policy: ServicePolicy) -> None:
    revising = decide(review, _review("changes_requested", ANA), policy).loop

    decision = decide(revising, PullRequestMerged(**HERE), policy)

    assert decision.loop.stage is Stage.DONE
    assert any(isinstance(c, PostComment) and c.body.startswith("**Merged.**") for c in decision.commands)


def test_review_during_work_is_guidance(making: Loop, policy: ServicePolicy) -> None:
    working = changed(making, number=7)

    decision = decide(working, _review("changes_requested", ANA), policy)

    assert "Steer" in kinds(decision.commands)
    assert decision.loop.comments.pending[-1].text.startswith("use a constant")


def _pushed(sha: str) -> BranchPushed:
    given = {**HERE, "branch": "loopline/eng-1-limit-logins", "head_sha": sha, "by": "ana"}
    return BranchPushed(**given)


def test_push_by_loopline_changes_nothing(review: Loop, policy: ServicePolicy) -> None:
    assert not decide(review, _pushed(HEAD), policy).commands


def test_foreign_commit_voids_verdict_and_approval(review: Loop, policy: ServicePolicy) -> None:
    approved = changed(review, approved_sha=HEAD)

    loop = decide(approved, _pushed(OTHER), policy).loop

    assert (loop.candidate.verdict, loop.pull_request.approved_sha, loop.pull_request.pushed_sha) == (None, "", OTHER)


def test_foreign_commit_cancels_a_queued_merge(review: Loop, policy: ServicePolicy) -> None:
    merging = changed(review, stage=Stage.MERGING, approved_sha=HEAD)

    assert decide(merging, _pushed(OTHER), policy).loop.stage is Stage.REVIEW


def test_foreign_commit_during_work_stops_the_loop(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, _pushed(OTHER), policy)

    assert decision.loop.stage is Stage.STOPPED
    assert "StopRun" in kinds(decision.commands)


def test_checks_of_the_code_host_are_shown_until_they_pass(review: Loop, policy: ServicePolicy) -> None:
    given = {**HERE, "head_sha": HEAD, "name": "ci"}
    failed = decide(review, ChecksReported(**{**given, "conclusion": "failure"}), policy).loop
    assert failed.pull_request.failing_checks == ("ci",)

    passed = decide(failed, ChecksReported(**{**given, "conclusion": "success"}), policy).loop
    assert passed.pull_request.failing_checks == ()


def test_checks_exclude_the_status_of_loopline(review: Loop, policy: ServicePolicy) -> None:
    given = {**HERE, "head_sha": HEAD, "name": "loopline/verdict", "conclusion": "failure"}

    assert decide(review, ChecksReported(**given), policy).loop.pull_request.failing_checks == ()


def _refused(command: str) -> CommandFailed:
    return CommandFailed(event_id="e", ticket_id="t1", generation=1, command=command, reason="no such repository")


@pytest.mark.parametrize(
    ("command", "stage"),
    [("PublishBranch", Stage.NEEDS_HUMAN), ("OpenPullRequest", Stage.NEEDS_HUMAN), ("React", Stage.PUBLISHING)],
)
def test_command_failed_escalates_only_if_the_loop_needs_it(
    publishing: Loop, policy: ServicePolicy, command: str, stage: Stage
) -> None:
    assert decide(publishing, _refused(command), policy).loop.stage is stage


def test_merge_refused_returns_to_review_with_the_reason(review: Loop, policy: ServicePolicy) -> None:
    merging = replace(review, stage=Stage.MERGING)

    decision = decide(merging, _refused("MergePullRequest"), policy)

    assert decision.loop.stage is Stage.REVIEW
    assert PostComment(body="Not merged: no such repository") in decision.commands
