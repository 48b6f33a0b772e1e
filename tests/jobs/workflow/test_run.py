from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.results import CriterionResult, Finding, Judgement, Plan, Tampering, Verdict
from integrations.values import Usage
from jobs.loop.commands import PostComment, RunSpec, StartRun
from jobs.loop.state import Escalation, Loop, Stage
from jobs.messages.escalations import escalation_message
from jobs.messages.progress import progress_message
from jobs.messages.verdict import verdict_message
from jobs.roles.briefs import build_maker_brief
from jobs.workflow import Decision, ServicePolicy, decide
from tests.jobs.workflow.values import BASE, HEAD, evidence, finished, kinds, passing
from tests.loops import changed


def at(loop: Loop, role: str, **fields: object) -> Loop:
    stage = {"gate": Stage.GATING, "judge": Stage.JUDGING, "checker": Stage.CHECKING}[role]
    run_id = loop.run_id.replace("maker", role)
    return changed(loop, stage=stage, run_id=run_id, **{"head_sha": HEAD} | fields)


def test_maker_finished_starts_the_gate_at_its_commit(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, finished(making, head_sha=HEAD), policy)

    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    assert (decision.loop.stage, start.spec.role, start.spec.start_sha) == (Stage.GATING, "gate", HEAD)


def test_gate_failing_starts_the_next_iteration_with_the_evidence(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate")

    decision = decide(gating, finished(gating, evidence=(evidence(1),)), policy)

    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    assert (start.spec.role, start.spec.attempt.iteration, start.spec.candidate.evidence[0].output) == (
        "maker",
        2,
        "1 failed",
    )
    assert "exit 1" in start.spec.attempt.tried[-1]


def started(decision: Decision) -> RunSpec:
    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    return start.spec


def test_gate_passing_starts_the_judge(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate")

    assert started(decide(gating, finished(gating, evidence=(evidence(0),)), policy)).role == "judge"


def test_judge_accepting_starts_a_checker_with_another_model(making: Loop, policy: ServicePolicy) -> None:
    judging = at(making, "judge")

    spec = started(decide(judging, finished(judging, judgement=Judgement(done=True)), policy))

    assert (spec.role, spec.model) == ("checker", "c")


@pytest.mark.parametrize(
    "judgement", [Judgement(done=False, missing=("the 429",)), Judgement(done=True, missing=("x",))]
)
def test_judge_rejecting_starts_the_next_iteration(making: Loop, policy: ServicePolicy, judgement: Judgement) -> None:
    judging = at(making, "judge")

    decision = decide(judging, finished(judging, judgement=judgement), policy)

    assert started(decision).role == "maker"
    assert judgement.missing[0] in decision.loop.attempt.tried[-1]


@pytest.mark.parametrize("fields", [{"outcome": "failed"}, {"judgement": None}])
def test_judge_that_failed_is_skipped(making: Loop, policy: ServicePolicy, fields: dict[str, object]) -> None:
    judging = at(making, "judge")

    assert started(decide(judging, finished(judging, **fields), policy)).role == "checker"


def test_gate_passing_only_with_own_tests_is_returned_once_then_judged(making: Loop, policy: ServicePolicy) -> None:
    bent = replace(evidence(0), refuted="the new tests pass without the change too")
    found = (Tampering(kind="test_changed", path="tests/test_login.py"),)
    gating = at(making, "gate")

    told = decide(gating, finished(gating, evidence=(bent,), tampering=found), policy).loop
    insisting = at(told, "gate")
    judging = decide(insisting, finished(insisting, evidence=(bent,), tampering=found), policy).loop
    checking = decide(judging, finished(judging, judgement=Judgement(done=True)), policy).loop
    asked = decide(checking, finished(checking, verdict=passing()), policy).loop

    assert (told.stage, judging.stage, checking.stage) == (Stage.MAKING, Stage.JUDGING, Stage.CHECKING)
    assert "a person will decide" in told.attempt.tried[-1]
    assert asked.escalation
    assert asked.escalation.kind == "tamper"


def test_stray_files_start_the_next_iteration(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate")

    decision = decide(gating, finished(gating, evidence=(evidence(0),), stray=("debug.log",)), policy)

    assert started(decision).role == "maker"
    assert "`debug.log`" in decision.loop.attempt.tried[-1]


def test_scout_gives_its_plan_to_the_first_maker_and_never_blocks(making: Loop, policy: ServicePolicy) -> None:
    scouting = changed(making, stage=Stage.SCOUTING, run_id="x-scout", iteration=0)

    with_plan = started(decide(scouting, finished(scouting, plan=Plan(summary="look at login.py")), policy))
    without = started(decide(scouting, finished(scouting, outcome="failed"), policy))

    assert (with_plan.role, with_plan.attempt.iteration, without.role) == ("maker", 1, "maker")
    assert with_plan.plan == Plan(summary="look at login.py")


def test_verdict_passing_publishes(making: Loop, policy: ServicePolicy) -> None:
    checking = at(making, "checker")

    decision = decide(checking, finished(checking, verdict=passing()), policy)

    assert decision.loop.stage is Stage.PUBLISHING
    assert kinds(decision.commands) == ["PublishBranch"]


def _verdict(**change: object) -> Verdict:
    return changed(passing(), **change)


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(None, id="no verdict"),
        pytest.param(_verdict(head_sha=BASE), id="a verdict on another commit"),
        pytest.param(_verdict(results=passing().results[:1]), id="a criterion is missing"),
        pytest.param(
            _verdict(results=(passing().results[0], CriterionResult(criterion="c2", result="pass", evidence=" "))),
            id="a pass without evidence",
        ),
        pytest.param(
            _verdict(results=(passing().results[0], CriterionResult(criterion="c2", result="unsure", evidence="x"))),
            id="unsure",
        ),
        pytest.param(
            _verdict(results=(*passing().results, CriterionResult(criterion="c9", result="fail", evidence="x"))),
            id="a failure outside of the contract",
        ),
        pytest.param(
            _verdict(findings=(Finding(text="drops data", severity="blocker"),)), id="all pass, and a blocker"
        ),
    ],
)
def test_verdict_with_an_objection_is_not_done(making: Loop, policy: ServicePolicy, verdict: Verdict | None) -> None:
    checking = at(making, "checker")

    decision = decide(checking, finished(checking, verdict=verdict), policy)

    assert (decision.loop.stage, decision.loop.attempt.iteration) == (Stage.MAKING, 2)


def test_attempt_limit_escalates_with_the_record(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate", attempt_number=3, iteration=3, tried=("iteration 1: x", "iteration 2: y"))

    decision = decide(gating, finished(gating, evidence=(evidence(1),)), policy)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert kinds(decision.commands) == ["PostComment", "SetNeedsHuman", "MoveTicket"]
    (ask,) = [c for c in decision.commands if isinstance(c, PostComment)]
    assert all(line in ask.body for line in ("iteration 1: x", "iteration 2: y", "1 failed"))


def test_empty_change_is_done_only_if_the_checker_confirms_it(making: Loop, policy: ServicePolicy) -> None:
    checking = at(making, "checker", head_sha=BASE)

    vouched = decide(checking, finished(checking, verdict=_verdict(head_sha=BASE, no_change_needed=True)), policy)
    claimed = decide(checking, finished(checking, verdict=_verdict(head_sha=BASE)), policy)

    assert (vouched.loop.stage, claimed.loop.stage) == (Stage.DONE, Stage.MAKING)
    assert kinds(vouched.commands) == ["PostComment", "SetNeedsHuman", "MoveTicket", "CleanUp"]


@pytest.mark.parametrize("outcome", ["failed", "refused", "turns"])
def test_maker_without_a_result_uses_an_iteration(making: Loop, policy: ServicePolicy, outcome: str) -> None:
    decision = decide(making, finished(making, outcome=outcome, summary="why"), policy)

    assert (decision.loop.stage, decision.loop.attempt.iteration) == (Stage.MAKING, 2)
    assert "why" in decision.loop.attempt.tried[-1]


def test_budget_used_up_by_a_run_escalates(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, finished(making, outcome="budget", usage=Usage(model_calls=9, cost_usd=5.0)), policy)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert decision.loop.spend.usage.cost_usd == 5.0


def test_budget_of_the_ticket_used_up_starts_no_run(making: Loop, policy: ServicePolicy) -> None:
    spent = changed(making, usage=Usage(cost_usd=20.0))

    decision = decide(spent, finished(spent, outcome="failed"), policy)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert not [c for c in decision.commands if isinstance(c, StartRun)]


def test_budget_of_the_ticket_used_up_starts_no_checker(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate", usage=Usage(cost_usd=20.0))

    assert decide(gating, finished(gating, evidence=(evidence(0),)), policy).loop.stage is Stage.NEEDS_HUMAN


def test_run_replaced_earlier_only_adds_its_cost(making: Loop, policy: ServicePolicy) -> None:
    late = replace(finished(making, usage=Usage(model_calls=2)), generation=0)

    decision = decide(making, late, policy)

    assert (decision.loop.stage, decision.loop.spend.usage.model_calls) == (Stage.MAKING, 2)
    assert not decision.commands


def test_gate_that_could_not_run_escalates(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate")

    assert decide(gating, finished(gating, outcome="failed", summary="setup"), policy).loop.stage is Stage.NEEDS_HUMAN


def test_blocked_hosts_of_an_iteration_are_in_progress_and_in_the_next_brief(
    making: Loop, policy: ServicePolicy
) -> None:
    made = decide(making, finished(making, head_sha=HEAD, blocked={"files.acme.test": 1}), policy).loop
    failing = finished(made, evidence=(evidence(1),), blocked={"files.acme.test": 2, "npm.acme.test": 1})

    decision = decide(made, failing, policy)

    assert started(decision).blocked == {"files.acme.test": 3, "npm.acme.test": 1}
    line = "Connections of commands were blocked: files.acme.test, 3 times; npm.acme.test, 1 time."
    assert line in progress_message(decision.loop, 3) and line in build_maker_brief(started(decision))

    again = decide(decision.loop, finished(decision.loop, head_sha=HEAD), policy).loop
    assert again.blocked == {} and "blocked" not in progress_message(again, 3)


def test_blocked_hosts_are_in_the_verdict_and_in_an_escalation(making: Loop, policy: ServicePolicy) -> None:
    checking = at(making, "checker", blocked={"files.acme.test": 3}, verdict=passing())

    assert "were blocked: files.acme.test, 3 times" in verdict_message(checking)
    called = changed(checking, escalation=Escalation(kind="judgement", at=1.0))
    assert "were blocked: files.acme.test, 3 times" in escalation_message(called)
