"""Calls for a person: choices, reminders, and what each answer does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import BranchPublished, CommandFailed, EscalationUnanswered, TicketReacted
from integrations.results import Tampering
from integrations.values import CommitSha, Usage
from jobs.loop.commands import MoveTicket, OpenPullRequest, PostComment, PublishBranch
from jobs.loop.state import Escalation, EscalationClass, Loop, Stage
from jobs.messages.escalations import escalation_message
from jobs.workflow import Decision, ServicePolicy, decide
from jobs.workflow.decision import is_still_wanted
from tests.jobs.workflow.values import ANA, GUEST, HEAD, finished, kinds, passing, said
from tests.loops import changed

PLACES = (
    Tampering(kind="protected", path=".github/workflows/ci.yml", text="runs in continuous integration"),
    Tampering(kind="protected", path="WORKFLOW.md", text="is Loopline's policy"),
    Tampering(kind="secret", path="src/pay.py", line=7, text="Stripe Access Key"),
)
BENT = (Tampering(kind="test_skipped", path="tests/test_login.py", line=3, text="@unittest.skip"),)
LOST = (
    Tampering(kind="tests_lost", path="tests/test_login.py", text="tests/test_login.py::test_sixth"),
    Tampering(kind="extras", path="pytest.ini"),
)


def comments(decision: Decision) -> str:
    return "\n".join(c.body for c in decision.commands if isinstance(c, PostComment))


def called(loop: Loop, kind: EscalationClass = "judgement", **fields: object) -> Loop:
    call = Escalation(kind=kind, at=1.0)
    return changed(loop, **{"stage": Stage.NEEDS_HUMAN, "escalation": call, "reason": "why."} | fields)


@pytest.fixture
def bent(making: Loop, policy: ServicePolicy) -> Decision:
    checking = changed(making, stage=Stage.CHECKING, run_id="x-checker", head_sha=HEAD, tampering=BENT)
    return decide(checking, finished(checking, verdict=passing()), policy)


def test_tampering_needs_approval_even_with_a_passing_verdict(bent: Decision) -> None:
    assert bent.loop.escalation
    assert (bent.loop.stage, bent.loop.escalation.kind) == (Stage.NEEDS_HUMAN, "tamper")
    assert all(words in comments(bent) for words in ("tests/test_login.py:3", "test skipped", "`/accept`"))


def test_tampering_accepted_publishes_exactly_the_judged_commit(bent: Decision, policy: ServicePolicy) -> None:
    decision = decide(bent.loop, said("/accept"), policy)

    assert [c.sha for c in decision.commands if isinstance(c, PublishBranch)] == [HEAD]
    assert MoveTicket(column="working") in decision.commands


def test_protected_path_is_published_once_it_is_accepted_and_listed_in_the_pull_request(
    making: Loop, policy: ServicePolicy
) -> None:
    checking = changed(making, stage=Stage.CHECKING, run_id="x-checker", head_sha=HEAD, tampering=PLACES)
    asked = decide(checking, finished(checking, verdict=passing()), policy)
    published = decide(asked.loop, said("/accept"), policy)
    event = BranchPublished(event_id="p", ticket_id=making.ticket.id, generation=making.generation, head_sha=HEAD)
    (opened,) = [c for c in decide(published.loop, event, policy).commands if isinstance(c, OpenPullRequest)]

    assert (asked.loop.stage, published.loop.stage) == (Stage.NEEDS_HUMAN, Stage.PUBLISHING)
    for text in (comments(asked), opened.body):
        assert "`.github/workflows/ci.yml`: protected path — runs in continuous integration" in text
        assert "`WORKFLOW.md`: protected path — is Loopline's policy" in text
        assert "`src/pay.py:7`: possible secret — Stripe Access Key" in text


def test_question_names_tests_and_files_and_the_answer_lists_what_was_accepted(
    making: Loop, policy: ServicePolicy
) -> None:
    checking = changed(making, stage=Stage.CHECKING, run_id="x-checker", head_sha=HEAD, tampering=(*PLACES, *LOST))
    asked = decide(checking, finished(checking, verdict=passing()), policy)
    accepted = decide(asked.loop, said("/accept"), policy)

    assert "existing tests that no longer pass (`tests/test_login.py::test_sixth`)" in asked.loop.reason
    assert "protected paths (`.github/workflows/ci.yml`, `WORKFLOW.md`)" in asked.loop.reason
    for text in (comments(asked), comments(accepted)):
        assert "`tests/test_login.py`: existing tests no longer pass — tests/test_login.py::test_sixth" in text
        assert "`WORKFLOW.md`: protected path — is Loopline's policy" in text
        assert "`pytest.ini`: the checks pass only with this file" in text


def test_protected_paths_are_all_listed_on_the_ticket(making: Loop, policy: ServicePolicy) -> None:
    many = tuple(Tampering(kind="protected", path=f".github/workflows/{n}.yml", text="runs") for n in range(40))
    checking = changed(making, stage=Stage.CHECKING, run_id="x-checker", head_sha=HEAD, tampering=many)
    text = comments(decide(checking, finished(checking, verdict=passing()), policy))

    assert all(f"`.github/workflows/{n}.yml`" in text for n in range(40))


def test_acceptance_is_void_at_another_commit(bent: Decision, policy: ServicePolicy) -> None:
    accepted = decide(bent.loop, said("/accept"), policy).loop
    other = CommitSha("d" * 40)
    checking = changed(accepted, stage=Stage.CHECKING, run_id="x-checker", head_sha=other, tampering=PLACES)

    decision = decide(checking, finished(checking, verdict=changed(passing(), head_sha=other)), policy)

    assert (accepted.candidate.accepted_sha, accepted.candidate.accepted_by) == (HEAD, "Ana")
    assert (decision.loop.stage, kinds(decision.commands).count("PublishBranch")) == (Stage.NEEDS_HUMAN, 0)


@pytest.mark.parametrize(("approvers", "accepted"), [((), True), (("boss@acme.test",), False)])
def test_takeover_of_changes_that_need_approval_pushes_them_only_for_an_approver(
    bent: Decision, policy: ServicePolicy, approvers: tuple[str, ...], accepted: bool
) -> None:
    taken = decide(bent.loop, said("/takeover"), replace(policy, approvers=approvers))
    (push,) = [c for c in taken.commands if isinstance(c, PublishBranch)]

    assert (push.as_is, push.accepted) == (True, accepted)


def test_takeover_before_the_changes_were_listed_accepts_none(making: Loop, policy: ServicePolicy) -> None:
    gating = changed(making, stage=Stage.GATING, run_id="x-gate", head_sha=HEAD)
    (push,) = [c for c in decide(gating, said("/takeover"), policy).commands if isinstance(c, PublishBranch)]

    assert (push.as_is, push.accepted) == (True, False)


def test_possible_secret_is_returned_to_the_maker_once_then_a_person_decides(
    making: Loop, policy: ServicePolicy
) -> None:
    leak = (Tampering(kind="secret", path="src/pay.py", line=7, text="Stripe Access Key"),)
    gating = changed(making, stage=Stage.GATING, run_id="x-gate", head_sha=HEAD)
    returned = decide(gating, finished(gating, evidence=(), tampering=leak), policy).loop
    again = changed(returned, stage=Stage.GATING, run_id="x-gate")
    insisting = decide(again, finished(again, evidence=(), tampering=leak), policy).loop
    another = decide(again, finished(again, evidence=(), tampering=(replace(leak[0], line=9),)), policy).loop

    assert (returned.stage, insisting.stage, another.stage) == (Stage.MAKING, Stage.JUDGING, Stage.MAKING)
    assert "possible secrets in the change: `src/pay.py:7` (Stripe Access Key)" in returned.attempt.tried[-1]


def test_tampering_is_accepted_only_by_approvers(bent: Decision, policy: ServicePolicy) -> None:
    strict = replace(policy, approvers=("boss@acme.test",))

    assert decide(bent.loop, said("/accept"), strict).loop.stage is Stage.NEEDS_HUMAN


def test_tampering_must_exist_to_be_accepted(making: Loop, policy: ServicePolicy) -> None:
    assert "does not apply while" in comments(decide(called(making), said("/accept"), policy))


@pytest.mark.parametrize(
    ("kind", "choice"),
    [
        ("budget", "/budget"),
        ("tamper", "/accept"),
        ("spinning", "/retry"),
        ("turns", "/retry` gives the agent as many model calls again"),
        ("conflict", "/takeover"),
        ("judgement", "/close"),
    ],
)
def test_escalation_offers_the_choices_of_its_class(
    making: Loop, policy: ServicePolicy, kind: EscalationClass, choice: str
) -> None:
    assert f"`{choice}" in escalation_message(called(making, kind))


def test_escalation_with_a_long_record_keeps_its_choices(making: Loop, policy: ServicePolicy) -> None:
    loop = called(making, "infrastructure")
    attempt = replace(loop.attempt, tried=tuple("x" * 4_000 for _ in range(12)))
    message = escalation_message(replace(loop, reason="y" * 200_000, attempt=attempt))
    assert len(message) < 45_000 and "y…" in message and "x…" in message
    assert "`/retry` after you have fixed the problem" in message


def test_budget_added_continues_an_escalated_loop(making: Loop, policy: ServicePolicy) -> None:
    loop = called(making, "budget", usage=Usage(cost_usd=20.0))

    decision = decide(loop, said("/budget +3"), policy)

    assert (decision.loop.stage, decision.loop.generation, decision.loop.spend.extra_usd) == (Stage.PREPARING, 2, 3.0)
    assert policy.caps_of(decision.loop).ticket_usd == 23.0
    assert "$23.00" in comments(decision)


def test_budget_added_during_work_counts_for_the_next_run(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, said("/budget 2.50"), policy)

    assert (decision.loop.stage, decision.loop.spend.extra_usd) == (Stage.MAKING, 2.5)


@pytest.mark.parametrize("words", ["/budget", "/budget lots", "/budget -3", "/budget 99999"])
def test_budget_amount_that_is_invalid_changes_nothing(making: Loop, policy: ServicePolicy, words: str) -> None:
    decision = decide(called(making, "budget"), said(words), policy)

    assert decision.loop.spend.extra_usd == 0.0
    assert comments(decision)


def test_takeover_keeps_the_branch(making: Loop, policy: ServicePolicy) -> None:
    loop = decide(called(making), said("/takeover"), policy).loop

    assert (loop.stage, loop.workspace.branch, loop.escalation) == (Stage.STOPPED, making.workspace.branch, None)
    assert "Ana took over" in loop.reason


def test_takeover_pushes_the_last_candidate(making: Loop, policy: ServicePolicy) -> None:
    loop = called(changed(making, head_sha=HEAD))
    decision = decide(loop, said("/takeover"), policy)

    (push,) = [c for c in decision.commands if isinstance(c, PublishBranch)]
    assert (push.sha, push.branch, push.as_is) == (HEAD, making.workspace.branch, True)
    assert HEAD[:7] in decision.loop.reason
    assert is_still_wanted(decision.loop, push)
    assert not is_still_wanted(decide(decision.loop, said("/retry"), policy).loop, push)

    published = BranchPublished(event_id="p", ticket_id="t1", generation=loop.generation, head_sha=HEAD)
    after = decide(decision.loop, published, policy)
    assert (after.loop.stage, after.loop.pull_request.pushed_sha) == (Stage.STOPPED, HEAD)
    assert "OpenPullRequest" not in kinds(after.commands)


def test_takeover_of_published_work_pushes_nothing(making: Loop, policy: ServicePolicy) -> None:
    loop = called(changed(making, head_sha=HEAD, pushed_sha=HEAD))

    assert "PublishBranch" not in kinds(decide(loop, said("/takeover"), policy).commands)


def test_takeover_reports_a_refused_push(making: Loop, policy: ServicePolicy) -> None:
    stopped = decide(called(changed(making, head_sha=HEAD)), said("/takeover"), policy).loop
    refused = CommandFailed(
        event_id="f", ticket_id="t1", generation=stopped.generation, command="PublishBranch", reason="The branch moved."
    )

    assert comments(decide(stopped, refused, policy)) == "The branch moved."


def test_command_close_deletes_the_branch(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(called(making), said("/close"), policy)

    assert (decision.loop.stage, decision.loop.workspace.branch) == (Stage.STOPPED, "")
    assert "CleanUp" in kinds(decision.commands)


def unanswered(loop: Loop) -> EscalationUnanswered:
    return EscalationUnanswered(event_id="u", ticket_id="t1", generation=loop.generation, at=9.0)


def reacted(author: object) -> TicketReacted:
    return TicketReacted(event_id="r", ticket_id="t1", comment_id="k", author=author)


def test_escalation_without_an_answer_is_repeated_then_moved_to_triage(making: Loop, policy: ServicePolicy) -> None:
    columns = {**policy.teams["ENG"].columns, "triage": "Triage"}
    team = replace(policy.teams["ENG"], columns=columns)
    with_triage = replace(policy, teams={"ENG": team})
    loop, seen = called(making), []
    for _ in range(3):
        decision = decide(loop, unanswered(loop), with_triage)
        loop = decision.loop
        seen.append(kinds(decision.commands))

    assert seen == [["PostComment"], ["PostComment"], ["PostComment", "MoveTicket"]]
    assert loop.escalation == Escalation(kind="judgement", at=9.0, raised=4)


@pytest.mark.parametrize(("has_column", "shared"), [(False, False), (False, True), (True, True)])
def test_escalation_is_listed_in_triage_without_a_column_or_with_a_shared_cause(
    making: Loop, policy: ServicePolicy, has_column: bool, shared: bool
) -> None:
    columns = policy.teams["ENG"].columns | ({"triage": "Triage"} if has_column else {})
    policy = replace(policy, teams={"ENG": replace(policy.teams["ENG"], columns=columns)})
    loop = called(making, escalation=Escalation(kind="judgement", at=1.0, raised=3))

    decision = decide(loop, replace(unanswered(loop), shared=shared), policy)

    assert kinds(decision.commands) == ["PostComment"]
    assert "a ticket in triage lists this one" in comments(decision)
    assert decision.loop.escalation and decision.loop.escalation.listed


@pytest.mark.parametrize("event", [reacted(ANA), said("hm")])
def test_escalation_is_acknowledged_by_an_emoji_or_a_comment(
    making: Loop, policy: ServicePolicy, event: TicketReacted
) -> None:
    loop = decide(called(making), event, policy).loop

    assert loop.escalation
    assert loop.escalation.acknowledged
    assert not decide(loop, unanswered(loop), policy).commands


def test_escalation_is_not_acknowledged_without_permission(making: Loop, policy: ServicePolicy) -> None:
    loop = decide(called(making), reacted(GUEST), policy).loop

    assert loop.escalation
    assert not loop.escalation.acknowledged


def test_budget_used_up_keeps_the_work_and_names_the_cap(making: Loop, policy: ServicePolicy) -> None:
    ended = finished(making, outcome="budget", head_sha=HEAD, summary="the run's budget of $5.00 is used up.")

    decision = decide(making, ended, policy)

    assert (decision.loop.candidate.head_sha, decision.loop.attempts[0].head_sha) == (HEAD, HEAD)
    assert "the run's budget of $5.00" in comments(decision)
