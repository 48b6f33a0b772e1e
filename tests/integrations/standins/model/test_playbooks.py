"""The playbooks on the tickets of the demo, in a copy of the demo repository."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integrations.standins.model.demo import BUG, FEATURE, VAGUE, Talk, copy_of_demo, maker_brief, run

ROUNDING = "python3 -m unittest tests.test_rounding -q"
EXPORT = "python3 -m unittest tests.test_export -q"
SUITE = "python3 -m unittest discover -q"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copy_of_demo(tmp_path)


def second_brief(output: str) -> str:
    return maker_brief(BUG, 2, f"## Results of the last iteration\n\n<evidence-1>\n{output}\n</evidence-1>\n")


def test_demo_repository_is_green_at_the_start_without_the_commands_of_the_contract(tree: Path) -> None:
    green = (SUITE, "python3 -m compileall -q tally", "python3 -m tally examples/trip.csv")
    assert [run(tree, command)[0] for command in green] == [0, 0, 0]
    assert 0 not in [run(tree, command)[0] for command in (ROUNDING, EXPORT)]


def test_readme_of_the_demo_shows_real_output(tree: Path) -> None:
    assert run(tree, "python3 -m tally examples/trip.csv --settle")[1] in (tree / "README.md").read_text()
    assert run(tree, "python3 -m tally examples/trip.csv")[1] in (tree / "README.md").read_text()


def test_bug_is_half_fixed_by_the_first_iteration_and_fixed_by_the_second(tree: Path) -> None:
    Talk(tree, maker_brief(BUG)).to_the_end()
    code, output = run(tree, ROUNDING)
    assert code != 0 and "test_weighted" in output and "FAIL: test_equal" not in output
    Talk(tree, second_brief(output)).to_the_end()
    assert [run(tree, command)[0] for command in (ROUNDING, SUITE, "python3 -m compileall -q tally")] == [0, 0, 0]


def test_review_leads_to_a_change(tree: Path) -> None:
    Talk(tree, maker_brief(BUG)).to_the_end()
    Talk(tree, second_brief("")).to_the_end()
    asked = "## Guidance\n\n<guidance-1>\nAda:\nmention negative amounts\n</guidance-1>\n"
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


def test_proposal_of_the_planner_can_be_implemented(tree: Path) -> None:
    planner = Talk(tree, f"Ticket ENG-3: {VAGUE['title']}\n", system="You are the planner. Plan.")
    planner.to_the_end()
    criteria = planner.calls("submit_proposal")[0]["criteria"]
    lines = "\n".join(f"- [c{n}] {c['text']} (command: `{c.get('command')}`)" for n, c in enumerate(criteria))
    Talk(tree, f"Ticket ENG-3: {VAGUE['title']}\n\n## Contract\n\n{lines}\n").to_the_end()
    assert [run(tree, c["command"])[0] for c in criteria if "command" in c] == [0, 0]
    assert run(tree, SUITE)[0] == 0 and "examples/trip.csv`" in (tree / "README.md").read_text()
