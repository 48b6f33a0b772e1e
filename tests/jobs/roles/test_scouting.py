"""The scout as a run."""

from __future__ import annotations

from integrations.standins.model.playbook import Answer
from tests.jobs.roles.agents import Agents, calling


def test_the_standin_hands_over_a_plan_with_paths_that_exist(agents: Agents) -> None:
    ended = agents.run("scout")

    assert ended.outcome == "done" and ended.result.plan
    assert "tally/shares.py" in ended.result.plan.paths
    assert ended.result.plan.commands == ("python3 -m unittest discover -q",)
    assert set(ended.result.plan.paths) <= set(agents.mirror.files(agents.base))


def test_without_a_plan_the_run_ends_all_the_same(agents: Agents) -> None:
    ended = agents.run("scout", Answer("Nothing to see."))

    assert (ended.outcome, ended.result.plan) == ("done", None)


def test_an_endless_plan_goes_back(agents: Agents) -> None:
    short = {"summary": "here", "steps": ["one"]}
    ended = agents.run(
        "scout", calling("submit_plan", **short | {"steps": ["x"] * 50}), calling("submit_plan", **short)
    )

    assert "steps: List should have at most 10 items" in agents.results("scout")[0]
    assert ended.result.plan and ended.result.plan.steps == ("one",)


def test_the_scout_knows_the_repositorys_words_and_skills(agents: Agents) -> None:
    agents.run("scout")

    system = agents.script.asked[0].system
    assert "Money is cents." in system
    assert "Standard library only" in system
    assert "- rounding: how cents are divided" in system
