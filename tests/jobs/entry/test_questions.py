"""An agent that asks a person: the run waits without a slot, and the answer continues it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from integrations.events import EscalationUnanswered
from jobs.clock import reconcile
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys, queues
from jobs.runtime.requests import Requests
from jobs.runtime.scripts import decode
from jobs.store.mailboxes import MAILBOX_LIMIT
from jobs.sweep import sweep
from tests.jobs.board import Board
from tests.jobs.live_agent import Agent, call, list_results, open_agent
from tests.jobs.live_sessions import Live
from tests.jobs.story import BUG, hand_over, looked_around, moved, said, say

QUESTION = "Should a share be rounded up or down?"
ASK = call("ask_person", question=QUESTION, choices=["Up", "Down"])


def ask(board: Board, agent: Agent) -> Loop:
    """The maker has asked its question, and the ticket shows it."""
    loop = hand_over(board, BUG)
    agent.advance(loop.run_id)
    asked = board.drive(BUG)
    assert asked and asked.stage is Stage.NEEDS_HUMAN and asked.run_id == loop.run_id
    return asked


def is_queued(board: Board) -> bool:
    """Whether the clock finds a run to advance."""
    queues.open_queue(board.world.redis, queues.AGENTS).empty()
    for key in board.world.redis.scan_iter("wake:*"):
        board.world.redis.delete(key)
    reconcile(board.world.redis)
    return bool(queues.open_queue(board.world.redis, queues.AGENTS).jobs)


def test_question_is_shown_and_its_run_waits_without_a_slot(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        loop = ask(board, agent)
        ticket = board.ana.board()[BUG]
        assert QUESTION in said(board, BUG)[-1] and "- Up" in said(board, BUG)[-1] and "`/stop`" in said(board, BUG)[-1]
        assert ticket["column"] == "Needs Human" and QUESTION in loop.reason
        calls = agent.count_calls()
        assert not is_queued(board)
        agent.advance(loop.run_id)
        assert agent.count_calls() == calls and board.world.runs.count_busy() == 0
        assert board.world.runs.is_unfinished(loop.run_id)


def test_answer_of_a_person_continues_the_same_run(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        asked = ask(board, agent)
        calls = agent.count_calls()
        say(board, BUG, "Down, always.")
        loop = board.world.store.load(asked.ticket.id)
        assert loop and (loop.stage, loop.run_id, loop.escalation) == (Stage.MAKING, asked.run_id, None)
        assert board.ana.board()[BUG]["column"] == "In Progress" and is_queued(board)
        (result,) = list_results(agent.advance(loop.run_id))
        assert "Answer from Ana" in result["content"] and "Down, always." in result["content"]
        assert 'from="people with permission' in result["content"] and not result["is_error"]
        assert agent.count_calls() == calls + 1
        after = board.drive(BUG)
        assert after and after.stage is Stage.GATING and after.generation == asked.generation
        assert [one.text for one in after.comments.guidance] == ["Down, always."], "later briefs have it too"


def test_answer_that_is_a_choice_counts_also_when_it_sounds_like_thanks(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [call("ask_person", question="Which?", choices=["Great", "Good"])]) as agent:
        asked = ask(board, agent)
        say(board, BUG, "Great")
        loop = board.world.store.load(asked.ticket.id)
        assert loop and loop.stage is Stage.MAKING


@pytest.mark.parametrize("words", ["/stop", "/close"])
def test_question_ends_with_the_work(board: Board, tmp_path: Path, words: str) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        asked = ask(board, agent)
        say(board, BUG, words)
        stopped = board.world.store.load(asked.ticket.id)
        assert stopped and stopped.stage is Stage.STOPPED and is_queued(board)
        agent.advance(asked.run_id)
        board.drive(BUG)
        assert not board.world.runs.is_unfinished(asked.run_id)


def test_question_ends_when_the_ticket_is_handed_over_again(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        asked = ask(board, agent)
        again = moved(board, BUG, "Agent")
        assert again.generation == asked.generation + 1
        for _ in range(2):  # the stopped run, and the preflight of the new generation
            agent.advance(asked.run_id)
        assert not board.world.runs.is_unfinished(asked.run_id)


def test_question_without_an_answer_is_repeated_like_any_escalation(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        asked = ask(board, agent)
        about = {"ticket_id": asked.ticket.id, "generation": asked.generation}
        board.world.store.deliver(EscalationUnanswered(event_id="late", at=9.0, **about))
        board.drive(BUG)
        assert said(board, BUG)[-1].startswith("**Still needs you:**") and QUESTION in said(board, BUG)[-1]
        board.write_as("lin_api_eve", BUG, "Up, says a guest")
        waiting = board.drive(BUG)
        assert waiting and waiting.stage is Stage.NEEDS_HUMAN, "a guest has no permission to answer"
        say(board, BUG, "Up")
        loop = board.world.store.load(asked.ticket.id)
        assert loop and loop.stage is Stage.MAKING


def test_question_stays_on_the_board_when_redis_is_lost(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        asked = ask(board, agent)
        board.world.redis.flushall()
        sweep()
        loop = board.drive(BUG)
        assert loop and loop.stage is Stage.NEEDS_HUMAN and loop.escalation
        assert loop.escalation.question == QUESTION and not loop.escalation.run_id
        say(board, BUG, "Down")
        again = board.world.store.load(asked.ticket.id)
        assert again and again.generation == asked.generation + 1 and again.stage is Stage.PREFLIGHT
        assert "Down" in again.comments.guidance[-1].text and QUESTION in again.comments.guidance[-1].text


def test_question_of_an_agent_that_crashes_is_asked_once(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        asked = ask(board, agent)
        comments = len(said(board, BUG))
        board.world.redis.delete(keys.question(asked.run_id))  # so that the next slice asks again
        agent.advance(asked.run_id)
        board.drive(BUG)
        assert len(said(board, BUG)) == comments and Requests(board.world.redis).awaits_person(asked.run_id)


def test_question_of_an_agent_that_died_before_its_delivery_is_asked_again(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        loop = hand_over(board, BUG)
        agent.advance(loop.run_id)
        redis, t = board.world.redis, loop.ticket.id
        question = decode(redis.get(keys.question(loop.run_id)) or b"")
        redis.delete(keys.mailbox(t))
        redis.srem(keys.known_events(t), f"question:{question}")
        redis.hdel(keys.request(question), "asked")

        assert is_queued(board)
        agent.advance(loop.run_id)
        asked = board.drive(BUG)

        assert asked and asked.stage is Stage.NEEDS_HUMAN and not is_queued(board)


def test_question_for_a_full_mailbox_is_asked_later(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        loop = hand_over(board, BUG)
        mailbox = keys.mailbox(loop.ticket.id)
        board.world.redis.rpush(mailbox, *["{}"] * MAILBOX_LIMIT)
        agent.advance(loop.run_id)
        board.world.redis.delete(mailbox)

        agent.advance(loop.run_id)
        asked = board.drive(BUG)

        assert asked and asked.stage is Stage.NEEDS_HUMAN and asked.run_id == loop.run_id


def test_questions_are_asked_one_at_a_time(board: Board, tmp_path: Path) -> None:
    questions = [call("ask_person", question=f"Number {n}?") for n in range(2)]
    with open_agent(board, tmp_path, questions, at_once=True) as agent:
        loop = hand_over(board, BUG)
        (refused,) = list_results(agent.advance(loop.run_id))
        assert refused["is_error"] and "still open" in refused["content"]


def test_question_with_bad_arguments_is_returned_to_the_model(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [call("ask_person", question="", choices=["x" * 100])]) as agent:
        loop = hand_over(board, BUG)
        (result,) = list_results(agent.advance(loop.run_id))
        assert result["is_error"] and "question" in result["content"] and "choices.0" in result["content"]
        after = board.drive(BUG)
        assert after and after.stage is not Stage.NEEDS_HUMAN


def test_question_is_not_offered_where_the_policy_leaves_it_out(board: Board, tmp_path: Path) -> None:
    with open_agent(board, tmp_path, [ASK]) as agent:
        loop = hand_over(board, BUG)
        spec = board.world.runs.spec(loop.run_id)
        assert spec
        tools = replace(spec.policy.loop.tools, maker=())
        policy = replace(spec.policy, loop=replace(spec.policy.loop, tools=tools))
        board.world.redis.delete(keys.run(loop.run_id))
        board.world.runs.start(replace(spec, policy=policy))
        (result,) = list_results(agent.advance(loop.run_id))
        assert result["is_error"] and "There is no tool ask_person" in result["content"]


def test_question_in_a_session_is_an_elicitation_with_choices(live: Live, tmp_path: Path) -> None:
    with open_agent(live.board, tmp_path, [ASK]) as agent:
        loop = looked_around(live.board, live.delegate())
        agent.advance(loop.run_id)
        live.board.drive(BUG)
        assert QUESTION in live.activities()[-1] and live.activities()[-1].startswith("elicitation:")
        loop = live.reply("Down")
        assert loop.stage is Stage.MAKING
        (result,) = list_results(agent.advance(loop.run_id))
        assert "Down" in result["content"]
