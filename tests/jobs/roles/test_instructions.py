"""Instructions and skills as they are read from a real repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.git.mirror import Mirror
from jobs.roles.instructions import MAX_INSTRUCTIONS, InstructionFile, format_files, read_instructions
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


def test_skills_of_all_folders_are_read_and_the_first_name_wins(mirror: Mirror, upstream: Path) -> None:
    files = {f".{vendor}/skills/{name}/SKILL.md": skill(f"{vendor} {name}") for vendor, name in
             (("codex", "b"), ("codex", "a"), ("claude", "a"), ("agents", "a"), ("claude", "c"))}  # fmt: skip
    plain = {"skills/d/SKILL.md": skill("plain d"), "skills/a/SKILL.md": skill("plain a")}
    deep = {".claude/skills/c/x/SKILL.md": skill("deep"), "x/skills/e/SKILL.md": skill("below a folder")}
    other = {"skills/README.md": b"Of a game.\n", "skills/fireball/SKILL.md": b"Deals 8d6 damage.\n"}
    sha = commit(upstream, files | plain | deep | other)
    mirror.fetch("main")

    found = [(s.name, s.description) for s in read_instructions(mirror, sha).skills]
    assert found == [("a", "agents a"), ("c", "claude c"), ("b", "codex b"), ("d", "plain d")]


def test_skill_names_its_other_files(mirror: Mirror, upstream: Path) -> None:
    folder = "skills/release"
    files = {f"{folder}/{name}": b"x" for name in ("scripts/check.sh", "references/steps.md")}
    sha = commit(upstream, {f"{folder}/SKILL.md": skill("release"), "skills/release-old/x": b"y", **files})
    mirror.fetch("main")

    [found] = read_instructions(mirror, sha).skills
    assert found.files == ("references/steps.md", "scripts/check.sh")


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
        (
            {"AGENTS.md": b"a" * 50_000},
            "a" * MAX_INSTRUCTIONS + f"\n[{50_000 - MAX_INSTRUCTIONS} characters cut: the file is AGENTS.md]",
        ),
    ],
)
def test_instructions_are_the_first_file_found(
    mirror: Mirror, upstream: Path, files: dict[str, bytes], text: str
) -> None:
    sha = commit(upstream, {"z": b"1", **files})
    mirror.fetch("main")

    assert read_instructions(mirror, sha).text == text


NESTED = {
    "AGENTS.md": b"root",
    "CLAUDE.md": b"not read: AGENTS.md is here",
    "web/CLAUDE.md": b"web",
    "web/api/AGENTS.md": b"api",
    "web/api/CLAUDE.md": b"not read: AGENTS.md is here",
    "jobs/AGENTS.md": b"jobs",
}


@pytest.mark.parametrize(
    ("paths", "files"),
    [
        ([], ["AGENTS.md"]),
        (["web/index.html"], ["AGENTS.md", "web/CLAUDE.md"]),
        (["web/api/v1/new/file.py"], ["AGENTS.md", "web/CLAUDE.md", "web/api/AGENTS.md"]),
        (["/workspace/web/api"], ["AGENTS.md", "web/CLAUDE.md", "web/api/AGENTS.md"]),
        (["web/api/a.py", "jobs/b.py"], ["AGENTS.md", "jobs/AGENTS.md", "web/CLAUDE.md", "web/api/AGENTS.md"]),
        (["../web/api/a.py", "jobs/\0", "jobs/./b", "missing/a.py"], ["AGENTS.md"]),
    ],
)
def test_instructions_of_the_folders_on_the_way_to_the_work_are_given(
    mirror: Mirror, upstream: Path, paths: list[str], files: list[str]
) -> None:
    sha = commit(upstream, NESTED)
    mirror.fetch("main")

    found = read_instructions(mirror, sha, paths)
    assert [file.path for file in found.files] == files
    assert found.text.startswith("root") and "not read" not in found.text


def test_instructions_of_a_folder_have_a_heading_and_long_ones_leave_room_for_others() -> None:
    long, short = InstructionFile("AGENTS.md", "r" * 100_000), InstructionFile("a/b/AGENTS.md", "Use tabs.\n")

    text = format_files([long, short])
    assert text.endswith("Instructions for a/b/, from a/b/AGENTS.md:\n\nUse tabs.")
    assert "characters cut: the file is AGENTS.md]" in text and len(text) < MAX_INSTRUCTIONS + 200


def test_instructions_in_a_linked_file_are_those_of_the_regular_one(mirror: Mirror, upstream: Path) -> None:
    target, text = (sha_of(upstream, "hash-object", "-w", "--stdin", stdin=raw) for raw in (b"CLAUDE.md", b"own"))
    tree = f"120000 blob {target}\tAGENTS.md\n100644 blob {text}\tCLAUDE.md\n"
    root = sha_of(upstream, "mktree", stdin=tree.encode())
    git(upstream, "update-ref", "refs/heads/link", sha_of(upstream, "commit-tree", root, "-m", "link"))
    mirror.fetch("link")

    assert [file.path for file in read_instructions(mirror, mirror.head("link")).files] == ["CLAUDE.md"]
