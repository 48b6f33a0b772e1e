"""Changes between two commits, and commits that mix them."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.errors import Rejected
from integrations.git.line_edits import LineEdit
from integrations.git.mirror import Mirror
from integrations.values import CommitSha
from tests.integrations.git.hosting import commit, git
from tests.support.workspaces import find_file


@pytest.fixture
def base(upstream: Path) -> str:
    return commit(upstream, {"a.txt": b"one\n", "old.txt": b"old\n"})


@pytest.fixture
def changed(base: str, upstream: Path) -> str:
    return commit(upstream, {"a.txt": b"two\n", "old.txt": None, "new.bin": b"\0\1", "new.txt": b"new\n"})


@pytest.fixture
def fetched(empty_mirror: Mirror, changed: str) -> Mirror:
    empty_mirror.fetch("main")
    return empty_mirror


def test_changes_have_the_text_of_both_sides(fetched: Mirror, base: str, changed: str) -> None:
    found = {c.path: (c.before and c.before.text, c.after and c.after.text) for c in fetched.changes(base, changed)}

    assert found == {
        "a.txt": ("one\n", "two\n"), "old.txt": ("old\n", None), "new.bin": (None, None), "new.txt": (None, "new\n"),
    }  # fmt: skip


def test_changes_give_size_but_no_text_for_a_binary_file(fetched: Mirror, base: str, changed: str) -> None:
    binary = next(c.after for c in fetched.changes(base, changed) if c.path == "new.bin")

    assert binary is not None
    assert (binary.size, binary.text) == (2, None)


def test_changes_of_equal_commits_are_empty(fetched: Mirror, base: str) -> None:
    assert fetched.changes(base, base) == []


def test_mixed_commit_replaces_the_given_paths(fetched: Mirror, base: str, changed: str) -> None:
    sides = {c.path: c.before for c in fetched.changes(base, changed) if c.path != "new.txt"}
    mixed = fetched.write_mixed_commit(changed, sides)

    assert [c.path for c in fetched.changes(base, mixed)] == ["new.txt"]


def test_mixed_commit_is_idempotent(fetched: Mirror, base: str, changed: str) -> None:
    sides = {c.path: c.before for c in fetched.changes(base, changed)}

    assert fetched.write_mixed_commit(changed, sides) == fetched.write_mixed_commit(changed, sides)
    assert fetched.tree_of(fetched.write_mixed_commit(changed, sides)) == fetched.tree_of(base)


def test_mixed_commit_without_paths_is_the_commit_itself(fetched: Mirror, changed: str) -> None:
    assert fetched.write_mixed_commit(changed, {}) == changed


def test_mixed_commit_restores_a_folder_that_became_a_link(
    empty_mirror: Mirror, upstream: Path, tmp_path: Path
) -> None:
    base = commit(upstream, {"tests/test_a.py": b"a\n"})
    link = b"commit refs/heads/main\ncommitter Ann <ann@example.com> 1700000000 +0000\ndata 1\nx\n"
    link += b"from %s\nD tests\nM 120000 inline tests\ndata 3\nsrc\n" % base.encode()
    git(upstream, "fast-import", "--quiet", "--force", stdin=link)
    empty_mirror.fetch("main")
    tip = empty_mirror.head("main")
    sides = {c.path: c.before for c in empty_mirror.changes(base, tip) if c.before}
    workspace = empty_mirror.create_workspace(tmp_path / "run", empty_mirror.write_mixed_commit(tip, sides))

    assert find_file(workspace, "tests/test_a.py").read_text() == "a\n"
    assert not find_file(workspace, "tests").is_symlink()


@pytest.mark.parametrize("sha", ["main", "--all", ""])
def test_changes_reject_anything_but_a_full_sha(fetched: Mirror, base: str, sha: str) -> None:
    with pytest.raises(Rejected, match="is not a commit"):
        fetched.changes(base, sha)
    with pytest.raises(Rejected, match="is not a commit"):
        fetched.write_mixed_commit(sha, {})


@pytest.mark.parametrize("content", ["# coding: latin-1\nx = 'é'\n".encode("latin-1"), "\ufeffx = 'é'\n".encode()])
def test_changes_have_the_text_of_a_file_in_another_encoding(
    empty_mirror: Mirror, upstream: Path, content: bytes
) -> None:
    base = commit(upstream, {"a.py": content})
    sha = commit(upstream, {"a.py": content + b"assert True\n"})
    empty_mirror.fetch("main")
    (change,) = empty_mirror.changes(base, sha)
    assert change.before and change.before.text and change.before.text.endswith("x = 'é'\n")
    assert change.after and change.after.text == f"{change.before.text}assert True\n"
    assert "\ufeff" not in change.after.text


def test_edits_change_the_lines_of_text_files_only(fetched: Mirror, changed: str) -> None:
    edits = [LineEdit("a.txt", 1, 1, "three"), LineEdit("new.bin", 1, 1, "x"), LineEdit("gone.txt", 1, 1, "x")]
    edited, applied = fetched.apply_edits(CommitSha(changed), edits)

    assert applied == (edits[0],)
    assert [(c.path, c.after and c.after.text) for c in fetched.changes(CommitSha(changed), edited)] == [
        ("a.txt", "three\n")
    ]
    assert fetched.apply_edits(CommitSha(changed), edits) == (edited, applied)
    assert fetched.apply_edits(CommitSha(changed), edits[1:]) == (changed, ())
