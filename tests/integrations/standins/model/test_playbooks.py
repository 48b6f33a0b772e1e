"""The playbooks on the tickets of the demo, in a copy of the demo repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integrations.agents.judgement import SubmittedJudgement, read_judgement
from integrations.agents.plan import SubmittedPlan, read_plan
from integrations.agents.proposal import SubmittedProposal, read_proposal
from integrations.agents.verdict import SubmittedVerdict, read_verdict
from tests.integrations.standins.model.demo import BUG, FEATURE, VAGUE, Talk, copy_of_demo, maker_brief, run

ROUNDING = "python3 -m unittest tests.test_rounding -q"
EXPORT = "python3 -m unittest tests.test_export -q"
SUITE = "python3 -m unittest discover -q"
CHECKER = "You are the checker. Judge."


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of_demo(tmp_path)


def second_brief(output: str) -> str:
    return maker_brief(BUG, 2, f"## What the last iteration showed\n\n<evidence-1>\n{output}\n</evidence-1>\n")


@pytest.mark.parametrize("command", [SUITE, "python3 -m compileall -q tally", "python3 -m tally examples/trip.csv"])
def test_demo_repository_is_green_at_the_start(tree: Path, command: str) -> None:
    assert run(tree, command)[0] == 0


@pytest.mark.parametrize("command", [ROUNDING, EXPORT])
def test_commands_of_the_contract_fail_at_the_start(tree: Path, command: str) -> None:
    assert run(tree, command)[0] != 0


def test_readme_of_the_demo_shows_real_output(tree: Path) -> None:
    assert run(tree, "python3 -m tally examples/trip.csv --settle")[1] in (tree / "README.md").read_text()
    assert run(tree, "python3 -m tally examples/trip.csv")[1] in (tree / "README.md").read_text()


def test_bug_is_half_fixed_by_the_first_iteration(tree: Path) -> None:
    Talk(tree, maker_brief(BUG)).to_the_end()
    code, output = run(tree, ROUNDING)
    assert code != 0 and "test_weighted" in output and "FAIL: test_equal" not in output


def test_bug_is_fixed_by_the_second_iteration(tree: Path) -> None:
    Talk(tree, maker_brief(BUG)).to_the_end()
    Talk(tree, second_brief(run(tree, ROUNDING)[1])).to_the_end()
    assert [run(tree, command)[0] for command in (ROUNDING, SUITE, "python3 -m compileall -q tally")] == [0, 0, 0]


def test_review_leads_to_a_change(tree: Path) -> None:
    Talk(tree, maker_brief(BUG)).to_the_end()
    Talk(tree, second_brief("")).to_the_end()
    asked = "## Words of people\n\n<words-1>\nAda:\nmention negative amounts\n</words-1>\n"
    contract = "- [r1] as Ada asked: mention negative amounts\n"
    talk = Talk(tree, maker_brief(BUG).replace("- [c1]", f"{contract}- [c1]") + asked)
    talk.to_the_end()
    assert "> mention negative amounts" in (tree / "CHANGES.md").read_text() and run(tree, SUITE)[0] == 0


def test_feature_is_json_by_default(tree: Path) -> None:
    Talk(tree, maker_brief(FEATURE)).to_the_end()
    printed = run(tree, "python3 -m tally examples/trip.csv --json")[1]
    assert json.loads(printed) == {"Ada": 1900, "Bo": -500, "Cy": -1400}
    assert run(tree, EXPORT)[0] == run(tree, SUITE)[0] == 0 and printed in (tree / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("please call it --format json", "--format json"),
        ("Could the flag be `--as-json`, please?", "--as-json"),
        ("call it --format=json instead of --json? no wait: --machine", "--machine"),
    ],
)
@pytest.mark.parametrize("turns_before", [0, 1, 2, 3, 4])
def test_feature_follows_steering_at_any_time(tree: Path, words: str, usage: str, turns_before: int) -> None:
    talk = Talk(tree, maker_brief(FEATURE))
    for _ in range(turns_before):
        talk.turn()
    talk.steer(words)
    assert usage in talk.to_the_end()
    assert json.loads(run(tree, f"python3 -m tally examples/trip.csv {usage}")[1])["Ada"] == 1900
    assert run(tree, "python3 -m tally examples/trip.csv --json")[0] == 2
    assert run(tree, EXPORT)[0] == 0 and f"trip.csv {usage}\n" in (tree / "README.md").read_text()


def test_request_without_a_playbook_changes_nothing(tree: Path) -> None:
    talk = Talk(tree, maker_brief(VAGUE))
    assert "no playbook" in talk.to_the_end() and len(talk.messages) == 2


def test_interrupted_step_is_repeated(tree: Path) -> None:
    talk = Talk(tree, maker_brief(BUG))
    first = talk.turn()
    for result in talk.messages[-1]["content"]:
        result["content"] = "Interrupted, outcome unknown; look before you repeat."
    assert [call["input"] for call in talk.turn()] == [call["input"] for call in first]


@pytest.mark.parametrize(("exit_code", "result"), [(0, "pass"), (1, "fail"), (124, "fail")])
def test_checker_follows_the_evidence(tree: Path, exit_code: int, result: str) -> None:
    evidence = f"## Evidence\n\n<evidence-1>\n- [c1] exit {exit_code}: `x` (0.1 s): ok\n</evidence-1>\n\n## Diff\n"
    talk = Talk(tree, maker_brief(BUG, more=evidence), system=CHECKER)
    talk.to_the_end()
    [verdict] = talk.calls("submit_verdict")
    assert [(r["criterion"], r["result"]) for r in verdict["results"]] == [("c1", result)]
    assert talk.calls("bash")


@pytest.mark.parametrize(("exit_code", "result"), [(0, "pass"), (1, "fail")])
def test_checker_derives_a_criterion_without_a_command_from_the_others(tree: Path, exit_code: int, result: str) -> None:
    brief = maker_brief(BUG, more=f"## Evidence\n\n- [c1] exit {exit_code}: ok\n")
    talk = Talk(tree, brief.replace("- [c1] it", "- [c2] shares add up\n- [c1] it"), system=CHECKER)
    talk.to_the_end()
    assert talk.calls("submit_verdict")[0]["results"][0]["result"] == result


def test_checker_is_unsure_without_evidence(tree: Path) -> None:
    talk = Talk(tree, maker_brief(BUG), system=CHECKER)
    talk.to_the_end()
    assert talk.calls("submit_verdict")[0]["results"][0]["result"] == "unsure"


def test_checker_cites_existing_evidence(tree: Path) -> None:
    evidence = "## Evidence\n\n- [c1] exit 0: ok\n\n## Diff\n\n<diff-1>\n+++ b/README.md\n</diff-1>\n"
    brief = maker_brief(FEATURE, more=evidence).replace("- [c1] it", "- [c2] README.md shows it\n- [c1] it")
    talk = Talk(tree, brief, system=CHECKER)
    talk.to_the_end()
    [verdict] = talk.calls("submit_verdict")
    sources = [(e["source"], e["name"]) for e in verdict["results"][0]["evidence"]]
    assert sources == [("file", "README.md"), ("gate", "c1"), ("command", "python3 -m unittest discover -q")]
    assert isinstance(read_verdict(verdict, ["c1", "c2"]), SubmittedVerdict)


def test_checker_accepts_an_empty_change(tree: Path) -> None:
    more = "## Evidence\n\n- [c1] exit 0: ok\n\n## Diff\n\n<diff-1>\n(empty)\n</diff-1>\n"
    talk = Talk(tree, maker_brief(BUG, more=more), system=CHECKER)
    talk.to_the_end()
    assert talk.calls("submit_verdict")[0]["no_change_needed"]


@pytest.mark.parametrize(("line", "done"), [("exit 0: ok", True), ("exit 1: no", False), ("exit 0: ok; FLAKY", False)])
def test_judge_answers_in_one_call(tree: Path, line: str, done: bool) -> None:
    more = f"## Evidence\n\n<evidence-1>\n- [c1] {line}\n\noutput of c1:\n- [c1] exit 9: x\n</evidence-1>\n"
    talk = Talk(tree, maker_brief(BUG, more=more), system="You are the judge. Judge.")
    talk.turn()
    judgement = read_judgement(talk.calls("submit_judgement")[0])
    assert isinstance(judgement, SubmittedJudgement) and (judgement.done, not judgement.missing) == (done, done)


@pytest.mark.parametrize("ticket", [BUG, FEATURE])
def test_scout_names_existing_files(tree: Path, ticket: dict[str, str]) -> None:
    talk = Talk(tree, maker_brief(ticket), system="You are the scout. Look.")
    talk.to_the_end()
    plan = read_plan(talk.calls("submit_plan")[0])
    assert isinstance(plan, SubmittedPlan) and plan.paths and plan.commands
    assert all((tree / path).is_file() for path in plan.paths)


def test_planner_proposes_commands_that_fail_now(tree: Path) -> None:
    talk = Talk(tree, f"Ticket ENG-3: {VAGUE['title']}\n", system="You are the planner. Plan.")
    talk.to_the_end()
    proposal = read_proposal(talk.calls("submit_proposal")[0])
    assert isinstance(proposal, SubmittedProposal) and proposal.questions
    assert [run(tree, c.command)[0] for c in proposal.criteria if c.command] == [1, 1]


def test_planner_names_evidence_without_a_program(tmp_path: Path) -> None:
    talk = Talk(tmp_path, f"Ticket ENG-3: {VAGUE['title']}\n", system="You are the planner. Plan.")
    talk.to_the_end()
    proposal = read_proposal(talk.calls("submit_proposal")[0])
    assert isinstance(proposal, SubmittedProposal) and {c.command for c in proposal.criteria} == {""}


def test_proposal_of_the_planner_can_be_implemented(tree: Path) -> None:
    planner = Talk(tree, f"Ticket ENG-3: {VAGUE['title']}\n", system="You are the planner. Plan.")
    planner.to_the_end()
    criteria = planner.calls("submit_proposal")[0]["criteria"]
    lines = "\n".join(f"- [c{n}] {c['text']} (command: `{c.get('command')}`)" for n, c in enumerate(criteria))
    Talk(tree, f"Ticket ENG-3: {VAGUE['title']}\n\n## Contract\n\n{lines}\n").to_the_end()
    assert [run(tree, c["command"])[0] for c in criteria if "command" in c] == [0, 0]
    assert run(tree, SUITE)[0] == 0 and "examples/trip.csv`" in (tree / "README.md").read_text()
