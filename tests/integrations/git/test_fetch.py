"""The mirror fetches single branches: which ones, under any name, and from a code host that answers oddly."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.errors import IntegrationError, Misconfigured, NotFound, Rejected, Unavailable
from integrations.git.branches import check_name, find_name_conflicts
from integrations.git.failures import classify_failure
from integrations.git.locks import single_flight
from integrations.git.mirror import Mirror
from integrations.ports.code_host import GitCredentials
from tests.integrations.git.hosting import GitHost, commit, git, sha_of

GIT_ANSWER = {"Content-Type": "application/x-git-upload-pack-advertisement"}
SERVICE = b"001e# service=git-upload-pack\n0000"


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    return tmp_path / "repos" / "acme__shop.git"


def test_fetch_leaves_out_other_branches_and_tags(mirror: Mirror, upstream: Path, git_dir: Path) -> None:
    other = commit(upstream, {"x": b"1"}, branch="other")
    git(upstream, "tag", "v1", other)
    commit(upstream, {"y": b"1"})
    mirror.fetch("main")
    assert git(git_dir, "for-each-ref", "--format=%(refname)").split() == [b"refs/remotes/origin/main"]
    with pytest.raises(NotFound):
        mirror.files(other)


def test_fetch_keeps_the_branches_of_other_loops(mirror: Mirror, upstream: Path) -> None:
    one = commit(upstream, {"x": b"1"}, branch="loopline/eng-1")
    mirror.fetch("main", "loopline/eng-1")
    mirror.fetch("main", "loopline/eng-2")
    assert mirror.head("loopline/eng-1") == one


def test_fetch_of_a_missing_branch_still_updates_the_others(mirror: Mirror, upstream: Path) -> None:
    new = commit(upstream, {"y": b"1"})
    mirror.fetch("none", "main", "gone")
    assert mirror.head("main") == new
    with pytest.raises(NotFound, match=r"^there is no branch gone in acme/shop: push it, or check"):
        mirror.head("gone")


def test_fetch_of_a_renamed_default_branch_finds_the_new_one(mirror: Mirror, upstream: Path) -> None:
    git(upstream, "branch", "-m", "main", "trunk")
    mirror.fetch("main", "trunk")
    assert mirror.head("trunk")
    with pytest.raises(NotFound, match="no branch main"):
        mirror.head("main")


@pytest.mark.parametrize("empty", ["new", "emptied"])
def test_fetch_from_an_empty_repository_is_not_found(tmp_path: Path, host: GitHost, empty: str) -> None:
    folder = host.create("acme/empty")
    mirror = Mirror(tmp_path / "m.git", f"{host.url}/acme/empty.git")
    if empty == "emptied":
        mirror.fetch("main")
    git(folder, "update-ref", "-d", "refs/heads/main")
    mirror.fetch("main")
    with pytest.raises(NotFound, match="no branch main in acme/empty"):
        mirror.head("main")


@pytest.mark.parametrize(
    "name",
    ["-x", "HEAD", "FETCH_HEAD", "a" * 40, "Main", "MAIN", "feature/ü", "日本", "x#y", "a@b", "@", "{x}", "it's", "a$b",
     "a;b", "a,b", "%41", "refs/heads/main", "origin/main", "x" * 230, "0"],
)  # fmt: skip
def test_fetch_accepts_every_name_that_git_accepts(mirror: Mirror, upstream: Path, name: str) -> None:
    new = commit(upstream, {"own": name.encode()}, branch="source")
    git(upstream, "update-ref", f"refs/heads/{name}", new)
    mirror.fetch("main", name)
    assert mirror.head(name) == new != mirror.head("main")
    assert mirror.read(new, "own") == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "a:b", "a..b", "a~1", "a^", "a?", "a*", "[a", "a\\b", "@{u}", "/a", "a/", "a//b", ".a", "a/.b",
     "a.", "a.lock", "a.lock/b", "a\0b", "a\nb", "a\x7f", "a\ud800", "x" * 300, "ü" * 130, "a/" * 300 + "a"],
)  # fmt: skip
def test_fetch_rejects_a_name_that_git_refuses(mirror: Mirror, host: GitHost, name: str) -> None:
    host.requests.clear()
    for act in (mirror.fetch, mirror.head, mirror.forget):
        with pytest.raises(Rejected, match="branch name"):
            act(name)
    assert host.requests == []


@pytest.mark.parametrize("name", ["a.b", "a-", "a.lockx", "@a", "a{b}", "a/b.c/d"])
def test_branch_name_check_agrees_with_git(name: str) -> None:
    check_name(name)
    assert subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0


@pytest.mark.parametrize(("old", "new"), [("d", "d/e"), ("d/e", "d"), ("d/e/f", "d"), ("d", "d/e/f")])
def test_fetch_replaces_a_deleted_branch_whose_name_is_a_folder_now(
    mirror: Mirror, upstream: Path, old: str, new: str
) -> None:
    git(upstream, "update-ref", f"refs/heads/{old}", "main")
    mirror.fetch("main", old)
    git(upstream, "update-ref", "-d", f"refs/heads/{old}")
    git(upstream, "update-ref", f"refs/heads/{new}", "main")
    mirror.fetch("main", new)
    assert mirror.head(new) == mirror.head("main")
    with pytest.raises(NotFound):
        mirror.head(old)


def test_name_conflicts_are_parents_and_children() -> None:
    assert find_name_conflicts(["a", "ab", "a/b", "a/b/c", "x"], ["a/b"]) == ["a", "a/b/c"]


def test_fetch_continues_a_mirror_that_holds_all_branches_and_tags(
    mirror: Mirror, upstream: Path, git_dir: Path, tmp_path: Path
) -> None:
    head = mirror.head("main")
    for name in ("heads/main", "heads/other", "heads/a/b", "tags/v1"):
        git(git_dir, "update-ref", f"refs/{name}", head)
    git(git_dir, "update-ref", "-d", "refs/remotes/origin/main")
    new = commit(upstream, {"y": b"1"})
    mirror.fetch("main", "other")
    assert mirror.head("main") == new
    with pytest.raises(NotFound):
        mirror.head("other")
    packed = mirror.create_workspace(tmp_path / "runs" / "1", new).git.joinpath("packed-refs").read_text()
    assert f"{new} refs/heads/main\n{new} refs/remotes/origin/main\n" in packed
    assert "other" not in packed


def test_forget_deletes_the_copy_of_a_branch_only(mirror: Mirror, upstream: Path, tmp_path: Path) -> None:
    commit(upstream, {"x": b"1"}, branch="loopline/eng-1")
    mirror.fetch("main", "loopline/eng-1")
    for _ in range(2):
        mirror.forget("loopline/eng-1")
    assert mirror.head("main")
    with pytest.raises(NotFound):
        mirror.head("loopline/eng-1")
    Mirror(tmp_path / "never.git", "https://offline.invalid/a/b.git").forget("x")
    assert not (tmp_path / "never.git").exists()


def test_fetch_of_different_branches_is_not_shared(mirror: Mirror, host: GitHost, upstream: Path) -> None:
    names = [f"loopline/eng-{number}" for number in range(6)]
    heads = [commit(upstream, {name: b"1"}, branch=name) for name in names]
    host.delay = 0.1
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: mirror.fetch("main", name), names))
    assert [mirror.head(name) for name in names] == heads


@pytest.mark.parametrize("content", ["", "{", "3c1f 12345", '{"boot": "x"}', "[]", '{"boot": 1, "began": 2}', "\0\0"])
def test_single_flight_ignores_a_lock_file_that_was_cut_off(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock").write_text(content)
    calls: list[object] = []
    single_flight(tmp_path / "lock", ["a"], calls.append)
    assert calls == [["a"]]


@pytest.mark.parametrize(
    ("page", "kind", "sentence"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html>\n<p>Sign in</p>\n"), Rejected, "does not answer as git does"),
        ((200, GIT_ANSWER, b"<html>"), Rejected, "does not answer as git does"),
        ((200, GIT_ANSWER, SERVICE + b"001cERR it is being migrated"), Rejected, "being migrated"),
        (
            (301, {"Location": "https://example.com/a.git/info/refs"}, b""),
            Rejected,
            "was moved or the address redirects",
        ),
        ((308, {"Location": "/new/name.git/info/refs"}, b""), Rejected, "was moved or the address redirects"),
        ((410, {}, b""), NotFound, "deleted or renamed"),
        ((451, {}, b""), Rejected, "451"),
        ((504, {}, b""), Unavailable, "504"),
        ((200, GIT_ANSWER, b""), Unavailable, "hung up"),
    ],
)
def test_fetch_from_a_code_host_that_answers_oddly_is_one_sentence(
    mirror: Mirror, host: GitHost, upstream: Path,
    page: tuple[int, dict[str, str], bytes], kind: type[IntegrationError], sentence: str,
) -> None:  # fmt: skip
    host.page = page
    with pytest.raises(kind, match=f"(?s)acme/shop.*{sentence}") as caught:
        mirror.fetch("main")
    assert "\n" not in str(caught.value)
    host.page = None
    new = commit(upstream, {"y": b"1"})
    mirror.fetch("main")
    assert mirror.head("main") == new


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b"{}", b""])
def test_fetch_of_a_page_in_one_line_finds_no_base_branch(mirror: Mirror, host: GitHost, body: bytes) -> None:
    host.page = (200, {"Content-Type": "text/html"}, body)
    mirror.fetch("main", "loopline/eng-1")
    with pytest.raises(NotFound, match="check the default branch and the address"):
        mirror.head("main")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_credentials_do_not_follow_a_redirect(tmp_path: Path, host: GitHost, upstream: Path, status: int) -> None:
    with GitHost(tmp_path / "other") as other:
        other.password = "s3cret"
        other.page = (status, {"Location": f"{host.url}/acme/shop.git/info/refs?service=git-upload-pack"}, b"")
        mirror = Mirror(tmp_path / "m.git", f"{other.url}/acme/shop.git", GitCredentials("x", "s3cret"))
        with pytest.raises(Rejected, match="redirects"):
            mirror.fetch("main")
    assert host.requests == []


def test_fetch_from_a_shallow_repository_is_rejected(tmp_path: Path, host: GitHost, upstream: Path) -> None:
    commit(upstream, {"y": b"1"})
    shallow = tmp_path / "host" / "acme" / "shallow.git"
    git(tmp_path, "clone", "--quiet", "--bare", "--depth=1", f"file://{upstream}", str(shallow))
    with pytest.raises(Rejected, match=r"main of acme/shallow.*shallow clone"):
        Mirror(tmp_path / "m.git", f"{host.url}/acme/shallow.git").fetch("main")


def test_push_to_an_archived_repository_is_rejected() -> None:
    stderr = "remote: This repository was archived so it is read-only.\nfatal: unable to access 'u': error: 403"
    error = classify_failure("git push in a/b", stderr)
    assert type(error) is Misconfigured
    assert "unarchive the repository" in str(error)


def test_fetch_does_not_grow_with_the_branches_of_the_repository(
    mirror: Mirror, host: GitHost, upstream: Path, git_dir: Path
) -> None:
    head = sha_of(upstream, "rev-parse", "main")
    lines = "".join(f"{head} refs/heads/b{number:05}\n{head} refs/tags/t{number:05}\n" for number in range(20_000))
    (upstream / "packed-refs").write_text(f"# pack-refs with: peeled fully-peeled \n{lines}")
    host.sent = 0
    mirror.fetch("main")
    assert 0 < host.sent < 10_000
