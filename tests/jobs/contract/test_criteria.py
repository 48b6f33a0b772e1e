"""Which text is read as acceptance criteria: a corpus of descriptions as people and machines write them."""

from __future__ import annotations

import pytest

from jobs.contract.criteria import MAX_CHARACTERS, find_criteria, find_items

HEADINGS = [
    "Done when", "Done when:", "done when :", "DONE WHEN", "**Done when**", "**Done when:**", "**Done when**:",
    "__Done when__", "*Done when*", "# Done when", "###### Done when:", "## Done when ##", "##Done when",
    "## **Done when**", "## ✅ Acceptance criteria", "### 3. Acceptance Criteria (AC)", "Acceptance criterion:",
    "Definition of Done", "DoD:", "AC:", "Success criteria", "Done\u00a0when:", "\u200bDone when", "Done when\n====",
    "Done when\n---", "Finish line", "## *Done* __when__", "# _Done when_", "+++ Done when",
    "<details>\n<summary>Done when</summary>", "<details><summary><b>Acceptance criteria</b></summary>",
    "Some words\nDone when\n===", "This is done when:", "## Done when\n\nAll of the following hold:",
]  # fmt: skip


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_criteria_are_known_by_a_heading_in_any_form(heading: str, end: str) -> None:
    text = f"Some words.\n\n{heading}\n\n- one\n- two\n\nMore words.\n\n- three".replace("\n", end)

    assert find_criteria(text) == ["one", "two"]


LISTS = [
    pytest.param("* one\n* two", id="stars, as Linear writes them"),
    pytest.param("+ one\n+ two", id="plus"),
    pytest.param("• one\n• two", id="pasted bullets"),
    pytest.param("1. one\n2. two", id="numbers"),
    pytest.param("1) one\n2) two", id="numbers with brackets"),
    pytest.param("- [ ] one\n- [x] two", id="tasks"),
    pytest.param("* \\[ \\] one\n* \\[x\\] two", id="tasks that were escaped"),
    pytest.param("-\u00a0one\n-\u00a0two", id="spaces that do not break"),
    pytest.param("  - one\n  - two", id="indented"),
    pytest.param("- one\n\n- two", id="loose"),
    pytest.param("- **one**\n- two", id="bold"),
    pytest.param("- one\n- ~~never mind~~\n- two", id="struck out"),
    pytest.param("- one\n- <!-- hidden -->\n- two", id="commented out"),
    pytest.param("- one\n- \n- two\n- ---", id="empty items"),
    pytest.param("- one\n```\n- not this\n```\n- two", id="a code block between"),
    pytest.param("- one\n- two\n> - said somebody", id="a quotation after"),
    pytest.param("- one\n- two\n- one", id="said twice"),
    pytest.param("- one\n- two\n\n***\n\n- three", id="a rule ends it"),
    pytest.param("- one\n- two\n\nNotes:\n- three", id="the next heading ends it"),
    pytest.param("- one\n- two\n\nNotes\n-----\n- three", id="a heading that is underlined ends it"),
    pytest.param("- one\n- ```\n  - [ ] not this\n  ```\n- two", id="a code block as an item"),
    pytest.param("- one\n  ~~~\n  - [ ] not this\n  ~~~\n- two", id="a code block in an item"),
    pytest.param("* one\n\n* two\n\n  > * quoted", id="a list inside of a quotation in an item"),
    pytest.param("- one\n- ~~never mind~~\n  - nor this\n- two", id="nested in what is struck out"),
    pytest.param("+++ Details\n\n* one\n* two\n\n+++\n\nMore words.\n\n* three", id="a collapsible section"),
    pytest.param("<details>\n\n- one\n- two\n\n</details>\n\nMore.\n- three", id="details"),
    pytest.param("<details>\n- one\n- two\n</details>", id="details without empty lines"),
    pytest.param("- one\n- two\n## Out of scope\n- three", id="what is out of scope is not in it"),
]


@pytest.mark.parametrize("listed", LISTS)
def test_criteria_are_read_from_a_list_in_any_form(listed: str) -> None:
    assert find_criteria(f"## Done when\n\n{listed}\n") == ["one", "two"]


OTHERS = [
    pytest.param("Done when: `make test` passes.", ["`make test` passes."], id="on one line"),
    pytest.param("**Done when:** it prints 3", ["it prints 3"], id="on one line, bold"),
    pytest.param("## Done when\nThe tests pass\nand more.\n\nOther.", ["The tests pass and more."], id="a paragraph"),
    pytest.param("Done when\n- a:\n  - b\n  - c\n- d", ["a: b; c", "d"], id="nested belongs to its parent"),
    pytest.param("Done when\n1. a\n   1. b\n      * c\n2. d", ["a: b; c", "d"], id="nested twice"),
    pytest.param("Done when\n- a\n\n    - b\n\n  and c\n- d", ["a: b and c", "d"], id="nested in a loose list"),
    pytest.param("Done when\n1. a\n\t- b\n2. c", ["a: b", "c"], id="nested by a tab"),
    pytest.param("Done when:\n\n    - a\n\n- b", ["b"], id="a code block by its indentation"),
    pytest.param("> Done when\n>\n> - a\n>   - b\n\n- [ ] c", ["c"], id="a list in a quotation"),
    pytest.param("```md\n- [ ] x\n```\n- [ ] a", ["a"], id="a task in a code block"),
    pytest.param("+++ Done when\n\n* a\n\n+++\n\nNotes:\n\n* b", ["a"], id="a collapsible finish line"),
    pytest.param("Done when\n- a\n  goes on\nand on\n- b", ["a goes on and on", "b"], id="an item of several lines"),
    pytest.param("1. Acceptance criteria\n   - a\n   - b\n2. Notes\n   - c", ["a", "b"], id="the heading is an item"),
    pytest.param("Done when\n- a\n\nAcceptance criteria\n- b", ["a", "b"], id="two finish lines"),
    pytest.param("## Done when\n### API\n- a\n### Page\n- b\n## Notes\n- c", ["a", "b"], id="parts of a finish line"),
    pytest.param("- [ ] a\n  - how\n- [x] b\n- c", ["a: how", "b"], id="tasks without a heading"),
    pytest.param("## Todo\n- [ ] a\n## Out of scope\n- [ ] b", ["a"], id="tasks that are out of scope"),
    pytest.param("- [ ] a\n\nDone when\n- b", ["b"], id="a finish line beats tasks"),
    pytest.param("Done when\n- a\\_b and `a\\_b`", ["a_b and `a\\_b`"], id="escapes, but not in code"),
    pytest.param("Done when\n- a\u202eb\u200b", ["ab"], id="invisible characters"),
    pytest.param("<!-- x\n## Done when\n- a\n-->", [], id="a comment"),
    pytest.param("<!-- never closed\n## Done when\n- a", [], id="a comment without end"),
    pytest.param("```\nDone when\n- a\n```", [], id="a code block"),
    pytest.param("~~~~\n```\n## Done when\n- a\n~~~\n~~~~\n", [], id="a code block with fences in it"),
    pytest.param("```\n## Done when\n- a", [], id="a code block without end"),
    pytest.param("> ## Done when\n> - a", [], id="a quotation"),
    pytest.param("> Done when\n- a", [], id="a quoted heading"),
    pytest.param("| Done when |\n- a", [], id="a table"),
    pytest.param("We say it is done when:\n- a", [], id="a sentence"),
    pytest.param("Done when\nDone when\n", [], id="headings alone"),
    pytest.param("## Done when\n\n## Notes\n- a", [], id="an empty finish line"),
    pytest.param("## Not done when\n- a", [], id="another heading"),
    pytest.param("make it better", [], id="nothing"),
    pytest.param("", [], id="empty"),
]


@pytest.mark.parametrize(("text", "wanted"), OTHERS)
def test_criteria_of_other_descriptions(text: str, wanted: list[str]) -> None:
    assert find_criteria(text) == wanted


HOSTILE = [
    "- [ ] x\n" * 30_000, "# " + " " * 90_000 + "x", "<!--" * 20_000, "`" * 90_000, "**" * 40_000, "\\" * 90_000,
    "Done when\n" * 9_000, "> " * 40_000, "- " * 40_000, "  " * 40_000 + "- a", "Done when\n- a\n" + "  - b\n" * 9_000,
    "\u202e" * 90_000, "1. " * 30_000, "[ ] " * 20_000, "~~" * 40_000, "Done when:" * 9_000,
    "[" * 1_000_000, "[a](" * 250_000, "[a]: b\n" * 30_000, "[a\n" * 50_000, "<" * 1_000_000, "> a\nb\n" * 30_000,
    "\n".join("> " * n + "- a" for n in range(900)), "\n".join("  " * n + "- a" for n in range(900)),
    "- ```\n" * 30_000, "Done when\n- a\n" + "b\n" * 90_000, "# a\n" * 30_000, "+++ a\n" * 30_000, "> " * 500_000,
    "<details>" * 110_000, "\t" * 900_000 + "- a", "• " * 400_000, "Done when\n" + "- [ ] " * 160_000,
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_criteria_of_hostile_texts_are_bounded(text: str) -> None:
    assert all(len(item) <= MAX_CHARACTERS for item in [*find_criteria(text), *find_items(text)])


def test_criteria_after_a_long_log_are_found() -> None:
    log = "2026-01-01 ERROR something is wrong at line 1\n" * 9_000
    assert find_criteria(f"```\n{log}```\n\n## Done when\n\n- `make` passes\n- it is there") == [
        "`make` passes",
        "it is there",
    ]


def test_items_of_an_answer_need_no_heading() -> None:
    assert find_items("I think:\n- one\n- two") == ["one", "two"]
    assert find_items("it should\nbe fast") == ["it should be fast"]
    assert find_items(" \n") == []
