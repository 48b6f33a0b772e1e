from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import (
    BranchPublished,
    BranchPushed,
    ChecksRead,
    CommandFailed,
    PullRequestClosed,
    PullRequestMerged,
    PullRequestOpened,
    PullRequestReopened,
    ReviewSubmitted,
)
from integrations.values import Person
from jobs.loop.commands import CleanUp, Command, DescribePullRequest, MoveTicket, OpenPullRequest, PostComment
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.pull_request_policy import PullRequestPolicy
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.decision import is_still_wanted
from tests.jobs.workflow.values import HEAD, OTHER, kinds, said
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


def test_pull_request_opened_waits_for_the_checks(publishing: Loop, policy: ServicePolicy) -> None:
    event = PullRequestOpened(event_id="e", ticket_id="t1", generation=1, number=7, url="http://h/7")

    decision = decide(publishing, event, policy)

    assert decision.loop.stage is Stage.CI
    assert kinds(decision.commands) == ["SetStatus", "LinkPullRequest", "DescribePullRequest", "ReadChecks"]
    again = replace(decision.loop, stage=Stage.PUBLISHING)
    assert kinds(decide(again, event, policy).commands) == ["SetStatus", "LinkPullRequest", "ReadChecks"]


def begin_review(publishing: Loop, event: PullRequestOpened, policy: ServicePolicy) -> tuple[Loop, list[Command]]:
    """The loop in review, without checks on the code host, and all commands on the way there."""
    pushed = BranchPublished(event_id="b", ticket_id="t1", generation=1, head_sha=HEAD)
    opened = decide(decide(publishing, pushed, policy).loop, event, policy)
    sha = opened.loop.pull_request.pushed_sha
    read = ChecksRead(event_id="r", ticket_id="t1", at=51.0, generation=1, head_sha=sha, base_checks=((),))
    reviewed = decide(opened.loop, read, policy)
    assert reviewed.loop.stage is Stage.REVIEW
    return reviewed.loop, [*opened.commands, *reviewed.commands]


def test_pull_request_that_was_opened_as_a_draft_is_marked_ready_once(publishing: Loop, policy: ServicePolicy) -> None:
    event = PullRequestOpened(
        event_id="e", ticket_id="t1", generation=1, number=7, url="http://h/7", draft=True, at=50.0
    )
    loop, commands = begin_review(publishing, event, policy)
    drafted = replace(loop, stage=Stage.PUBLISHING)  # a person made it a draft since then

    assert kinds(commands).count("MarkReadyForReview") == 1 and not loop.pull_request.draft
    assert "MarkReadyForReview" not in kinds(begin_review(drafted, event, policy)[1])


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
    found = [one for one in begin_review(loop, event, policy)[1] if isinstance(one, DescribePullRequest)]

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


@pytest.mark.parametrize("state", ["changes_requested", "approved"])
def test_review_without_permission_is_ignored(review: Loop, policy: ServicePolicy, state: str) -> None:
    assert decide(review, _review(state, GUEST), policy).loop == review


@pytest.mark.parametrize(("sha", "approved"), [(HEAD, HEAD), (OTHER, "")])
def test_approval_holds_for_its_commit(review: Loop, policy: ServicePolicy, sha: str, approved: str) -> None:
    assert decide(review, _review("approved", ANA, sha), policy).loop.pull_request.approved_sha == approved


def test_approval_dismissed_no_longer_counts(review: Loop, policy: ServicePolicy) -> None:
    approved = decide(review, _review("approved", ANA), policy).loop

    assert decide(approved, _review("dismissed", ANA), policy).loop.pull_request.approved_sha == ""


def test_approval_dismissed_cancels_a_queued_merge(review: Loop, policy: ServicePolicy) -> None:
    merging = changed(review, stage=Stage.MERGING, approved_sha=HEAD, approved_by="Ana")

    loop = decide(merging, _review("dismissed", ANA), policy).loop

    assert (loop.stage, loop.pull_request.approved_sha) == (Stage.REVIEW, "")


def test_merge_cancelled_too_late_still_ends_the_loop(review: Loop, policy: ServicePolicy) -> None:
    revising = decide(review, said("/changes use a constant"), policy).loop

    decision = decide(revising, PullRequestMerged(**HERE), policy)

    assert decision.loop.stage is Stage.DONE
    assert any(isinstance(c, PostComment) and c.body.startswith("**Merged.**") for c in decision.commands)


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
    decision = decide(changed(making, pushed_sha=HEAD), _pushed(OTHER), policy)

    assert decision.loop.stage is Stage.STOPPED
    assert "StopRun" in kinds(decision.commands)


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
