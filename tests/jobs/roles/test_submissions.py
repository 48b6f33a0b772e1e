"""Submissions of planner, scout and judge: the form, and errors for the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, TypeAdapter

from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.results import Judgement, Plan, Proposal, ProposedCriterion
from jobs.roles.checker import VERDICT_TOOL
from jobs.roles.judge import JUDGEMENT_TOOL, SubmittedJudgement
from jobs.roles.planner import PROPOSAL_TOOL, SubmittedProposal, build_proposal, read_proposal
from jobs.roles.scout import PLAN_TOOL, SubmittedPlan
from jobs.roles.submission import HostTool, OnlySubmission, accept_form, parse_form

CRITERION = {"text": "the suite passes", "command": "make test"}
UNCLEAR = CRITERION | {"item": 2}
QUESTION = {"text": "Which of them?", "options": ["a", "b"]}
PROPOSAL = {"summary": "s", "criteria": [CRITERION], "confidence": "high", "questions": [QUESTION]}
PLAN = {"summary": "s", "steps": ["one"], "paths": ["a.py"], "commands": ["make"]}
JUDGEMENT = {"done": False, "missing": ["c1: no test"], "reason": "r"}
Read = Callable[[Mapping[str, Any]], BaseModel | ToolResult]
GOOD: list[tuple[type[BaseModel], dict[str, Any], type[Any]]] = [
    (SubmittedPlan, PLAN, Plan), (SubmittedJudgement, JUDGEMENT, Judgement),
]  # fmt: skip
read_plan, read_judgement = partial(parse_form, SubmittedPlan), partial(parse_form, SubmittedJudgement)


def criterion(**changes: Any) -> dict[str, Any]:
    return PROPOSAL | {"criteria": [CRITERION | changes]}


@pytest.mark.parametrize(("form", "given", "value"), GOOD)
def test_submission_that_is_valid_becomes_a_value(
    form: type[BaseModel], given: dict[str, Any], value: type[Any]
) -> None:
    final = accept_form(form, given).final

    assert TypeAdapter(value).validate_python(final) == TypeAdapter(value).validate_python(given)


WRONG: list[tuple[Read, dict[str, Any], str]] = [
    (read_proposal, {}, "confidence: Field required"),
    (read_proposal, PROPOSAL | {"criteria": []}, "criteria: the ticket has no list of its own"),
    (read_proposal, PROPOSAL | {"unclear": [UNCLEAR]}, "not both"),
    (read_proposal, PROPOSAL | {"criteria": [], "unclear": [UNCLEAR]}, "no list of its own"),
    (lambda given: read_proposal(given, 1), PROPOSAL | {"criteria": [], "unclear": [UNCLEAR]}, "has no item 2"),
    (read_proposal, PROPOSAL | {"criteria": [CRITERION] * 6}, "criteria: List should have at most 5"),
    (read_proposal, PROPOSAL | {"questions": [QUESTION] * 4}, "questions: List should have at most 3"),
    (read_proposal, PROPOSAL | {"questions": [QUESTION | {"options": ["a"]}]}, "questions.0.options"),
    (read_proposal, PROPOSAL | {"confidence": "total"}, "confidence"),
    (read_proposal, PROPOSAL | {"extra": 1}, "extra"),
    (read_proposal, criterion(command=""), "name a command or a kind of evidence"),
    (read_proposal, criterion(command="", evidence="screenshot"), "criteria.0.evidence"),
    (read_proposal, criterion(command="a\nb"), "one line"),
    (read_proposal, criterion(command="echo `id`"), "one line"),
    *((read_proposal, criterion(command=c), "shows nothing")
      for c in ("true", "exit 0", ":", "echo done", "make || true", "make; exit 0", "make || :", "sleep 1")),
    (read_plan, PLAN | {"steps": []}, "steps"),
    (read_plan, PLAN | {"steps": ["x"] * 11}, "steps"),
    (read_plan, PLAN | {"summary": "x" * 1201}, "summary"),
    (read_plan, PLAN | {"paths": ["x" * 401]}, "paths.0"),
    (read_judgement, {"done": "perhaps", "reason": "r"}, "done"),
    (read_judgement, {"done": True}, "reason"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "given", "named"), WRONG)
def test_submission_error_names_the_field_and_asks_for_a_retry(read: Read, given: dict[str, Any], named: str) -> None:
    result = read(given)

    assert isinstance(result, ToolResult)
    assert result.is_error and result.final is None
    assert named in result.content and "Send the whole answer again." in result.content


OWN = (ProposedCriterion(text="it is fast"), ProposedCriterion(text="it is nice"))


@pytest.mark.parametrize(
    ("changes", "criteria"),
    [
        pytest.param({"criteria": []}, OWN, id="confirmed"),
        pytest.param({"criteria": [], "unclear": [UNCLEAR]}, (OWN[0], ProposedCriterion(**CRITERION)), id="replaced"),
        pytest.param({}, (ProposedCriterion(**CRITERION),), id="another list"),
    ],
)
def test_proposal_for_a_list_of_the_ticket(changes: dict[str, Any], criteria: tuple[ProposedCriterion, ...]) -> None:
    answer = read_proposal(PROPOSAL | changes, len(OWN))

    assert isinstance(answer, SubmittedProposal)
    assert build_proposal(answer, OWN) == Proposal(**(PROPOSAL | {"criteria": criteria}))


@pytest.mark.parametrize("command", ["echo a | grep a", "! grep -q x README.md", "test -f x && true-check", "cat x"])
def test_proposal_with_a_command_that_can_fail_is_accepted(command: str) -> None:
    assert not isinstance(read_proposal(criterion(command=command)), ToolResult)


@pytest.mark.parametrize("spec", [PROPOSAL_TOOL, PLAN_TOOL, JUDGEMENT_TOOL, VERDICT_TOOL], ids=lambda s: s.name)
def test_submission_schema_is_valid_and_describes_an_object(spec: ToolSpec) -> None:
    jsonschema.Draft202012Validator.check_schema(dict(spec.parameters))
    assert spec.parameters["type"] == "object" and spec.description


def test_submission_is_the_only_tool_of_a_role_without_a_tree() -> None:
    tools = OnlySubmission(HostTool(JUDGEMENT_TOOL, lambda given, stopped: ToolResult("taken")))

    assert [spec.name for spec in tools.specs()] == ["submit_judgement"]
    assert tools.call("bash", {}, lambda: False).is_error
    assert tools.call("submit_judgement", {}, lambda: False).content == "taken"
