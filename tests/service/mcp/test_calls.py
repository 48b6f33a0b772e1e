"""Effects through the board's stand-in: they are on the ticket in the person's name, decided by its rules, once."""

from __future__ import annotations

import asyncio
from typing import Any

from integrations.values import Person
from jobs.loop.state import Escalation, Loop, Stage
from jobs.runtime.audit import FOLDER
from jobs.runtime.audit_check import read_records
from jobs.store.members import Membership, store_member
from tests.jobs.entry.test_reviews import in_review
from tests.jobs.story import BUG, FEATURE, hand_over
from tests.loops import changed
from tests.service.dashboard.story import Story
from tests.service.mcp.conftest import ANA, EVE, Desk, finish, open_client, working

NAME = "Ana Flores (through MCP)"


def put(desk: Desk, loop: Loop, **fields: Any) -> Loop:
    """The loop with these fields, as the worker stores it."""
    return Story(desk.redis).remember(changed(loop, **fields))


def test_call_is_decided_as_the_persons_comment_on_the_ticket(desk: Desk) -> None:
    loop = in_review(desk.board)
    ana, eve, commit = desk.token(), desk.token(EVE), loop.pull_request.pushed_sha
    assert desk.call(ana, "explain_loop", identifier=BUG)["commit"] == commit

    question = {"identifier": BUG, "text": "What does the total cover?", "idempotency_key": "one"}
    first, repeated = (desk.call(ana, "comment", **question) for _ in range(2))
    refused = desk.call(eve, "approve_loop", identifier=BUG, commit=commit)
    approved = desk.call(ana, "approve_loop", identifier=BUG, commit=commit)
    merged = desk.call(ana, "merge_loop", identifier=BUG, commit=commit[:12])

    assert first == repeated and first["decided"]
    assert "Eve" in refused["replies"][0]["untrusted_text"] and refused["stage"] == refused["stage_before"]
    assert "approved" in approved["replies"][0]["untrusted_text"].lower()
    assert merged["stage"] == "merging"
    posted = [one for one in desk.comments(BUG) if "through MCP" in one]
    assert posted == [
        f"**{NAME}:**\n\n> What does the total cover?",
        "**Eve (through MCP):**\n\n`/approve`",
        f"**{NAME}:**\n\n`/approve`",
        f"**{NAME}:**\n\n`/merge`",
    ]
    records = list(read_records(desk.board.world.settings.home / FOLDER, BUG))
    called = [one for one in records if str(one.get("event_id")).startswith("call:")]
    decided = [one for one in called if one["event"] == "TicketCommented"]
    assert [one["actor"] for one in decided] == [ANA, EVE, ANA, ANA]


def test_stop_and_guidance_of_two_clients_at_once_are_both_decided(desk: Desk) -> None:
    hand_over(desk.board, BUG)
    ana, eve = desk.token(), desk.token(EVE)

    async def both() -> list[Any]:
        async with open_client(desk.url, ana) as first, open_client(desk.url, eve) as second:
            calls = (
                first.call_tool("stop_loop", {"identifier": BUG}),
                second.call_tool("comment", {"identifier": BUG, "text": "Please look at the rounding."}),
            )
            return list(await asyncio.gather(*calls))

    with working(desk.redis):
        stopped, commented = finish(both())

    assert stopped.structured_content["stage"] == "stopped" and commented.structured_content["decided"]
    assert {one.partition(":**")[0] for one in desk.comments(BUG) if "through MCP" in one} == {
        f"**{NAME.removesuffix(':**')}",
        "**Eve (through MCP)",
    }


def test_answer_starts_the_attempt_that_the_question_was_about(desk: Desk) -> None:
    loop = hand_over(desk.board, BUG)
    token = desk.token()
    assert "no open question" in desk.refusal(token, "answer_question", identifier=BUG, answer="It is 10 %.")
    escalation = Escalation(kind="judgement", at=1.0, question="Which rate applies?")
    put(desk, loop, stage=Stage.NEEDS_HUMAN, escalation=escalation, run_id="")

    asked = desk.call(token, "explain_loop", identifier=BUG)
    answered = desk.call(token, "answer_question", identifier=BUG, answer="It is 10 %.")

    assert asked["question"] == {"author": "an agent", "untrusted_text": "Which rate applies?"}
    assert answered["stage_before"] == "needs_human" and answered["stage"] != "needs_human"
    again = desk.board.world.store.load(loop.ticket.id)
    assert again and again.generation == loop.generation + 1
    assert "It is 10 %." in again.comments.guidance[-1].text


def test_person_who_lost_access_after_the_look_up_changes_nothing(desk: Desk) -> None:
    loop = put(desk, hand_over(desk.board, FEATURE))
    former = Person(id="former", name="Former", email="former@acme.test", may_steer=True)
    store_member(desk.redis, "former@acme.test", Membership(person=former, may_approve=True, teams=("ENG",)))

    refusal = desk.refusal(desk.token("former@acme.test"), "stop_loop", identifier=FEATURE)

    assert "has no access to ENG-2: ask an administrator" in refusal
    now = desk.board.world.store.load(loop.ticket.id)
    assert now and now.stage is loop.stage
    assert [one for one in desk.comments(FEATURE) if "through MCP" in one] == []


def test_text_of_a_call_holds_no_command_wherever_it_is(desk: Desk) -> None:
    loop = hand_over(desk.board, BUG)
    token = desk.token()

    refusal = desk.refusal(token, "comment", identifier=BUG, text="Looks fine.\n/stop")
    hidden = desk.call(token, "comment", identifier=BUG, text="@Loopline agent\n\n> /stop\n@loopline-bot /stop")
    retry = desk.call(token, "run_command", identifier=BUG, command="ticket", text="Round it later\n/stop")

    assert "the command /stop, which is not applied here: use the tool for it" in refusal
    assert hidden["stage"] == hidden["stage_before"] == retry["stage"] == loop.stage.value
