"""Merges in the mirror: both sides of every kind of conflict, and nothing of the repository runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.errors import NotFound, Rejected
from integrations.git.merging import MOST_CONFLICTS, Merge
from integrations.git.mirror import Mirror
from integrations.git.tree_policy import TreeLimits
from integrations.values import CommitSha
from tests.integrations.git.hosting import commit, git, sha_of, write_tree

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 3\n"


def branch_off(upstream: Path, files: dict[str, bytes | str | None]) -> str:
    """Our branch with these changes, at the present commit of main."""
    git(upstream, "update-ref", "refs/heads/ours", sha_of(upstream, "rev-parse", "main"))
    return commit(upstream, files, branch="ours", message="our change")


def merge(mirror: Mirror) -> Merge:
    mirror.fetch("main", "ours")
    return mirror.merge(mirror.head("ours"), mirror.head("main"), "Merge main\n", "Loopline", "l@acme.test", 1_700)


def parents_of(tmp_path: Path, sha: str) -> list[str]:
    return sha_of(tmp_path / "repos" / "acme__shop.git", "log", "-1", "--format=%P", sha).split()


def test_merge_of_different_files_is_clean_and_has_both_parents(mirror: Mirror, upstream: Path, tmp_path: Path) -> None:
    ours = branch_off(upstream, {"ours.txt": b"1\n"})
    theirs = commit(upstream, {"theirs.txt": b"2\n"})

    merged = merge(mirror)

    assert merged.conflicts == merged.commits == ()
    assert parents_of(tmp_path, merged.sha) == [ours, theirs]
    assert {"ours.txt", "theirs.txt", "README.md"} <= set(mirror.files(merged.sha))
    assert merge(mirror) == merged


def test_merge_of_one_line_marks_both_sides_with_their_commits(mirror: Mirror, upstream: Path) -> None:
    ours = branch_off(upstream, {"README.md": b"hello from us\n"})
    theirs = commit(upstream, {"README.md": b"hello from them\n"}, message="Greet differently")

    merged = merge(mirror)

    assert [conflict.path for conflict in merged.conflicts] == ["README.md"]
    assert "Merge conflict in README.md" in merged.conflicts[0].text
    assert mirror.read(merged.sha, "README.md") == (
        f"<<<<<<< {ours}\nhello from us\n=======\nhello from them\n>>>>>>> {theirs}\n"
    )
    assert merged.commits == (f"{theirs[:7]} Ann: Greet differently",)


@pytest.mark.parametrize(
    ("before", "our", "their", "expected"),
    [
        pytest.param({"a": b"\0" + b"x" * 99}, {"a": b"\0our"}, {"a": b"\0their"}, "a", id="binary file"),
        pytest.param({"a": b"1\n"}, {"a": b"2\n"}, {"a": None}, "a", id="they deleted our file"),
        pytest.param({"a": b"1\n"}, {"a": None}, {"a": b"2\n"}, "a", id="we deleted their file"),
        pytest.param({}, {"a": b"1\n"}, {"a": b"2\n"}, "a", id="both added"),
        pytest.param({}, {"a": b"1\n"}, {"a/b": b"2\n"}, "a~", id="file and folder"),
        pytest.param(
            {"a": b"1\n2\n3\n4\n"}, {"a": None, "b": b"1\n2\n3\n4\n"}, {"a": None, "c": b"1\n2\n3\n4\n"}, "a",
            id="renamed differently",
        ),
    ],
)  # fmt: skip
def test_merge_lists_each_kind_of_conflict(
    mirror: Mirror, upstream: Path, before: dict[str, bytes], our: dict[str, bytes | None],
    their: dict[str, bytes | None], expected: str,
) -> None:  # fmt: skip
    commit(upstream, before)
    branch_off(upstream, dict(our))
    commit(upstream, dict(their))

    conflicts = merge(mirror).conflicts

    assert [c for c in conflicts if c.path.startswith(expected) and c.text and not c.is_outside]


def test_merge_keeps_both_sides_of_a_rename_and_an_edit(mirror: Mirror, upstream: Path) -> None:
    text = b"".join(b"line %d\n" % n for n in range(20))
    commit(upstream, {"old.txt": text})
    branch_off(upstream, {"old.txt": None, "new.txt": text})
    commit(upstream, {"old.txt": text + b"their line\n"})

    merged = merge(mirror)

    assert merged.conflicts == ()
    assert (mirror.read(merged.sha, "new.txt") or "").endswith("their line\n")
    assert mirror.read(merged.sha, "old.txt") is None


def test_merge_keeps_their_mode_beside_our_content(mirror: Mirror, upstream: Path, tmp_path: Path) -> None:
    branch_off(upstream, {"README.md": b"ours\n"})
    tree = sha_of(upstream, "rev-parse", "main^{tree}")
    rows = git(upstream, "ls-tree", tree).decode().splitlines()
    entries = [(r.split()[0], r.split("\t")[1].encode(), r.split()[2]) for r in rows]
    changed = write_tree(upstream, *(("100755" if n == b"README.md" else m, n, s) for m, n, s in entries))
    new = sha_of(upstream, "commit-tree", changed, "-p", "main", "-m", "mode")
    git(upstream, "update-ref", "refs/heads/main", new)

    merged = merge(mirror)

    listed = sha_of(tmp_path / "repos" / "acme__shop.git", "ls-tree", merged.sha, "README.md")
    assert (merged.conflicts, listed[:6], mirror.read(merged.sha, "README.md")) == ((), "100755", "ours\n")


@pytest.mark.parametrize(
    "sides",
    [
        pytest.param(({"lib": "1" * 40}, {"lib": "2" * 40}, {"lib": "3" * 40}), id="submodule"),
        pytest.param(
            ({"big": POINTER % (b"1" * 64)}, {"big": POINTER % (b"2" * 64)}, {"big": POINTER % (b"3" * 64)}), id="lfs"
        ),
        pytest.param(({".gitmodules": b"1\n"}, {".gitmodules": b"2\n"}, {".gitmodules": b"3\n"}), id="their list"),
    ],
)
def test_merge_names_conflicts_outside_the_repository(
    mirror: Mirror, upstream: Path, sides: tuple[dict[str, bytes | str], ...]
) -> None:
    before, our, their = (dict[str, bytes | str | None](side) for side in sides)
    commit(upstream, before)
    branch_off(upstream, our)
    commit(upstream, their)

    (conflict,) = merge(mirror).conflicts

    assert conflict.is_outside


def test_merge_of_very_many_conflicts_lists_some(mirror: Mirror, upstream: Path) -> None:
    commit(upstream, {f"f{n}": b"1\n" for n in range(MOST_CONFLICTS + 5)})
    branch_off(upstream, {f"f{n}": b"2\n" for n in range(MOST_CONFLICTS + 5)})
    commit(upstream, {f"f{n}": b"3\n" for n in range(MOST_CONFLICTS + 5)})

    assert len(merge(mirror).conflicts) == MOST_CONFLICTS


def test_merge_runs_no_driver_that_the_repository_names(mirror: Mirror, upstream: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    attributes = b"* merge=evil filter=evil\n"
    config = f'[merge "evil"]\n\tdriver = touch {mark}\n[filter "evil"]\n\tclean = touch {mark}\n'.encode()
    commit(upstream, {".gitattributes": attributes, ".gitconfig": config, "a": b"1\n"})
    branch_off(upstream, {"a": b"2\n"})
    commit(upstream, {"a": b"3\n"})

    assert [conflict.path for conflict in merge(mirror).conflicts] == ["a"]
    assert not mark.exists()


def test_merge_refuses_histories_without_a_common_commit_and_unknown_commits(mirror: Mirror, upstream: Path) -> None:
    branch_off(upstream, {"a": b"1\n"})
    mirror.fetch("main", "ours")
    ours = mirror.head("ours")
    git(upstream, "update-ref", "-d", "refs/heads/main")
    commit(upstream, {"other": b"history\n"})
    with pytest.raises(Rejected):
        merge(mirror)
    with pytest.raises(NotFound):
        mirror.merge(ours, CommitSha("1" * 40), "x", "Loopline", "l@acme.test", 1)


def test_candidate_of_a_merge_has_the_base_as_its_second_parent(mirror: Mirror, upstream: Path, tmp_path: Path) -> None:
    ours = CommitSha(branch_off(upstream, {"README.md": b"us\n"}))
    theirs = CommitSha(commit(upstream, {"README.md": b"them\n"}))
    merged = merge(mirror)

    sha = mirror.write_candidate(merged.sha, ours, "ENG-1\n", "Loopline", "l@acme.test", 1, theirs)

    assert parents_of(tmp_path, sha) == [ours, theirs]
    assert mirror.merge_base(sha, theirs) == theirs


def test_intake_of_a_merge_checks_the_agents_own_change_only(mirror: Mirror, upstream: Path) -> None:
    """A merged base brings a submodule, which an agent could not add itself."""
    ours = CommitSha(branch_off(upstream, {"a": b"1\n"}))
    commit(upstream, {"lib": "1" * 40})
    merged = merge(mirror)
    main = mirror.head("main")

    with pytest.raises(Rejected, match="lib is a submodule"):
        mirror.receive(b"", merged.sha, ours, TreeLimits())
    mirror.receive(b"", merged.sha, ours, TreeLimits(), main)

    evil = commit(upstream, {"lib": "2" * 40}, branch="ours")
    mirror.fetch("ours")
    with pytest.raises(Rejected, match="lib is a submodule"):
        mirror.receive(b"", CommitSha(evil), ours, TreeLimits(), main)
