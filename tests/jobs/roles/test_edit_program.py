"""The edit program's commands, outside of the sandbox: it must confine itself."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from jobs.roles.edit_program import MAX_FILE, answer


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "src").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "src" / "a.py").write_text("one\ntwo\nthree\n")
    (tmp_path / "secret").write_text("secret\n")
    return root


def do(tree: Path, command: str, **arguments: Any) -> str:
    reply = answer({"root": str(tree), "limit": 16_000, "command": command, **arguments})
    assert reply["ok"], reply["text"]
    return str(reply["text"])


def refuse(tree: Path, command: str, **arguments: Any) -> str:
    reply = answer({"root": str(tree), "limit": 16_000, "command": command, **arguments})
    assert not reply["ok"], reply["text"]
    return str(reply["text"])


def test_view_numbers_the_lines(tree: Path) -> None:
    assert do(tree, "view", path="src/a.py") == "     1\tone\n     2\ttwo\n     3\tthree"


@pytest.mark.parametrize(("wanted", "first", "last"), [([2, 2], "two", "two"), ([2, -1], "two", "three")])
def test_view_shows_a_range(tree: Path, wanted: list[int], first: str, last: str) -> None:
    lines = do(tree, "view", path="src/a.py", view_range=wanted).splitlines()
    assert lines[0].endswith(first) and lines[-1].endswith(last)


@pytest.mark.parametrize("wanted", [[0, 2], [4, 5], [3, 2], [1], ["1", "2"], "1-2"])
def test_view_rejects_a_range_outside_of_the_file(tree: Path, wanted: Any) -> None:
    assert "view_range" in refuse(tree, "view", path="src/a.py", view_range=wanted)


def test_view_lists_a_folder_without_git(tree: Path) -> None:
    assert do(tree, "view", path=".") == "src/\n  a.py"


def test_view_accepts_an_absolute_path_inside_the_root(tree: Path) -> None:
    assert "one" in do(tree, "view", path=str(tree / "src" / "a.py"))


def test_view_of_a_long_file_names_the_next_range(tree: Path) -> None:
    (tree / "long").write_text("x" * 99 + "\n" + "y\n" * 10_000)
    text = do(tree, "view", path="long")
    assert len(text) < 17_000 and "go on with view_range" in text


def test_view_cuts_an_endless_line(tree: Path) -> None:
    (tree / "long").write_text("x" * 100_000)
    assert len(do(tree, "view", path="long")) < 17_000


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "src/../../secret", "link", "way/secret"])
@pytest.mark.parametrize("command", ["view", "create", "str_replace", "insert", "search"])
def test_path_outside_of_the_root_is_rejected(tree: Path, path: str, command: str) -> None:
    (tree / "link").symlink_to(tree.parent / "secret")
    (tree / "way").symlink_to(tree.parent)
    edits = {"file_text": "x", "old_str": "s", "new_str": "x", "insert_line": 0, "insert_text": "x", "pattern": "."}
    assert "outside" in refuse(tree, command, path=path, **edits)
    assert (tree.parent / "secret").read_text() == "secret\n"


def test_path_inside_of_git_is_rejected(tree: Path) -> None:
    assert "belongs to git" in refuse(tree, "create", path=".git/config", file_text="[core]")


def test_view_rejects_binary_huge_and_special_files_with_a_hint(tree: Path) -> None:
    (tree / "picture").write_bytes(b"\x89PNG\0\0")
    (tree / "huge").write_bytes(b"x" * (MAX_FILE + 1))
    os.mkfifo(tree / "pipe")
    assert "binary" in refuse(tree, "view", path="picture")
    assert "use bash" in refuse(tree, "view", path="huge")
    assert "regular" in refuse(tree, "view", path="pipe")


def test_create_makes_folders_and_keeps_the_mode(tree: Path) -> None:
    do(tree, "create", path="new/deep/run.sh", file_text="#!/bin/sh\n")
    (tree / "new/deep/run.sh").chmod(0o755)
    assert "Replaced" in do(tree, "create", path="new/deep/run.sh", file_text="#!/bin/bash\n")
    assert stat.S_IMODE((tree / "new/deep/run.sh").stat().st_mode) == 0o755


def test_str_replace_changes_the_only_place_and_shows_it(tree: Path) -> None:
    shown = do(tree, "str_replace", path="src/a.py", old_str="two\n", new_str="2\n2b\n")
    assert (tree / "src/a.py").read_text() == "one\n2\n2b\nthree\n" and "     3\t2b" in shown


def test_str_replace_without_new_text_deletes(tree: Path) -> None:
    do(tree, "str_replace", path="src/a.py", old_str="two\n")
    assert (tree / "src/a.py").read_text() == "one\nthree\n"


def test_str_replace_rejects_a_text_that_occurs_twice(tree: Path) -> None:
    (tree / "b").write_text("x\ny\nx\n")
    assert "lines 1, 3" in refuse(tree, "str_replace", path="b", old_str="x", new_str="z")


@pytest.mark.parametrize("old", ["four", ""])
def test_str_replace_rejects_a_text_that_does_not_occur(tree: Path, old: str) -> None:
    assert "does not occur" in refuse(tree, "str_replace", path="src/a.py", old_str=old, new_str="z")


@pytest.mark.parametrize(("after", "expected"), [(0, "new\none\ntwo"), (1, "one\nnew\ntwo"), (2, "one\ntwo\nnew\n")])
def test_insert_puts_lines_after_a_line(tree: Path, after: int, expected: str) -> None:
    (tree / "b").write_text("one\ntwo")
    do(tree, "insert", path="b", insert_line=after, insert_text="new\n")
    assert (tree / "b").read_text() == expected


@pytest.mark.parametrize("after", [-1, 4, "1", None, True, 1.0, [1], 10**30])
def test_insert_rejects_a_line_outside_of_the_file(tree: Path, after: Any) -> None:
    assert "insert_line" in refuse(tree, "insert", path="src/a.py", insert_line=after, insert_text="x")


def test_line_ends_of_dos_are_preserved(tree: Path) -> None:
    (tree / "dos").write_bytes(b"one\r\ntwo\r\n")
    do(tree, "str_replace", path="dos", old_str="one\ntwo", new_str="1\n2")
    do(tree, "insert", path="dos", insert_line=1, insert_text="new")
    assert (tree / "dos").read_bytes() == b"1\r\nnew\r\n2\r\n"


def test_bytes_that_are_not_utf8_survive_an_edit(tree: Path) -> None:
    (tree / "latin").write_bytes(b"caf\xe9\nold\n")
    assert "caf" in do(tree, "view", path="latin")
    do(tree, "str_replace", path="latin", old_str="old", new_str="new")
    assert (tree / "latin").read_bytes() == b"caf\xe9\nnew\n"


def test_search_returns_path_line_and_text(tree: Path) -> None:
    assert do(tree, "search", pattern="^t") == "src/a.py:2: two\nsrc/a.py:3: three"


def test_search_has_a_glob_and_a_limit(tree: Path) -> None:
    (tree / "b.txt").write_text("two\n" * 5)
    assert do(tree, "search", pattern="two", glob="*.py") == "src/a.py:2: two"
    assert "more than 2 matches" in do(tree, "search", pattern="two", max_results=2)


def test_search_skips_git_binaries_and_links(tree: Path) -> None:
    (tree / ".git" / "HEAD").write_text("two")
    (tree / "binary").write_bytes(b"two\0")
    (tree / "link").symlink_to(tree / "src" / "a.py")
    assert do(tree, "search", pattern="two") == "src/a.py:2: two"


@pytest.mark.parametrize(
    ("command", "arguments", "named"),
    [
        ("search", {"pattern": "("}, "regular expression"),
        ("search", {}, "pattern"),
        ("search", {"pattern": "x", "max_results": "many"}, "max_results"),
        ("create", {"path": "x"}, "file_text"),
        ("create", {"path": "src", "file_text": ""}, "folder"),
        ("create", {"path": "src/a.py/x", "file_text": ""}, "File exists"),
        ("view", {"path": "nothing"}, "does not exist"),
        ("view", {"path": ["x"]}, "path"),
        ("view", {"path": "x\0y"}, "path"),
        ("undo_edit", {}, "command has to be"),
        ("search", {"pattern": "x", "glob": 3}, "glob"),
    ],
)
def test_arguments_that_are_invalid_are_named(tree: Path, command: str, arguments: dict[str, Any], named: str) -> None:
    assert named in refuse(tree, command, **arguments)


def test_path_with_a_loop_of_links_is_rejected(tree: Path) -> None:
    (tree / "loop").symlink_to(tree / "loop")
    assert "loop" in refuse(tree, "view", path="loop")


@pytest.mark.parametrize("pattern", [".{1,99999999999}", "(?P<a>x)(?P<a>y)", "[z-a]"])
def test_search_rejects_a_pattern_that_cannot_be_compiled(tree: Path, pattern: str) -> None:
    assert refuse(tree, "search", pattern=pattern).startswith("pattern is not a regular expression")


def test_search_rejects_a_pattern_that_is_nested_too_deeply(tree: Path) -> None:
    assert refuse(tree, "search", pattern="(" * 5000 + ")" * 5000).startswith("pattern has more than 1000 characters")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("command", [{"command": "view"}, {"command": "search", "pattern": "b"}])
def test_file_of_a_million_lines_takes_linear_time(tree: Path, command: dict[str, str]) -> None:
    (tree / "long").write_text("a\n" * 1_000_000 + "b\n")
    assert do(tree, path="long", **command)
