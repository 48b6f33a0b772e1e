"""The checker's own tests: which of them decide a criterion, and what they can reach."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Any

import pytest

from integrations.results import Verdict
from integrations.standins.model.playbook import Answer
from jobs.roles.own_tests import MOST_TESTS
from tests.jobs.roles.agents import Agents, calling

PROBE = {"path": "probe_own.py", "text": "import sys\nsys.exit(0 if int(sys.argv[1]) < 5 else 1)\n"}
TEST: dict[str, Any] = {
    "files": [PROBE], "command": "python3 probe_own.py 7", "control": "python3 probe_own.py 3",
    "input": "7 passengers", "expected": "the fare is split among all",
}  # fmt: skip
NAMED = {"own_test": 1, "criterion": "c2", "shows": "fails for 7 passengers,\npasses only for the tested 3"}


def own_test(**changes: Any) -> Answer:
    return calling("run_own_test", **(TEST | changes))


def submit(*named: dict[str, Any], c2: dict[str, Any] | None = None) -> Answer:
    """A verdict that says pass, and names these counter-examples."""
    held = c2 or {"source": "file", "name": "NOTES.md", "line": 3}
    results = [
        {"criterion": "c1", "result": "pass", "evidence": [{"source": "gate", "name": "c1"}]},
        {"criterion": "c2", "result": "pass", "evidence": [held]},
    ]
    answer = {"results": results, "summary": "seen", "confidence": "high", "counter_examples": list(named)}
    return calling("submit_verdict", **answer)


def check(agents: Agents, *answers: Answer) -> tuple[Verdict, list[str]]:
    """The checker's verdict, and the answers of its tools."""
    ended = agents.run("checker", *answers)
    assert ended.outcome == "done" and ended.result.verdict
    return ended.result.verdict, agents.results("checker")


def test_own_test_that_is_named_and_fails_again_is_decisive(agents: Agents) -> None:
    verdict, answers = check(agents, own_test(), submit(NAMED))

    assert answers[0].startswith("Own test 1: `python3 probe_own.py 7`\n(no output)\nThe control ended with exit 0:")
    assert answers[0].endswith("name this test in `counter_examples`.\n[exit 1]")
    assert [(r.criterion, r.result) for r in verdict.results] == [("c1", "pass"), ("c2", "fail")]
    shows = "fails for 7 passengers, passes only for the tested 3"
    assert verdict.results[1].evidence == f"`{TEST['command']}` fails: {shows}"
    (example,) = verdict.examples
    assert (example.exit_code, example.files[0].text, example.shows) == (1, PROBE["text"], shows)
    notes = [entry.data["text"] for entry in agents.entries("checker") if entry.kind == "note"]
    assert notes == [f"$ {TEST['command']}\nc2: a confirmed counter-example"]


def test_own_test_that_the_verdict_does_not_name_decides_nothing(agents: Agents) -> None:
    verdict, _ = check(agents, own_test(), submit())

    assert [r.result for r in verdict.results] == ["pass", "pass"] and verdict.examples == ()


def test_own_test_without_control_is_a_finding(agents: Agents) -> None:
    verdict, answers = check(agents, own_test(control=""), submit(NAMED))

    assert "This decides nothing: it has no control, which would show that the test can pass." in answers[0]
    assert [r.result for r in verdict.results] == ["pass", "pass"] and verdict.examples == ()
    (finding,) = verdict.findings
    assert finding.severity == "major" and "it has no control" in finding.text and "for 7 passengers" in finding.text


def test_own_test_that_cannot_run_is_named_as_not_checked(agents: Agents) -> None:
    verdict, answers = check(agents, own_test(command="no-such-tool"), submit(NAMED))

    assert "This decides nothing: it cannot run (no-such-tool)." in answers[0]
    assert "it cannot run (no-such-tool): `no-such-tool`" in verdict.not_checked[0]
    assert [r.result for r in verdict.results] == ["pass", "pass"] and not verdict.findings


def test_own_test_is_evidence_of_a_pass_and_gone_after_its_call(agents: Agents) -> None:
    gone = "test ! -e probe_own.py"
    held = {"source": "command", "name": gone}
    verdict, answers = check(agents, own_test(), own_test(files=[], command=gone), submit(c2=held))

    assert answers[1].startswith("Own test 2: ") and answers[1].endswith("[exit 0]")
    assert verdict.results[1].evidence == f"`{gone}` exit 0"


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        (
            {"files": [{"path": "NOTES.md", "text": ""}]},
            "NOTES.md exists in the commit under review: choose a new path.",
        ),
        ({"files": [{"path": "../x", "text": ""}]}, "../x is not a path in the repository"),
        ({"files": [{"path": "NOTES.md/x", "text": ""}]}, "NOTES.md/x exists in the commit under review"),
        ({"input": ""}, "The answer is not valid. input:"),
    ],
)
def test_own_test_that_is_not_run_has_no_number(agents: Agents, changes: dict[str, Any], answer: str) -> None:
    _, answers = check(agents, own_test(**changes), submit(NAMED), submit())

    assert answer in answers[0]
    assert "There are no own tests with these numbers: 1." in answers[1]


def test_own_tests_of_one_reply_run_one_after_another(agents: Agents) -> None:
    both = Answer("", (*own_test().calls, *own_test(command="python3 probe_own.py 3").calls))
    _, answers = check(agents, both, submit())

    assert sorted(answer.split(":")[0] for answer in answers[:2]) == ["Own test 1", "Own test 2"]
    assert sorted(answer.rsplit("[")[-1] for answer in answers[:2]) == ["exit 0]", "exit 1]"]


@pytest.mark.long
def test_own_tests_are_bounded(agents: Agents) -> None:
    many = [own_test(files=[], command=f"echo {letter}") for letter in ascii_lowercase[:MOST_TESTS]]
    *_, last, _ = check(agents, *many, own_test(), submit())[1]

    assert f"All {MOST_TESTS} calls of run_own_test are used up" in last


def test_named_tests_are_repeated_slice_by_slice_and_once_each(agents: Agents) -> None:
    agents.world.settings = agents.world.settings.model_copy(update={"slice_seconds": 1})
    slow = own_test(control="sleep 1; python3 probe_own.py 3")
    verdict, _ = check(agents, slow, submit(NAMED, NAMED | {"criterion": "c1"}))

    notes = [entry.data["text"].splitlines()[1] for entry in agents.entries("checker") if entry.kind == "note"]
    assert notes == ["c2: a confirmed counter-example", "c1: a confirmed counter-example"]
    assert [r.result for r in verdict.results] == ["fail", "fail"] and len(verdict.examples) == 2
