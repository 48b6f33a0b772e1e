"""The mirror against a real git server."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.errors import Forbidden, NotFound, Rejected, Unauthorized, Unavailable
from integrations.git.mirror import Mirror
from integrations.git.workspace import Workspace
from integrations.ports.code_host import GitCredentials
from tests.crash.disk import replay_in_namespace, small_disk
from tests.integrations.git.hosting import GitHost, commit, git, sha_of
from tests.support.workspaces import find_file

UNKNOWN = "0123456789abcdef0123456789abcdef01234567"


def test_mirror_fetch_creates_the_mirror_with_its_branches(mirror: Mirror, upstream: Path) -> None:
    assert mirror.head("main") == sha_of(upstream, "rev-parse", "main")


def test_mirror_fetch_updates_commits_and_drops_deleted_branches(mirror: Mirror, upstream: Path) -> None:
    commit(upstream, {"x": b"1"}, branch="topic")
    mirror.fetch("topic")
    git(upstream, "branch", "-D", "topic")
    new = commit(upstream, {"y": b"2"})
    mirror.fetch("topic", "main")
    assert mirror.head("main") == new
    with pytest.raises(NotFound, match=r"no branch topic in acme/shop"):
        mirror.head("topic")


def test_mirror_fetch_keeps_references_of_loopline(mirror: Mirror, tmp_path: Path) -> None:
    base = mirror.head("main")
    git_dir = tmp_path / "repos" / "acme__shop.git"
    git(git_dir, "update-ref", f"refs/loopline/received/{base}", base)
    mirror.fetch("main")
    assert sha_of(git_dir, "rev-parse", f"refs/loopline/received/{base}") == base


def test_mirror_fetch_follows_a_force_pushed_branch(mirror: Mirror, upstream: Path) -> None:
    git(upstream, "update-ref", "-d", "refs/heads/main")
    new = commit(upstream, {"other": b"history"})
    mirror.fetch("main")
    assert mirror.head("main") == new


def test_mirror_fetch_is_shared_by_concurrent_callers(mirror: Mirror, host: GitHost) -> None:
    host.requests.clear()
    host.delay = 0.3
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: mirror.fetch("main"), range(8)))
    advertisements = [request for request in host.requests if "info/refs" in request]
    assert 1 <= len(advertisements) <= 2


def test_mirror_handles_sixteen_parallel_fetches_and_worktrees(
    empty_mirror: Mirror, upstream: Path, tmp_path: Path
) -> None:
    def create(number: int) -> Workspace:
        commit(upstream, {f"file{number}": b"x"}, branch=f"branch{number}")
        empty_mirror.fetch("main", f"branch{number}")
        return empty_mirror.create_workspace(tmp_path / "runs" / str(number), empty_mirror.head("main"))

    with ThreadPoolExecutor(16) as pool:
        workspaces = list(pool.map(create, range(16)))
    assert len({workspace.git for workspace in workspaces}) == 16
    assert all(find_file(workspace, "README.md").read_text() == "hello\n" for workspace in workspaces)


@pytest.mark.parametrize(
    "url", ["file:///etc", "ssh://git@host/x", "ext::sh -c id", "http://example.com/x.git", "/tmp"]
)
def test_mirror_rejects_a_url_that_is_neither_https_nor_loopback(tmp_path: Path, url: str) -> None:
    with pytest.raises(Rejected, match="use https"):
        Mirror(tmp_path / "m.git", url)


def test_mirror_rejects_credentials_in_the_url_without_printing_them(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="acme/shop holds credentials") as caught:
        Mirror(tmp_path / "m.git", "https://x-access-token:hunter2@host/acme/shop.git")
    assert "hunter2" not in str(caught.value)


def test_mirror_fetch_of_a_missing_repository_is_not_found(tmp_path: Path, host: GitHost, upstream: Path) -> None:
    with pytest.raises(NotFound, match="acme/gone"):
        Mirror(tmp_path / "m.git", f"{host.url}/acme/gone.git").fetch("main")


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Forbidden), (404, NotFound)])
def test_mirror_fetch_refused_by_the_code_host_is_not_retryable(
    empty_mirror: Mirror, host: GitHost, status: int, kind: type[Rejected]
) -> None:
    host.status = status
    with pytest.raises(kind):
        empty_mirror.fetch("main")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_mirror_fetch_from_an_overloaded_code_host_is_retryable(
    empty_mirror: Mirror, host: GitHost, status: int
) -> None:
    host.status = status
    with pytest.raises(Unavailable):
        empty_mirror.fetch("main")


def test_mirror_fetch_with_a_refused_connection_is_retryable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Mirror(tmp_path / "m.git", "http://127.0.0.1:1/acme/shop.git").fetch("main")


def test_mirror_fetch_after_a_failure_succeeds(empty_mirror: Mirror, host: GitHost) -> None:
    host.status = 503
    with pytest.raises(Unavailable):
        empty_mirror.fetch("main")
    host.status = 0
    empty_mirror.fetch("main")
    assert empty_mirror.head("main")


def test_mirror_fetches_a_private_repository_with_credentials(tmp_path: Path, host: GitHost, upstream: Path) -> None:
    host.password = "s3cret"
    private = Mirror(tmp_path / "m.git", f"{host.url}/acme/shop.git", GitCredentials("x-access-token", "s3cret"))
    private.fetch("main")
    assert private.head("main")
    with pytest.raises(Unauthorized) as caught:
        Mirror(tmp_path / "n.git", f"{host.url}/acme/shop.git", GitCredentials("x", "wr0ng")).fetch("main")
    assert "wr0ng" not in str(caught.value)


def test_mirror_read_returns_a_file_of_a_commit(mirror: Mirror) -> None:
    assert mirror.read("main", "README.md") == "hello\n"
    assert mirror.read(mirror.head("main"), "src/app.py") == "print('hi')\n"


@pytest.mark.parametrize(
    "path", ["none", "src", "../README.md", "src/", "./README.md", "/etc/passwd", "*", ":(glob)**", ""]
)
def test_mirror_read_returns_none_for_anything_but_a_file(mirror: Mirror, path: str) -> None:
    assert mirror.read("main", path) is None


def test_mirror_files_lists_all_files_or_those_below_folders(mirror: Mirror, upstream: Path) -> None:
    sha = commit(upstream, {"src/b/ü x.py": b"1", "srcs/y": b"2"})
    mirror.fetch("main")
    assert mirror.files(sha) == ["README.md", "src/app.py", "src/b/ü x.py", "srcs/y"]
    assert mirror.files(sha, "src", "none") == ["src/app.py", "src/b/ü x.py"]
    assert mirror.files(sha, "README.md") == ["README.md"]
    assert mirror.files(sha, "../x") == mirror.files(sha, "/etc") == mirror.files(sha, "*.md") == []
    with pytest.raises(NotFound):
        mirror.files(UNKNOWN)


def test_mirror_read_does_not_follow_links(mirror: Mirror, upstream: Path) -> None:
    link = sha_of(upstream, "hash-object", "-w", "--stdin", stdin=b"/etc/passwd")
    tree = sha_of(upstream, "mktree", stdin=f"120000 blob {link}\tAGENTS.md\n".encode())
    head = sha_of(upstream, "commit-tree", tree, "-m", "x")
    git(upstream, "update-ref", "refs/heads/links", head)
    mirror.fetch("links")
    assert mirror.read("links", "AGENTS.md") is None


def test_mirror_read_rejects_large_and_binary_files(mirror: Mirror, upstream: Path) -> None:
    commit(upstream, {"big": b"x" * (2**20 + 1), "binary": b"\xff\xfe"})
    mirror.fetch("main")
    with pytest.raises(Rejected, match="1048577 bytes"):
        mirror.read("main", "big")
    with pytest.raises(Rejected, match="not UTF-8"):
        mirror.read("main", "binary")


@pytest.mark.parametrize("revision", ["main~1", "main^", "main:README.md", "@{-1}", "a b", "x\ny"])
def test_mirror_read_rejects_revision_syntax(mirror: Mirror, revision: str) -> None:
    with pytest.raises(Rejected, match="not a valid branch name"):
        mirror.read(revision, "README.md")


def test_mirror_read_of_an_unknown_revision_is_not_found(mirror: Mirror) -> None:
    with pytest.raises(NotFound, match="acme/shop"):
        mirror.read("nowhere", "README.md")


def test_mirror_changes_and_diff_describe_two_commits(mirror: Mirror, upstream: Path) -> None:
    base = mirror.head("main")
    new = commit(upstream, {"src/app.py": None, "größe.txt": b"1\n"})
    mirror.fetch("main")
    assert [c.path for c in mirror.changes(base, new)] == ["größe.txt", "src/app.py"]
    assert "+1\n" in mirror.diff(base, new, 10_000)
    assert mirror.is_ancestor(base, new)
    assert not mirror.is_ancestor(new, base)


def test_mirror_diff_states_how_many_bytes_were_cut(mirror: Mirror, upstream: Path) -> None:
    base = mirror.head("main")
    new = commit(upstream, {"long": b"line\n" * 1000})
    mirror.fetch("main")
    patch = mirror.diff(base, new, 100)
    assert len(patch) < 200
    assert "bytes cut" in patch


def test_mirror_runs_no_filter_or_textconv_of_the_repository(mirror: Mirror, upstream: Path, tmp_path: Path) -> None:
    base = mirror.head("main")
    new = commit(upstream, {".gitattributes": b"* filter=evil diff=evil\n", "x": b"1"})
    mirror.fetch("main")
    workspace = mirror.create_workspace(tmp_path / "runs" / "1", new)
    assert find_file(workspace, "x").read_text() == "1"
    assert "+1" in mirror.diff(base, new, 10_000)


@pytest.mark.parametrize("shas", [(UNKNOWN, UNKNOWN), ("main", "main"), ("--all", UNKNOWN)])
def test_mirror_is_ancestor_rejects_unknown_commits(mirror: Mirror, shas: tuple[str, str]) -> None:
    with pytest.raises(Rejected):
        mirror.is_ancestor(*shas)


def test_candidate_has_only_the_tree_of_the_agents_commit(mirror: Mirror, upstream: Path, tmp_path: Path) -> None:
    base = mirror.head("main")
    commit(upstream, {"a": b"1"}, message="forged\n\nSigned-off-by: Boss <boss@example.com>")
    tip = commit(upstream, {"b": b"2"})
    mirror.fetch("main")
    made = mirror.write_candidate(tip, base, "ENG-1: title\n\nwhy\n", "Loopline", "bot@example.com", 1_700_000_123)
    git_dir = tmp_path / "repos" / "acme__shop.git"
    shown = git(git_dir, "show", "-s", "--format=%an|%ae|%cn|%at|%P|%T|%B", made).decode()
    tree = sha_of(git_dir, "rev-parse", f"{tip}^{{tree}}")
    assert shown.strip() == f"Loopline|bot@example.com|Loopline|1700000123|{base}|{tree}|ENG-1: title\n\nwhy"
    again = mirror.write_candidate(tip, base, "ENG-1: title\n\nwhy\n", "Loopline", "bot@example.com", 1_700_000_123)
    assert again == made


def test_candidate_without_a_change_is_its_parent(mirror: Mirror) -> None:
    base = mirror.head("main")
    assert mirror.write_candidate(base, base, "m", "a", "e@example.com", 1) == base


def test_mirror_that_does_not_fit_is_rejected_and_leaves_no_partial_pack(
    host: GitHost, upstream: Path, tmp_path: Path
) -> None:
    commit(upstream, {f"big{number}": os.urandom(2**20) for number in range(20)})
    folder, url = tmp_path / "repos" / "acme__shop.git", f"{host.url}/acme/shop.git"
    with pytest.raises(
        Rejected, match=r"mirror of acme/shop needs more than the 16 MiB that .*LOOPLINE_DISK_GIGABYTES"
    ):
        Mirror(folder, url, room=1).fetch("main")
    assert list((folder / "objects" / "pack").glob("tmp_*")) == []
    mirror = Mirror(folder, url, room=100 * 2**20)
    mirror.fetch("main")
    assert mirror.head("main") == sha_of(upstream, "rev-parse", "main")


def test_mirror_fetch_on_a_full_disk_is_retried(
    tmp_path: Path, host: GitHost, upstream: Path, request: pytest.FixtureRequest
) -> None:
    if replay_in_namespace(request):
        return
    commit(upstream, {"big": os.urandom(4 * 2**20)})
    with small_disk(tmp_path / "repos", megabytes=10) as disk:
        mirror = Mirror(disk.folder / "acme__shop.git", f"{host.url}/acme/shop.git")
        disk.fill(leave=2**20)
        with pytest.raises(Unavailable, match="No space left"):
            mirror.fetch("main")
        assert list(disk.folder.rglob("tmp_*")) == []
        disk.free()
        mirror.fetch("main")
        assert mirror.head("main") == sha_of(upstream, "rev-parse", "main")
