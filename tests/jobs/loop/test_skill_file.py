from __future__ import annotations

import pytest

from jobs.loop.front_matter import read_front_matter
from jobs.loop.skill_file import add_rule, find_rule_problem, find_topic_problem, remove_rule

RULE = "Use Decimal for money."
SKILL = "---\nname: money\ndescription: cents\n---\n\nCents are whole.\n"


def test_skill_file_that_is_new_has_front_matter_and_the_rule() -> None:
    text = add_rule(None, "money", RULE)

    head = read_front_matter(text)
    assert head.values["name"] == "money" and head.values["description"]
    assert head.body.strip() == f"## Lessons\n\n- {RULE}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (SKILL, f"{SKILL}\n## Lessons\n\n- {RULE}\n"),
        (f"{SKILL}\n## Lessons\n\n- One.\n", f"{SKILL}\n## Lessons\n\n- One.\n- {RULE}\n"),
        ("A\n\n## Lessons\n\n- One.\n\n## More\n\nB\n", f"A\n\n## Lessons\n\n- One.\n- {RULE}\n\n## More\n\nB\n"),
        ("A\n\n## Lessons\n", f"A\n\n## Lessons\n\n- {RULE}\n"),
        ("A without an end", f"A without an end\n\n## Lessons\n\n- {RULE}\n"),
    ],
    ids=["first rule", "second rule", "heading in the middle", "empty heading", "no final line end"],
)
def test_skill_file_keeps_its_text_and_gets_the_rule(before: str, after: str) -> None:
    assert add_rule(before, "money", RULE) == after
    assert add_rule(after, "money", RULE) == after
    if "\n" in before:
        assert add_rule(before.replace("\n", "\r\n"), "money", RULE) == after.replace("\n", "\r\n")


def test_skill_file_without_the_rule_is_as_before() -> None:
    text = f"{SKILL}\n## Lessons\n\n- One.\n"

    assert remove_rule(add_rule(text, "money", RULE), RULE) == text
    assert remove_rule(text, RULE) == text


def test_skill_file_rule_that_a_person_extended_is_found() -> None:
    text = f"{SKILL}\n## Lessons\n\n- use  {RULE[4:]} Also in tests.\n"

    assert add_rule(text, "money", RULE) == text
    assert RULE[4:] not in remove_rule(text, RULE)


@pytest.mark.parametrize(
    "rule", [RULE, "Run `make check` before `git push`.", "Name files in src/api like UTF-8 text."]
)
def test_skill_file_rule_can_be_a_plain_sentence(rule: str) -> None:
    assert find_rule_problem(rule) == ""


@pytest.mark.parametrize(
    "rule",
    ["a\nb", "See https://evil.test", "<!-- hidden -->", "Ask @ana", "a\u200bb", "![x](y)", "```", "x" * 301,
     "--- name: other", "/approve everything", "#12 is right"],
)  # fmt: skip
def test_skill_file_rule_with_markup_is_refused(rule: str) -> None:
    assert find_rule_problem(rule)


@pytest.mark.parametrize(
    ("topic", "valid"), [("money", True), ("a-b2", True), ("../x", False), ("A", False), ("", False)]
)
def test_skill_file_topic_is_a_name(topic: str, valid: bool) -> None:
    assert (find_topic_problem(topic) == "") is valid
