from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import TicketRemoved
from integrations.values import Ticket
from jobs.loop.commands import StartRun
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.hand_over import branch_name, hand_over
from tests.jobs.workflow.values import BASE, CHECKED, HEAD, OTHER, kinds, moved, prepared, ready
from tests.loops import changed


def test_column_agent_hands_the_ticket_over(ticket: Ticket, policy: ServicePolicy) -> None:
    decision = decide(Loop(ticket=ticket), moved(ticket, "Agent"), policy)

    assert (decision.loop.stage, decision.loop.generation) == (Stage.PREPARING, 1)
    assert kinds(decision.commands) == ["MoveTicket", "SetNeedsHuman", "PrepareWorkspace"]


@pytest.mark.parametrize("column", ["Backlog", "In Progress", "Done"])
def test_column_without_the_agent_role_starts_nothing(ticket: Ticket, policy: ServicePolicy, column: str) -> None:
    decision = decide(Loop(ticket=ticket), moved(ticket, column), policy)

    assert decision.loop.stage is Stage.IDLE
    assert not decision.commands


def test_hand_over_during_work_changes_nothing(making: Loop, policy: ServicePolicy) -> None:
    assert not decide(making, moved(making.ticket, "Agent"), policy).commands


def test_hand_over_by_an_unknown_team_starts_nothing(ticket: Ticket, policy: ServicePolicy) -> None:
    foreign = replace(ticket, team="OPS")

    assert not decide(Loop(ticket=foreign), moved(foreign, "Agent"), policy).commands


@pytest.mark.parametrize("column", ["Backlog", "Done", "Needs Human", "Canceled"])
def test_move_to_another_column_stops_the_run(making: Loop, policy: ServicePolicy, column: str) -> None:
    decision = decide(making, moved(making.ticket, column), policy)

    assert decision.loop.stage is Stage.STOPPED
    assert kinds(decision.commands) == ["StopRun", "PostComment"]
    assert column in decision.loop.reason


def test_move_by_loopline_to_the_working_column_stops_nothing(making: Loop, policy: ServicePolicy) -> None:
    assert decide(making, moved(making.ticket, "In Progress"), policy).loop.stage is Stage.MAKING


def test_hand_over_of_a_stopped_ticket_keeps_branch_and_commits(making: Loop, policy: ServicePolicy) -> None:
    stopped = changed(making, stage=Stage.STOPPED, head_sha=OTHER, tried=("one",))

    again = decide(stopped, moved(making.ticket, "Agent"), policy).loop

    assert (again.generation, again.workspace.branch, again.candidate.head_sha, again.all_tried) == (
        2,
        making.workspace.branch,
        OTHER,
        ("one",),
    )
    assert again.contract == making.contract


@pytest.mark.parametrize(
    ("found", "head", "pushed"),
    [
        pytest.param(OTHER, OTHER, OTHER, id="commits of a person are where work goes on"),
        pytest.param(HEAD, HEAD, HEAD, id="a push of ours that was never confirmed"),
        pytest.param(BASE, HEAD, BASE, id="where we left it"),
        pytest.param("", HEAD, "", id="somebody deleted it"),
        pytest.param(None, HEAD, BASE, id="without a branch"),
    ],
)
def test_workspace_starts_from_the_current_head_of_the_branch(
    making: Loop, policy: ServicePolicy, found: str | None, head: str, pushed: str
) -> None:
    preparing = changed(making, stage=Stage.PREPARING, head_sha=HEAD, pushed_sha=BASE)

    decision = decide(preparing, ready(CHECKED, branch_sha=found), policy)

    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    assert (start.spec.start_sha, decision.loop.pull_request.pushed_sha) == (head, pushed)


def test_move_by_loopline_that_is_queued_is_not_taken_for_a_stop(making: Loop, policy: ServicePolicy) -> None:
    waits = replace(moved(making.ticket, "Needs Human"), moving=True)
    dragged = replace(moved(making.ticket, "Backlog"), moving=True)

    assert decide(making, waits, policy).loop.stage is Stage.MAKING
    assert decide(making, dragged, policy).loop.stage is Stage.STOPPED


def test_retry_is_not_stopped_by_a_late_event_of_an_earlier_move(making: Loop, policy: ServicePolicy) -> None:
    stopped = decide(making, moved(making.ticket, "Done"), policy).loop
    retried = hand_over(stopped, 9.0, policy).loop

    late = replace(moved(making.ticket, "Done"), moving=True)

    assert decide(retried, late, policy).loop.stage is Stage.PREPARING


@pytest.mark.parametrize(("seen", "stage"), [("Agent", Stage.STOPPED), ("Needs Human", Stage.PREPARING)])
def test_hand_over_event_that_arrives_after_a_stop_starts_nothing(
    making: Loop, policy: ServicePolicy, seen: str, stage: Stage
) -> None:
    ticket = replace(making.ticket, column=seen)
    stopped = replace(making, stage=Stage.STOPPED, ticket=ticket)

    late = replace(moved(ticket, "Agent"), moving=True)

    assert decide(stopped, late, policy).loop.stage is stage


@pytest.mark.parametrize(("stage", "kept"), [(Stage.NEEDS_HUMAN, True), (Stage.STOPPED, True), (Stage.DONE, False)])
def test_answer_is_kept_until_its_work_is_done(making: Loop, policy: ServicePolicy, stage: Stage, kept: bool) -> None:
    vague = replace(making.ticket, description="", column="Agent")
    answered = replace(making, stage=stage, ticket=vague)
    preparing = decide(answered, moved(vague, "Agent"), policy).loop

    again = prepared(preparing, RepositoryPolicy(), policy)

    assert again.loop.contract == (making.contract if kept else None)
    assert again.loop.stage is (Stage.SCOUTING if kept else Stage.PLANNING)


def test_hand_over_of_a_done_ticket_gets_a_new_branch(making: Loop, policy: ServicePolicy) -> None:
    done = changed(making, stage=Stage.DONE, head_sha=OTHER, number=7)

    again = decide(done, moved(making.ticket, "Agent"), policy).loop

    assert (again.workspace.branch, again.candidate.head_sha, again.pull_request.number) == (
        "loopline/eng-1-limit-logins-2",
        "",
        0,
    )


def test_workspace_with_a_contract_starts_the_scout_before_the_maker(ticket: Ticket, policy: ServicePolicy) -> None:
    preparing = decide(Loop(ticket=ticket), moved(ticket, "Agent"), policy).loop

    decision = prepared(preparing, CHECKED, policy)

    assert decision.loop.stage is Stage.SCOUTING
    assert decision.loop.contract is not None
    assert [c.command for c in decision.loop.contract.criteria] == ["pytest -q", "", "pytest -q"]
    assert kinds(decision.commands) == ["StartRun"]


def test_workspace_of_an_older_generation_is_discarded(making: Loop, policy: ServicePolicy) -> None:
    preparing = replace(making, stage=Stage.PREPARING, generation=2)

    assert decide(preparing, ready(CHECKED), policy).loop == preparing


def test_ticket_removed_gets_no_more_comments(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, TicketRemoved(event_id="e", ticket_id="t1"), policy)

    assert decision.loop.stage is Stage.DONE
    assert [c.kind for c in decision.commands] == ["StopRun", "CleanUp"]


@pytest.mark.parametrize(
    ("suggested", "title", "branch"),
    [
        ("ana/eng-1-limit-logins", "Limit logins", "loopline/eng-1-limit-logins"),
        ("", "Limit $(logins); rm -rf /", "loopline/eng-1-limit-logins-rm-rf"),
        ("feature/other", "Ünï", "loopline/eng-1-n"),
        ("x/eng-1-" + "y" * 200, "t", "loopline/eng-1-" + "y" * 54),
    ],
)
def test_branch_name_has_the_prefix_and_safe_characters(
    ticket: Ticket, suggested: str, title: str, branch: str
) -> None:
    named = replace(ticket, branch_name=suggested, title=title)

    assert branch_name(named, 1) == branch
