"""How a ticket gets its contract, and what a changed ticket does to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import TicketEdited
from integrations.results import Proposal, ProposedCriterion, Question
from integrations.values import Ticket
from jobs.contract.agreement import read_ticket_criteria
from jobs.loop.commands import PostComment, StartRun, Steer
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from tests.jobs.workflow.values import CHECKED, HEAD, finished, kinds, moved, prepared, said
from tests.loops import changed

PROPOSAL = Proposal(
    criteria=(
        ProposedCriterion(text="`make test` passes", command="make test"),
        ProposedCriterion(text="the sixth login is refused", evidence="test"),
    ),
    confidence="high",
)
DOUBTFUL = replace(PROPOSAL, questions=(Question(text="Per user?", options=("yes", "no")),))


@pytest.fixture
def planning(ticket: Ticket, policy: ServicePolicy) -> Loop:
    vague = replace(ticket, description="make the app better")
    return prepared(decide(Loop(ticket=vague), moved(vague, "Agent"), policy).loop, CHECKED, policy).loop


@pytest.fixture
def asking(planning: Loop, policy: ServicePolicy) -> Loop:
    return decide(planning, finished(planning, proposal=DOUBTFUL), policy).loop


def roles(decision: Decision) -> list[str]:
    return [c.spec.role for c in decision.commands if isinstance(c, StartRun)]


def comments(decision: Decision) -> str:
    return "\n".join(c.body for c in decision.commands if isinstance(c, PostComment))


def test_contract_missing_starts_only_a_planner(planning: Loop) -> None:
    assert (planning.stage, planning.contract, planning.planning.proposals) == (Stage.PLANNING, None, 1)


def test_proposal_without_doubt_is_agreed_under_the_auto_policy(planning: Loop, policy: ServicePolicy) -> None:
    decision = decide(planning, finished(planning, proposal=PROPOSAL), policy)

    assert roles(decision) == ["scout"]
    assert decision.loop.contract
    assert [c.command for c in decision.loop.contract.criteria] == ["make test", "", "pytest -q"]
    assert "make test" in comments(decision)


@pytest.mark.parametrize(
    ("proposal", "contract"),
    [
        pytest.param(DOUBTFUL, "auto", id="open questions"),
        pytest.param(replace(PROPOSAL, confidence="low"), "auto", id="low confidence"),
        pytest.param(PROPOSAL, "ask", id="the policy says ask"),
        pytest.param(None, "auto", id="no proposal"),
        pytest.param(replace(PROPOSAL, may_change=(".github/workflows/ci.yml",)), "auto", id="changes of CI"),
    ],
)
def test_proposal_with_doubt_is_put_to_a_person(
    planning: Loop, policy: ServicePolicy, proposal: Proposal | None, contract: str
) -> None:
    rules = replace(planning.policy, loop=replace(planning.policy.loop, contract=contract))
    asked = replace(planning, policy=rules)

    decision = decide(asked, finished(asked, proposal=proposal), policy)

    assert (decision.loop.stage, roles(decision)) == (Stage.ASKING, [])
    assert kinds(decision.commands) == ["PostComment", "MoveTicket"]


def test_proposal_that_can_change_tests_is_agreed_and_shows_them(planning: Loop, policy: ServicePolicy) -> None:
    proposal = replace(PROPOSAL, may_change=("tests/test_login.py",))
    decision = decide(planning, finished(planning, proposal=proposal), policy)

    assert decision.loop.contract
    assert decision.loop.contract.may_change == ("tests/test_login.py",)
    assert "May change: `tests/test_login.py`" in comments(decision)


def test_proposal_without_repository_checks_needs_a_person(planning: Loop, policy: ServicePolicy) -> None:
    bare = replace(planning, policy=RepositoryPolicy())

    assert decide(bare, finished(bare, proposal=PROPOSAL), policy).loop.stage is Stage.ASKING


def test_question_shows_the_proposal_and_open_questions(planning: Loop, policy: ServicePolicy) -> None:
    asked = comments(decide(planning, finished(planning, proposal=DOUBTFUL), policy))

    assert all(words in asked for words in ("1. `make test` passes", "Per user? (yes / no)", "Reply `ok`"))


def test_answer_ok_accepts_the_proposal(asking: Loop, policy: ServicePolicy) -> None:
    decision = decide(asking, said("OK!"), policy)

    assert roles(decision) == ["scout"]
    assert decision.loop.contract
    assert [c.text for c in decision.loop.contract.criteria][:2] == ["`make test` passes", "the sixth login is refused"]


def test_answer_with_a_list_replaces_the_proposal(asking: Loop, policy: ServicePolicy) -> None:
    loop = decide(asking, said("- `make check` passes"), policy).loop

    assert loop.contract
    assert [c.command for c in loop.contract.criteria] == ["make check", "pytest -q"]


def test_answer_with_other_text_goes_to_the_planner(asking: Loop, policy: ServicePolicy) -> None:
    decision = decide(asking, said("per user, please"), policy)

    assert (decision.loop.stage, roles(decision), decision.loop.planning.proposals) == (
        Stage.PLANNING,
        ["planner"],
        2,
    )
    assert decision.loop.comments.guidance[-1].text == "per user, please"


def test_command_cancel_ends_a_question_without_work(asking: Loop, policy: ServicePolicy) -> None:
    assert decide(asking, said("/cancel"), policy).loop.stage is Stage.STOPPED


def test_question_is_not_repeated_after_an_answer(asking: Loop, policy: ServicePolicy) -> None:
    at_work = decide(asking, said("ok"), policy).loop
    again = decide(decide(at_work, said("/stop"), policy).loop, said("/retry"), policy).loop

    decision = prepared(again, CHECKED, policy)

    assert (decision.loop.contract, roles(decision)) == (at_work.contract, ["scout"])


REFUSED = "the sixth login is refused"
OWN = f"Done when:\n- `make check` passes\n- {REFUSED}"
IMPROVED = (
    *read_ticket_criteria(OWN).criteria[:1],
    ProposedCriterion(text="login 6 answers 429", command="make login"),
)


@pytest.fixture
def judging_list(ticket: Ticket, policy: ServicePolicy) -> Loop:
    listed = replace(ticket, description=OWN)
    return prepared(decide(Loop(ticket=listed), moved(listed, "Agent"), policy).loop, CHECKED, policy).loop


def test_ticket_list_with_prose_goes_to_the_planner(judging_list: Loop) -> None:
    assert (judging_list.stage, judging_list.contract, judging_list.planning.proposals) == (Stage.PLANNING, None, 1)


@pytest.mark.parametrize("rules", ["auto", "ask"])
def test_ticket_list_confirmed_by_the_planner_starts_without_a_question(
    judging_list: Loop, policy: ServicePolicy, rules: str
) -> None:
    changed = replace(judging_list.policy, loop=replace(judging_list.policy.loop, contract=rules))
    loop = replace(judging_list, policy=changed)

    confirmed = Proposal(criteria=read_ticket_criteria(OWN).criteria, confidence="high")
    decision = decide(loop, finished(loop, proposal=confirmed), policy)

    assert decision.loop.contract
    assert (roles(decision), [c.text for c in decision.loop.contract.criteria][:2]) == (
        ["scout"],
        ["`make check` passes", REFUSED],
    )
    assert comments(decision) == ""


def test_ticket_list_with_an_unclear_item_is_put_to_a_person(judging_list: Loop, policy: ServicePolicy) -> None:
    improved = Proposal(criteria=IMPROVED, confidence="high")
    asking = decide(judging_list, finished(judging_list, proposal=improved), policy)

    assert asking.loop.stage is Stage.ASKING
    assert "I cannot verify “the sixth login is refused” as stated" in comments(asking)
    agreed = decide(asking.loop, said("ok"), policy).loop
    assert agreed.contract and [c.command for c in agreed.contract.criteria][:2] == ["make check", "make login"]
    again = decide(decide(agreed, said("/stop"), policy).loop, said("/retry"), policy).loop
    assert again.contract == agreed.contract


def test_ticket_list_that_the_planner_could_not_judge_is_accepted_by_ok(
    judging_list: Loop, policy: ServicePolicy
) -> None:
    asking = decide(judging_list, finished(judging_list, proposal=None), policy)

    assert "I could not find out whether the list" in comments(asking)
    agreed = decide(asking.loop, said("ok"), policy).loop
    assert agreed.contract and [c.command for c in agreed.contract.criteria][:2] == ["make check", ""]


def test_ticket_list_replaced_by_an_answer_stays_replaced(judging_list: Loop, policy: ServicePolicy) -> None:
    asking = decide(judging_list, finished(judging_list, proposal=None), policy).loop
    agreed = decide(asking, said("- `make all` passes"), policy).loop
    again = decide(decide(agreed, said("/stop"), policy).loop, moved(agreed.ticket, "Agent"), policy).loop

    assert again.contract == agreed.contract


def test_ticket_list_written_during_a_question_goes_to_the_planner(asking: Loop, policy: ServicePolicy) -> None:
    decision = decide(asking, edited(asking, OWN), policy)

    assert (decision.loop.stage, roles(decision), decision.loop.planning.proposals) == (Stage.PLANNING, ["planner"], 2)


def test_ticket_list_changed_during_work_is_not_judged_again(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, edited(making, OWN), policy)

    assert decision.loop.contract
    assert [c.text for c in decision.loop.contract.criteria][:2] == [
        "`make check` passes",
        "the sixth login is refused",
    ]


def edited(loop: Loop, description: str) -> TicketEdited:
    ticket = replace(loop.ticket, description=description)
    return TicketEdited(event_id="d", ticket_id="t1", ticket=ticket)


def test_ticket_list_added_later_answers_the_question(asking: Loop, policy: ServicePolicy) -> None:
    decision = decide(asking, edited(asking, "Done when:\n- `make check` passes"), policy)

    assert decision.loop.stage is Stage.SCOUTING
    assert "PostComment" not in kinds(decision.commands)


NEW = "Done when:\n- `make check` passes"


def test_ticket_list_changed_during_work_is_a_new_version_sent_to_the_maker(
    making: Loop, policy: ServicePolicy
) -> None:
    decision = decide(making, edited(making, NEW), policy)

    assert decision.loop.contract
    assert (decision.loop.stage, decision.loop.contract.version) == (Stage.MAKING, 2)
    (steer,) = [c for c in decision.commands if isinstance(c, Steer)]
    assert "make check" in steer.guidance.text
    assert "Acceptance criteria changed (v2" in comments(decision)


def test_ticket_list_that_allows_further_changes_is_a_new_version(making: Loop, policy: ServicePolicy) -> None:
    listed = edited(making, f"{NEW}\n- May change: tests/test_login.py")
    plain = decide(making, edited(making, NEW), policy).loop
    changed_again = decide(plain, listed, policy)

    contract = changed_again.loop.contract
    assert contract and (contract.version, contract.may_change) == (3, ("tests/test_login.py",))
    (steer,) = [c for c in changed_again.commands if isinstance(c, Steer)]
    for text in (steer.guidance.text, comments(changed_again)):
        assert "May change: `tests/test_login.py`" in text


@pytest.mark.parametrize("stage", [Stage.GATING, Stage.JUDGING, Stage.CHECKING])
def test_ticket_list_changed_after_the_gate_repeats_the_iteration(
    making: Loop, policy: ServicePolicy, stage: Stage
) -> None:
    checking = changed(making, stage=stage, head_sha=HEAD)

    decision = decide(checking, edited(checking, NEW), policy)

    assert (decision.loop.stage, decision.loop.attempt.iteration, roles(decision)) == (Stage.MAKING, 1, ["maker"])
    assert decision.loop.run_id != making.run_id


def test_ticket_list_changed_during_review_keeps_the_verdict(review: Loop, policy: ServicePolicy) -> None:
    decision = decide(review, edited(review, NEW), policy)

    assert (decision.loop.contract, decision.loop.candidate.verdict) == (review.contract, review.candidate.verdict)
    assert "/changes" in comments(decision)


def test_ticket_edit_outside_the_list_is_no_new_version(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, edited(making, f"Please hurry.\n\n{making.ticket.description}"), policy)

    assert decision.loop.contract == making.contract
    assert not decision.commands
