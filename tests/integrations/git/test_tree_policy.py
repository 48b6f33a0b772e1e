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
    find_protecting_pattern,
    find_violations,
    format_violations,
    is_git_alias,
    parse_raw_diff,
)  # fmt: skip

LIMITS = TreeLimits(max_files=3, max_blob_bytes=100, max_total_bytes=250)


def faults(path: str | bytes, mode: str = FILE, size: int = 1, target: bytes = b"") -> str:
    raw = path if isinstance(path, bytes) else path.encode()
    return "; ".join(find_violations([TreeEntry(raw, mode, "0" * 40, size, target)], LIMITS))


@pytest.mark.parametrize(
    "path", ["a", "src/app.py", ".gitignore", "größe", "日本/語", "a b", "x~1", "git", "dot.git", "é"]
)
def test_tree_policy_allows_ordinary_names(path: str) -> None:
    assert faults(path) == ""
    assert faults(path, PROGRAM) == ""


@pytest.mark.parametrize(
    "path",
    [".git/config", "a/.git", ".GIT/x", ".git /x", ".git./x", "git~1/x", "GIT~2", ".g\u200cit/x", "\ufeff.git",
     ".git:x",
     ".git::$INDEX_ALLOCATION/x", ".gitmodules", "a/.GitModules", "gitmod~1", "GI7EBA~1", ".gitmodule\u017f"],
)  # fmt: skip
def test_tree_policy_rejects_every_spelling_of_the_git_folder(path: str) -> None:
    assert "another spelling" in faults(path)


@pytest.mark.parametrize(
    ("path", "fault"),
    [("../x", "component"), ("a/../b", "component"), ("/etc", "component"), ("a//b", "component"), ("-rf", "option"),
     ("a/--help", "option"), ("a\nb", "invisible"), ("a\u202eb", "invisible"), ("a\\b", "backslash"),
     ("a\x7f", "invisible"),
     ("e\u0301", "normal form"), ("x" * 256, "255 bytes"), ("é" * 128, "255 bytes"), (b"\xff", "UTF-8")],
)  # fmt: skip
def test_tree_policy_rejects_dangerous_names(path: str | bytes, fault: str) -> None:
    assert fault in faults(path)


@pytest.mark.parametrize(
    ("mode", "fault"), [(GITLINK, "submodule"), ("040000", "mode"), ("100666", "mode"), ("0", "mode")]
)
def test_tree_policy_rejects_modes_other_than_file_program_and_link(mode: str, fault: str) -> None:
    assert fault in faults("x", mode)


@pytest.mark.parametrize(
    ("path", "target"),
    [("a", b"b"), ("a", b"./b/c"), ("d/a", b"../b"), ("d/e/a", b"../../x/y"), ("a", b"..."), ("a", b"b/")],
)
def test_tree_policy_allows_links_inside_the_repository(path: str, target: bytes) -> None:
    assert faults(path, LINK, target=target) == ""


@pytest.mark.parametrize(
    ("path", "target"),
    [("a", b"/etc/passwd"), ("a", b".."), ("a", b"../x"), ("d/a", b"../../x"), ("d/a", b".././../x"),
     ("a", b"b/../../x"),
     ("d/a", b"up/../x"), ("a", b""), ("a", b".git/config"), ("d/a", b"../.GIT"), ("a", b"\xff"), ("a", b"b\0c")],
)  # fmt: skip
def test_tree_policy_rejects_links_out_of_the_repository_or_into_git(path: str, target: bytes) -> None:
    assert "link" in faults(path, LINK, target=target)


def test_tree_policy_limits_sizes_and_counts() -> None:
    assert "101 bytes" in faults("x", size=101)
    many = [TreeEntry(f"f{n}".encode(), FILE, size=90) for n in range(4)]
    found = find_violations(many, LIMITS)
    assert any("4 files" in fault for fault in found)
    assert any("360 bytes" in fault for fault in found)


def test_tree_policy_never_allows_a_change_of_a_submodule_or_of_its_list() -> None:
    removed = TreeEntry(b"vendor/rates", "", old_mode=GITLINK)
    replaced = TreeEntry(b"vendor/rates", FILE, old_mode=GITLINK)
    for entry in (removed, replaced, TreeEntry(b".gitmodules", "", old_mode=FILE), TreeEntry(b".gitmodules", FILE)):
        assert "submodule" in "; ".join(find_violations([entry], LIMITS)), entry


def test_tree_policy_never_allows_a_change_of_a_file_of_git_lfs() -> None:
    assert "Git LFS" in "; ".join(find_violations([TreeEntry(b"logo.png", FILE, pointer=True)], LIMITS))


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [("tests/**", "tests/a/b.py", True), ("tests/**", "tests", True), ("tests/**", "my/tests/a", False),
     ("*.lock", "a/b.lock", True),
     ("/ci", "ci", True), ("/ci", "a/ci", False), ("a/*/c", "a/b/c", True), ("a/*/c", "a/b/b/c", False),
     ("a/**/c", "a/c", True),
     ("a/**/c", "a/x/y/c", True), ("q?", "qu", True), ("a[b]", "a[b]", True), ("größe/**", "GRO\u0308SSE/x", True),
     ("**", "a", True), ("**", "a/b", True), ("a/**/**", "a/b/c", True), ("*a*b*", "xaxbx", True),
     ("*a*b", "xbxa", False)],
)  # fmt: skip
def test_tree_policy_globs_match_like_gitignore(pattern: str, path: str, matches: bool) -> None:
    assert bool(find_protecting_pattern(path, [pattern])) is matches


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 100 + "b", "a" * 4000),
        ("**/a/" * 60 + "b", "a/" * 2000 + "c"),
        ("**/*a*a/" * 30 + "b", "aaa/" * 900 + "c"),
    ],
    ids=["stars", "folders", "both"],
)
def test_tree_policy_globs_take_no_exponential_time(pattern: str, path: str) -> None:
    assert not find_protecting_pattern(path, [pattern])


def test_tree_policy_allows_removal_of_a_file_with_a_bad_name() -> None:
    assert faults("-odd\n", mode="") == ""


def test_tree_policy_parses_raw_diff_output() -> None:
    raw = b":000000 100644 " + b"0" * 40 + b" " + b"1" * 40 + b" A\0a b\0:100644 000000 " + b"1" * 40 + b" " + b"0" * 40
    none = "0" * 40
    assert parse_raw_diff(raw + b" D\0x\0") == [
        TreeEntry(b"a b", FILE, "1" * 40, old_mode="000000", old_sha=none),
        TreeEntry(b"x", "", none, old_mode=FILE, old_sha="1" * 40),
    ]
    assert parse_raw_diff(b"") == []


def test_tree_policy_message_is_short_and_printable() -> None:
    text = format_violations([f"{n}" for n in range(9)])
    assert text == "the change is refused: 0; 1; 2; 3; 4 and 4 more"
    assert "\x1b" not in faults(b"\x1b[31m\xff")
    assert not is_git_alias("gitignore")
