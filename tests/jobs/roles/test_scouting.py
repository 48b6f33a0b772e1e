"""The scout as a run."""

from __future__ import annotations

from integrations.standins.model.playbook import Answer
from tests.jobs.roles.agents import Agents, calling


def test_scout_standin_submits_a_plan_with_existing_paths(agents: Agents) -> None:
    ended = agents.run("scout")

    assert ended.outcome == "done" and ended.result.plan
    assert "tally/shares.py" in ended.result.plan.paths
    assert ended.result.plan.commands == ("python3 -m unittest discover -q",)
    assert set(ended.result.plan.paths) <= set(agents.mirror.files(agents.base))


def test_scout_run_ends_without_a_plan(agents: Agents) -> None:
    ended = agents.run("scout", Answer("Nothing to see."))

    assert (ended.outcome, ended.result.plan) == ("done", None)


def test_scout_plan_that_is_too_long_is_rejected(agents: Agents) -> None:
    short = {"summary": "here", "steps": ["one"]}
    ended = agents.run(
        "scout", calling("submit_plan", **short | {"steps": ["x"] * 50}), calling("submit_plan", **short)
    )

    assert "steps: List should have at most 10 items" in agents.results("scout")[0]
    assert ended.result.plan and ended.result.plan.steps == ("one",)


def test_scout_gets_the_instructions_and_skills_of_the_repository(agents: Agents) -> None:
    agents.run("scout")

    system = agents.script.asked[0].system
    assert "Money is cents." in system
    assert "Standard library only" in system
    assert "- rounding: how cents are divided" in system
