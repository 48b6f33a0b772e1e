"""The policy on names, modes, links, sizes and protected paths, as values."""

from __future__ import annotations

import pytest

from integrations.git.tree_policy import (
    FILE,
    GITLINK,
    LINK,
    PROGRAM,
    TreeEntry,
    TreeLimits,
    is_git_twin,
    parse,
    protecting,
    sentence,
    violations,
)  # fmt: skip

LIMITS = TreeLimits(max_files=3, max_blob_bytes=100, max_total_bytes=250)


def faults(path: str | bytes, mode: str = FILE, size: int = 1, target: bytes = b"") -> str:
    raw = path if isinstance(path, bytes) else path.encode()
    return "; ".join(violations([TreeEntry(raw, mode, "0" * 40, size, target)], LIMITS))


@pytest.mark.parametrize(
    "path", ["a", "src/app.py", ".gitignore", "größe", "日本/語", "a b", "x~1", "git", "dot.git", "é"]
)
def test_ordinary_names_pass(path: str) -> None:
    assert faults(path) == ""
    assert faults(path, PROGRAM) == ""


@pytest.mark.parametrize(
    "path",
    [".git/config", "a/.git", ".GIT/x", ".git /x", ".git./x", "git~1/x", "GIT~2", ".g\u200cit/x", "\ufeff.git",
     ".git:x",
     ".git::$INDEX_ALLOCATION/x", ".gitmodules", "a/.GitModules", "gitmod~1", "GI7EBA~1", ".gitmodule\u017f"],
)  # fmt: skip
def test_no_spelling_of_the_git_folder_passes(path: str) -> None:
    assert "another spelling" in faults(path)


@pytest.mark.parametrize(
    ("path", "word"),
    [("../x", "component"), ("a/../b", "component"), ("/etc", "component"), ("a//b", "component"), ("-rf", "option"),
     ("a/--help", "option"), ("a\nb", "invisible"), ("a\u202eb", "invisible"), ("a\\b", "backslash"),
     ("a\x7f", "invisible"),
     ("e\u0301", "normal form"), ("x" * 256, "255 bytes"), ("é" * 128, "255 bytes"), (b"\xff", "UTF-8")],
)  # fmt: skip
def test_dangerous_names_are_refused(path: str | bytes, word: str) -> None:
    assert word in faults(path)


@pytest.mark.parametrize(
    ("mode", "word"), [(GITLINK, "submodule"), ("040000", "mode"), ("100666", "mode"), ("0", "mode")]
)
def test_only_files_programs_and_links_pass(mode: str, word: str) -> None:
    assert word in faults("x", mode)


@pytest.mark.parametrize(
    ("path", "target"),
    [("a", b"b"), ("a", b"./b/c"), ("d/a", b"../b"), ("d/e/a", b"../../x/y"), ("a", b"..."), ("a", b"b/")],
)
def test_links_that_stay_inside_pass(path: str, target: bytes) -> None:
    assert faults(path, LINK, target=target) == ""


@pytest.mark.parametrize(
    ("path", "target"),
    [("a", b"/etc/passwd"), ("a", b".."), ("a", b"../x"), ("d/a", b"../../x"), ("d/a", b".././../x"),
     ("a", b"b/../../x"),
     ("d/a", b"up/../x"), ("a", b""), ("a", b".git/config"), ("d/a", b"../.GIT"), ("a", b"\xff"), ("a", b"b\0c")],
)  # fmt: skip
def test_links_that_leave_or_reach_into_git_are_refused(path: str, target: bytes) -> None:
    assert "link" in faults(path, LINK, target=target)


def test_sizes_and_counts_are_bounded() -> None:
    assert "101 bytes" in faults("x", size=101)
    many = [TreeEntry(f"f{n}".encode(), FILE, size=90) for n in range(4)]
    found = violations(many, LIMITS)
    assert any("4 files" in fault for fault in found)
    assert any("360 bytes" in fault for fault in found)


@pytest.mark.parametrize(
    "path",
    [".github/workflows/ci.yml", ".github/workflows/a/b", ".GitHub/Workflows/x", ".github", ".github/workflows",
     "CODEOWNERS",
     "docs/CODEOWNERS", "workflow.md", "AGENTS.md", "pkg/AGENTS.md", "Claude.md", ".claude/settings.json",
     "pkg/.claude/x",
     ".claude", ".mcp.json", ".env", ".env.local", "app/.env", ".devcontainer/x", ".husky/pre-commit",
     ".gitattributes"],
)  # fmt: skip
def test_protected_paths_are_refused_in_any_case_also_when_removed(path: str) -> None:
    assert "is protected" in faults(path)
    assert "is protected" in faults(path, mode="")


@pytest.mark.parametrize(
    "path", ["workflow.mdx", "github/workflows/x", "env", "src/agents.py", ".github/ISSUE.md", "x.env"]
)
def test_paths_that_only_look_protected_pass(path: str) -> None:
    assert faults(path) == ""


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [("tests/**", "tests/a/b.py", True), ("tests/**", "tests", True), ("tests/**", "my/tests/a", False),
     ("*.lock", "a/b.lock", True),
     ("/ci", "ci", True), ("/ci", "a/ci", False), ("a/*/c", "a/b/c", True), ("a/*/c", "a/b/b/c", False),
     ("a/**/c", "a/c", True),
     ("a/**/c", "a/x/y/c", True), ("q?", "qu", True), ("a[b]", "a[b]", True), ("größe/**", "GRO\u0308SSE/x", True)],
)  # fmt: skip
def test_globs(pattern: str, path: str, matches: bool) -> None:
    assert bool(protecting(path, [pattern])) is matches


def test_removing_an_odd_old_file_is_allowed() -> None:
    assert faults("-odd\n", mode="") == ""


def test_raw_output_of_git_is_parsed() -> None:
    raw = b":000000 100644 " + b"0" * 40 + b" " + b"1" * 40 + b" A\0a b\0:100644 000000 " + b"1" * 40 + b" " + b"0" * 40
    assert parse(raw + b" D\0x\0") == [TreeEntry(b"a b", FILE, "1" * 40), TreeEntry(b"x", "", "0" * 40)]
    assert parse(b"") == []


def test_the_message_is_short_and_harmless() -> None:
    text = sentence([f"{n}" for n in range(9)])
    assert text == "the change is refused: 0; 1; 2; 3; 4 and 4 more"
    assert "\x1b" not in faults(b"\x1b[31m\xff")
    assert not is_git_twin("gitignore")
