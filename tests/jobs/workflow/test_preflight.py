from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import BranchPushed
from integrations.results import BaseCheck, Evidence, Gated, Made
from jobs.loop.commands import PostComment, StartRun
from jobs.loop.policy import Check, LoopPolicy, RepositoryPolicy
from jobs.loop.state import Contract, Criterion, Escalation, Loop, Preflight, Stage
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.limits import HAND_OVERS
from jobs.workflow.resume import resume
from jobs.workflow.run_results import open_results
from tests.jobs.workflow.values import (
    BASE,
    CHECKED,
    HEAD,
    OTHER,
    finished,
    kinds,
    moved,
    passing,
    prepared,
    ready,
    said,
)
from tests.loops import changed

REASON = "The check `ruff check .` ended with exit 127 on main. `ruff` is not in the environment."


@pytest.fixture
def preflight(making: Loop) -> Loop:
    return changed(making, stage=Stage.PREFLIGHT, iteration=0, run_id="ENG-1-g1-r0-i0-preflight")


@pytest.fixture
def blocked(preflight: Loop, policy: ServicePolicy) -> Loop:
    known = replace(preflight, preflight=Preflight(tried=BASE))
    loop = decide(known, finished(known, outcome="environment", summary=REASON), policy).loop
    return replace(loop, ticket=replace(loop.ticket, column="Needs Human"))


def pushed(sha: str = OTHER, branch: str = "main") -> BranchPushed:
    return BranchPushed(event_id="p", ticket_id="t1", at=9.0, repository="acme/shop", branch=branch, head_sha=sha)


def starts(commands: object) -> list[str]:
    return [one.spec.role for one in commands if isinstance(one, StartRun)]  # type: ignore[attr-defined]


def test_preflight_runs_before_the_planner_and_without_budget(making: Loop, policy: ServicePolicy) -> None:
    broke = replace(policy, caps=replace(policy.caps, ticket_usd=0.0))
    preparing = replace(making, stage=Stage.PREPARING, contract=None)

    decision = decide(preparing, ready(CHECKED), broke)

    assert (decision.loop.stage, starts(decision.commands)) == (Stage.PREFLIGHT, ["preflight"])


def test_preflight_takes_the_newest_base_commit_unless_work_has_begun(making: Loop, policy: ServicePolicy) -> None:
    old = changed(making, stage=Stage.PREPARING, base_sha=OTHER)
    assert decide(old, ready(CHECKED), policy).loop.workspace.base_sha == BASE
    begun = changed(old, head_sha=HEAD)
    assert decide(begun, ready(CHECKED), policy).loop.workspace.base_sha == OTHER


def test_problem_of_the_environment_uses_no_attempt(blocked: Loop, policy: ServicePolicy) -> None:
    assert blocked.escalation and blocked.escalation.kind == "environment"
    assert (blocked.stage, blocked.reason, blocked.attempt.iteration, blocked.attempts) == (
        Stage.NEEDS_HUMAN, REASON, 0, (),
    )  # fmt: skip


def test_preflight_that_fails_itself_is_an_infrastructure_problem(preflight: Loop, policy: ServicePolicy) -> None:
    loop = decide(preflight, finished(preflight, outcome="failed", summary="internal error"), policy).loop

    assert loop.escalation and loop.escalation.kind == "infrastructure"


@pytest.mark.parametrize("column", ["Agent", "In Progress", "Needs Human"])
def test_new_base_commit_repeats_the_preflight(blocked: Loop, policy: ServicePolicy, column: str) -> None:
    waiting = replace(blocked, ticket=replace(blocked.ticket, column=column))

    decision = decide(waiting, pushed(), policy)

    assert kinds(decision.commands) == ["MoveTicket", "SetNeedsHuman", "PrepareWorkspace"]
    again = prepared(decision.loop, CHECKED, policy)
    assert (again.loop.generation, again.loop.escalation) == (blocked.generation, None)
    assert starts(again.commands) == ["scout"]
    assert again.loop.run_id != "ENG-1-g1-r0-i0-scout"


@pytest.mark.parametrize("column", ["Backlog", "In Review", "Done"])
def test_new_base_commit_leaves_a_ticket_that_was_moved_away(blocked: Loop, policy: ServicePolicy, column: str) -> None:
    away = decide(blocked, moved(blocked.ticket, column), policy).loop

    assert decide(away, pushed(), policy).loop == away


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        pytest.param("budget", pushed(), id="another escalation"),
        pytest.param("environment", pushed(BASE), id="the commit that was tried"),
        pytest.param("environment", pushed(branch="develop"), id="another branch"),
    ],
)
def test_push_that_cannot_help_changes_nothing(
    blocked: Loop, policy: ServicePolicy, kind: str, event: BranchPushed
) -> None:
    loop = replace(blocked, escalation=Escalation(kind=kind, at=1.0))  # type: ignore[arg-type]

    decision = decide(loop, event, policy)

    assert (decision.loop, list(decision.commands)) == (loop, [])


def test_same_problem_on_the_next_base_commit_is_not_reported_again(blocked: Loop, policy: ServicePolicy) -> None:
    acknowledged = decide(blocked, said("I am at it"), policy).loop
    read = decide(decide(acknowledged, pushed(), policy).loop, ready(CHECKED), policy).loop

    same = decide(read, finished(read, outcome="environment", summary=REASON), policy)
    other = decide(read, finished(read, outcome="environment", summary="another problem"), policy)

    assert kinds(same.commands) == ["SetNeedsHuman", "MoveTicket"]
    assert same.loop.escalation and same.loop.escalation.acknowledged
    assert kinds(other.commands) == ["PostComment", "SetNeedsHuman", "MoveTicket"]
    assert other.loop.escalation and not other.loop.escalation.acknowledged


def test_retry_without_a_hint_repeats_the_preflight_in_the_same_generation(
    blocked: Loop, policy: ServicePolicy
) -> None:
    retried = decide(blocked, said("/retry"), policy).loop
    assert (retried.stage, retried.generation) == (Stage.PREPARING, blocked.generation)
    read = decide(retried, ready(CHECKED), policy).loop
    again = decide(read, finished(read, outcome="environment", summary=REASON), policy)
    assert "PostComment" in kinds(again.commands), "the person who retried gets an answer"


def test_retry_of_a_script_is_ignored_after_twenty_times(blocked: Loop, policy: ServicePolicy) -> None:
    loop, comments = blocked, 0
    for _ in range(30):
        decision = decide(loop, said("/retry"), policy)
        comments += kinds(decision.commands).count("PostComment")
        loop = decision.loop
        if loop.stage is Stage.PREPARING:
            read = decide(loop, ready(CHECKED), policy).loop
            loop = decide(read, finished(read, outcome="environment", summary=REASON), policy).loop

    assert (loop.preflight.restarts, comments) == (HAND_OVERS, 10)


def test_retry_with_a_hint_starts_a_new_generation(blocked: Loop, policy: ServicePolicy) -> None:
    assert decide(blocked, said("/retry use the other tool"), policy).loop.generation == blocked.generation + 1


def test_checks_of_a_corrected_policy_replace_those_of_the_contract(making: Loop, policy: ServicePolicy) -> None:
    checks = (Criterion(id="k1", text="tests (repository check)", command="pytset -q"),)
    old = Contract(criteria=(*(making.contract.criteria if making.contract else ()), *checks))
    stopped = replace(making, stage=Stage.STOPPED, contract=old)
    retried = decide(stopped, said("/retry"), policy).loop

    decision = decide(retried, ready(CHECKED, retried.generation), policy)

    assert decision.loop.contract and decision.loop.contract.version == old.version + 1
    assert [c.command for c in decision.loop.contract.criteria] == ["pytest -q", "", "pytest -q"]
    (comment,) = [c.body for c in decision.commands if isinstance(c, PostComment)]
    assert comment.startswith("**The repository's checks changed")


def red(loop: Loop, policy: ServicePolicy, command: str = "ruff check .") -> Loop:
    """The ticket's loop after a preflight in which this check failed on the base commit."""
    repository = RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="lint", run=command),), scout=False))
    preparing = changed(loop, stage=Stage.PREPARING, iteration=0)
    check = BaseCheck(command=command, state="failing", exit_code=1)
    return prepared(preparing, repository, policy, checks=(check,)).loop


def test_red_check_is_in_the_contract_and_does_not_count(making: Loop, policy: ServicePolicy) -> None:
    loop = red(making, policy)
    assert loop.contract and loop.contract.criteria[-1].text == "lint (repository check, already failing on main)"
    gating = changed(loop, stage=Stage.GATING, run_id="x-gate", head_sha=HEAD)
    evidence = (
        Evidence(name="c1", command="pytest -q", exit_code=0),
        Evidence(name="k1", command="ruff check .", exit_code=1, base="failing"),
    )

    judging = decide(gating, finished(gating, evidence=evidence), policy).loop
    assert judging.stage is Stage.JUDGING
    verdict = passing()
    checked = changed(judging, stage=Stage.CHECKING, verdict=verdict)
    assert open_results(checked) == []


def test_red_check_that_the_ticket_names_counts(making: Loop, policy: ServicePolicy) -> None:
    loop = red(making, policy, command="pytest -q")

    assert loop.contract and loop.contract.required == loop.contract.criteria


def test_gate_that_the_environment_stops_is_repeated_without_a_maker(making: Loop, policy: ServicePolicy) -> None:
    gating = changed(making, stage=Stage.GATING, run_id="ENG-1-g1-r0-i1-gate", head_sha=HEAD)
    missing = Evidence(name="c1", command="pytest -q", exit_code=127, output="bash: line 1: pytest: command not found")

    blocked = decide(gating, finished(gating, evidence=(missing,)), policy)

    assert blocked.loop.escalation and blocked.loop.escalation.kind == "environment"
    body = next(c.body for c in blocked.commands if isinstance(c, PostComment))
    assert "`pytest` is not in the environment" in body and "command not found" in body
    assert blocked.loop.candidate.gate == Gated()
    again = prepared(decide(blocked.loop, said("/retry"), policy).loop, CHECKED, policy)
    assert starts(again.commands) == ["gate"]
    assert (again.loop.attempt.iteration, again.loop.run_id != gating.run_id) == (1, True)


@pytest.mark.parametrize(("outcome", "kind"), [("environment", "environment"), ("policy", "policy")])
def test_maker_that_is_blocked_uses_no_iteration(making: Loop, policy: ServicePolicy, outcome: str, kind: str) -> None:
    reason = "package-lock.json has 6000000 bytes. Raise `loop.limits.file_megabytes`"

    loop = decide(making, finished(making, outcome=outcome, summary=reason, result=Made()), policy).loop

    assert loop.escalation and (loop.escalation.kind, loop.reason) == (kind, reason)
    assert (loop.attempt.iteration, loop.attempts) == (0, ())


def test_rebuilt_loop_without_a_contract_repeats_its_preflight(making: Loop, policy: ServicePolicy) -> None:
    for stage in (Stage.PREPARING, Stage.PREFLIGHT, Stage.PLANNING):
        lost = replace(making, stage=stage, contract=None if stage is Stage.PLANNING else making.contract)
        assert starts(resume(lost, 5.0, policy).commands) == ["preflight"]


def test_protected_path_is_named_once(making: Loop, policy: ServicePolicy) -> None:
    ticket = replace(making.ticket, description="Done when\n- `grep -q URL .github/workflows/ci.yml` passes")
    preparing = changed(making, stage=Stage.PREPARING, iteration=0, ticket=ticket)

    first = prepared(preparing, CHECKED, policy)
    assert [c.body for c in first.commands if isinstance(c, PostComment) and ".github/workflows/ci.yml" in c.body]
    retried = decide(replace(first.loop, stage=Stage.STOPPED), said("/retry"), policy).loop
    again = prepared(retried, CHECKED, policy)
    assert not [c for c in again.commands if isinstance(c, PostComment)]
