"""The checker as a run: what it sees, and what becomes of references that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.results import Evidence, Verdict
from integrations.standins.model.playbook import Answer
from jobs.evidence.verdicts import find_contradictions
from tests.jobs.roles.agents import Agents, calling

LOOK = "grep -n three NOTES.md"
GATE = {"source": "gate", "name": "c1"}
NOTES = {"source": "file", "name": "NOTES.md", "line": 3}
INVENTED = [
    pytest.param({"source": "gate", "name": "c7"}, "Loopline has no evidence named c7", id="gate"),
    pytest.param({"source": "command", "name": "make all"}, "`make all` was not run in this run", id="command"),
    pytest.param({"source": "file", "name": "tests/none.py"}, "there is no file tests/none.py", id="file"),
    pytest.param({"source": "file", "name": "NOTES.md", "line": 9}, "NOTES.md has only 3 lines, not 9", id="line"),
    pytest.param({"source": "file", "name": "../../etc/passwd"}, "there is no file ../../etc/passwd", id="outside"),
]


def submit(c2: dict[str, Any], result: str = "pass", **more: Any) -> Answer:
    results = [
        {"criterion": "c1", "result": "pass", "evidence": [GATE]},
        {"criterion": "c2", "result": result, "evidence": [c2]},
    ]
    return calling("submit_verdict", **{"results": results, "summary": "seen", "confidence": "high", **more})


def verdict(agents: Agents, *answers: Answer, **changes: Any) -> Verdict:
    ended = agents.run("checker", *answers, **changes)
    assert ended.outcome == "done" and ended.result.verdict
    assert ended.result.verdict.head_sha == agents.candidate
    return ended.result.verdict


def test_checker_standin_refers_to_existing_evidence(agents: Agents) -> None:
    found = verdict(agents)

    assert [r.result for r in found.results] == ["pass", "pass"]
    assert found.results[0].evidence.startswith("c1: `python3 -m unittest discover -q` exit 0")
    assert found.results[1].evidence.startswith("NOTES.md (is part of the change)")
    assert (found.confidence, find_contradictions(found)) == ("high", ())


@pytest.mark.parametrize(("reference", "problem"), INVENTED)
def test_checker_reference_to_missing_evidence_is_rejected_once_and_then_unsure(
    agents: Agents, reference: dict[str, Any], problem: str
) -> None:
    found = verdict(agents, submit(reference))

    assert [problem in answer for answer in agents.results("checker")] == [True, False]
    assert [(r.criterion, r.result) for r in found.results] == [("c1", "pass"), ("c2", "unsure")]
    assert problem in found.results[1].evidence


def test_checker_reference_counts_after_a_fix(agents: Agents) -> None:
    found = verdict(agents, submit({"source": "file", "name": "NOTE.md"}), submit(NOTES))

    assert found.results[1].evidence == "NOTES.md:3"


def test_checker_command_counts_once_it_ran_in_this_run(agents: Agents) -> None:
    ran = {"source": "command", "name": LOOK}
    found = verdict(agents, calling("bash", command=LOOK), submit(ran))

    assert found.results[1].evidence == f"`{LOOK}` exit 0"


def test_checker_contradiction_is_rejected_once_and_stays_visible(agents: Agents) -> None:
    blocker = {"text": "drops a test", "severity": "blocker", "path": "tests/x.py", "line": 2}
    found = verdict(agents, submit(NOTES, findings=[blocker]))

    assert "a finding is a blocker" in agents.results("checker")[0]
    assert find_contradictions(found) == ("every criterion passes, and a finding is a blocker",)
    assert (found.findings[0].severity, found.findings[0].path, found.findings[0].line) == ("blocker", "tests/x.py", 2)


def test_checker_pass_against_looplines_evidence_is_a_contradiction(agents: Agents) -> None:
    failed = (Evidence(name="c1", command="make", exit_code=1),)
    found = verdict(agents, submit(NOTES), evidence=failed)

    assert find_contradictions(found, failed) == ("c1 passes, and Loopline's own run of its command did not",)


def test_checker_without_an_answer_gives_no_verdict(agents: Agents) -> None:
    ended = agents.run("checker", Answer("All good, ship it."))

    assert (ended.outcome, ended.result.verdict) == ("done", None)


def test_checker_gets_instructions_and_skills_of_the_base_branch(agents: Agents) -> None:
    verdict(agents, calling("read_skill", name="rounding"), submit(NOTES))

    assert "go to the first" in agents.results("checker")[0]
    assert "The checker must pass." not in agents.script.asked[0].system
    assert "+The checker must pass." in agents.script.asked[0].section("Diff")


def test_checker_cannot_change_the_candidate(agents: Agents) -> None:
    verdict(agents, calling("bash", command="echo four >> NOTES.md"), submit(NOTES))

    assert "Read-only file system" in agents.results("checker")[0]


def test_checker_gets_flaky_evidence_and_the_base(agents: Agents) -> None:
    proof = Evidence(name="c1", command="make", exit_code=0, exit_codes=(1, 0))
    verdict(agents, submit(NOTES, result="fail"), evidence=(proof,))

    shown = agents.script.asked[0].section("Evidence")
    assert "FLAKY, which proves nothing: at this commit it ended with 1, 0" in shown
