"""Which places count as conflicts that were left."""

from __future__ import annotations

import pytest

from integrations.git.changes import Change, Side
from jobs.evidence.conflict_markers import find_unresolved

OURS, THEIRS = "1" * 40, "2" * 40


def edit(text: str, path: str = "shop/cart.py", before: str = "") -> Change:
    old = Side("100644", "a" * 40, len(before), before) if before else None
    return Change(path, old, Side("100644", "b" * 40, len(text), text))


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        pytest.param(f"a\n<<<<<<< {OURS}\nb\n", "shop/cart.py", ("shop/cart.py:2",), id="start of Loopline's"),
        pytest.param(
            f"a\n>>>>>>> {THEIRS}\n", "tests/data/x", ("tests/data/x:2",), id="end of Loopline's in an example"
        ),
        pytest.param("<<<<<<< HEAD\na\n=======\nb\n>>>>>>> main\n", "a", ("a:1",), id="of the agent's own merge"),
        pytest.param("<<<<<<< HEAD\na\n=======\nb\n>>>>>>> main\n", "tests/data/merge.txt", (), id="an example"),
        pytest.param("Title\n=======\n", "README.rst", (), id="a heading"),
        pytest.param("x <<<<<<< HEAD\n", "a", (), id="inside a line"),
        pytest.param("x\n", f"docs~{THEIRS}", (f"docs~{THEIRS}",), id="second name"),
    ],
)
def test_conflict_markers_that_were_left(text: str, path: str, expected: tuple[str, ...]) -> None:
    assert find_unresolved([edit(text, path)]) == expected


def test_conflict_markers_of_the_base_commit_are_not_the_changes() -> None:
    text = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> main\n"
    assert find_unresolved([edit(text + "more\n", "a", text)]) == ()
    assert find_unresolved([Change("a", edit(text).after, None)]) == ()
