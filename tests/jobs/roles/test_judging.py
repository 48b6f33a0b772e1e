"""The judge as a run."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.results import Evidence, Tampering
from integrations.standins.model.playbook import Answer
from jobs.roles.judge import UNREADABLE
from tests.jobs.roles.agents import Agents, calling


def judged(agents: Agents, *answers: Answer, **changes: Any) -> tuple[bool, tuple[str, ...]]:
    ended = agents.run("judge", *answers, **changes)
    assert ended.outcome == "done" and ended.result.judgement
    return ended.result.judgement.done, ended.result.judgement.missing


def test_judge_needs_one_call_for_done(agents: Agents) -> None:
    assert judged(agents) == (True, ())
    assert len(agents.script.asked) == 1


def test_judge_lists_a_failed_command_as_missing(agents: Agents) -> None:
    done, missing = judged(agents, evidence=(Evidence(name="c1", command="make", exit_code=2, output="boom"),))

    assert not done and "c1: exit 2: `make`" in missing[0]


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({"done": True, "missing": ["c2"], "reason": "fine"}, ("c2",)),
        ({"done": False, "missing": [], "reason": "c1 is not shown"}, ("c1 is not shown",)),
    ],
)
def test_judge_answer_with_a_contradiction_is_not_done(
    agents: Agents, said: dict[str, Any], missing: tuple[str, ...]
) -> None:
    assert judged(agents, calling("submit_judgement", **said)) == (False, missing)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer("Looks done to me!"), id="only talk"),
        pytest.param(calling("submit_judgement", done="perhaps"), id="unreadable"),
        pytest.param(calling("bash", command="ls"), id="a tool that it does not have"),
    ],
)
def test_judge_without_a_readable_answer_is_not_done_after_few_calls(agents: Agents, answer: Answer) -> None:
    assert judged(agents, answer) == (False, (UNREADABLE,))
    assert len(agents.script.asked) <= 3


def test_judge_gets_diff_evidence_tampering_and_claim_without_instructions(agents: Agents) -> None:
    tampering = (Tampering(kind="test_skipped", path="tests/test_x.py", line=3, text="@skip"),)
    judged(agents, tampering=tampering, summary="I did it all.")

    asked = agents.script.asked[0]
    assert "+three" in asked.section("Diff")
    assert "- test_skipped: tests/test_x.py:3: @skip" in asked.section("Needs a person's approval")
    assert "I did it all." in asked.section("Claim")
    assert "Money is cents." not in asked.system and "Standard library" not in asked.system
