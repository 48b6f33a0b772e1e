"""Submodules and files of Git LFS are found before a checkout lacks their content."""

from __future__ import annotations

from pathlib import Path

from integrations.git.mirror import Mirror
from integrations.values import CommitSha
from tests.integrations.git.hosting import commit, git, sha_of

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"


def test_unfetched_content_of_an_ordinary_commit_is_none(mirror: Mirror) -> None:
    assert mirror.find_unfetched(mirror.head("main")) == ([], [])


def test_unfetched_files_of_git_lfs_are_pointers_in_a_repository_that_uses_it(mirror: Mirror, upstream: Path) -> None:
    plain = CommitSha(commit(upstream, {"docs/pointer.txt": POINTER}))
    sha = CommitSha(commit(upstream, {"art/.gitattributes": b"*.png filter=lfs -text\n", "art/a.png": POINTER}))
    mirror.fetch("main")

    assert mirror.find_unfetched(plain) == ([], [])  # nothing in this commit uses Git LFS
    assert mirror.find_unfetched(sha) == ([], ["art/a.png", "docs/pointer.txt"])


def test_unfetched_submodules_are_found_by_their_entry(mirror: Mirror, upstream: Path) -> None:
    head = sha_of(upstream, "rev-parse", "main")
    tree = sha_of(upstream, "mktree", "--missing", stdin=f"160000 commit {'1' * 40}\trates\n".encode())
    sha = CommitSha(sha_of(upstream, "commit-tree", tree, "-p", head, "-m", "submodule"))
    git(upstream, "update-ref", "refs/heads/main", sha)
    mirror.fetch("main")

    assert mirror.find_unfetched(sha) == (["rates"], [])
