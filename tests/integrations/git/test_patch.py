"""The patch that agents read: bounded for lock files, assets and thousands of generated files (case 35)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from integrations.git.mirror import Mirror
from integrations.values import CommitSha
from tests.integrations.git.hosting import GitHost, commit

Change = Callable[[Mapping[str, bytes]], tuple[Mirror, CommitSha, CommitSha]]
ODD = ('a "quoted" name.py', "a*b?[c].py", "tab\there.py", "ünïcode.py", "end .py", "back\\slash.py", "!x.py", "#x.py")


@pytest.fixture
def change(tmp_path: Path) -> Iterator[Change]:
    """Makes a mirror with a commit of these files on a base commit."""
    with GitHost(tmp_path / "host") as host:

        def make(files: Mapping[str, bytes]) -> tuple[Mirror, CommitSha, CommitSha]:
            bare = host.create("acme/shop")
            base = commit(bare, {"app.py": b"x = 1\n", "lib/package-lock.json": b"{}\n"})
            head = commit(bare, {"app.py": b"x = 2\n", **files})
            mirror = Mirror(tmp_path / "m.git", f"{host.url}/acme/shop.git")
            mirror.fetch("main")
            return mirror, CommitSha(base), CommitSha(head)

        yield make


def test_patch_lists_a_large_file_without_its_lines(change: Change) -> None:
    mirror, base, head = change({"lib/package-lock.json": b'{"version": "1.0.0"}\n' * 300_000})
    patch = mirror.diff(base, head, 60_000)

    assert "+x = 2" in patch and "package-lock.json | Bin 3 -> 6300000 bytes" in patch
    assert len(patch) < 1_000 and '+{"version"' not in patch


def test_patch_leaves_out_the_lines_of_files_that_are_named(change: Change) -> None:
    mirror, base, head = change(dict.fromkeys(ODD, b"secret line\n"))

    assert mirror.diff(base, head, 60_000).count("+secret line") == len(ODD)
    assert "+secret line" not in mirror.diff(base, head, 60_000, ODD)
    assert mirror.diff(base, head, 60_000, ODD[:2]).count("+secret line") == len(ODD) - 2


def test_patch_shows_the_change_before_a_crowd_of_generated_files(change: Change) -> None:
    mirror, base, head = change({f"a/gen/f{n}.py": f"v = {n}\n".encode() * 60 for n in range(2_000)})
    patch = mirror.diff(base, head, 20_000)

    assert "+x = 2" in patch and patch.index("+x = 2") < patch.index("+v = ")
    assert "2001 files changed" in patch and len(patch) < 21_000 and "bytes cut" in patch


def test_changes_are_read_small_files_first(change: Change) -> None:
    mirror, base, head = change({"a.py": b"a\n" * 2_000, "b.py": b"b\n" * 1_000})
    texts = {one.path: one.after.text for one in mirror.changes(base, head, max_total=5_000) if one.after}

    assert texts["app.py"] == "x = 2\n" and texts["b.py"] and texts["a.py"] is None
