from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.agents.entries import INTERRUPTED
from integrations.ports.agent_runner import Entry
from integrations.results import CriterionResult, Evidence, Finding, Verdict
from jobs.evidence.verdicts import (
    KnownEvidence,
    SubmittedVerdict,
    build_verdict,
    find_contradictions,
    find_missing_references,
    list_command_endings,
)

KNOWN = KnownEvidence(
    gate={"c1": Evidence(name="c1", command="make", exit_code=0)},
    commands={"cd x && pytest -q": "exit 1", "ls -la": "exit 0"},
    lines={"a.py": 3}.get,
)
PASS = CriterionResult(criterion="c1", result="pass", evidence="seen")
FAIL = CriterionResult(criterion="c2", result="fail", evidence="seen")


def submitted(**reference: Any) -> SubmittedVerdict:
    result = {"criterion": "c1", "result": "pass", "evidence": [reference], "reason": "because"}
    return SubmittedVerdict.model_validate({"results": [result], "summary": "s", "confidence": "high"})


@pytest.mark.parametrize(
    ("reference", "evidence"),
    [
        ({"source": "gate", "name": "c1", "shows": "green"}, "c1: `make` exit 0 (green): because"),
        ({"source": "command", "name": " ls   -la "}, "` ls   -la ` exit 0: because"),
        ({"source": "command", "name": "pytest -q"}, "`pytest -q` part of a line with exit 1: because"),
        ({"source": "file", "name": "a.py", "line": 3}, "a.py:3: because"),
        ({"source": "file", "name": "./a.py:2-3"}, "a.py:2: because"),
        ({"source": "file", "name": "a.py"}, "a.py: because"),
    ],
)
def test_reference_that_exists_is_shown_with_its_result(reference: dict[str, Any], evidence: str) -> None:
    assert build_verdict(submitted(**reference), "a" * 40, KNOWN).results[0].evidence == evidence


@pytest.mark.parametrize(
    "reference",
    [
        {"source": "gate", "name": "make"},
        {"source": "command", "name": "ls"},
        {"source": "command", "name": "make"},
        {"source": "command", "name": "pytest"},
        {"source": "file", "name": "b.py"},
        {"source": "file", "name": "a.py", "line": 4},
    ],
)
def test_reference_to_missing_evidence_makes_the_result_unsure(reference: dict[str, Any]) -> None:
    verdict = submitted(**reference)

    assert set(find_missing_references(verdict, KNOWN)) == {"c1"}
    assert build_verdict(verdict, "a" * 40, KNOWN).results[0].result == "unsure"


def test_command_endings_are_those_with_a_result() -> None:
    def call(name: str, command: str, tool: str = "bash") -> Entry:
        return Entry("block", {"type": "tool_call", "id": name, "name": tool, "input": {"command": command}})

    def answer(name: str, text: str) -> Entry:
        return Entry("tool_result", {"call_id": name, "content": text, "is_error": False})

    calls = [call("1", "make"), call("2", "sleep 9"), call("3", "rm x"), call("4", "view", "view"), call("5", "top")]
    answers = [answer("1", "ok\n[exit 2]"), answer("3", INTERRUPTED), answer("4", "x\n[exit 0]"), answer("5", "killed")]

    assert list_command_endings([*calls, *answers]) == {"make": "exit 2", "top": "did not end"}


def verdict(*results: CriterionResult, **more: Any) -> Verdict:
    return Verdict(head_sha="a" * 40, results=results, **more)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (verdict(PASS, findings=(Finding(text="x", severity="blocker"),)), "blocker"),
        (verdict(PASS, confidence="low"), "confidence is low"),
        (verdict(replace(PASS, evidence=" ")), "without evidence"),
        (verdict(PASS, replace(PASS, result="fail")), "more than one result"),
        (verdict(PASS, FAIL, no_change_needed=True), "not every criterion passes"),
    ],
)
def test_contradiction_is_named(given: Verdict, named: str) -> None:
    assert any(named in clause for clause in find_contradictions(given))


@pytest.mark.parametrize(
    "given",
    [
        verdict(PASS),
        verdict(PASS, findings=(Finding(text="x", severity="major"),)),
        verdict(PASS, FAIL, confidence="low", findings=(Finding(text="x", severity="blocker"),)),
        verdict(PASS, no_change_needed=True),
        verdict(),
    ],
)
def test_contradiction_is_absent_from_a_consistent_verdict(given: Verdict) -> None:
    assert find_contradictions(given) == ()


def test_contradiction_with_looplines_evidence_and_the_diff_is_found() -> None:
    flaky = Evidence(name="c1", command="make", exit_code=0, exit_codes=(1, 0))

    assert find_contradictions(verdict(PASS), (flaky,)) == ("c1 passes, and Loopline's own run of its command did not",)
    assert find_contradictions(verdict(FAIL), (flaky,)) == ()
    assert find_contradictions(verdict(PASS, no_change_needed=True), changed=True)
