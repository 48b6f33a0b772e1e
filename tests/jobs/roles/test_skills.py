from __future__ import annotations

import pytest

from integrations.values import CommitSha
from jobs.loop.front_matter import FrontMatterError
from jobs.roles.instructions import (
    MAX_BODY,
    MAX_SKILLS,
    Skill,
    build_skill_tools,
    drop_duplicates,
    format_catalogue,
    parse_skill,
)

PATH = ".claude/skills/release-notes/SKILL.md"
HEAD = "---\nname: release-notes\ndescription: How we write them\n"


def never() -> bool:
    return False


def test_skill_has_name_description_and_text() -> None:
    skill = parse_skill(PATH, f"{HEAD}---\n\nOne line each.\n")

    assert skill == Skill("release-notes", "How we write them", "One line each.", ".claude/skills/release-notes")


@pytest.mark.parametrize(
    "more",
    [
        "allowed-tools: [Bash, Read]\n",
        "metadata: {a: b}\n",
        "model: x\nhooks: {}\n",
        "license: MIT\r\n",
        "x: !!str 1\n",
    ],
)
def test_skill_keys_of_other_vendors_are_ignored(more: str) -> None:
    assert parse_skill(PATH, f"{HEAD}{more}---\nText")


@pytest.mark.parametrize("name", ["Release Notes", "a--b", "-a", "x" * 65, "[1]", "12", "null"])
def test_skill_with_an_invalid_name_gets_that_of_its_folder(name: str) -> None:
    skill = parse_skill(PATH, f"---\nname: {name}\ndescription: d\n---\n")

    assert skill and skill.name == "release-notes"


@pytest.mark.parametrize(
    "text",
    [
        "", "no front matter", "---\nname: x\n---\nno description", "---\ndescription: [1]\n---\n", "---\n- a\n---\n",
        "---\nname: [unclosed\n---\n", "---\n: : :\n---\n", "---\nx: !!python/object/apply:os.system [id]\n---\n",
        "---\ndescription: ''\n---\n", "---\nname: x\ndescription: d\n", "---\n" + "[" * 5000 + "\n---\n",
    ],
)  # fmt: skip
def test_skill_that_is_invalid_is_refused(text: str) -> None:
    with pytest.raises(FrontMatterError):
        parse_skill(PATH, text)


def test_skill_text_that_is_too_long_is_cut_with_a_hint() -> None:
    skill = parse_skill(PATH, f"{HEAD}---\n" + "x" * (MAX_BODY + 7))

    assert skill and skill.body.endswith(f"[7 characters cut: the file is {PATH}]")


def test_skill_description_is_one_line_of_bounded_length() -> None:
    skill = parse_skill(PATH, "---\ndescription: |\n  a\n  b\n  " + "x" * 5000 + "\n---\n")

    assert skill and skill.description.startswith("a b x") and len(skill.description) == 1024


def test_skills_are_unique_by_name_and_limited() -> None:
    skills = [Skill(f"s{n % 60}", "d", str(n), "f") for n in range(120)]

    kept = drop_duplicates(skills)
    assert len(kept) == MAX_SKILLS and [skill.body for skill in kept[:3]] == ["0", "1", "2"]


BASE = CommitSha("b" * 40)


def test_skill_tool_shows_a_skill_and_rejects_unknown_names() -> None:
    [tool] = build_skill_tools([Skill("a", "d", "Text.", "x/a")], BASE, lambda folder: True)

    assert tool.take({"name": "a"}, never).content == "Text.\n\n[it has no other files]"
    assert [tool.take(given, never).is_error for given in ({"name": "b"}, {}, {"name": ["a"]})] == [True] * 3


def test_skill_tool_names_files_by_the_paths_that_commands_use() -> None:
    [tool] = build_skill_tools([Skill("a", "d", "Text.", "x/a", ("run.sh",))], BASE, lambda folder: False)

    assert tool.take({"name": "a"}, never).content == "Text.\n\n[its other files, in /workspace/x/a: run.sh]"


def test_skill_tool_and_list_are_empty_without_skills() -> None:
    assert (build_skill_tools([], BASE, bool), format_catalogue([])) == ((), "")
    assert format_catalogue([Skill("a", "what for", "", "")]).endswith("\n- a: what for")
