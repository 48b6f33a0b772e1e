from __future__ import annotations

import pytest

from integrations.results import CriterionResult, Verdict
from integrations.values import Usage
from jobs.commands import PostComment, StartRun
from jobs.loop import Loop, Stage
from jobs.workflow import ServicePolicy, decide

from .conftest import BASE, HEAD, evidence, finished, kinds, passing


def at(loop: Loop, role: str, **fields: object) -> Loop:
    stage = {"gate": Stage.GATING, "checker": Stage.CHECKING}[role]
    run_id = loop.run_id.replace("maker", role)
    return loop.model_copy(update={"stage": stage, "run_id": run_id, "head_sha": HEAD, **fields})


def test_a_finished_maker_goes_to_the_gate_at_its_commit(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, finished(making, head_sha=HEAD), policy)

    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    assert (decision.loop.stage, start.spec.role, start.spec.start_sha) == (Stage.GATING, "gate", HEAD)


def test_a_failing_gate_starts_the_next_iteration_with_the_evidence(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate")

    decision = decide(gating, finished(gating, evidence=(evidence(1),)), policy)

    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    assert (start.spec.role, start.spec.iteration, start.spec.evidence[0].output) == ("maker", 2, "1 failed")
    assert "exit 1" in start.spec.tried[-1]


def test_a_passing_gate_goes_to_a_checker_of_another_model(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate")

    (start,) = [
        c for c in decide(gating, finished(gating, evidence=(evidence(0),)), policy).commands if isinstance(c, StartRun)
    ]

    assert (start.spec.role, start.spec.model) == ("checker", "c")


def test_a_passing_verdict_publishes(making: Loop, policy: ServicePolicy) -> None:
    checking = at(making, "checker")

    decision = decide(checking, finished(checking, verdict=passing()), policy)

    assert decision.loop.stage is Stage.PUBLISHING
    assert kinds(decision.commands) == ["PublishBranch"]


def _verdict(**change: object) -> Verdict:
    return passing().model_copy(update=change)


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
    ],
)
def test_any_other_verdict_is_not_done(making: Loop, policy: ServicePolicy, verdict: Verdict | None) -> None:
    checking = at(making, "checker")

    decision = decide(checking, finished(checking, verdict=verdict), policy)

    assert (decision.loop.stage, decision.loop.iteration) == (Stage.MAKING, 2)


def test_iterations_used_up_ask_a_person_with_what_was_tried(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate", iteration=3, tried=("iteration 1: x", "iteration 2: y"))

    decision = decide(gating, finished(gating, evidence=(evidence(1),)), policy)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert kinds(decision.commands) == ["PostComment", "SetNeedsHuman", "MoveTicket"]
    (ask,) = [c for c in decision.commands if isinstance(c, PostComment)]
    assert all(line in ask.body for line in ("iteration 1: x", "iteration 2: y", "1 failed"))


def test_nothing_changed_and_everything_holds_asks_a_person(making: Loop, policy: ServicePolicy) -> None:
    checking = at(making, "checker", head_sha=BASE)

    decision = decide(checking, finished(checking, verdict=_verdict(head_sha=BASE)), policy)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert "nothing had to change" in decision.loop.reason


@pytest.mark.parametrize("outcome", ["failed", "refused", "turns"])
def test_a_maker_without_a_result_uses_up_an_iteration(making: Loop, policy: ServicePolicy, outcome: str) -> None:
    decision = decide(making, finished(making, outcome=outcome, summary="why"), policy)

    assert (decision.loop.stage, decision.loop.iteration) == (Stage.MAKING, 2)
    assert "why" in decision.loop.tried[-1]


def test_a_spent_budget_asks_a_person(making: Loop, policy: ServicePolicy) -> None:
    decision = decide(making, finished(making, outcome="budget", usage=Usage(model_calls=9, cost_usd=5.0)), policy)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert decision.loop.usage.cost_usd == 5.0


def test_the_ticket_budget_ends_before_the_next_run_starts(making: Loop, policy: ServicePolicy) -> None:
    spent = making.model_copy(update={"usage": Usage(cost_usd=20.0)})

    decision = decide(spent, finished(spent, outcome="failed"), policy)

    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert not [c for c in decision.commands if isinstance(c, StartRun)]


def test_no_checker_starts_when_the_ticket_budget_is_spent(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate", usage=Usage(cost_usd=20.0))

    assert decide(gating, finished(gating, evidence=(evidence(0),)), policy).loop.stage is Stage.NEEDS_HUMAN


def test_a_late_report_of_a_replaced_run_only_leaves_its_bill(making: Loop, policy: ServicePolicy) -> None:
    late = finished(making, usage=Usage(model_calls=2)).model_copy(update={"generation": 0})

    decision = decide(making, late, policy)

    assert (decision.loop.stage, decision.loop.usage.model_calls) == (Stage.MAKING, 2)
    assert not decision.commands


def test_a_gate_that_cannot_work_asks_a_person(making: Loop, policy: ServicePolicy) -> None:
    gating = at(making, "gate")

    assert decide(gating, finished(gating, outcome="failed", summary="setup"), policy).loop.stage is Stage.NEEDS_HUMAN
