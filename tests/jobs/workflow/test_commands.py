"""Commands wherever they stand in a comment, their replies, and information about the state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.results import CriterionResult
from jobs.loop.commands import CleanUp, MoveTicket, PostComment
from jobs.loop.state import Escalation, Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.steering import DAY
from tests.jobs.workflow.values import ANA, GUEST, evidence, kinds, moved, said
from tests.loops import changed

NOON = 1_800_000_000.0


def replies(loop: Loop, body: str, policy: ServicePolicy, at: float = NOON, **fields: object) -> list[str]:
    decision = decide(loop, said(body, at=at, **fields), policy)  # type: ignore[arg-type]
    return [command.body for command in decision.commands if isinstance(command, PostComment)]


@pytest.mark.parametrize(
    "body", ["@loopline /stop", "I have seen enough, thanks.\n/stop", "Bot Nine, please /stop", "[@x](user:u-9) /stop"]
)
def test_stop_counts_wherever_it_stands(making: Loop, policy: ServicePolicy, body: str) -> None:
    loop = decide(making, said(body, names=("Bot Nine", "u-9")), policy).loop

    assert loop.stage is Stage.STOPPED
    assert not loop.comments.pending


@pytest.mark.parametrize("body", ["> /stop", "```\n/stop\n```", "`/stop` is what I would write", "@bob /stop"])
def test_stop_that_is_not_meant_does_not_stop(making: Loop, policy: ServicePolicy, body: str) -> None:
    loop = decide(making, said(body), policy).loop

    assert loop.stage is Stage.MAKING
    assert loop.comments.guidance[-1].text == body


def test_several_commands_are_applied_in_order(review: Loop, policy: ServicePolicy) -> None:
    loop = decide(review, said("The names are fine\n/approve\n/merge", at=NOON), policy).loop

    assert loop.stage is Stage.MERGING
    assert loop.comments.guidance[-1].text == "The names are fine"


def test_stop_and_retry_restart_the_work(making: Loop, policy: ServicePolicy) -> None:
    loop = decide(making, said("/stop\n/retry use cents", at=NOON), policy).loop

    assert (loop.stage, loop.generation) == (Stage.PREPARING, 2)
    assert loop.comments.guidance[-1].text == "use cents"


def test_commands_that_contradict_each_other_have_no_effect_but_a_reply(review: Loop, policy: ServicePolicy) -> None:
    decision = decide(review, said("/approve\n/changes use cents", at=NOON), policy)

    assert kinds(decision.commands) == ["PostComment"]
    assert "contradict" in replies(review, "/approve\n/changes use cents", policy)[0]
    assert decision.loop.stage is Stage.REVIEW
    assert not decision.loop.pull_request.approved_sha


def test_stop_wins_over_a_command_that_contradicts_it(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, said("/retry x\n/stop", at=NOON), policy)

    assert decision.loop.stage is Stage.STOPPED
    assert "only `/stop` was applied" in replies(making, "/retry x\n/stop", policy)[0]


def test_text_beside_a_stop_is_in_the_next_run(making: Loop, policy: ServicePolicy) -> None:
    stopped = decide(making, said("The names are wrong.\n/stop", at=NOON), policy).loop

    retried = decide(stopped, said("/retry", at=NOON + 1), policy).loop

    assert [one.text for one in retried.comments.guidance] == ["The names are wrong."]


def test_text_above_a_bare_changes_is_the_request(review: Loop, policy: ServicePolicy) -> None:
    loop = decide(review, said("Please round to two digits.\n/changes", at=NOON), policy).loop

    assert loop.contract
    assert loop.contract.criteria[-1].text == "as Ana asked: Please round to two digits."


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("/aprove", "Did you mean `/approve`?"),
        ("/halt", "Did you mean `/stop`?"),
        ("/dance", "There is no command `/dance`. Commands"),
        ("/changes", "it needs more"),
        ("/budget lots", "it needs more"),
        ("/accept", "does not apply"),
    ],
)
def test_command_that_cannot_be_applied_is_explained(
    review: Loop, policy: ServicePolicy, body: str, expected: str
) -> None:
    (message,) = replies(review, body, policy)

    assert expected in message


def test_list_of_commands_is_posted_once_a_day(review: Loop, policy: ServicePolicy) -> None:
    first = decide(review, said("/help", at=NOON), policy).loop

    assert "`/status`" in replies(review, "/help", policy)[0]
    for body in ("/help", "/dance"):
        (again,) = replies(first, body, policy, at=NOON + DAY - 1)
        assert len(again) < 120
        assert "`/status`" in replies(first, body, policy, at=NOON + DAY)[0]


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.IDLE])
def test_information_is_given_in_every_stage(review: Loop, policy: ServicePolicy, stage: Stage) -> None:
    loop = replace(review, stage=stage, escalation=Escalation(kind="judgement", at=1.0))

    for body in ("/status", "/why", "/help"):
        decision = decide(loop, said(body, at=NOON), policy)
        assert kinds(decision.commands) == ["PostComment"]
        assert decision.loop.stage is stage


def test_status_names_cost_pull_request_and_the_next_one_to_act(review: Loop, policy: ServicePolicy) -> None:
    (message,) = replies(changed(review, extra_usd=1.5), "/status", policy)

    for part in ("Ready for review", "of $21.50", "http://h/7", "waits for your review"):
        assert part in message


def test_why_shows_the_escalation_and_the_evidence(review: Loop, policy: ServicePolicy) -> None:
    verdict = review.candidate.verdict
    assert verdict
    failed = replace(verdict, results=(CriterionResult(criterion="c2", result="fail", evidence="login.py:3"),))
    loop = changed(
        replace(review, stage=Stage.NEEDS_HUMAN, reason="it failed.", escalation=Escalation(kind="judgement", at=1.0)),
        verdict=failed, evidence=(evidence(1),), tried=("iteration 1: the gate failed",),
    )  # fmt: skip

    (message,) = replies(loop, "/why", policy)

    for part in (
        "decision needed",
        "it failed.",
        "the sixth login is refused",
        "login.py:3",
        "exit 1",
        "the gate failed",
    ):
        assert part in message


def test_information_is_given_to_a_guest_once_an_hour(review: Loop, policy: ServicePolicy) -> None:
    first = decide(review, said("/status", GUEST, at=NOON), policy)

    assert kinds(first.commands) == ["PostComment"]
    assert not decide(first.loop, said("/status", GUEST, at=NOON + 1), policy).commands


def test_information_beside_a_sentence_is_given_and_the_sentence_counts(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, said("use cents\n/status", at=NOON), policy)

    assert kinds(decision.commands) == ["Steer", "React", "PostComment"]


def test_close_on_a_stopped_ticket_deletes_the_branch(review: Loop, policy: ServicePolicy) -> None:
    stopped = replace(review, stage=Stage.STOPPED, finished_at=1.0)

    decision = decide(stopped, said("/close", at=NOON), policy)

    assert [c for c in decision.commands if isinstance(c, CleanUp)]
    assert not decision.loop.workspace.branch
    assert "does not apply" in replies(decision.loop, "/close", policy)[0]


@pytest.mark.parametrize(("column", "role"), [("Agent", "agent"), ("In Progress", "working"), ("In Review", "review")])
def test_stopped_ticket_leaves_the_columns_of_work(making: Loop, policy: ServicePolicy, column: str, role: str) -> None:
    loop = replace(making, ticket=replace(making.ticket, column=column))

    (move,) = [c for c in decide(loop, said("/stop", at=NOON), policy).commands if isinstance(c, MoveTicket)]

    assert move.column == "needs_human"
    assert role in (move.only_from or ())


def test_ticket_that_a_person_takes_over_stays_in_its_column(review: Loop, policy: ServicePolicy) -> None:
    assert "MoveTicket" not in kinds(decide(review, said("/takeover", ANA, at=NOON), policy).commands)


def test_branch_that_a_person_took_over_is_never_deleted_or_used_again(review: Loop, policy: ServicePolicy) -> None:
    taken = decide(review, said("/takeover", at=NOON), policy).loop
    cancelled = moved(taken.ticket, "Canceled")
    cancelled = replace(cancelled, ticket=replace(taken.ticket, column="Canceled", cancelled=True))

    for event in (cancelled, said("/close", at=NOON + 1)):
        decision = decide(taken, event, policy)
        assert [c.branch for c in decision.commands if isinstance(c, CleanUp)] == [""]
        assert any("stays" in c.body or "is left to" in c.body for c in decision.commands if isinstance(c, PostComment))
    retried = decide(taken, said("/retry", at=NOON + 1), policy).loop
    assert retried.workspace.branch not in {"", taken.workspace.branch}
    assert not retried.pull_request.number
