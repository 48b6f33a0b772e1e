from __future__ import annotations

from pathlib import Path

import pytest

from integrations.standins.github.bare import BareRepository, Signature
from integrations.standins.github.diffs import FileDiff, read_diff

ADA = Signature("Ada", "ada@example.com")
BEFORE = {"keep.txt": "".join(f"line {n}\n" for n in range(30)), "old name.txt": "same\n" * 9, "gone.txt": "x\n"}
AFTER = {"new name.txt": "same\n" * 9, "äöü.txt": "no newline", "binary": "\0\1", "-- a": "--- b\n"}


def commit(git: BareRepository, folder: Path, files: dict[str, str]) -> str:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return git.write_commit(git.tree_of_folder(folder), [], "m", ADA, ADA)


@pytest.fixture
def diff(tmp_path: Path) -> dict[str, FileDiff]:
    """One of each kind of change, by path."""
    git = BareRepository(tmp_path / "x.git")
    git.create("main", {})
    before = commit(git, tmp_path / "a", BEFORE)
    changed = BEFORE["keep.txt"].replace("line 2\n", "two\n").replace("line 27\n", "")
    after = commit(git, tmp_path / "b", AFTER | {"keep.txt": changed})
    return {file.path: file for file in read_diff(git.raw_diff(before, after), git.diff(before, after))}


def test_every_change_has_its_kind(diff: dict[str, FileDiff]) -> None:
    assert {path: file.status for path, file in diff.items()} == {
        "keep.txt": "modified",
        "new name.txt": "renamed",
        "gone.txt": "removed",
        **dict.fromkeys(("äöü.txt", "binary", "-- a"), "added"),
    }
    assert diff["new name.txt"].previous_path == "old name.txt"


def test_lines_are_counted_and_numbered_on_both_sides(diff: dict[str, FileDiff]) -> None:
    kept = diff["keep.txt"]
    assert (kept.additions, kept.deletions) == (1, 2)
    two = kept.find(3, "RIGHT")
    assert two is not None
    assert (two.text, two.old, kept.at(two.position)) == ("two", None, two)
    gone = kept.find(28, "LEFT")
    assert gone is not None
    assert kept.hunk_until(gone).startswith("@@ -25,6 +25,5 @@")
    assert kept.find(15, "RIGHT") is None


def test_a_line_that_looks_like_a_header_is_a_line(diff: dict[str, FileDiff]) -> None:
    assert [line.text for line in diff["-- a"].lines if line.mark == "+"] == ["--- b"]


def test_what_has_no_lines_has_no_patch(diff: dict[str, FileDiff]) -> None:
    assert (diff["binary"].patch, diff["new name.txt"].patch) == ("", "")


def test_a_missing_newline_is_said(diff: dict[str, FileDiff]) -> None:
    assert diff["äöü.txt"].patch.endswith("\\ No newline at end of file")


def test_a_file_that_becomes_a_link_is_one_change(tmp_path: Path) -> None:
    git = BareRepository(tmp_path / "x.git")
    git.create("main", {})
    before = commit(git, tmp_path / "a", {"f": "text\n", "z": "1\n"})
    (tmp_path / "a" / "f").unlink()
    (tmp_path / "a" / "f").symlink_to("z")
    (tmp_path / "a" / "z").write_text("2\n")
    after = git.write_commit(git.tree_of_folder(tmp_path / "a"), [], "m", ADA, ADA)
    link, last = read_diff(git.raw_diff(before, after), git.diff(before, after))
    assert (link.status, link.additions, link.deletions) == ("changed", 1, 1)
    assert (last.path, last.additions) == ("z", 1)
