"""The commits of a branch with the size of their changes."""

from __future__ import annotations

import time
from pathlib import Path

from integrations.git.mirror import Mirror
from tests.integrations.git.hosting import commit, git


def test_history_has_messages_authors_and_lines_of_new_commits(mirror: Mirror, upstream: Path) -> None:
    before = mirror.head("main")
    sha = commit(upstream, {"src/a.py": b"1\n2\n3\n", "odd\x01.bin": b"\0"}, message="Add a\n\nBecause.")
    mirror.fetch("main")

    newest, older, *_ = mirror.list_commits(mirror.head("main"), 0.0, 10)

    assert (newest.sha, newest.subject, newest.message) == (sha, "Add a", "Add a\n\nBecause.")
    assert sorted(newest.files) == [("odd\x01.bin", 0, 0), ("src/a.py", 3, 0)]
    assert older.sha == before


def test_history_is_bounded_by_number_time_and_path(mirror: Mirror, upstream: Path) -> None:
    commit(upstream, {"src/a.py": b"1\n"})
    commit(upstream, {"b.py": b"1\n"})
    mirror.fetch("main")
    head = mirror.head("main")

    assert len(mirror.list_commits(head, 0.0, 1)) == 1
    assert mirror.list_commits(head, time.time() + 3_600, 10) == []
    assert mirror.list_commits(head, 0.0, 1, "src")[0].files == (("src/a.py", 1, 0),)
    assert mirror.list_commits(head, 0.0, 10, "*") == []


def test_history_reads_messages_that_look_like_its_own_form(mirror: Mirror, upstream: Path) -> None:
    texts = ["\x01" + "a" * 40, "3\t1\tsrc/a.py", "", "-\t-\tx\x01"]
    for number, text in enumerate(texts):
        commit(upstream, {f"{number}.txt": b"1\n"}, message=text)
    mirror.fetch("main")

    found = mirror.list_commits(mirror.head("main"), 0.0, len(texts))

    assert [one.message for one in found] == [text.strip() for text in reversed(texts)]
    assert [one.files for one in found] == [((f"{number}.txt", 1, 0),) for number in (3, 2, 1, 0)]


def test_history_counts_a_merge_as_one_commit(mirror: Mirror, upstream: Path) -> None:
    git(upstream, "update-ref", "refs/heads/topic", "main")
    commit(upstream, {"c.py": b"1\n2\n"}, branch="topic")
    commit(upstream, {"d.py": b"1\n"})
    tree = git(upstream, "merge-tree", "--write-tree", "main", "topic").decode().split()[0]
    merge = git(upstream, "commit-tree", tree, "-p", "main", "-p", "topic", "-m", "Merge topic").decode().strip()
    git(upstream, "update-ref", "refs/heads/main", merge)
    mirror.fetch("main")

    newest = mirror.list_commits(mirror.head("main"), 0.0, 2)

    assert newest[0].sha == merge
    assert newest[0].files == (("c.py", 2, 0),)
