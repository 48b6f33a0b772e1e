"""A run that a wrong setting or unusable replies have ended: one escalation, and no attempt is used."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.events import CommandFailed
from integrations.results import Made
from jobs.loop.commands import PostComment, StartRun
from jobs.loop.policy import LoopPolicy, RepositoryPolicy, Role, Roles
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from tests.jobs.workflow.values import HEAD, finished, kinds, ready, said
from tests.loops import changed

WRONG = "Anthropic does not know what was requested: model: x. Set LOOPLINE_MAKER_MODEL to a model that exists."


@pytest.mark.parametrize("kind", ["credentials", "infrastructure"])
def test_blocked_run_escalates_once_with_its_cause(making: Loop, policy: ServicePolicy, kind: Any) -> None:
    decision = decide(making, finished(making, outcome=kind, summary=WRONG), policy)
    assert decision.loop.stage is Stage.NEEDS_HUMAN
    assert decision.loop.escalation and decision.loop.escalation.kind == kind
    assert kinds(decision.commands) == ["PostComment", "SetNeedsHuman", "MoveTicket"]
    (comment,) = [c.body for c in decision.commands if isinstance(c, PostComment)]
    assert "LOOPLINE_MAKER_MODEL" in comment and "nothing yet" in comment


@pytest.mark.parametrize(
    ("stage", "role"), [(Stage.PLANNING, "planner"), (Stage.SCOUTING, "scout"), (Stage.JUDGING, "judge")]
)
def test_blocked_run_of_each_role_escalates(making: Loop, policy: ServicePolicy, stage: Stage, role: str) -> None:
    loop = changed(making, stage=stage, run_id=f"x-{role}")
    decision = decide(loop, finished(loop, outcome="infrastructure", summary=WRONG), policy)
    assert decision.loop.escalation and decision.loop.reason.startswith(f"the {role} could not run: ")


def test_blocked_maker_keeps_its_work_and_its_iteration(making: Loop, policy: ServicePolicy) -> None:
    event = finished(making, outcome="infrastructure", summary=WRONG, result=Made(head_sha=HEAD))
    loop = decide(making, event, policy).loop
    assert (loop.candidate.head_sha, loop.attempt.iteration, loop.attempts) == (HEAD, 0, ())


def test_blocked_loop_continues_with_retry_as_if_nothing_had_been_tried(making: Loop, policy: ServicePolicy) -> None:
    event = finished(making, outcome="infrastructure", summary=WRONG, result=Made(head_sha=HEAD))
    again = decide(decide(making, event, policy).loop, said("/retry"), policy).loop
    assert (again.stage, again.attempts, again.candidate.head_sha) == (Stage.PREPARING, (), HEAD)
    decision = decide(again, ready(making.policy, generation=again.generation), policy)
    starts = [c.spec for c in decision.commands if isinstance(c, StartRun)]
    assert [(spec.attempts, spec.attempt.number) for spec in starts] == [((), 1)]


@pytest.mark.parametrize(
    ("command", "problem", "kind"),
    [
        ("PublishBranch", "credentials", "credentials"),
        ("PublishBranch", "", "conflict"),
        ("PrepareWorkspace", "infrastructure", "infrastructure"),
    ],
)
def test_blocked_command_escalates_with_the_class_of_its_problem(
    making: Loop, policy: ServicePolicy, command: str, problem: Any, kind: str
) -> None:
    event = CommandFailed(
        event_id="e", ticket_id="t1", generation=1, command=command, reason="forbidden", problem=problem
    )
    loop = decide(changed(making, stage=Stage.PUBLISHING), event, policy).loop
    assert loop.escalation and loop.escalation.kind == kind


def test_blocked_command_that_the_loop_can_do_without_is_reported(making: Loop, policy: ServicePolicy) -> None:
    event = CommandFailed(
        event_id="e", ticket_id="t1", generation=1, command="SetStatus", reason="no permission", problem="credentials"
    )
    decision = decide(making, event, policy)
    assert decision.commands == (PostComment(body="no permission"),) and decision.loop.stage is Stage.MAKING


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role(model="x"), "loop.roles.maker.model in WORKFLOW.md"),
        (Role(runner="shell"), "loop.roles.maker.model in WORKFLOW.md"),
        (Role(), "LOOPLINE_MAKER_MODEL"),
    ],
)
def test_blocked_run_of_a_repositorys_own_model_names_its_key(
    making: Loop, policy: ServicePolicy, role: Role, expected: str
) -> None:
    own = RepositoryPolicy(loop=LoopPolicy(roles=Roles(maker=role)))
    decision = decide(changed(making, policy=own), finished(making, outcome="failed"), policy)
    assert [c.spec.model_setting for c in decision.commands if isinstance(c, StartRun)] == [expected]


@pytest.mark.parametrize(
    ("attempt", "expected"),
    [(1, "LOOPLINE_MAKER_MODEL"), (3, "LOOPLINE_STRONG_MODEL")],
)
def test_blocked_run_knows_the_setting_of_its_model(
    making: Loop, policy: ServicePolicy, attempt: int, expected: str
) -> None:
    loop = changed(making, attempt_number=attempt - 1) if attempt > 1 else making
    outcome = "spinning" if attempt > 1 else "failed"
    decision = decide(loop, finished(loop, outcome=outcome), policy)
    (start,) = [c for c in decision.commands if isinstance(c, StartRun)]
    assert start.spec.model_setting == expected
