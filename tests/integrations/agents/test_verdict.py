"""What the checker submits."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.agents.verdict import judge, verdict_spec

GOOD = {"criterion": "c1", "result": "pass", "evidence": "exit 0"}


def verdict(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"results": list(results), "summary": "fine", **more}


def test_a_good_verdict_is_final() -> None:
    result = judge(verdict(GOOD), ["c1"])
    assert not result.is_error and result.final == {
        "results": [GOOD],
        "summary": "fine",
        "findings": [],
        "not_checked": [],
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "results"),
        (verdict(GOOD | {"result": "maybe"}), "results.0.result"),
        (verdict(GOOD | {"evidence": ""}), "results.0.evidence"),
        (verdict(GOOD, score=9), "score"),
        (verdict(GOOD) | {"summary": 3}, "summary"),
        (verdict(), "no result: c1"),
        (verdict(GOOD, GOOD | {"criterion": "c9"}), "not in the contract: c9"),
        (verdict(GOOD, GOOD), "more than one result: c1"),
    ],
)
def test_what_is_wrong_is_named(arguments: dict[str, Any], named: str) -> None:
    result = judge(arguments, ["c1"])
    assert result.is_error and result.final is None and named in result.content


def test_the_schema_names_the_three_results() -> None:
    schema = verdict_spec().wire["input_schema"]
    assert schema["$defs"]["Result"]["properties"]["result"]["enum"] == ["pass", "fail", "unsure"]
