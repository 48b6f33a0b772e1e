"""What is read as a finish line: a corpus of descriptions as people and machines write them."""

from __future__ import annotations

import time

import pytest

from jobs.contract.criteria import MAX_CHARACTERS, criteria_in, items_in

HEADINGS = [
    "Done when", "Done when:", "done when :", "DONE WHEN", "**Done when**", "**Done when:**", "**Done when**:",
    "__Done when__", "*Done when*", "# Done when", "###### Done when:", "## Done when ##", "##Done when",
    "## **Done when**", "## ✅ Acceptance criteria", "### 3. Acceptance Criteria (AC)", "Acceptance criterion:",
    "Definition of Done", "DoD:", "AC:", "Success criteria", "Done\u00a0when:", "\u200bDone when", "Done when\n====",
    "Done when\n---", "Finish line", "This is done when:", "## Done when\n\nAll of the following hold:",
]  # fmt: skip


@pytest.mark.parametrize("heading", HEADINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_finish_line_is_known_by_its_heading_in_any_form(heading: str, end: str) -> None:
    text = f"Some words.\n\n{heading}\n\n- one\n- two\n\nMore words.\n\n- three".replace("\n", end)

    assert criteria_in(text) == ["one", "two"]


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
    pytest.param("- one\n- two\n## Out of scope\n- three", id="what is out of scope is not in it"),
]


@pytest.mark.parametrize("listed", LISTS)
def test_a_list_is_read_in_any_form(listed: str) -> None:
    assert criteria_in(f"## Done when\n\n{listed}\n") == ["one", "two"]


OTHERS = [
    pytest.param("Done when: `make test` passes.", ["`make test` passes."], id="on one line"),
    pytest.param("**Done when:** it prints 3", ["it prints 3"], id="on one line, bold"),
    pytest.param("## Done when\nThe tests pass\nand more.\n\nOther.", ["The tests pass and more."], id="a paragraph"),
    pytest.param("Done when\n- a:\n  - b\n  - c\n- d", ["a: b; c", "d"], id="nested belongs to its parent"),
    pytest.param("Done when\n1. a\n   1. b\n      * c\n2. d", ["a: b; c", "d"], id="nested twice"),
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
def test_other_descriptions(text: str, wanted: list[str]) -> None:
    assert criteria_in(text) == wanted


HOSTILE = [
    "- [ ] x\n" * 30_000, "# " + " " * 90_000 + "x", "<!--" * 20_000, "`" * 90_000, "**" * 40_000, "\\" * 90_000,
    "Done when\n" * 9_000, "> " * 40_000, "- " * 40_000, "  " * 40_000 + "- a", "Done when\n- a\n" + "  - b\n" * 9_000,
    "\u202e" * 90_000, "1. " * 30_000, "[ ] " * 20_000, "~~" * 40_000, "Done when:" * 9_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_take_no_time_and_no_space(text: str) -> None:
    began = time.process_time()
    found = [*criteria_in(text), *items_in(text)]

    assert time.process_time() - began < 3
    assert all(len(item) <= MAX_CHARACTERS for item in found)


def test_the_items_of_an_answer_need_no_heading() -> None:
    assert items_in("I think:\n- one\n- two") == ["one", "two"]
    assert items_in("it should\nbe fast") == ["it should be fast"]
    assert items_in(" \n") == []
