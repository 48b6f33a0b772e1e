"""Comments that are edited or deleted: the new text counts once, and never beside the old one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import SteeringTaken, TicketCommented, TicketCommentRemoved
from jobs.loop.commands import StartRun, Steer, StopRun, Unsteer
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from tests.jobs.workflow.values import GUEST, kinds, said

AT_WORK = [Stage.PREPARING, Stage.PLANNING, Stage.MAKING, Stage.GATING, Stage.CHECKING]


def say(loop: Loop, body: str, policy: ServicePolicy) -> Loop:
    return decide(loop, said(body, comment_id="k1", at=5.0, written_at=5.0), policy).loop


def edited(body: str, written_at: float = 5.0) -> TicketCommented:
    return said(body, comment_id="k1", edited=True, at=6.0, written_at=written_at)


def deleted() -> TicketCommentRemoved:
    return TicketCommentRemoved(event_id="r", ticket_id="t1", comment_id="k1")


def texts(loop: Loop) -> list[str]:
    return [one.text for one in loop.comments.guidance]


def test_edit_before_the_agent_read_the_comment_replaces_it(making: Loop, policy: ServicePolicy) -> None:
    told = say(making, "use 41 as the default", policy)

    decision = decide(told, edited("use 42 as the default"), policy)

    unsteer, steer = decision.commands
    assert unsteer == Unsteer(run_id=making.run_id, comment_id="k1")
    assert isinstance(steer, Steer)
    assert steer.guidance.text == "use 42 as the default"
    assert texts(decision.loop) == ["use 42 as the default"]
    assert [one.text for one in decision.loop.comments.pending] == ["use 42 as the default"]


def test_edit_after_the_agent_read_the_comment_is_a_correction(making: Loop, policy: ServicePolicy) -> None:
    taken = SteeringTaken(event_id="s", ticket_id="t1", run_id=making.run_id, comment_ids=("k1",))
    told = decide(say(making, "use 41 as the default", policy), taken, policy).loop

    decision = decide(told, edited("use 42 as the default"), policy)

    (steer,) = decision.commands
    assert isinstance(steer, Steer)
    assert steer.guidance.text.startswith("Corrected: use 42 as the default")
    assert len(texts(decision.loop)) == 1
    assert "41" not in "".join(texts(decision.loop))


@pytest.mark.parametrize("stage", AT_WORK)
def test_edit_at_work_leaves_only_the_new_text_for_later_briefs(
    making: Loop, policy: ServicePolicy, stage: Stage
) -> None:
    told = say(replace(making, stage=stage), "use 41", policy)

    loop = decide(told, edited("use 42"), policy).loop

    assert "42" in texts(loop)[0]
    assert len(texts(loop)) == len(loop.comments.pending) == 1


@pytest.mark.parametrize("body", ["use 41", "/status", "/budget +3", "thanks"])
def test_edit_with_the_same_text_has_no_effect(making: Loop, policy: ServicePolicy, body: str) -> None:
    told = say(making, body, policy)

    decision = decide(told, edited(body), policy)

    assert not decision.commands
    assert decision.loop == told


def test_edit_in_review_asks_again_with_the_new_text(review: Loop, policy: ServicePolicy) -> None:
    told = say(review, "could it be cents?", policy)

    decision = decide(told, edited("could it be dollars?"), policy)

    assert kinds(decision.commands) == ["StopRun", "StartRun"]
    start = decision.commands[1]
    assert isinstance(start, StartRun)
    assert start.spec.asked
    assert start.spec.asked.text == "could it be dollars?"
    assert decision.commands[0] == StopRun(run_id=told.comments.answering.run_id)


@pytest.mark.parametrize("stage", [Stage.STOPPED, Stage.PUBLISHING])
def test_edit_of_a_comment_that_waits_replaces_it(review: Loop, policy: ServicePolicy, stage: Stage) -> None:
    told = say(replace(review, stage=stage), "use 41", policy)

    loop = decide(told, edited("use 42"), policy).loop

    waiting = [one.text for one in (*loop.comments.noted, *loop.comments.answering.open)]
    assert waiting == ["use 42"]


def test_edit_that_fixes_a_typo_applies_the_command(review: Loop, policy: ServicePolicy) -> None:
    told = say(review, "/aprove", policy)
    assert not told.pull_request.approved_sha

    loop = decide(told, edited("/approve"), policy).loop

    assert loop.pull_request.approved_sha


def test_edit_that_adds_a_stop_stops(making: Loop, policy: ServicePolicy) -> None:
    told = say(making, "use 41", policy)

    assert decide(told, edited("use 41\n/stop"), policy).loop.stage is Stage.STOPPED


def test_edit_of_a_command_that_was_applied_does_not_repeat_it(making: Loop, policy: ServicePolicy) -> None:
    told = say(making, "/budget +3", policy)

    decision = decide(told, edited("/budget +3 thanks"), policy)

    assert decision.loop.spend.extra_usd == 3.0
    assert not decision.commands


def test_edit_of_a_requests_text_is_a_correction(review: Loop, policy: ServicePolicy) -> None:
    told = say(review, "/changes use 41", policy)

    loop = decide(told, edited("/changes use 42"), policy).loop

    assert loop.revision == 1
    assert [one.text.splitlines()[0] for one in loop.comments.pending] == ["Corrected: use 42"]


@pytest.mark.parametrize(("written_at", "counts"), [(1.0, False), (5.0, True)])
def test_edit_of_a_comment_that_was_never_read_counts_if_it_is_newer_than_the_hand_over(
    making: Loop, policy: ServicePolicy, written_at: float, counts: bool
) -> None:
    loop = replace(making, started_at=2.0)

    stopped = decide(loop, edited("/stop", written_at=written_at), policy).loop.stage

    assert (stopped is Stage.STOPPED) is counts


def test_edit_that_overtakes_its_comment_counts_once(making: Loop, policy: ServicePolicy) -> None:
    first = decide(making, edited("use 42"), policy).loop

    assert not decide(first, said("use 42", comment_id="k1", at=5.0), policy).commands


def test_edit_without_permission_has_no_effect(making: Loop, policy: ServicePolicy) -> None:
    told = decide(making, said("hello", GUEST, comment_id="k1"), policy).loop
    event = said("now do it", GUEST, comment_id="k1", edited=True, written_at=5.0)

    assert not decide(told, event, policy).commands


def test_deleted_comment_that_no_agent_read_is_dropped(making: Loop, policy: ServicePolicy) -> None:
    told = say(making, "use 41", policy)

    decision = decide(told, deleted(), policy)

    assert decision.commands == (Unsteer(run_id=making.run_id, comment_id="k1"),)
    assert texts(decision.loop) == []
    assert decision.loop.comments.pending == ()


def test_deleted_comment_that_an_agent_read_stays_in_the_briefs(making: Loop, policy: ServicePolicy) -> None:
    taken = SteeringTaken(event_id="s", ticket_id="t1", run_id=making.run_id, comment_ids=("k1",))
    told = decide(say(making, "use 41", policy), taken, policy).loop

    decision = decide(told, deleted(), policy)

    assert not decision.commands
    assert texts(decision.loop) == ["use 41"]


def test_deleted_note_is_not_part_of_the_next_run(review: Loop, policy: ServicePolicy) -> None:
    told = say(replace(review, stage=Stage.STOPPED), "use 41", policy)

    assert texts(decide(told, deleted(), policy).loop) == []


def test_deleted_comment_that_is_unknown_has_no_effect(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, deleted(), policy)

    assert decision.loop == making
    assert not decision.commands
