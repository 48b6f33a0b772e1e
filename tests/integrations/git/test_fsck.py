"""Defective objects on the code host: those that only offend are fetched, those that can do harm stop their branch."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from integrations.errors import Rejected, Unavailable
from integrations.git import fsck, repository
from integrations.git.failures import classify_failure
from integrations.git.mirror import Mirror
from integrations.git.tree_policy import TreeLimits
from tests.integrations.git.hosting import commit, git, sha_of, write_object, write_tree

ANN = b"Ann <ann@example.com> 1700000000 +0000"
FILE, FOLDER, LINK = "100644", "40000", "120000"
SUBMODULE = b'[submodule "%s"]\n\tpath = %s\n\turl = %s\n'
TOLERATED_HEADERS = {
    "missingEmail": {"author": b"Ann 1700000000 +0000"},
    "badEmail": {"author": b"Ann <a<b> 1700000000 +0000"},
    "missingNameBeforeEmail": {"author": b"<a@b.c> 1700000000 +0000"},
    "badName": {"author": b"An>n <a@b.c> 1700000000 +0000"},
    "missingSpaceBeforeEmail": {"author": b"Ann<a@b.c> 1700000000 +0000"},
    "missingSpaceBeforeDate": {"author": b"Ann <a@b.c>1700000000 +0000"},
    "zeroPaddedDate": {"author": b"Ann <a@b.c> 01700000000 +0000"},
    "badDate": {"author": b"Ann <a@b.c> soon +0000"},
    "badDateOverflow": {"author": b"Ann <a@b.c> 99999999999999999999999 +0000"},
    "badTimezone": {"author": b"Ann <a@b.c> 1700000000 +0000000"},
    "multipleAuthors": {"author": ANN + b"\nauthor " + ANN},
    "extraHeaderEntry": {"committer": ANN + b"\nodd thing"},
    "nulInCommit": {"message": b"a\0b"},
    "latin-1 author": {"author": b"Andr\xe9 <a@b.c> 1700000000 +0000"},
}
STRICT = sorted(TOLERATED_HEADERS.keys() - {"latin-1 author", "extraHeaderEntry"})  # git's checks ignore these two
TOLERATED_TREES: dict[str, list[tuple[str, bytes, str | bytes]]] = {
    "zeroPaddedFilemode": [("0100644", b"a", b"x\n")],
    "badFilemode": [("100666", b"a", b"x\n")],
    "gitattributesLineLength": [(FILE, b".gitattributes", b"a" * 3000 + b" text\n")],
    "gitattributesBlob": [(FOLDER, b".gitattributes", "tree")],
    "gitattributesSymlink": [(LINK, b".gitattributes", b"/etc/passwd")],
    "gitignoreSymlink": [(LINK, b".gitignore", b"/etc/passwd")],
    "mailmapSymlink": [(LINK, b".mailmap", b"/etc/passwd")],
    "gitmodulesUrl": [(FILE, b".gitmodules", SUBMODULE % (b"a", b"a", b"-x"))],
    "gitmodulesUrl with a line feed": [(FILE, b".gitmodules", SUBMODULE % (b"a", b"a", b'"http://h/%0a.git"'))],
    "gitmodulesParse": [(FILE, b".gitmodules", b"[submodule \n")],
}
REFUSED_TREES: dict[str, list[tuple[str, bytes, str | bytes]]] = {
    "hasDot": [(FOLDER, b".", "tree")],
    "hasDotdot": [(FOLDER, b"..", "tree")],
    "hasDotgit": [(FOLDER, b".git", "tree")],
    "hasDotgit in capitals": [(FOLDER, b".GIT", "tree")],
    "hasDotgit on NTFS": [(FOLDER, b"git~1", "tree")],
    "hasDotgit on HFS+": [(FOLDER, ".g\u200cit".encode(), "tree")],
    "fullPathname": [(FILE, b"a/b", b"x\n")],
    "duplicateEntries": [(FILE, b"a", b"x\n"), (FILE, b"a", b"y\n")],
    "treeNotSorted": [(FILE, b"b", b"x\n"), (FILE, b"a", b"x\n")],
    "gitmodulesName": [(FILE, b".gitmodules", SUBMODULE % (b"../../x", b"a", b"x"))],
    "gitmodulesPath": [(FILE, b".gitmodules", SUBMODULE % (b"a", b"-a", b"x"))],
    "gitmodulesUpdate": [(FILE, b".gitmodules", SUBMODULE % (b"a", b"a", b"x") + b"\tupdate = !touch x\n")],
    "gitmodulesSymlink": [(LINK, b".gitmodules", b"x")],
    "gitmodulesBlob": [(FOLDER, b".gitmodules", "tree")],
}
REFUSED_COMMITS = {
    "nulInHeader": {"author": b"An\0n <a@b.c> 1700000000 +0000"},
    "unterminatedHeader": {"separator": b""},
}


def plant(
    upstream: Path, branch: str, tree: str = "", author: bytes = ANN, committer: bytes = ANN, message: bytes = b"x",
    separator: bytes = b"\n\n",
) -> str:  # fmt: skip
    """Put a commit with these raw parts on top of `branch` (or main)."""
    base = sha_of(upstream, "rev-parse", "main")
    tree = tree or sha_of(upstream, "rev-parse", "main^{tree}")
    head = b"tree %s\nparent %s\nauthor %s\ncommitter %s" % (tree.encode(), base.encode(), author, committer)
    sha = write_object(upstream, "commit", head + separator + (message if separator else b""))
    (upstream / "refs" / "heads" / branch).write_text(f"{sha}\n")
    return sha


def build_tree(upstream: Path, entries: list[tuple[str, bytes, str | bytes]]) -> str:
    inner = sha_of(upstream, "rev-parse", "main^{tree}")
    return write_tree(upstream, *((mode, name, inner if of == "tree" else of) for mode, name, of in entries))


def assert_usable(mirror: Mirror, upstream: Path, base: str, tmp_path: Path) -> None:
    """Every operation works on the head of main."""
    mirror.fetch("main")
    head = mirror.head("main")
    assert head == sha_of(upstream, "rev-parse", "refs/heads/main") != base
    assert isinstance(mirror.files(head), list)
    assert mirror.diff(base, head, 1000) is not None
    assert mirror.is_ancestor(base, head)
    mirror.changes(base, head)
    made = mirror.write_candidate(head, base, "m", "a", "e@example.com", 1)
    for sha in (head, made):
        assert mirror.create_workspace(tmp_path / "runs" / sha, sha).lower.is_dir()


@pytest.mark.parametrize("defect", TOLERATED_HEADERS)
def test_fsck_tolerates_a_defect_of_a_commit(mirror: Mirror, upstream: Path, tmp_path: Path, defect: str) -> None:
    base = mirror.head("main")
    plant(upstream, "main", **TOLERATED_HEADERS[defect])  # type: ignore[arg-type]
    assert_usable(mirror, upstream, base, tmp_path)


@pytest.mark.parametrize("line", [b"author " + ANN + b"\n", b"committer " + ANN + b"\n"])
def test_fsck_tolerates_a_commit_without_author_or_committer(
    mirror: Mirror, upstream: Path, tmp_path: Path, line: bytes
) -> None:
    base = mirror.head("main")
    whole = git(upstream, "cat-file", "commit", plant(upstream, "main"))
    sha = write_object(upstream, "commit", whole.replace(line, b""))
    (upstream / "refs" / "heads" / "main").write_text(f"{sha}\n")
    assert_usable(mirror, upstream, base, tmp_path)


@pytest.mark.parametrize("defect", TOLERATED_TREES)
def test_fsck_tolerates_a_defect_of_a_file(mirror: Mirror, upstream: Path, tmp_path: Path, defect: str) -> None:
    base = mirror.head("main")
    plant(upstream, "main", build_tree(upstream, TOLERATED_TREES[defect]))
    assert_usable(mirror, upstream, base, tmp_path)


@pytest.mark.parametrize("defect", [*REFUSED_TREES, *REFUSED_COMMITS])
def test_fsck_refuses_a_harmful_object_and_names_it(mirror: Mirror, upstream: Path, defect: str) -> None:
    if defect in REFUSED_TREES:
        plant(upstream, "bad", build_tree(upstream, REFUSED_TREES[defect]))
    else:
        plant(upstream, "bad", **REFUSED_COMMITS[defect])  # type: ignore[arg-type]
    sentence = rf"acme/shop.*object [0-9a-f]{{40}}: {defect.split()[0]}: .*rewrite the branch"
    with pytest.raises(Rejected, match=sentence):
        mirror.fetch("bad")
    new = commit(upstream, {"y": b"2"})
    mirror.fetch("main")
    assert mirror.head("main") == new


@pytest.mark.parametrize("defect", [*STRICT, "gitattributesLineLength", "gitmodulesUrl", "zeroPaddedFilemode"])
def test_fsck_tolerates_no_defect_in_the_pack_of_an_agent(mirror: Mirror, upstream: Path, defect: str) -> None:
    base = mirror.head("main")
    if defect in TOLERATED_TREES:
        tip = plant(upstream, "bad", build_tree(upstream, TOLERATED_TREES[defect]))
    else:
        tip = plant(upstream, "bad", **TOLERATED_HEADERS[defect])  # type: ignore[arg-type]
    pack = git(upstream, "pack-objects", "--revs", "--stdout", "-q", stdin=f"{tip}\n^{base}\n".encode())
    with pytest.raises(Rejected, match=defect.split()[0]):
        mirror.receive(pack, tip, base, TreeLimits())


def test_fsck_warning_does_not_hide_the_reason_of_a_failure() -> None:
    stderr = f"warning: object {'1' * 40}: zeroPaddedFilemode: contains zero-padded file modes\nfatal: early EOF"
    assert type(classify_failure("git fetch in a/b", stderr)) is Unavailable


def test_fsck_settings_cover_each_id_of_git_once() -> None:
    assert not fsck.ERRORS.keys() & fsck.WARNINGS.keys()
    manual = subprocess.run(["git", "help", "fsck"], capture_output=True, text=True, check=False).stdout
    known = set(re.findall(r"^ {7}([a-z]+[A-Z]\w*)$", re.sub(".\b", "", manual), re.MULTILINE))
    if not known:
        pytest.skip("this machine has no manual pages of git")
    newer = {"badRefContent", "badRefFiletype", "badRefName", "badReferentName", "badGpgsig", "badHeaderContinuation"}
    about_references = {name for name in known if "ref" in name.lower()}
    assert known - newer - about_references <= fsck.ERRORS.keys() | fsck.WARNINGS.keys()


def test_fsck_setting_that_git_does_not_know_is_skipped(
    mirror: Mirror, upstream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "_SETTINGS", (*repository._SETTINGS, "fetch.fsck.ofTheFuture=warn"))
    new = commit(upstream, {"y": b"2"})
    mirror.fetch("main")
    assert mirror.head("main") == new
