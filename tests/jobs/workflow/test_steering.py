from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import PullRequestCommented, SteeringTaken, TicketMoved
from integrations.values import Person
from jobs.loop.commands import MergePullRequest, PostComment, React, Steer
from jobs.loop.comments import Guidance
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.decision import is_still_wanted
from jobs.workflow.report import report_of
from tests.jobs.workflow.values import ANA, GUEST, HEAD, OTHER, finished, kinds, passing, said
from tests.loops import changed


def reply(loop: Loop, body: str, policy: ServicePolicy, author: Person = ANA) -> str:
    return "\n".join(c.body for c in decide(loop, said(body, author), policy).commands if isinstance(c, PostComment))


def test_comment_during_a_maker_run_is_delivered_and_acknowledged(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, said("use decimals", comment_id="k1"), policy)

    steer, react = decision.commands
    assert isinstance(steer, Steer)
    assert (steer.run_id, steer.guidance.text, steer.guidance.comment_id) == (making.run_id, "use decimals", "k1")
    assert decision.loop.comments.pending == (steer.guidance,)
    assert react == React(comment_id="k1", emoji="eyes")
    assert decision.loop.comments.guidance[-1].text == "use decimals"


@pytest.mark.parametrize("stage", [Stage.PREPARING, Stage.GATING, Stage.CHECKING])
def test_comment_between_maker_runs_waits_for_the_next_brief(making: Loop, policy: ServicePolicy, stage: Stage) -> None:
    decision = decide(replace(making, stage=stage), said("use decimals"), policy)

    assert kinds(decision.commands) == ["React"]
    assert decision.loop.comments.guidance[-1].text == "use decimals"


def test_comment_that_no_maker_has_read_starts_another_iteration(making: Loop, policy: ServicePolicy) -> None:
    checking = changed(making, stage=Stage.CHECKING, run_id="ENG-1-g1-r0-i1-checker", head_sha=HEAD, iteration=3)
    told = decide(checking, said("use decimals"), policy).loop

    loop = decide(told, finished(told, verdict=passing()), policy).loop

    assert loop.contract
    assert (loop.stage, loop.revision, loop.attempt.iteration, loop.comments.pending) == (Stage.MAKING, 1, 1, ())
    assert loop.contract.criteria[-1].text == "as Ana asked: use decimals"


def test_comment_without_permission_is_ignored(making: Loop, policy: ServicePolicy) -> None:
    assert not decide(making, said("delete everything", GUEST), policy).commands


@pytest.mark.parametrize("command", ["stop", "changes x", "approve", "merge", "retry"])
def test_command_without_permission_is_refused_with_a_reason(review: Loop, policy: ServicePolicy, command: str) -> None:
    decision = decide(review, said(f"/{command}", GUEST), policy)

    assert decision.loop.stage is Stage.REVIEW
    assert "does not have permission" in reply(review, f"/{command}", policy, GUEST)


def test_command_stop_interrupts_the_run_and_keeps_the_work(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, said(" /STOP please"), policy)

    assert decision.loop.stage is Stage.STOPPED
    assert kinds(decision.commands) == ["StopRun", "PostComment", "MoveTicket"]


@pytest.mark.parametrize(
    ("column", "moves"), [("Agent", ["MoveTicket"]), ("In Progress", ["MoveTicket"]), ("Backlog", [])]
)
def test_command_stop_moves_the_ticket_out_of_the_columns_of_work(
    making: Loop, policy: ServicePolicy, column: str, moves: list[str]
) -> None:
    seen = replace(making, ticket=replace(making.ticket, column=column))

    decision = decide(seen, said("/stop"), policy)

    assert kinds(decision.commands) == ["StopRun", "PostComment", *moves]
    assert all(is_still_wanted(decision.loop, command) for command in decision.commands)


def test_command_retry_hands_over_again_with_the_hint(making: Loop, policy: ServicePolicy) -> None:
    stopped = replace(making, stage=Stage.NEEDS_HUMAN)

    loop = decide(stopped, said("/retry: look at the fixture"), policy).loop

    assert (loop.stage, loop.generation, loop.comments.guidance[-1].text) == (Stage.PREPARING, 2, "look at the fixture")


@pytest.mark.parametrize(
    ("answer", "criteria"),
    [
        ("- `make test` passes\n- it is fast", ["`make test` passes", "it is fast"]),
        ("logins are limited", ["logins are limited"]),
        ("ok", ["Limit logins"]),
    ],
)
def test_answer_to_the_question_starts_the_work(
    making: Loop, policy: ServicePolicy, answer: str, criteria: list[str]
) -> None:
    vague = replace(making.ticket, description="")
    asking = changed(making, stage=Stage.ASKING, contract=None, ticket=vague, iteration=0)

    loop = decide(asking, said(answer), policy).loop

    assert loop.stage is Stage.SCOUTING
    assert loop.contract is not None
    assert [c.text for c in loop.contract.criteria if c.id.startswith("c")] == criteria


def test_command_changes_starts_another_revision(review: Loop, policy: ServicePolicy) -> None:
    loop = decide(review, said("/changes rename it"), policy).loop

    assert (loop.stage, loop.revision, loop.comments.guidance[-1].text) == (Stage.PREPARING, 1, "rename it")


def test_command_merge_needs_an_approval_of_the_current_commit(review: Loop, policy: ServicePolicy) -> None:
    other = changed(review, approved_sha=OTHER)

    assert "has not been approved" in reply(review, "/merge", policy)
    assert "has not been approved" in reply(other, "/merge", policy)


def test_command_merge_merges_exactly_the_approved_commit(review: Loop, policy: ServicePolicy) -> None:
    approved = decide(review, said("/approve"), policy)
    assert kinds(approved.commands) == ["ApprovePullRequest", "PostComment"]

    decision = decide(approved.loop, said("/merge"), policy)

    (merge,) = [c for c in decision.commands if isinstance(c, MergePullRequest)]
    assert (decision.loop.stage, merge.sha, merge.number) == (Stage.MERGING, HEAD, 7)


def test_command_stop_cancels_a_queued_merge(review: Loop, policy: ServicePolicy) -> None:
    merging = decide(changed(review, approved_sha=HEAD), said("/merge"), policy)
    (merge,) = [c for c in merging.commands if isinstance(c, MergePullRequest)]
    moved = TicketMoved(event_id="m", ticket_id="t1", ticket=replace(review.ticket, column="Backlog"))

    assert is_still_wanted(merging.loop, merge)
    assert not is_still_wanted(decide(merging.loop, moved, policy).loop, merge)


@pytest.mark.parametrize(
    ("words", "stage"),
    [("/changes use a constant", Stage.PREPARING), ("/stop", Stage.REVIEW), ("thanks", Stage.MERGING)],
)
def test_command_during_a_queued_merge(review: Loop, policy: ServicePolicy, words: str, stage: Stage) -> None:
    merging = decide(changed(review, approved_sha=HEAD), said("/merge"), policy)
    (merge,) = [c for c in merging.commands if isinstance(c, MergePullRequest)]

    decision = decide(merging.loop, said(words), policy)

    assert decision.loop.stage is stage
    assert is_still_wanted(decision.loop, merge) == (stage is Stage.MERGING)
    assert ("PostComment" in kinds(decision.commands)) == (stage is not Stage.MERGING)


@pytest.mark.parametrize("command", ["/approve", "/merge"])
def test_command_older_than_the_commit_under_review_is_refused(
    review: Loop, policy: ServicePolicy, command: str
) -> None:
    shown = changed(review, shown_at=100.0, approved_sha=HEAD if command == "/merge" else "")

    assert "was pushed" in reply(shown, command, policy)


def test_command_retry_older_than_a_stop_starts_nothing(making: Loop, policy: ServicePolicy) -> None:
    stopped = replace(making, stage=Stage.STOPPED, finished_at=100.0)

    assert "does not apply while" in reply(stopped, "/retry", policy)


def test_command_approve_is_for_named_approvers(review: Loop, policy: ServicePolicy) -> None:
    strict = replace(policy, approvers=("boss@acme.test",))

    assert decide(review, said("/approve"), strict).loop.pull_request.approved_sha == ""


@pytest.mark.parametrize(
    ("command", "words"), [("/dance", "There is no command `/dance`"), ("/approve", "does not apply while")]
)
def test_command_always_gets_an_answer(making: Loop, policy: ServicePolicy, command: str, words: str) -> None:
    assert words in reply(making, command, policy)


def test_comment_on_a_line_of_the_diff_names_the_line(review: Loop, policy: ServicePolicy) -> None:
    working = replace(review, stage=Stage.MAKING)
    event = PullRequestCommented(
        event_id="e", ticket_id="t1", repository="acme/shop", number=7, comment_id="9", body="name it",
        path="a.py", line=3, author=ANA,
    )  # fmt: skip

    (steer,) = decide(working, event, policy).commands

    assert isinstance(steer, Steer)
    assert steer.guidance.text == "a.py:3: name it"


def test_comment_count_shows_deliveries_to_the_agent(making: Loop, policy: ServicePolicy) -> None:
    event = SteeringTaken(event_id="e", ticket_id="t1", run_id=making.run_id, comment_ids=("k1", "k2"))

    waiting = (Guidance(author="Ana", text="x", comment_id="k1"), Guidance(author="Ana", text="y", comment_id="k3"))
    decision = decide(changed(making, pending=waiting), event, policy)

    assert (decision.loop.comments.taken_up, decision.loop.comments.pending) == (2, waiting[1:])
    assert "delivered to the agent: 2" in report_of(decision.loop, policy).progress
