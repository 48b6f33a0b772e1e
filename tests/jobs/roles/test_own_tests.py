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
    "criterion": "c2", "files": [PROBE], "command": "python3 probe_own.py 7", "control": "python3 probe_own.py 3",
    "shows": "fails for 7 passengers, passes only for the tested 3",
}  # fmt: skip


def own_test(**changes: Any) -> Answer:
    return calling("run_own_test", **(TEST | changes))


def check(agents: Agents, *tests: Answer) -> tuple[Verdict, list[str]]:
    """The verdict of a checker that runs these tests and then says pass, and the answers of its tools."""
    results = [
        {"criterion": "c1", "result": "pass", "evidence": [{"source": "gate", "name": "c1"}]},
        {"criterion": "c2", "result": "pass", "evidence": [{"source": "file", "name": "NOTES.md", "line": 3}]},
    ]
    said = calling("submit_verdict", results=results, summary="seen", confidence="high")
    ended = agents.run("checker", *tests, said)
    assert ended.outcome == "done" and ended.result.verdict
    return ended.result.verdict, agents.results("checker")


def test_own_test_that_fails_twice_while_its_control_passes_is_decisive(agents: Agents) -> None:
    verdict, answers = check(agents, own_test())

    assert "Confirmed by a second run: c2 is not met." in answers[0]
    assert [(r.criterion, r.result) for r in verdict.results] == [("c1", "pass"), ("c2", "fail")]
    assert verdict.results[1].evidence == f"`{TEST['command']}` fails: {TEST['shows']}"
    (example,) = verdict.examples
    assert (example.exit_code, example.files[0].text) == (1, PROBE["text"])


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"control": ""}, "Without a `control` that passes this decides nothing."),
        ({"control": "exit 3"}, "The control fails too, so this decides nothing"),
        ({"command": "python3 probe_own.py 2"}, "[exit 0]"),
        ({"command": "no-such-tool"}, "[exit 127]"),
        ({"command": "exit 126"}, "[exit 126]"),
        ({"criterion": "c9"}, "c9 is not in the contract: use one of its ids."),
        (
            {"files": [{"path": "NOTES.md", "text": ""}]},
            "NOTES.md exists in the commit under review: choose a new path.",
        ),
        ({"files": [{"path": "../x", "text": ""}]}, "../x is not a path in the repository"),
        ({"files": [{"path": "NOTES.md/x", "text": ""}]}, "NOTES.md/x exists in the commit under review"),
        ({"shows": ""}, "The answer is not valid. shows:"),
    ],
)
def test_own_test_that_decides_nothing_says_why(agents: Agents, changes: dict[str, Any], answer: str) -> None:
    verdict, answers = check(agents, own_test(**changes))

    assert answer in answers[0]
    assert [r.result for r in verdict.results] == ["pass", "pass"] and verdict.examples == ()


def test_own_test_is_gone_after_its_call(agents: Agents) -> None:
    _, answers = check(agents, own_test(control=""), own_test(files=[], command="test ! -e probe_own.py"))

    assert "[exit 0]" in answers[1]


def test_own_tests_are_bounded(agents: Agents) -> None:
    *_, last = check(
        agents, *[own_test(files=[], command=f"echo {letter}") for letter in ascii_lowercase[:MOST_TESTS]], own_test()
    )[1][:-1]

    assert f"All {MOST_TESTS} calls of run_own_test are used up" in last
