"""Suggestions of a review as edits of lines in a commit."""

from __future__ import annotations

import pytest

from integrations.git.line_edits import LineEdit, apply_to_text

THREE = "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("content", "edit", "after"),
    [
        (THREE, (2, 2, "zwei\n"), "one\nzwei\nthree\n"),
        (THREE, (1, 2, "both"), "both\nthree\n"),
        (THREE, (2, 2, ""), "one\nthree\n"),
        (THREE, (3, 3, "drei\nvier\n"), "one\ntwo\ndrei\nvier\n"),
        ("one\r\ntwo\r\n", (1, 1, "eins\n"), "eins\r\ntwo\r\n"),
        ("one\ntwo", (2, 2, "zwei\n"), "one\nzwei"),
        ("a\u2028b\nc\n", (2, 2, "d"), "a\u2028b\nd\n"),
    ],
)
def test_edit_replaces_its_lines_and_keeps_the_others(content: str, edit: tuple[int, int, str], after: str) -> None:
    wanted = LineEdit("a.py", *edit)
    assert apply_to_text(content, [wanted]) == (after, (wanted,))


@pytest.mark.parametrize("lines", [(0, 1), (3, 4), (2, 1)])
def test_edit_of_lines_that_do_not_exist_is_left_out(lines: tuple[int, int]) -> None:
    assert apply_to_text(THREE, [LineEdit("a.py", *lines, "x")]) == (THREE, ())


def test_edit_that_overlaps_an_earlier_one_is_left_out() -> None:
    first, second, third = LineEdit("a", 1, 2, "x"), LineEdit("a", 2, 3, "y"), LineEdit("a", 3, 3, "z")
    assert apply_to_text(THREE, [first, second, third]) == ("x\nz\n", (first, third))
