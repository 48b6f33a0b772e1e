"""Legal but odd contents of a repository: every operation of the mirror works on them, or is one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from integrations.errors import Rejected
from integrations.git.base_trees import BaseTrees
from integrations.git.mirror import Mirror
from tests.integrations.git.hosting import commit, git, sha_of, write_tree
from tests.support.workspaces import wait_until_empty

FILE, LINK, SUBMODULE = "100644", "120000", "160000"
Entries = list[tuple[str, bytes, str | bytes]]

ODD: dict[str, Entries] = {
    "names that are not UTF-8": [(FILE, b"caf\xe9", b"x\n"), (FILE, b"\xff\xfe", b"x\n")],
    "names with control characters": [(FILE, b"\x01", b"x\n"), (FILE, b"a\tb", b"x\n"), (FILE, b"c\nd", b"x\n")],
    "names that look like options": [(FILE, b"--help", b"x\n"), (FILE, b"-rf", b"x\n")],
    "names of patterns": [(FILE, b"*", b"x\n"), (FILE, b":(glob)**", b"x\n"), (FILE, b"[a]", b"x\n")],
    "names of devices on Windows": [(FILE, b"CON", b"x\n"), (FILE, b"a.", b"x\n"), (FILE, b"aux.txt", b"x\n")],
    "names that differ by case": [(FILE, b"A", b"x\n"), (FILE, b"a", b"y\n")],
    "names that differ by normal form": [(FILE, b"e\xcc\x81", b"x\n"), (FILE, b"\xc3\xa9", b"y\n")],
    "a name of 255 bytes": [(FILE, b"n" * 255, b"x\n")],
    "links to nowhere and outside": [(LINK, b"a", b"/etc/passwd"), (LINK, b"b", b"../../x"), (LINK, b"c", b"c")],
    "a submodule": [(FILE, b".gitmodules", b'[submodule "s"]\n\tpath=s\n\turl=/x\n'), (SUBMODULE, b"s", "1" * 40)],
    "a pointer of Git LFS": [(FILE, b".gitattributes", b"* filter=lfs -text\n"), (FILE, b"a", b"version https://git-lfs\n")],
    "line ends of DOS": [(FILE, b".gitattributes", b"* text eol=crlf\n"), (FILE, b"a", b"a\r\nb\n")],
    "another encoding": [(FILE, b".gitattributes", b"* working-tree-encoding=UTF-16\n"), (FILE, b"a", b"abc\n")],
    "an unknown encoding": [(FILE, b".gitattributes", b"* working-tree-encoding=NONE\n"), (FILE, b"a", b"abc\n")],
    "export-subst and ident": [(FILE, b".gitattributes", b"* export-subst ident\n"), (FILE, b"a", b"$Format:%H$\n")],
    "a filter driver": [(FILE, b".gitattributes", b"* filter=x diff=x merge=x\n"), (FILE, b"a", b"x\n")],
    "attributes with NUL": [(FILE, b".gitattributes", b"\0\n* text\n"), (FILE, b"a", b"x\n")],
    "binary files": [(FILE, b"a", b"\0\1\2"), (FILE, b"b", "hi\n".encode("utf-16"))],
    "no file": [],
}  # fmt: skip
REFUSED: dict[str, Entries] = {
    "create file": [(FILE, b"n" * 300, b"x\n")],
    "create symlink l": [(LINK, b"l", b"x" * 5000)],
    "create symlink e": [(LINK, b"e", b"")],
    "working-tree-encoding": [(FILE, b".gitattributes", b"* working-tree-encoding\n"), (FILE, b"a", b"x\n")],
}


def push_tree(upstream: Path, tree: str) -> str:
    base = sha_of(upstream, "rev-parse", "main")
    head = sha_of(upstream, "commit-tree", tree, "-p", base, "-m", "odd")
    git(upstream, "update-ref", "refs/heads/main", head)
    return head


@pytest.mark.parametrize("kind", ODD)
def test_tree_with_odd_contents_is_usable(mirror: Mirror, upstream: Path, tmp_path: Path, kind: str) -> None:
    base, head = mirror.head("main"), push_tree(upstream, write_tree(upstream, *ODD[kind]))
    mirror.fetch("main")
    listed = [name for mode, name, _ in ODD[kind] if mode == FILE]
    assert mirror.files(head) == [name.decode(errors="replace") for name in listed]
    assert {"README.md", "src/app.py"} <= {change.path for change in mirror.changes(base, head)}
    assert "README.md" in mirror.diff(base, head, 100_000)
    mirror.write_mixed_commit(head, {"README.md": None})
    made = mirror.write_candidate(head, base, "m", "a", "e@example.com", 1)
    for sha in (head, made):
        tree = mirror.create_workspace(tmp_path / "runs" / sha, sha).lower
        assert {os.fsencode(path.name) for path in tree.iterdir()} == {b".git", *(name for _, name, _ in ODD[kind])}
        mirror.remove_workspace(tmp_path / "runs" / sha)


@pytest.mark.parametrize("named", REFUSED)
def test_tree_that_no_checkout_can_have_is_one_sentence(
    mirror: Mirror, upstream: Path, tmp_path: Path, named: str
) -> None:
    head = push_tree(upstream, write_tree(upstream, *REFUSED[named]))
    mirror.fetch("main")
    with pytest.raises(Rejected, match=rf"acme/shop.*{named}.*(rename it|correct .gitattributes)\)$"):
        mirror.create_workspace(tmp_path / "runs" / "1", head)
    mirror.remove_workspace(tmp_path / "runs" / "1")
    assert mirror.head("main") == head


@pytest.mark.parametrize("depth", [60, 1500])
def test_tree_of_nested_folders_is_usable(mirror: Mirror, upstream: Path, tmp_path: Path, depth: int) -> None:
    base, head = mirror.head("main"), commit(upstream, {"d/" * depth + "f": b"x\n"})
    mirror.fetch("main")
    assert mirror.files(head, "d") == ["d/" * depth + "f"]
    assert len(mirror.changes(base, head)) == 1
    mirror.create_workspace(tmp_path / "runs" / "1", head)
    mirror.remove_workspace(tmp_path / "runs" / "1")
    assert not (tmp_path / "runs" / "1").exists()
    trees = BaseTrees(tmp_path / "repos" / "acme__shop.git.trees")
    assert trees.evict(0) and trees.measure() == 0
    wait_until_empty(trees.trash)  # pytest cannot delete it
