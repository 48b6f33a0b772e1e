"""The matcher as a run."""

from __future__ import annotations

import pytest

from integrations.findings import Match, Matched, ProposedFinding
from integrations.standins.model.playbook import Answer
from jobs.loop.automation import Automation
from jobs.loop.automation_state import KnownFinding, TriageTask
from tests.jobs.roles.agents import Agents, calling

KNOWN = KnownFinding(
    fingerprint="k", evidence="e", title="The rounding of cents is wrong", automation="ci", items=("check:a",)
)
NEW = ProposedFinding(title="Wrong rounding of cents", body="It is off by one.", items=("issue:1",), fingerprint="n")


TASK = TriageTask(run="r", automation=Automation(name="ci"), known=(KNOWN,), found=(NEW,))


def match(agents: Agents, *answers: Answer, task: TriageTask = TASK) -> tuple[Match, ...]:
    ended = agents.run("matcher", *answers, triage=task)
    assert isinstance(ended.result, Matched) and ended.outcome == "done"
    return ended.result.matches


def test_matcher_needs_one_call_and_sees_texts_only(agents: Agents) -> None:
    pair = {"pair": 1, "relation": "same", "reason": "both are about cents"}
    assert match(agents, calling("submit_matches", pairs=[pair])) == (
        Match(fingerprint="n", known="k", relation="same", reason="both are about cents"),
    )
    asked = agents.script.asked
    assert len(asked) == 1 and asked[0].role == "matcher" and "Money is cents." not in asked[0].system
    assert "N1: Wrong rounding of cents" in asked[0].section("New findings")
    assert "K2 (open): The rounding of cents is wrong" in asked[0].section("Known findings")
    assert asked[0].section("Pairs") == "1. N1 and K2"


def test_matcher_standin_compares_by_the_terms_of_the_titles(agents: Agents) -> None:
    assert [one.relation for one in match(agents)] == ["same"]


def test_matcher_different_findings_are_no_match(agents: Agents) -> None:
    pair = {"pair": 1, "relation": "different", "reason": "other places"}
    assert match(agents, calling("submit_matches", pairs=[pair])) == ()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer("They are the same."), id="only talk"),
        pytest.param(
            calling("submit_matches", pairs=[{"pair": 2, "relation": "same", "reason": "r"}]), id="no such pair"
        ),
        pytest.param(calling("submit_matches", pairs="all"), id="unreadable"),
        pytest.param(calling("submit_matches", pairs=[]), id="no pair"),
    ],
)
def test_matcher_without_a_complete_answer_has_failed(agents: Agents, answer: Answer) -> None:
    ended = agents.run("matcher", answer, triage=TASK)

    assert ended.outcome != "done" and ended.result == Matched()
    assert len(agents.script.asked) <= 3


def test_matcher_without_pairs_calls_no_model(agents: Agents) -> None:
    task = TriageTask(run="r", automation=Automation(name="ci"), found=(NEW,))
    assert match(agents, task=task) == ()
    assert agents.script.asked == []
