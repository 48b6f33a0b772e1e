"""The skills that agents read are counted once for each attempt, with its outcome."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import RunFinished
from integrations.results import Provenance
from jobs.loop.skill_state import CountSkills
from jobs.loop.state import Loop, Stage
from jobs.workflow import Decision, ServicePolicy, decide
from tests.jobs.workflow.values import HEAD, evidence, finished, passing, said
from tests.loops import changed


def reading(event: RunFinished, *skills: str) -> RunFinished:
    known = Provenance(run_id=event.run_id, role=event.role, outcome=event.outcome, skills=skills)
    return replace(event, provenance=known)


def list_counts(decision: Decision) -> list[tuple[tuple[str, ...], str]]:
    return [(one.skills, one.ending) for one in decision.commands if isinstance(one, CountSkills)]


def in_role(loop: Loop, stage: Stage, role: str, **fields: object) -> Loop:
    return changed(loop, stage=stage, run_id=loop.run_id.replace("maker", role), **{"head_sha": HEAD} | fields)


def test_skills_of_all_runs_of_an_accepted_attempt_are_counted_once(making: Loop, policy: ServicePolicy) -> None:
    made = decide(making, reading(finished(making, head_sha=HEAD), "a", "b"), policy)
    checking = in_role(made.loop, Stage.CHECKING, "checker", evidence=(evidence(0),))
    checking = changed(checking, run_id="ENG-1-g1-r0-i1-checker")

    done = decide(checking, reading(finished(checking, verdict=passing()), "b", "c"), policy)

    assert (list_counts(made), done.loop.stage) == ([], Stage.PUBLISHING)
    assert list_counts(done) == [(("a", "b", "c"), "accepted")]
    assert done.loop.attempt.skills == ()


def test_skills_of_an_attempt_that_is_followed_by_another_are_counted_as_rejected(
    making: Loop, policy: ServicePolicy
) -> None:
    last = in_role(changed(making, skills=("a",)), Stage.GATING, "gate", iteration=3)

    decision = decide(last, finished(last, evidence=(evidence(1),)), policy)

    assert (decision.loop.attempt.number, list_counts(decision)) == (2, [(("a",), "rejected")])


def test_skills_of_an_iteration_that_is_followed_by_another_are_not_counted_yet(
    making: Loop, policy: ServicePolicy
) -> None:
    first = in_role(changed(making, skills=("a",)), Stage.GATING, "gate", iteration=1)

    decision = decide(first, finished(first, evidence=(evidence(1),)), policy)

    assert (list_counts(decision), decision.loop.attempt.skills) == ([], ("a",))


@pytest.mark.parametrize(
    ("outcome", "counted"), [("spinning", [(("a",), "escalated")]), ("budget", [(("a",), "escalated")]),
                             ("infrastructure", []), ("credentials", [])],
)  # fmt: skip
def test_skills_are_counted_for_an_escalation_about_the_work(
    making: Loop, policy: ServicePolicy, outcome: str, counted: list[object]
) -> None:
    last = changed(making, skills=("a",), attempt_number=3)

    decision = decide(last, finished(last, outcome=outcome), policy)

    assert (decision.loop.stage, list_counts(decision)) == (Stage.NEEDS_HUMAN, counted)


def test_skills_are_not_counted_for_a_question_or_a_stop(making: Loop, policy: ServicePolicy) -> None:
    reader = changed(making, skills=("a",))

    asked = decide(reader, finished(reader, question="Which one?", outcome="no_change"), policy)
    stopped = decide(reader, said("/stop"), policy)

    assert list_counts(asked) == list_counts(stopped) == []


def test_skills_that_were_not_read_are_not_counted(making: Loop, policy: ServicePolicy) -> None:
    last = changed(making, attempt_number=3)

    assert list_counts(decide(last, finished(last, outcome="spinning"), policy)) == []
