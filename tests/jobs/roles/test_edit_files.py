"""The edit program on files of every kind: line ends, encodings, modes, names, and failures while it writes."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.roles import edit_program
from jobs.roles.edit_program import answer


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


def call(tree: Path, command: str, **arguments: Any) -> tuple[bool, str]:
    reply = answer({"root": str(tree), "limit": 16_000, "command": command, "path": "f", **arguments})
    json.dumps(reply).encode()
    return reply["ok"], reply["text"]


def edit(tree: Path, content: bytes, command: str, **arguments: Any) -> bytes:
    """The bytes of a file with this content after the edit."""
    (tree / "f").write_bytes(content)
    assert call(tree, command, **arguments)[0], call(tree, command, **arguments)[1]
    return (tree / "f").read_bytes()


@pytest.mark.parametrize(
    ("before", "line", "text", "after"),
    [
        (b"a\nb", 0, "x", b"x\na\nb"),
        (b"a\nb", 1, "x\n", b"a\nx\nb"),
        (b"a\nb", 2, "x", b"a\nb\nx"),
        (b"a\nb", 2, "x\n", b"a\nb\nx\n"),
        (b"a\nb\n", 2, "x", b"a\nb\nx\n"),
        (b"a", 0, "x", b"x\na"),
        (b"a", 1, "x", b"a\nx"),
        (b"", 0, "x", b"x\n"),
        (b"\n", 0, "x", b"x\n\n"),
        (b"\n\n\n", 2, "x", b"\n\nx\n\n"),
        (b"a\n", 1, "", b"a\n\n"),
        (b"a\nb\n", 1, "x\n\n", b"a\nx\n\nb\n"),
        (b"a\nb\n", 1, "x\ny\n", b"a\nx\ny\nb\n"),
        (b"a\r\nb", 1, "x\ny", b"a\r\nx\r\ny\r\nb"),
        (b"a\r\nb", 2, "x", b"a\r\nb\r\nx"),
        (b"a\r\nb\r\n", 0, "x", b"x\r\na\r\nb\r\n"),
        (b"a\r\nb\r\n", 1, "x\r\n", b"a\r\nx\r\nb\r\n"),
        (b"a\rb", 1, "x\ny", b"a\rx\ry\rb"),
        (b"a\rb\r", 2, "x", b"a\rb\rx\r"),
        (b"a\r\nb\nc\n", 1, "x", b"a\r\nx\r\nb\nc\n"),
        (b"a\r\nb\nc\n", 2, "x", b"a\r\nb\nx\nc\n"),
        (b"a\nb\r", 2, "x", b"a\nb\r\nx"),
        (b"50%\r100%\nb\n", 1, "x", b"50%\r100%\nx\nb\n"),
        (b"a\x0cb\x0bc\n\xe2\x80\xa8d\xc2\x85e\nf\n", 2, "x", b"a\x0cb\x0bc\n\xe2\x80\xa8d\xc2\x85e\nx\nf\n"),
        (b"\tif x:\n\t\ty  \n", 1, "\tz\t", b"\tif x:\n\tz\t\n\t\ty  \n"),
    ],
)  # fmt: skip
def test_insert_changes_no_other_byte(tree: Path, before: bytes, line: int, text: str, after: bytes) -> None:
    assert edit(tree, before, "insert", insert_line=line, insert_text=text) == after


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\nc", "a\nb", "x\ny\nz", b"x\r\ny\r\nz\r\nc"),
        (b"a\r\nb\r\nc", "a\r\nb", "x\r\ny", b"x\r\ny\r\nc"),
        (b"a\r\nb\r\nc", "b", "x\ny", b"a\r\nx\r\ny\r\nc"),
        (b"a\r\nb\r\nc", "c", "x\ny", b"a\r\nb\r\nx\r\ny"),
        (b"a\r\nb\r\n", "\nb", "\nx", b"a\r\nx\r\n"),
        (b"a\r\nb\r\n", "a\n", "", b"b\r\n"),
        (b"a\rb\rc", "a\nb", "x\ny", b"x\ry\rc"),
        (b"a\r\nb\nc\n", "b\nc", "x\ny", b"a\r\nx\ny\n"),
        (b"a\r\nb\nc\n", "a\nb", "x\ny", b"x\r\ny\nc\n"),
        (b"a\nb", "b", "x\r\n", b"a\nx\r\n"),
        (b"a\nb", "b", "x", b"a\nx"),
        (b"a\x0cb\n", "\x0c", "", b"ab\n"),
        (b"a.b\\d+\n", "a.b\\d+", "\\1\\g<0>", b"\\1\\g<0>\n"),
    ],
)
def test_str_replace_keeps_the_line_ends(tree: Path, before: bytes, old: str, new: str, after: bytes) -> None:
    assert edit(tree, before, "str_replace", old_str=old, new_str=new) == after


@pytest.mark.parametrize(
    ("content", "old", "lines"),
    [(b"a\r\nb\na\nb\n", "a\nb", "1, 3"), (b"aaa", "aa", "1, 1"), (b"x\ra\rx\r", "x", "1, 3")],
)
def test_str_replace_rejects_places_that_look_alike(tree: Path, content: bytes, old: str, lines: str) -> None:
    (tree / "f").write_bytes(content)
    assert f"2 times, in lines {lines}" in call(tree, "str_replace", old_str=old, new_str="x")[1]


CASES = {
    "latin-1": "café\nold\n".encode("latin-1"),
    "windows-1252": "“café”\nold\n".encode("cp1252"),
    "shift-jis": "日本語\nold\n".encode("shift_jis"),
    "utf-16 with a mark": "日本 café\nold\n".encode("utf-16"),
    "utf-16 big-endian": b"\xfe\xff" + "café\r\nold\r\n".encode("utf-16-be"),
    "utf-32 with a mark": "café\nold\n".encode("utf-32"),
    "utf-8 with a mark": "café\nold\n".encode("utf-8-sig"),
    "utf-8 with one bad byte": "日本語 café\n".encode() + b"\xff\nold\n",
    "every byte but NUL": bytes(range(1, 256)) + b"\nold\n",
    "utf-8 that is cut off": "naïve café ".encode() + b"\xe6\x97\nold\n",
}


@pytest.mark.parametrize("name", CASES)
def test_encoding_of_a_file_survives_every_edit(tree: Path, name: str) -> None:
    content = CASES[name]
    (tree / "f").write_bytes(content)
    found, old = edit_program._decode(content), "old"
    assert found
    wide = found.encoding if found.encoding.startswith("utf-") else "latin-1"
    assert edit(tree, content, "str_replace", old_str=old, new_str="new") == content.replace(
        old.encode(wide), "new".encode(wide)
    )
    count = len(call(tree, "view")[1].split("\n[encoding")[0].split("\n"))
    changed = edit(tree, content, "insert", insert_line=count, insert_text="x")
    end = "\r\n" if "\r\n" in found.text and name.startswith("utf-16") else "\n"
    assert changed == content + f"x{end}".encode(wide)
    assert edit(tree, content, "insert", insert_line=0, insert_text="x").startswith(found.mark + "x".encode(wide))


@pytest.mark.parametrize(
    ("name", "seen"), [("latin-1", "café"), ("utf-16 with a mark", "日本 café"), ("utf-8 with a mark", "café")]
)
def test_view_shows_readable_text_and_the_encoding(tree: Path, name: str, seen: str) -> None:
    (tree / "f").write_bytes(CASES[name])
    text = call(tree, "view")[1]
    assert text.startswith(f"     1\t{seen}\n     2\told")
    assert ("[encoding: " in text) is (not name.startswith("utf-8"))


def test_search_finds_text_in_other_encodings(tree: Path) -> None:
    for number, name in enumerate(("latin-1", "utf-16 with a mark", "utf-8 with a mark")):
        (tree / str(number)).write_bytes(CASES[name])
    assert call(tree, "search", path=".", pattern="^.*café$")[1].splitlines() == [
        "0:1: café",
        "1:1: 日本 café",
        "2:1: café",
    ]


def test_text_in_the_encoding_of_the_file_is_written_in_it(tree: Path) -> None:
    assert edit(tree, b"caf\xe9\n", "insert", insert_line=1, insert_text="thé") == b"caf\xe9\nth\xe9\n"
    assert edit(tree, b"caf\xe9\n", "str_replace", old_str="café", new_str="thé") == b"th\xe9\n"


def test_text_that_the_encoding_of_the_file_lacks_is_rejected(tree: Path) -> None:
    (tree / "f").write_bytes(b"caf\xe9\n")
    assert "is in latin-1, which has no '→'" in call(tree, "insert", insert_line=1, insert_text="→")[1]
    assert (tree / "f").read_bytes() == b"caf\xe9\n"


@pytest.mark.parametrize(
    "content", [b"\0", b"PK\x03\x04\0\0", b"\xff\xfea", b"\xff\xfe\x00\xd8", "hi".encode("utf-16-le")]
)
def test_binary_file_is_rejected_and_kept(tree: Path, content: bytes) -> None:
    (tree / "f").write_bytes(content)
    for command, more in (("view", {}), ("insert", {"insert_line": 0, "insert_text": "x"})):
        assert "binary" in call(tree, command, **more)[1]
    assert (tree / "f").read_bytes() == content


@pytest.mark.parametrize("half", ["\ud83d", "\udc80", "a\udfffb"])
@pytest.mark.parametrize("key", ["file_text", "old_str", "new_str", "insert_text", "path", "pattern"])
def test_half_of_a_surrogate_pair_is_rejected(tree: Path, key: str, half: str) -> None:
    (tree / "f").write_text("s\n")
    arguments = {"file_text": "x", "old_str": "s", "new_str": "x", "insert_line": 0, "insert_text": "x", "pattern": "x"}
    command = {"file_text": "create", "insert_text": "insert", "pattern": "search"}.get(key, "str_replace")
    ok, text = call(tree, command, **{**arguments, key: half})
    assert not ok and f"{key} contains" in text and "surrogate" in text
    assert (tree / "f").read_text() == "s\n"


@pytest.mark.parametrize("mode", [0o755, 0o600, 0o664])
def test_mode_and_link_of_a_file_are_kept(tree: Path, mode: int) -> None:
    (tree / "f").write_text("old\n")
    (tree / "f").chmod(mode)
    (tree / "link").symlink_to("f")
    call(tree, "str_replace", path="link", old_str="old", new_str="new")
    call(tree, "insert", path="link", insert_line=0, insert_text="x")
    call(tree, "create", path="link", file_text="y\n")
    assert (tree / "link").is_symlink() and (tree / "f").read_text() == "y\n"
    assert (tree / "f").stat().st_mode & 0o777 == mode
    assert sorted(path.name for path in tree.iterdir()) == ["f", "link"]


def test_new_file_gets_the_mode_of_the_umask(tree: Path) -> None:
    before = os.umask(0o027)
    try:
        call(tree, "create", path="new", file_text="x")
    finally:
        os.umask(before)
    assert (tree / "new").stat().st_mode & 0o777 == 0o640


def run_program(tree: Path, request: dict[str, Any], *wrapper: str, **options: Any) -> dict[str, Any]:
    """Run the program as the sandbox does, in a process of its own."""
    done = subprocess.run(
        [*wrapper, sys.executable, "-I", "-c", Path(edit_program.__file__).read_text()],
        input=json.dumps({"root": str(tree), "limit": 1000, **request}).encode(), capture_output=True, check=True,
        **options,
    )  # fmt: skip
    reply: dict[str, Any] = json.loads(done.stdout)
    return reply


def run_limited(tree: Path, request: dict[str, Any], size: int) -> dict[str, Any]:
    """With a limit on file sizes: writing fails as on a full disk."""
    return run_program(tree, request, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


def run_without_privileges(tree: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Without root's capability to write every file."""
    drop = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    return run_program(tree, request, *drop)


def test_write_that_fails_leaves_the_old_content(tree: Path) -> None:
    (tree / "f").write_text("old\n" * 1000)
    for request in (
        {"command": "create", "path": "f", "file_text": "x" * 100_000},
        {"command": "insert", "path": "f", "insert_line": 1, "insert_text": "x" * 100_000},
        {"command": "create", "path": "new", "file_text": "x" * 100_000},
    ):
        reply = run_limited(tree, request, 5000)
        assert not reply["ok"] and os.strerror(errno.EFBIG) in reply["text"] and request["path"] in reply["text"]
    assert (tree / "f").read_text() == "old\n" * 1000
    assert [path.name for path in tree.iterdir()] == ["f"]


@pytest.mark.parametrize("command", ["view", "str_replace", "insert", "create"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "missing", "below a file", "long"])
def test_path_of_no_regular_file_is_one_sentence(tree: Path, command: str, kind: str) -> None:
    (tree / "folder").mkdir()
    (tree / "file").write_text("x")
    os.mkfifo(tree / "pipe")
    path = {"below a file": "file/x", "long": "n" * 300}.get(kind, kind)
    edits = {"file_text": "x", "old_str": "s", "new_str": "x", "insert_line": 0, "insert_text": "x"}
    ok, text = call(tree, command, path=path, **edits)
    assert ok is ((kind, command) in {("folder", "view"), ("missing", "create")})
    assert ok or (path[:200] in text and "\n" not in text)


def test_file_without_permission_is_one_sentence(tree: Path) -> None:
    request = {"command": "insert", "path": "f", "insert_line": 0, "insert_text": "x"}
    (tree / "f").write_text("old\n")
    (tree / "f").chmod(0o444)
    assert "read-only" in run_without_privileges(tree, request)["text"]
    (tree / "f").chmod(0o644)
    tree.chmod(0o555)
    reply = run_without_privileges(tree, request)
    tree.chmod(0o755)
    assert reply["text"] == "f: Permission denied."


def test_folder_with_odd_names_is_listed_in_one_line_each(tree: Path) -> None:
    for name in (b"caf\xe9", b"a\nb", b"\x1b[31mred", "日本".encode(), b" "):
        Path(os.fsdecode(os.fsencode(tree) + b"/" + name)).write_bytes(b"hit\n")
    listed, found = call(tree, "view", path=".")[1], call(tree, "search", path=".", pattern="hit")[1]
    assert listed.splitlines() == ["\\x1b[31mred", " ", "a\\nb", "caf\\udce9", "日本"]
    assert len(found.splitlines()) == 5


def test_long_listing_and_search_are_bounded(tree: Path) -> None:
    for number in range(3000):
        (tree / f"{number:04}-é").write_text("é" * 400)
    for command, more in (("view", {}), ("search", {"pattern": "é", "max_results": 1000})):
        ok, text = call(tree, command, path=".", **more)
        assert ok and len(text) < 17_000 and text.splitlines()[-1].startswith("[more")


@pytest.mark.parametrize("depth", [100, 3000])
def test_search_reads_deeply_nested_folders(tree: Path, depth: int) -> None:
    script = f"import os\nfor i in range({depth}): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", script], cwd=tree, check=True)
    (tree / "d" / "z").write_text("hit\n")
    assert call(tree, "search", path=".", pattern="hit") == (True, "d/z:1: hit")
    subprocess.run(["rm", "-rf", tree / "d"], check=True)
