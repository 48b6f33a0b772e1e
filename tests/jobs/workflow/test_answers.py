"""The role `answer`: each comment gets one answer, whatever happens to its run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import (
    CommandFailed,
    Event,
    PullRequestMerged,
    RunFinished,
    RunParked,
    TicketCommentRemoved,
)
from integrations.results import Meaning, RunOutcome
from integrations.values import NO_COMMIT, Usage
from jobs.loop.board_memory import loop_of, metadata_of
from jobs.loop.commands import CommentOnPullRequest, PostComment, React, StartRun, StopRun
from jobs.loop.state import Escalation, Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.answers import HOUR, MAX_PER_HOUR, RUN_USD
from jobs.workflow.resume import resume
from tests.jobs.workflow.test_hearing import on_pull_request
from tests.jobs.workflow.values import ANA, HEAD, kinds, moved, said
from tests.loops import changed, run_finished


def ask(loop: Loop, policy: ServicePolicy, body: str = "could it be cents?", **fields: object) -> Loop:
    """The loop whose run about this comment was started."""
    return decide(loop, said(body, **fields), policy).loop  # type: ignore[arg-type]


def answered(
    loop: Loop, meaning: Meaning, reply: str = "", outcome: RunOutcome = "done", cost_usd: float = 0.01
) -> RunFinished:
    return run_finished(
        "answer", ticket_id="t1", run_id=loop.comments.answering.run_id, generation=loop.generation, at=9.0,
        meaning=meaning, reply=reply, outcome=outcome, usage=Usage(model_calls=1, cost_usd=cost_usd),
    )  # fmt: skip


def bodies(decision: Decision) -> list[str]:
    return [c.body for c in decision.commands if isinstance(c, PostComment | CommentOnPullRequest)]


def test_answer_runs_beside_the_review_with_a_small_budget(review: Loop, policy: ServicePolicy) -> None:
    decision = decide(review, said("could it be cents?", comment_id="k1"), policy)

    react, start = decision.commands
    assert react == React(comment_id="k1", emoji="eyes")
    assert isinstance(start, StartRun)
    assert (start.spec.role, start.spec.start_sha, start.spec.asked and start.spec.asked.comment_id) == (
        "answer", HEAD, "k1",
    )  # fmt: skip
    assert start.spec.caps.run_usd == RUN_USD
    assert decision.loop.stage is Stage.REVIEW
    assert decision.loop.run_id == review.run_id


def test_answer_of_a_change_starts_a_revision_with_the_persons_own_text(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy, "could it be cents?")

    decision = decide(asked, answered(asked, "change", "Use dollars"), policy)

    loop = decision.loop
    assert (loop.stage, loop.revision) == (Stage.PREPARING, 1)
    assert loop.contract
    assert loop.contract.criteria[-1].text == "as Ana asked: could it be cents?"
    assert loop.comments.guidance[-1].text == "could it be cents?"
    assert "revision 1" in bodies(decision)[0]


def test_answer_of_a_question_is_posted_in_its_thread(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy, "why cents?", comment_id="k1")

    decision = decide(asked, answered(asked, "question", "The contract says whole cents."), policy)

    (reply,) = decision.commands
    assert isinstance(reply, PostComment)
    assert reply.body.startswith("> The contract says whole cents.")
    assert reply.reply_to == "k1"
    assert decision.loop.stage is Stage.REVIEW
    assert not decision.loop.comments.noted


def test_answer_of_thanks_is_an_emoji(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy, "you made my day", comment_id="k1")

    assert decide(asked, answered(asked, "thanks"), policy).commands == (React(comment_id="k1", emoji="+1"),)


def test_answer_of_an_unclear_comment_asks_and_keeps_it(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy, "cents, hm")

    decision = decide(asked, answered(asked, "unclear", "It can be a wish or a remark."), policy)

    assert "/changes" in bodies(decision)[0]
    assert "It can be a wish" in bodies(decision)[0]
    assert [one.text for one in decision.loop.comments.noted] == ["cents, hm"]


def test_answer_on_the_pull_request_is_posted_there(review: Loop, policy: ServicePolicy) -> None:
    asked = decide(review, on_pull_request("why cents?"), policy).loop

    (reply,) = decide(asked, answered(asked, "question", "As agreed."), policy).commands

    assert isinstance(reply, CommentOnPullRequest)


@pytest.mark.parametrize(
    "outcome", ["budget", "turns", "failed", "credentials", "infrastructure", "environment", "done"]
)
def test_comment_whose_run_fails_is_noted_and_part_of_the_next_round(
    review: Loop, policy: ServicePolicy, outcome: RunOutcome
) -> None:
    asked = ask(review, policy, "round to two digits")

    decision = decide(asked, answered(asked, "", outcome=outcome), policy)
    revised = decide(decision.loop, said("/changes make the name shorter"), policy).loop

    assert decision.loop.stage is Stage.REVIEW
    (message,) = bodies(decision)
    assert "Noted" in message
    assert "/changes" in message
    assert [one.text for one in revised.comments.guidance] == ["round to two digits", "make the name shorter"]
    assert revised.comments.noted == ()


def test_bare_changes_starts_a_revision_with_the_noted_comments(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy, "round to two digits")
    noted = decide(asked, answered(asked, "unclear"), policy).loop

    loop = decide(noted, said("/changes"), policy).loop

    assert loop.contract
    assert loop.contract.criteria[-1].text == "as Ana asked: round to two digits"


def test_comment_is_noted_at_once_while_the_model_is_unavailable(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy)
    run_id = asked.comments.answering.run_id
    parked = RunParked(event_id="p", ticket_id="t1", run_id=run_id, generation=1, until=99.0, reason="503")

    decision = decide(asked, parked, policy)

    assert decision.commands[0] == StopRun(run_id=run_id)
    assert "Noted" in bodies(decision)[0]
    late = replace(answered(asked, "change"), run_id=run_id)
    assert not decide(decision.loop, late, policy).commands


def test_comment_is_noted_when_its_run_cannot_be_stored(review: Loop, policy: ServicePolicy) -> None:
    failed = CommandFailed(event_id="f", ticket_id="t1", generation=1, command="StartRun", reason="no")

    decision = decide(ask(review, policy), failed, policy)

    assert "Noted" in bodies(decision)[0]
    assert not decision.loop.comments.answering.run_id


@pytest.mark.parametrize(
    "fields", [{"usage": Usage(cost_usd=20.0)}, {"head_sha": NO_COMMIT}], ids=["budget", "no commit"]
)
def test_comment_without_the_means_for_a_run_is_noted(
    review: Loop, policy: ServicePolicy, fields: dict[str, object]
) -> None:
    loop = changed(review, **fields)
    if "head_sha" in fields:
        loop = changed(loop, pushed_sha=NO_COMMIT, base_sha=NO_COMMIT)

    decision = decide(loop, said("round it"), policy)

    assert "StartRun" not in kinds(decision.commands)
    assert "Noted" in bodies(decision)[0]


def test_answer_runs_are_limited_per_hour(review: Loop, policy: ServicePolicy) -> None:
    loop, started = review, 0
    for n in range(2 * MAX_PER_HOUR):
        decision = decide(loop, said(f"why {n}?", at=1000.0 + n), policy)
        started += kinds(decision.commands).count("StartRun")
        loop = decision.loop
        if loop.comments.answering.run_id:
            loop = decide(loop, replace(answered(loop, "question", "Because."), at=1000.0 + n), policy).loop

    assert started == MAX_PER_HOUR
    assert "StartRun" in kinds(decide(loop, said("why?", at=1000.0 + HOUR + 60), policy).commands)


def test_comments_are_answered_one_after_the_other(review: Loop, policy: ServicePolicy) -> None:
    first = ask(review, policy, "why a?")
    second = decide(first, said("why b?"), policy)
    assert kinds(second.commands) == ["React"]

    decision = decide(second.loop, answered(second.loop, "question", "Because."), policy)

    assert kinds(decision.commands) == ["PostComment", "StartRun"]
    assert decision.loop.comments.answering.asked
    assert decision.loop.comments.answering.asked.text == "why b?"


def test_comments_that_wait_are_delivered_when_work_starts(review: Loop, policy: ServicePolicy) -> None:
    loop = decide(ask(review, policy, "a"), said("b"), policy).loop
    run_id = loop.comments.answering.run_id

    decision = decide(loop, said("/changes c"), policy)

    assert StopRun(run_id=run_id) in decision.commands
    assert [one.text for one in decision.loop.comments.pending] == ["a", "b"]
    assert decision.loop.comments.answering.open == ()


def ended(kind: str, loop: Loop) -> Event:
    events: dict[str, Event] = {
        "merged": PullRequestMerged(event_id="m", ticket_id="t1", repository="acme/shop", number=7, head_sha=HEAD),
        "moved away": moved(loop.ticket, "Backlog"),
        "taken over": said("/takeover"),
    }
    return events[kind]


@pytest.mark.parametrize("kind", ["merged", "moved away", "taken over"])
def test_comments_that_wait_get_a_reply_when_the_work_ends(review: Loop, policy: ServicePolicy, kind: str) -> None:
    loop = ask(review, policy, "why?")

    decision = decide(loop, ended(kind, loop), policy)

    assert StopRun(run_id=loop.comments.answering.run_id) in decision.commands
    assert "/retry" in bodies(decision)[-1] or "agent column" in bodies(decision)[-1]
    assert decision.loop.comments.answering.open == ()


def test_cost_of_an_answer_is_booked_whether_it_counts_or_not(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy)
    done = answered(asked, "question", "Because.", cost_usd=0.25)
    revised = decide(asked, said("/changes x"), policy).loop

    assert decide(asked, done, policy).loop.spend.usage.cost_usd == 0.25
    assert decide(revised, done, policy).loop.spend.usage.cost_usd == 0.25
    assert decide(revised, done, policy).loop.stage is Stage.PREPARING


def test_answer_is_asked_again_after_a_rebuild(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy, "why?")
    rebuilt = loop_of(asked.ticket, metadata_of(asked))

    decision = resume(rebuilt, 50.0, policy)

    (start,) = decision.commands
    assert isinstance(start, StartRun)
    assert start.spec.asked
    assert start.spec.asked.text == "why?"
    assert start.spec.run_id != asked.comments.answering.run_id


@pytest.mark.parametrize("kind", ["judgement", "spinning"])
@pytest.mark.parametrize(("meaning", "generation"), [("change", 2), ("question", 1), ("unclear", 1)])
def test_answer_to_an_escalation(
    review: Loop, policy: ServicePolicy, kind: str, meaning: Meaning, generation: int
) -> None:
    loop = replace(review, stage=Stage.NEEDS_HUMAN, escalation=Escalation(kind=kind, at=1.0))  # type: ignore[arg-type]
    asked = ask(loop, policy, "use the other library")

    decision = decide(asked, answered(asked, meaning, "Hm."), policy)

    assert decision.loop.generation == generation
    assert len(bodies(decision)) == 1
    if meaning == "change":
        assert decision.loop.comments.guidance[-1].text == "use the other library"


def test_comment_that_is_deleted_stops_its_run(review: Loop, policy: ServicePolicy) -> None:
    asked = ask(review, policy, "why?", comment_id="k1")

    decision = decide(asked, TicketCommentRemoved(event_id="r", ticket_id="t1", comment_id="k1"), policy)

    assert decision.commands == (StopRun(run_id=asked.comments.answering.run_id),)
    assert decision.loop.comments.answering.open == ()


def test_author_without_permission_starts_no_run(review: Loop, policy: ServicePolicy) -> None:
    decision = decide(review, said("why?", replace(ANA, may_steer=False)), policy)

    assert not decision.commands
