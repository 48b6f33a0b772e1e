"""Agent sessions of a ticket: delegation, mention, messages, choices, stop, heartbeat, lost webhooks."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import requests

from integrations.events import TicketDelegated
from integrations.standins.demo.person import APP
from jobs.acknowledge import acknowledge
from jobs.clock import reconcile
from jobs.inbox.dispatch import route
from jobs.loop.state import Loop, Stage
from jobs.messages import sessions as messages
from jobs.recovery import sessions as recovery
from jobs.runtime import keys
from jobs.runtime.freeze import Freeze, set_freeze, thaw
from jobs.sweep import sweep
from tests.jobs import story
from tests.jobs.live_sessions import Live
from tests.jobs.story import BUG, VAGUE, candidate, finish, looked_around, passed, said, verdict
from tests.loops import run_finished


def own_comments(live: Live, identifier: str = BUG) -> list[str]:
    """The comments of Loopline that are no activities: none but the root of the thread is expected."""
    shown = {one["content"].get("body") for one in live.session(identifier)["activities"]}
    return [body for body in said(live.board, identifier) if body not in shown]


# --- the door ---------------------------------------------------------------------------------------------------------


def test_session_of_a_delegation_hands_the_ticket_over(live: Live) -> None:
    loop = live.delegate()
    assert loop.stage is Stage.PREFLIGHT
    assert live.board.ana.board()[BUG]["column"] == "In Progress"
    assert live.activities()[0] == "thought: Received. Reading the ticket."
    assert live.session()["externalLinks"] == [
        {"label": "Loopline", "url": f"{live.board.world.settings.dashboard_url}/tickets/{BUG}"}
    ]


def test_session_reads_the_ticket_as_a_move_does(live: Live) -> None:
    live.board.ana.say(BUG, "We decided on Monday: whole cents only.")
    loop = live.delegate()
    assert [remark.text for remark in loop.ticket.remarks] == ["We decided on Monday: whole cents only."]


def test_session_is_acknowledged_without_the_ticket_being_driven(live: Live) -> None:
    live.board.ana.delegate(BUG)
    live.receive()
    acknowledge()
    assert live.activities() == ["thought: Received. Reading the ticket."]
    live.board.drive(BUG)
    assert live.activities().count("thought: Received. Reading the ticket.") == 1


def test_session_webhook_that_comes_twice_starts_once(live: Live) -> None:
    live.board.ana.delegate(BUG)
    live.receive()
    session = live.session()["id"]
    found = list(live.board.world.tracker.sessions())
    for event in recovery.find_session_events({}, live.board.world):
        route(live.board.world.redis, event)
    loop = live.board.drive(BUG)
    assert loop
    assert ([one.id for one in found], loop.generation, loop.session_id) == ([session], 1, session)


def test_session_opened_after_the_move_continues_the_same_loop(live: Live) -> None:
    live.board.ana.drag(BUG, "Agent")
    before = live.arrive()
    assert before
    progress = said(live.board, BUG)
    loop = live.delegate()
    assert (loop.generation, loop.stage, bool(loop.session_id)) == (1, before.stage, True)
    assert len(progress) == 1
    assert messages.PROGRESS_MOVED_MESSAGE in said(live.board, BUG)


def test_session_of_a_guest_offers_the_ticket_to_members(live: Live) -> None:
    query = 'mutation($input: IssueUpdateInput!) { issueUpdate(id: "ENG-2", input: $input) { success } }'
    guest = requests.post(
        f"{live.board.urls['board']}/graphql",
        json={"query": query, "variables": {"input": {"delegateId": APP}}},
        headers={"Authorization": "lin_api_eve"},
        timeout=10,
    )
    assert guest.json()["data"]
    loop = live.arrive("ENG-2")
    assert loop
    assert loop.stage is Stage.IDLE
    assert "Eve does not have permission to start work" in live.activities("ENG-2")[-1]
    assert live.reply(messages.TAKE, "ENG-2").stage is Stage.PREFLIGHT


def test_session_of_a_lost_webhook_is_found_by_the_sweep(live: Live) -> None:
    live.board.ana.delegate(BUG)
    live.board.app.webhooks.settle()
    live.receiver.take(live.receiver.came.qsize())
    sweep()
    acknowledge()
    loop = live.board.drive(BUG)
    assert loop
    assert (loop.stage, bool(loop.session_id)) == (Stage.PREFLIGHT, True)
    assert live.activities()[0] == "thought: Received. Reading the ticket."


def test_session_list_is_requested_once_in_a_while(live: Live) -> None:
    sweep()
    live.board.ana.delegate(BUG)
    live.board.app.webhooks.settle()
    sweep()
    assert live.board.drive(BUG) is None
    live.board.world.redis.delete(keys.SESSIONS_LISTED)
    sweep()
    assert live.board.drive(BUG)


# --- one voice --------------------------------------------------------------------------------------------------------


def reviewed(live: Live) -> Loop:
    board = live.board
    loop = looked_around(board, live.delegate())
    loop = finish(board, loop, head_sha=candidate(board, loop), summary="Removes files.")
    loop = finish(board, loop, evidence=passed(loop))
    loop = finish(board, loop, judgement=story.Judgement(done=True))
    return finish(board, loop, verdict=verdict(loop))


def test_session_shows_the_whole_ticket_without_further_comments(live: Live) -> None:
    loop = reviewed(live)
    assert loop.stage is Stage.REVIEW
    session = live.session()
    assert session["status"] == "complete"
    assert live.activities()[-1].startswith("response: **Verdict: done")
    assert own_comments(live) == ["This thread is for an agent session with loopline."]
    assert [link["label"] for link in session["externalLinks"]] == ["Loopline", "Pull request"]
    states = [step["status"] for step in session["plan"]]
    assert (states[0], states[-2:]) == ("completed", ["completed", "inProgress"])
    assert set(states[:-1]) == {"completed"}
    lasting = [one["content"]["__typename"] for one in session["activities"] if not one["ephemeral"]]
    assert lasting == ["AgentActivityResponseContent"]


def test_session_message_at_work_reaches_the_agent_and_is_answered_in_the_session(live: Live) -> None:
    looked_around(live.board, live.delegate())
    loop = live.reply("Please keep the tests.")
    assert [one.text for one in loop.comments.pending] == ["Please keep the tests."]
    live.reply("/frobnicate")
    kinds = [one.partition(":")[0] for one in live.activities()[-2:]]
    assert kinds == ["response", "thought"]
    assert live.session()["status"] == "active"


def test_session_message_counts_once_with_its_comment_webhook(live: Live) -> None:
    looked_around(live.board, live.delegate())
    loop = live.reply("Please keep the tests.")
    assert len(loop.comments.guidance) == 1


def test_session_rebuilt_from_the_board_memory_is_continued(live: Live) -> None:
    loop = live.delegate()
    live.board.world.redis.flushall()
    live.board.world.compared.clear()
    sweep()
    again = live.board.drive(BUG)
    assert again
    assert again.session_id == loop.session_id


def test_session_that_was_deleted_is_replaced_by_comments(live: Live) -> None:
    loop = looked_around(live.board, live.delegate())
    store = live.board.app.store
    with store.lock:
        (row,) = store.rows("AgentSession")
        store.commit("", "seed", {}, "", [], [row])
    finish(live.board, loop, outcome="budget", at=time.time())
    assert any("Needs you: budget used up" in body for body in said(live.board, BUG))


def test_session_notification_without_its_event_finds_the_session(live: Live) -> None:
    live.board.ana.delegate(BUG)
    session_id = live.session()["id"]
    ticket_id = live.board.ticket_id(BUG)
    live.board.world.store.deliver(TicketDelegated(event_id="notification", ticket_id=ticket_id))
    loop = live.board.drive(BUG)
    assert loop
    assert (loop.session_id, loop.stage) == (session_id, Stage.PREFLIGHT)


# --- the first activity when something fails --------------------------------------------------------------------------


def fail_activity(live: Live, kind: str, times: int) -> None:
    wanted = {"operation": "agentActivityCreate", "kind": kind, "times": times}
    assert requests.post(f"{live.board.urls['board']}/_faults", json=wanted, timeout=5).ok


@pytest.mark.parametrize("kind", ["500", "ratelimited", "lost_reply"])
def test_session_is_acknowledged_once_after_a_failure(live: Live, kind: str) -> None:
    live.board.ana.delegate(BUG)
    live.receive()
    fail_activity(live, kind, 1)
    redis = live.board.world.redis
    acknowledge()
    assert redis.exists(keys.NEW_SESSIONS, keys.retry_at(keys.NEW_SESSIONS)) == 2
    redis.delete(keys.retry_at(keys.NEW_SESSIONS), keys.bucket("linear"))
    reconcile(redis)
    acknowledge()
    assert live.activities() == ["thought: Received. Reading the ticket."]
    assert not redis.exists(keys.NEW_SESSIONS)


def test_session_of_a_frozen_service_is_acknowledged_after_the_thaw(live: Live) -> None:
    world = live.board.world
    live.board.ana.delegate(BUG)
    live.receive()
    set_freeze(world.redis, world.settings.home, Freeze(id="f", since=world.now(), by="Ana"))
    acknowledge()
    assert live.activities() == []
    thaw(world.redis, world.settings.home, world.now())
    deadline = time.monotonic() + 10
    while world.redis.exists(keys.NEW_SESSIONS) and time.monotonic() < deadline:
        acknowledge()  # the switch is read again after 0.2 s
    assert live.activities() == ["thought: Received. Reading the ticket."]


# --- questions, stop, heartbeat ---------------------------------------------------------------------------------------


def test_session_question_is_an_elicitation_with_choices(live: Live) -> None:
    loop = live.delegate(VAGUE)
    loop = finish(live.board, loop)
    proposal = story.Proposal(criteria=(story.ProposedCriterion(text="it works", command="true"),))
    loop = finish(live.board, loop, proposal=proposal)
    assert loop.stage is Stage.ASKING
    session = live.session(VAGUE)
    assert session["status"] == "awaitingInput"
    options = [option["value"] for option in session["activities"][-1]["signalMetadata"]["options"]]
    assert options == [messages.ACCEPT_PROPOSAL, messages.CANCEL]
    assert live.reply(messages.ACCEPT_PROPOSAL, VAGUE).contract


def test_session_escalation_can_be_answered_by_a_choice(live: Live) -> None:
    loop = looked_around(live.board, live.delegate())
    loop = finish(live.board, loop, outcome="budget", at=time.time())
    assert loop.stage is Stage.NEEDS_HUMAN
    options = [option["value"] for option in live.session()["activities"][-1]["signalMetadata"]["options"]]
    assert options == ["Add $3 and continue", "Try again", "I take over the branch", "Close and delete the branch"]
    loop = live.reply("Add $3 and continue")
    assert (loop.spend.extra_usd, loop.generation) == (3.0, 2)


def test_session_stop_ends_the_run_and_is_confirmed(live: Live) -> None:
    loop = looked_around(live.board, live.delegate())
    run_id = loop.run_id
    live.board.ana.press_stop(loop.session_id)
    stopped = live.arrive()
    assert stopped
    assert stopped.stage is Stage.STOPPED
    assert live.board.world.runs.must_stop(run_id)
    assert live.activities()[-1].startswith("response: **Stopped:** `/stop` by Ana Flores.")
    assert live.session()["status"] == "complete"
    assert live.board.world.tracker.fetch(stopped.ticket.id).delegate is None
    assert live.arrive() == stopped  # the removed delegate is Loopline's own change


def lose_webhooks(live: Live) -> None:
    live.board.app.webhooks.settle()
    live.receiver.take(live.receiver.came.qsize())
    live.board.world.redis.delete(keys.SESSIONS_LISTED)


def test_session_stop_whose_webhook_is_lost_is_found_by_the_sweep(live: Live) -> None:
    loop = looked_around(live.board, live.delegate())
    live.board.ana.press_stop(loop.session_id)
    lose_webhooks(live)
    sweep()
    stopped = live.board.drive(BUG)
    assert stopped
    assert (stopped.stage, stopped.reason) == (Stage.STOPPED, "`/stop` by Ana Flores.")
    assert live.board.world.runs.must_stop(loop.run_id)


def test_session_stop_of_an_earlier_run_is_not_repeated_by_the_sweep(live: Live) -> None:
    loop = looked_around(live.board, live.delegate())
    live.board.ana.press_stop(loop.session_id)
    live.arrive()
    again = live.reply("/retry")
    live.board.world.redis.delete(keys.known_events(loop.ticket.id))
    lose_webhooks(live)
    sweep()
    later = live.board.drive(BUG)
    assert later
    assert (again.generation, later.generation) == (2, 2)
    assert later.stage not in {Stage.STOPPED, Stage.NEEDS_HUMAN}


def test_session_message_whose_webhook_is_lost_is_found_once(live: Live) -> None:
    loop = looked_around(live.board, live.delegate())
    live.board.ana.prompt(loop.session_id, "Keep the tests.")
    for _ in range(2):
        lose_webhooks(live)
        sweep()
        live.board.drive(BUG)
    found = live.board.world.store.load(loop.ticket.id)
    assert found
    assert [one.text for one in found.comments.guidance] == ["Keep the tests."]


def test_session_whose_delegate_is_removed_stops(live: Live) -> None:
    live.delegate()
    live.board.ana.delegate(BUG, None)
    loop = live.arrive()
    assert loop
    assert (loop.stage, loop.reason) == (Stage.STOPPED, "the delegation was removed.")


def test_session_heartbeat_is_sent_once_for_each_pause_and_revives(live: Live) -> None:
    loop = looked_around(live.board, live.delegate())
    requests.post(f"{live.board.urls['board']}/_clock", json={"advance_seconds": 1900}, timeout=5).raise_for_status()
    stale = live.session()["status"]
    live.board.world.redis.hset(keys.session(loop.session_id), "at", str(live.board.world.now() - 601))
    before = len(live.activities())
    for _ in range(2):
        sweep()
        live.board.drive(BUG)
    assert (stale, live.session()["status"], len(live.activities())) == ("stale", "active", before + 1)


# --- mentions ---------------------------------------------------------------------------------------------------------


def test_session_of_a_mention_offers_to_take_the_ticket(live: Live) -> None:
    live.board.ana.say(BUG, "@loopline please do this")
    loop = live.arrive()
    assert loop
    assert loop.stage is Stage.IDLE
    assert live.activities()[1:] == [f"elicitation: I do not work on {BUG} yet. Shall I take it?"]
    loop = live.reply(messages.TAKE)
    assert loop.stage is Stage.PREFLIGHT
    delegate = live.board.world.tracker.fetch(loop.ticket.id).delegate
    assert delegate
    assert delegate.is_us


def answer(live: Live, loop: Loop, meaning: str, reply: str = "") -> Loop:
    """The result of the run of the role `answer`."""
    run_id = loop.comments.answering.run_id
    about = {"event_id": f"{run_id}:finished", "run_id": run_id, "ticket_id": loop.ticket.id, "generation": 0}
    event = run_finished("answer", **about, meaning=meaning, reply=reply)
    live.board.world.store.deliver(event)
    after = live.board.drive(BUG)
    assert after
    return after


def test_session_of_a_question_is_answered_from_the_repository(live: Live) -> None:
    live.board.ana.say(BUG, "@loopline where are amounts parsed?")
    loop = live.arrive()
    assert loop
    spec = live.board.world.runs.spec(loop.comments.answering.run_id)
    assert spec and spec.asked
    assert (loop.stage, spec.role, spec.asked.text) == (Stage.IDLE, "answer", "@loopline where are amounts parsed?")
    assert spec.start_sha == live.board.world.mirror("acme/tally").head("main")
    assert live.activities() == ["thought: Received. Reading the ticket."]
    loop = answer(live, loop, "question", "In `tally/ledger.py`.")
    assert "In `tally/ledger.py`." in live.activities()[-1]
    assert live.activities()[-1].startswith("response: ")
    assert loop.stage is Stage.IDLE
    loop = live.reply("And where is the ledger written?")
    assert loop.comments.answering.asked
    assert answer(live, loop, "change").stage is Stage.IDLE
    assert live.activities()[-1] == f"elicitation: I do not work on {BUG} yet. Shall I take it?"
    assert live.reply(messages.TAKE).stage is Stage.PREFLIGHT


def test_session_of_a_question_without_a_usable_repository_gets_the_offer(live: Live) -> None:
    world = live.board.world
    world.policy = replace(world.policy, teams={"ENG": replace(world.policy.teams["ENG"], repository="acme/nope")})
    live.board.ana.say(BUG, "@loopline where are amounts parsed?")
    live.arrive()
    assert live.activities()[-1] == f"elicitation: I do not work on {BUG} yet. Shall I take it?"


def test_session_of_a_mention_can_be_declined(live: Live) -> None:
    live.board.ana.say(BUG, "@loopline hello")
    live.arrive()
    loop = live.reply("No.")
    assert loop.stage is Stage.IDLE
    assert live.activities()[-1] == f"response: {messages.DECLINED_MESSAGE}"


def test_session_of_a_mention_can_be_stopped(live: Live) -> None:
    live.board.ana.say(BUG, "@loopline hello")
    loop = live.arrive()
    assert loop
    live.board.ana.press_stop(loop.session_id)
    live.arrive()
    assert live.activities()[-1] == f"response: {messages.DECLINED_MESSAGE}"


def test_session_of_a_mention_at_work_delivers_the_comment(live: Live) -> None:
    live.board.ana.drag(BUG, "Agent")
    loop = live.arrive()
    assert loop
    looked_around(live.board, loop)
    live.board.ana.say(BUG, "@loopline keep the tests")
    again = live.arrive()
    assert again
    assert [one.text for one in again.comments.pending] == ["@loopline keep the tests"]
    assert again.session_id == live.session()["id"]


def test_session_of_a_team_that_is_not_set_up_ends_with_an_error(live: Live) -> None:
    world = live.board.world
    world.policy = replace(world.policy, teams={})
    live.board.ana.delegate(BUG)
    live.arrive()
    assert live.session()["status"] == "error"
    assert "LOOPLINE_TEAMS" in live.activities()[-1]
