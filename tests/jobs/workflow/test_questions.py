"""Questions of a run to people: which comment is the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.agent_events import PersonAsked
from integrations.values import RunId
from jobs.loop.commands import AnswerRun, PostComment, React, Steer
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy, decide
from tests.jobs.workflow.values import said


@pytest.fixture
def asking(making: Loop, policy: ServicePolicy) -> Loop:
    """A loop whose maker asked for permission at the time 100."""
    event = PersonAsked(
        event_id="question:q",
        ticket_id="t1",
        at=100.0,
        run_id=RunId("r1"),
        generation=making.generation,
        request_id="q",
        question="May the agent call the tool delete?",
        choices=("yes", "no"),
    )
    return decide(replace(making, run_id=RunId("r1")), event, policy).loop


def test_answer_is_a_comment_that_was_written_after_the_question(asking: Loop, policy: ServicePolicy) -> None:
    decision = decide(asking, said("yes", at=101.0), policy)

    assert decision.loop.stage is Stage.MAKING
    assert [one.request_id for one in decision.commands if isinstance(one, AnswerRun)] == ["q"]


def test_answer_is_no_comment_that_was_written_before_the_question(asking: Loop, policy: ServicePolicy) -> None:
    decision = decide(asking, said("yes", at=99.0, comment_id="k"), policy)

    assert asking.stage is decision.loop.stage is Stage.NEEDS_HUMAN
    assert not [one for one in decision.commands if isinstance(one, AnswerRun)]
    assert [one.guidance.text for one in decision.commands if isinstance(one, Steer)] == ["yes"]
    assert [one.emoji for one in decision.commands if isinstance(one, React)] == ["eyes"]
    assert ["reply again" in one.body for one in decision.commands if isinstance(one, PostComment)] == [True]
