"""Instructions of folders, and scripts of skills, in runs of real roles."""

from __future__ import annotations

from integrations.results import Plan
from integrations.standins.model.playbook import Answer
from jobs.roles.folder_notes import FolderNotes
from tests.jobs.roles.agents import SKILL, Agents, calling

VIEW = calling("edit", command="view", path="tests/test_shares.py")
RULE = "One test for each rule."
COPY = "mkdir -p /tmp/skills && git -C /workspace archive {base} .claude/skills/rounding | tar -x -C /tmp/skills"


def list_notes(agents: Agents, role: str) -> list[str]:
    return [str(entry.data["text"]) for entry in agents.entries(role) if entry.kind == "note"]


def test_maker_that_enters_a_folder_gets_its_instructions_once_and_the_prompt_stays(agents: Agents) -> None:
    again = calling("edit", command="view", path="tests/__init__.py")
    ended = agents.run("maker", VIEW, again, Answer("Nothing to change."))

    [note] = list_notes(agents, "maker")
    assert RULE in note and "<repository-" in note
    assert len({request.system for request in agents.script.asked}) == 1
    assert RULE not in agents.script.asked[0].system
    assert ended.provenance and ended.provenance.instructions == ("AGENTS.md", "tests/AGENTS.md")


def test_maker_whose_plan_names_a_folder_has_its_instructions_in_the_prompt(agents: Agents) -> None:
    plan = Plan(summary="s", paths=("tests/test_new.py",))
    ended = agents.run("maker", VIEW, Answer("Nothing to change."), plan=plan)

    assert RULE in agents.script.asked[0].system and not list_notes(agents, "maker")
    assert ended.provenance and ended.provenance.instructions == ("AGENTS.md", "tests/AGENTS.md")


def test_folder_note_is_not_repeated_after_a_restart(agents: Agents) -> None:
    agents.run("maker", VIEW, Answer("Nothing to change."))
    resumed = FolderNotes(agents.mirror, agents.spec("maker"), (), agents.entries("maker"))
    fresh = FolderNotes(agents.mirror, agents.spec("maker"), (), [])

    given = resumed.find("tests/test_shares.py"), fresh.find("tests/test_shares.py")
    assert [note and note["instructions"] for note in given] == [["AGENTS.md"], ["AGENTS.md", "tests/AGENTS.md"]]
    assert resumed.find("tests/__init__.py") is None


def test_reader_gets_the_instructions_of_a_folder_from_the_base_branch(agents: Agents) -> None:
    look = [calling("view", path=path) for path in ("docs/AGENTS.md", "tests")]
    agents.run("checker", *look, Answer("I cannot decide."))

    notes = [note for note in list_notes(agents, "checker") if "Repository" in note or "repository" in note]
    assert len(notes) == 1 and RULE in notes[0]
    assert not any("The checker must pass." in note for note in notes)


def test_provenance_names_the_skills_that_were_read(agents: Agents) -> None:
    calls = [calling("read_skill", name=name) for name in ("unknown", "rounding", "rounding")]
    ended = agents.run("maker", *calls, Answer("Nothing to change."))

    assert ended.provenance and ended.provenance.skills == ("rounding",)


def test_skill_script_runs_in_the_sandbox_by_its_path(agents: Agents) -> None:
    run = calling("bash", command="cd / && bash /workspace/.claude/skills/rounding/check.sh")
    agents.run("maker", calling("read_skill", name="rounding"), run, Answer("Nothing to change."))

    shown, output = agents.results("maker")
    assert "its other files, in /workspace/.claude/skills/rounding: check.sh" in shown
    assert output.startswith("cents add up")


def test_skill_script_that_the_work_changed_is_available_to_the_checker_as_on_the_base_branch(agents: Agents) -> None:
    copy = COPY.format(base=agents.base)
    run = calling("bash", command=f"{copy} && bash /tmp/skills/.claude/skills/rounding/check.sh")
    agents.run("checker", calling("read_skill", name="rounding"), run, Answer("I cannot decide."))

    shown, output = agents.results("checker")[:2]
    assert SKILL.decode().splitlines()[-1] in shown and copy in shown
    assert output.startswith("cents add up")
