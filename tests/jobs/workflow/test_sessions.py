"""Agent sessions: what the doors have in common, the choices, the plan and the activity of each stage."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from integrations.events import CommandFailed, SessionQuiet, TicketDelegated, TicketMentioned, TicketUndelegated
from integrations.ports.tracker import PlanStep
from integrations.results import Proposal, ProposedCriterion, Question
from integrations.values import Person, Ticket
from jobs.loop.commands import PostComment, SendHeartbeat, SetDelegate, StartRun, StopRun
from jobs.loop.state import AT_WORK, Escalation, EscalationClass, Loop, Stage
from jobs.messages import sessions as messages
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.decision import is_still_wanted
from tests.jobs.workflow.values import ANA, CHECKED, GUEST, kinds, moved, ready, said
from tests.loops import changed, loop_with, run_finished

US = Person(id="u9", name="Loopline", is_us=True, is_bot=True)
TICKET = Ticket(id="t1", identifier="ENG-1", title="Limit logins", team="ENG", column="Backlog")


def delegated(by: Person | None = ANA, ticket: Ticket = TICKET, session: str = "s1") -> TicketDelegated:
    return TicketDelegated(event_id="e", ticket_id="t1", at=5.0, session_id=session, ticket=ticket, author=by)


def mentioned(author: Person | None = ANA, body: str = "@loopline hello") -> TicketMentioned:
    return TicketMentioned(
        event_id="e", ticket_id="t1", at=5.0, session_id="s1", comment_id="k1", ticket=TICKET, author=author, body=body
    )


def in_session(text: str, author: Person = ANA) -> object:
    return replace(said(text, author), comment_id="k2", session_id="s1", at=6.0)


def bodies(decision: Decision) -> str:
    return "\n".join(c.body for c in decision.commands if isinstance(c, PostComment))


@pytest.fixture
def idle() -> Loop:
    return loop_with(TICKET)


def test_delegation_does_the_same_as_the_agent_column(idle: Loop, policy: ServicePolicy) -> None:
    by_column = decide(idle, moved(TICKET, "Agent"), policy)
    by_session = decide(idle, delegated(), policy)
    assert kinds(by_session.commands) == ["OpenSession", *kinds(by_column.commands), "SetDelegate"]
    assert by_session.loop.session_id == "s1"
    assert replace(by_session.loop, session_id="", ticket=by_column.loop.ticket) == by_column.loop


def test_delegation_that_is_set_already_is_kept(idle: Loop, policy: ServicePolicy) -> None:
    decision = decide(idle, delegated(ticket=replace(TICKET, delegate=US)), policy)
    assert "SetDelegate" not in kinds(decision.commands)


@pytest.mark.parametrize("by", [GUEST, None])
def test_delegation_without_permission_starts_nothing(idle: Loop, policy: ServicePolicy, by: Person | None) -> None:
    decision = decide(idle, delegated(by), policy)
    assert (decision.loop.stage, decision.loop.session_id) == (Stage.IDLE, "s1")
    assert "does not have permission to start work" in bodies(decision)
    refused = decide(decision.loop, in_session(messages.TAKE, GUEST), policy)
    accepted = decide(decision.loop, in_session(messages.TAKE), policy)
    assert (refused.loop.stage, accepted.loop.stage) == (Stage.IDLE, Stage.PREPARING)


@pytest.mark.parametrize("stage", sorted(AT_WORK))
def test_delegation_of_a_ticket_at_work_changes_only_where_it_is_shown(
    making: Loop, policy: ServicePolicy, stage: Stage
) -> None:
    loop = changed(making, stage=stage)
    decision = decide(loop, delegated(), policy)
    assert kinds(decision.commands) == ["OpenSession", "CloseProgressComment"]
    assert replace(decision.loop, session_id="", ticket=loop.ticket) == loop


def test_delegation_that_is_reported_again_does_nothing(making: Loop, policy: ServicePolicy) -> None:
    loop = changed(making, session_id="s1")
    assert decide(loop, delegated(), policy) == Decision(loop)


@pytest.mark.parametrize("text", ["Take it", "take it.", "Yes", "ok"])
def test_offer_is_accepted_by_click_or_text(idle: Loop, policy: ServicePolicy, text: str) -> None:
    offered = decide(idle, mentioned(), policy).loop
    decision = decide(offered, in_session(text), policy)
    assert (decision.loop.stage, decision.loop.session_id) == (Stage.PREPARING, "s1")
    assert SetDelegate(ours=True) in decision.commands


def test_offer_is_made_once_for_one_comment(idle: Loop, policy: ServicePolicy) -> None:
    offered = decide(idle, mentioned(), policy).loop
    again = decide(
        offered, replace(said("@loopline hello"), comment_id=mentioned().comment_id, session_id="s1", at=5.0), policy
    )
    assert again.commands == ()


def test_offer_is_not_made_to_a_bot(idle: Loop, policy: ServicePolicy) -> None:
    bot = Person(id="b1", name="Bot", is_bot=True)
    assert "PostComment" not in kinds(decide(idle, mentioned(bot), policy).commands)


def test_undelegation_stops_the_run(making: Loop, policy: ServicePolicy) -> None:
    loop = changed(making, session_id="s1")
    event = TicketUndelegated(event_id="e", ticket_id="t1", at=5.0, ticket=loop.ticket)
    decision = decide(loop, event, policy)
    assert decision.loop.stage is Stage.STOPPED
    assert StopRun(run_id=loop.run_id) in decision.commands


def test_undelegation_means_nothing_without_a_session(making: Loop, policy: ServicePolicy) -> None:
    event = TicketUndelegated(event_id="e", ticket_id="t1", at=5.0, ticket=making.ticket)
    assert decide(making, event, policy) == Decision(making)


def test_delegate_is_not_removed_once_the_work_continues(making: Loop) -> None:
    stopped = changed(making, stage=Stage.STOPPED)
    wanted = [is_still_wanted(loop, SetDelegate(ours=ours)) for loop in (making, stopped) for ours in (True, False)]
    assert wanted == [True, False, False, True]


def test_heartbeat_is_sent_only_at_work(making: Loop, policy: ServicePolicy) -> None:
    event = SessionQuiet(event_id="e", ticket_id="t1", session_id="s1")
    sent = {stage: decide(changed(making, stage=stage, session_id="s1"), event, policy).commands for stage in Stage}
    assert {stage for stage, commands in sent.items() if commands} == AT_WORK | {Stage.CI}
    assert all(isinstance(command, SendHeartbeat) for commands in sent.values() for command in commands)


@pytest.mark.parametrize("kind", get_args(EscalationClass))
def test_choices_of_an_escalation_stand_for_commands_it_lists(making: Loop, kind: EscalationClass) -> None:
    loop = changed(making, stage=Stage.NEEDS_HUMAN, escalation=Escalation(kind=kind, at=1.0))
    choices = messages.list_choices(loop)
    assert len(choices) >= 3
    assert all(messages.ANSWERS[choice].startswith("/") for choice in choices)


def test_choices_of_a_single_question_are_its_options(making: Loop) -> None:
    question = Question(text="Which?", options=("per user", "per address"))
    proposal = Proposal(criteria=(ProposedCriterion(text="it works"),), questions=(question,))
    loop = changed(making, stage=Stage.ASKING, proposal=proposal)
    wanted = (messages.ACCEPT_PROPOSAL, "per user", "per address", messages.CANCEL)
    assert messages.list_choices(loop) == wanted


def test_choice_is_a_comment_only_in_a_session(making: Loop, policy: ServicePolicy) -> None:
    budget = Escalation(kind="budget", at=1.0)
    loop = changed(making, stage=Stage.NEEDS_HUMAN, escalation=budget)
    with_session = decide(changed(loop, session_id="s1"), in_session("Add $3 and continue"), policy)
    without = decide(loop, said("Add $3 and continue"), policy)
    assert [with_session.loop.spend.extra_usd, without.loop.spend.extra_usd] == [3.0, 0.0]


def test_plan_has_the_criteria_between_agreement_and_review(making: Loop) -> None:
    assert making.contract
    plan = messages.list_plan(making)
    assert plan[0] == PlanStep("Agree on acceptance criteria", "completed")
    assert len(plan) == len(making.contract.required) + 3
    assert {step.state for step in messages.list_plan(changed(making, stage=Stage.DONE))} == {"completed"}


def test_activity_is_shown_only_while_loopline_works(making: Loop) -> None:
    shown = {stage for stage in Stage if messages.current_activity(changed(making, stage=stage))}
    assert shown == AT_WORK | {Stage.CI}


QUESTION = "@loopline where is the limit?"


def asked(idle: Loop, policy: ServicePolicy) -> Loop:
    """A question whose run has begun."""
    return decide(decide(idle, mentioned(body=QUESTION), policy).loop, ready(CHECKED, generation=0), policy).loop


def test_mention_with_a_question_reads_the_repository_first(idle: Loop, policy: ServicePolicy) -> None:
    first = decide(idle, mentioned(body=QUESTION), policy)
    assert kinds(first.commands) == ["OpenSession", "PrepareWorkspace"]
    assert is_still_wanted(first.loop, first.commands[1])
    second = decide(first.loop, ready(CHECKED, generation=0), policy)
    (start,) = second.commands
    assert isinstance(start, StartRun) and start.spec.asked
    assert (start.spec.role, start.spec.asked.text, second.loop.stage) == ("answer", QUESTION, Stage.IDLE)


@pytest.mark.parametrize("author", [GUEST, None])
def test_mention_with_a_question_of_a_stranger_costs_no_model_call(
    idle: Loop, policy: ServicePolicy, author: Person | None
) -> None:
    assert kinds(decide(idle, mentioned(author, QUESTION), policy).commands) == ["OpenSession", "PostComment"]


@pytest.mark.parametrize("meaning", ["change", "thanks", "unclear", ""])
def test_mention_that_is_no_question_is_offered_the_ticket(idle: Loop, policy: ServicePolicy, meaning: str) -> None:
    loop = asked(idle, policy)
    run_id = loop.comments.answering.run_id
    decision = decide(loop, run_finished("answer", run_id=run_id, generation=0, meaning=meaning), policy)
    assert bodies(decision) == messages.offer_message("ENG-1")
    assert not decision.loop.comments.answering.open


@pytest.mark.parametrize("command", ["PrepareWorkspace", "StartRun"])
def test_mention_whose_question_cannot_be_read_is_offered_the_ticket(
    idle: Loop, policy: ServicePolicy, command: str
) -> None:
    waiting = decide(idle, mentioned(body=QUESTION), policy).loop
    failed = CommandFailed(event_id="f", ticket_id="t1", generation=0, command=command, reason="no WORKFLOW.md")
    assert bodies(decide(waiting, failed, policy)) == messages.offer_message("ENG-1")


def test_mention_whose_question_is_withdrawn_stops_the_run(idle: Loop, policy: ServicePolicy) -> None:
    loop = asked(idle, policy)
    decision = decide(loop, in_session(messages.DECLINE), policy)
    assert kinds(decision.commands) == ["StopRun", "PostComment"]
    assert not decision.loop.comments.answering.open


def test_mention_whose_ticket_is_taken_gives_the_question_to_the_agent(idle: Loop, policy: ServicePolicy) -> None:
    loop = asked(idle, policy)
    decision = decide(loop, in_session(messages.TAKE), policy)
    assert "StopRun" in kinds(decision.commands)
    assert (decision.loop.generation, decision.loop.stage) == (1, Stage.PREPARING)
    assert [one.text for one in decision.loop.comments.pending] == [QUESTION]
