"""Instructions and skills as they are read from a real repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.git.mirror import Mirror
from jobs.roles.instructions import MAX_INSTRUCTIONS, read_instructions
from tests.integrations.git.hosting import GitHost, commit, git, sha_of


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GitHost]:
    with GitHost(tmp_path / "host") as host:
        yield host


@pytest.fixture
def upstream(host: GitHost) -> Path:
    return host.create("acme/shop")


@pytest.fixture
def mirror(host: GitHost, upstream: Path, tmp_path: Path) -> Mirror:
    return Mirror(tmp_path / "repos" / "acme__shop.git", f"{host.url}/acme/shop.git")


def skill(words: str) -> bytes:
    return f"---\ndescription: {words}\n---\nText of {words}.\n".encode()


def test_skills_of_all_three_folders_are_read_and_the_first_name_wins(mirror: Mirror, upstream: Path) -> None:
    files = {f".{vendor}/skills/{name}/SKILL.md": skill(f"{vendor} {name}") for vendor, name in
             (("codex", "b"), ("codex", "a"), ("claude", "a"), ("agents", "a"), ("claude", "c"))}  # fmt: skip
    sha = commit(upstream, files | {"skills/d/SKILL.md": skill("bare"), ".claude/skills/c/x/SKILL.md": skill("deep")})
    mirror.fetch("main")

    found = [(s.name, s.description) for s in read_instructions(mirror, sha).skills]
    assert found == [("a", "agents a"), ("c", "claude c"), ("b", "codex b")]


def test_instructions_that_are_unreadable_are_skipped(mirror: Mirror, upstream: Path) -> None:
    broken = {"a": b"---\nname: [\n---\n", "b": b"x" * (2**20 + 1), "c": b"\xff\xfe---", "d": skill("good")}
    sha = commit(upstream, {f".agents/skills/{name}/SKILL.md": text for name, text in broken.items()})
    mirror.fetch("main")

    assert [s.name for s in read_instructions(mirror, sha).skills] == ["d"]


def test_skills_that_are_links_are_ignored(mirror: Mirror, upstream: Path) -> None:
    blob = sha_of(upstream, "hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
    tree = f"100644 blob {blob}\tx\n120000 blob {blob}\tSKILL.md\n"
    for name in ("evil", "skills", ".agents"):
        tree = f"040000 tree {sha_of(upstream, 'mktree', stdin=tree.encode())}\t{name}\n"
    root = sha_of(upstream, "mktree", stdin=tree.encode())
    git(upstream, "update-ref", "refs/heads/links", sha_of(upstream, "commit-tree", root, "-m", "links"))
    mirror.fetch("links")

    assert read_instructions(mirror, mirror.head("links")).skills == ()
    assert mirror.files(mirror.head("links"), ".agents") == [".agents/skills/evil/x"]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, ""),
        ({"CLAUDE.md": b"c"}, "c"),
        ({"CLAUDE.md": b"c", "AGENTS.md": b"a"}, "a"),
        ({"CLAUDE.md": b"c", "AGENTS.md": b"\xff"}, "c"),
        ({"AGENTS.md": b"a" * 50_000}, "a" * MAX_INSTRUCTIONS),
    ],
)
def test_instructions_are_the_first_file_found(
    mirror: Mirror, upstream: Path, files: dict[str, bytes], text: str
) -> None:
    sha = commit(upstream, {"z": b"1", **files})
    mirror.fetch("main")

    assert read_instructions(mirror, sha).text == text
