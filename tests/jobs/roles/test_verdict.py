"""What the checker submits: its form."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.ports.agent_runner import ToolResult
from jobs.evidence.verdicts import SubmittedVerdict
from jobs.roles.checker import VERDICT_TOOL, read_verdict

GATE = {"source": "gate", "name": "c1"}
GOOD = {"criterion": "c1", "result": "pass", "evidence": [GATE]}


def verdict(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"results": list(results), "summary": "fine", "confidence": "high", **more}


def test_verdict_that_is_valid_is_read() -> None:
    read = read_verdict(verdict(GOOD), ["c1"])

    assert isinstance(read, SubmittedVerdict)
    assert (read.results[0].evidence[0].name, read.no_change_needed) == ("c1", False)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "results"),
        (verdict(GOOD | {"result": "maybe"}), "results.0.result"),
        (verdict(GOOD | {"evidence": []}), "need evidence: c1"),
        (verdict(GOOD | {"evidence": "exit 0"}), "results.0.evidence"),
        (verdict(GOOD | {"evidence": [GATE | {"source": "hearsay"}]}), "results.0.evidence.0.source"),
        (verdict(GOOD | {"evidence": [GATE | {"name": ""}]}), "results.0.evidence.0.name"),
        (verdict(GOOD | {"evidence": [GATE] * 11}), "results.0.evidence"),
        (verdict(GOOD, score=9), "score"),
        (verdict(GOOD, confidence="very"), "confidence"),
        (verdict(GOOD, findings=["bad"]), "findings.0"),
        (verdict(GOOD, findings=[{"text": "bad", "severity": "fatal"}]), "findings.0.severity"),
        (verdict(GOOD) | {"summary": 3}, "summary"),
        (verdict(), "no result: c1"),
        (verdict(GOOD, GOOD | {"criterion": "c9"}), "not in the contract: c9"),
        (verdict(GOOD, GOOD), "more than one result: c1"),
    ],
)
def test_verdict_error_names_the_field(arguments: dict[str, Any], named: str) -> None:
    result = read_verdict(arguments, ["c1"])

    assert isinstance(result, ToolResult)
    assert result.is_error and result.final is None and named in result.content


def test_verdict_unsure_needs_no_evidence() -> None:
    assert isinstance(read_verdict(verdict(GOOD | {"result": "unsure", "evidence": []}), ["c1"]), SubmittedVerdict)


def test_verdict_schema_has_the_three_results() -> None:
    schema = VERDICT_TOOL.parameters
    assert schema["$defs"]["Result"]["properties"]["result"]["enum"] == ["pass", "fail", "unsure"]
