"""Files of Git LFS: fetched through the batch API of the stand-in, content in trees, pointers in commits."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from integrations.errors import NotFound, Rejected, Unavailable
from integrations.git.export import commit_leftovers, export_pack
from integrations.git.lfs_pointer import Pointer, format_pointer
from integrations.git.mirror import Mirror
from integrations.git.tree_policy import TreeLimits
from integrations.git.workspace import Workspace
from integrations.ports.code_host import GitCredentials
from integrations.sandbox.bubblewrap import Sandbox
from integrations.standins.github.server import create_app
from integrations.standins.wire import serve
from integrations.values import CommitSha
from tests.integrations.git.hosting import commit

NAME = "acme/shop"
ATTRIBUTES = b"*.png filter=lfs diff=lfs merge=lfs -text\n"
LOGO, BIG = b"\x89PNG logo\n", os.urandom(300_000)


def pointer(content: bytes) -> bytes:
    return format_pointer(Pointer(hashlib.sha256(content).hexdigest(), len(content)))


@dataclass
class CodeHost:
    """The stand-in of GitHub with one repository, private, and the objects of its Git LFS."""

    home: Path
    url: str
    trees: Path

    @property
    def bare(self) -> Path:
        return self.home / "repositories" / f"{NAME}.git"

    def store(self, content: bytes, under: bytes = b"") -> Path:
        """Put an object into the store, optionally under the id of another content."""
        file = self.home / "lfs" / NAME / hashlib.sha256(under or content).hexdigest()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def commit(self, **files: bytes | None) -> CommitSha:
        named = {
            name.replace("__", "/").replace("_png", ".png").replace("_txt", ".txt"): x for name, x in files.items()
        }
        return CommitSha(commit(self.bare, {".gitattributes": ATTRIBUTES, **named}))

    def mirror(self, *, lfs: bool = True, room: int = 0, token: str = "ghp_bot") -> Mirror:
        folder, credentials = self.trees / "repos" / "acme__shop.git", GitCredentials("x", token)
        return Mirror(folder, f"{self.url}/{NAME}.git", credentials, room, lfs=lfs)

    def fetch(self, sha: CommitSha, **options: int) -> Mirror:
        mirror = self.mirror(**options)
        mirror.fetch("main")
        mirror.fetch_large_files([sha])
        return mirror

    def batches(self) -> int:
        log = requests.get(f"{self.url}/_log", timeout=5).json()
        return sum(entry["operation"].endswith("objects/batch") for entry in log)


@pytest.fixture
def code_host(tmp_path: Path) -> Iterator[CodeHost]:
    files = tmp_path / "files"
    files.mkdir()
    (files / "README.md").write_text("hello\n")
    user = {"login": "bot", "name": "Bot", "email": "bot@acme.test", "token": "ghp_bot", "permissions": {NAME: "read"}}
    seed = {"users": [user], "repositories": [{"name": NAME, "from_folder": str(files)}]}
    app = create_app(tmp_path / "github", seed)
    with serve(app) as served:
        yield CodeHost(tmp_path / "github", served.url, tmp_path)
    app.close()


@pytest.fixture
def sha(code_host: CodeHost) -> CommitSha:
    """A commit with two files of Git LFS, whose objects are on the code host."""
    code_host.store(LOGO)
    code_host.store(BIG)
    return code_host.commit(logo_png=pointer(LOGO), art__big_png=pointer(BIG), a_txt=b"1\n")


def open_workspace(mirror: Mirror, folder: Path, sha: CommitSha, base: str = "") -> Workspace:
    return mirror.create_workspace(folder, sha, CommitSha(base))


def run(sandbox: Sandbox, workspace: Workspace, script: str) -> str:
    return sandbox.run(["bash", "-c", script], workspace, timeout=60).output.decode("latin-1")


def commit_work(sandbox: Sandbox, mirror: Mirror, workspace: Workspace) -> CommitSha:
    """The agent's work as the maker's slice takes it in."""
    base = CommitSha(workspace.base_sha)
    commit_leftovers(sandbox, workspace, "work")
    tip, pack = export_pack(sandbox, workspace, base, 2**26)
    mirror.receive(pack, tip, base, TreeLimits())
    return tip


def test_lfs_files_have_their_content_in_the_tree_and_git_sees_no_change(
    code_host: CodeHost, sha: CommitSha, sandbox: Sandbox, tmp_path: Path
) -> None:
    mirror = code_host.fetch(sha)
    workspace = open_workspace(mirror, tmp_path / "run", sha)
    assert (workspace.lower / "logo.png").read_bytes() == LOGO
    assert (workspace.lower / "art" / "big.png").read_bytes() == BIG
    script = "cat logo.png; git status --porcelain; git add -A; git status --porcelain; git diff HEAD"
    assert run(sandbox, workspace, script) == LOGO.decode("latin-1")
    assert mirror.find_unfetched(sha) == ([], [])


def test_lfs_pointers_of_unchanged_files_stay_the_same_in_the_commit_of_an_agent(
    code_host: CodeHost, sha: CommitSha, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Also of a file that was written again with the same content, and of one that git reset to its pointer."""
    mirror = code_host.fetch(sha)
    workspace = open_workspace(mirror, tmp_path / "run", sha)
    touch = "cp logo.png x && cat x > logo.png && rm x; git checkout -q HEAD -- art/big.png; rm art/big.png"
    reset = "git checkout -q HEAD -- art/big.png; echo 2 > a.txt; git commit -qam mine; echo 3 >> a.txt"
    run(sandbox, workspace, f"git config user.name a; {touch}; {reset}")
    tip = commit_work(sandbox, mirror, workspace)
    assert [change.path for change in mirror.changes(sha, tip)] == ["a.txt"]


@pytest.mark.parametrize(
    ("script", "path"),
    [
        ("echo other > logo.png", "logo.png"),
        ("rm logo.png", "logo.png"),
        ("git mv logo.png b.png", "b.png"),
        ("echo new > new.png", "new.png"),
    ],
)
def test_lfs_file_that_an_agent_changes_is_refused_by_name(
    code_host: CodeHost, sha: CommitSha, sandbox: Sandbox, tmp_path: Path, script: str, path: str
) -> None:
    mirror = code_host.fetch(sha)
    workspace = open_workspace(mirror, tmp_path / "run", sha)
    run(sandbox, workspace, script)
    with pytest.raises(Rejected, match=rf"{path} is a file of Git LFS, which an agent cannot change"):
        commit_work(sandbox, mirror, workspace)


def test_lfs_objects_are_requested_once_and_kept_for_other_commits(
    code_host: CodeHost, sha: CommitSha, tmp_path: Path
) -> None:
    code_host.fetch(sha)
    assert code_host.batches() == 1
    later = code_host.commit(a_txt=b"2\n")
    mirror = code_host.fetch(later)
    assert code_host.batches() == 1
    layer = open_workspace(mirror, tmp_path / "run", later, sha)
    assert (layer.lower_sha, (layer.lower / "logo.png").read_bytes()) == (sha, LOGO)
    code_host.store(b"second")
    moved = code_host.commit(logo_png=pointer(b"second"))
    other = open_workspace(code_host.fetch(moved), tmp_path / "moved", moved, sha)
    assert (other.lower_sha, (other.lower / "logo.png").read_bytes()) == (moved, b"second")


def test_lfs_switch_has_a_base_tree_for_each_position(code_host: CodeHost, sha: CommitSha, tmp_path: Path) -> None:
    off = code_host.mirror(lfs=False)
    off.fetch("main")
    assert (open_workspace(off, tmp_path / "off", sha).lower / "logo.png").read_bytes() == pointer(LOGO)
    assert off.find_unfetched(sha) == ([], ["art/big.png", "logo.png"])
    on = open_workspace(code_host.fetch(sha), tmp_path / "on", sha)
    assert (on.lower / "logo.png").read_bytes() == LOGO
    assert (open_workspace(off, tmp_path / "off", sha).lower / "logo.png").read_bytes() == pointer(LOGO)


def test_lfs_pointer_that_is_empty_old_or_not_filtered_stays_as_it_is(
    code_host: CodeHost, sandbox: Sandbox, tmp_path: Path
) -> None:
    code_host.store(LOGO)
    odd = pointer(LOGO).replace(b"git-lfs.github.com", b"hawser.github.com")
    sha = code_host.commit(logo_png=pointer(LOGO), odd_png=odd, empty_png=b"", docs_txt=pointer(b"not filtered"))
    mirror = code_host.fetch(sha)
    workspace = open_workspace(mirror, tmp_path / "run", sha)
    assert (workspace.lower / "odd.png").read_bytes() == odd
    assert run(sandbox, workspace, "touch *; git status --porcelain") == ""
    assert mirror.find_unfetched(sha) == ([], ["docs.txt", "odd.png"])


def test_lfs_object_that_differs_from_its_pointer_is_never_used(code_host: CodeHost, sha: CommitSha) -> None:
    for wrong in (b"\x89PNG evil\n", LOGO + b"more", b""):
        code_host.store(wrong, under=LOGO)
        with pytest.raises(
            Rejected, match=r"the file logo\.png of Git LFS cannot be fetched: the code host sen(ds|t) "
        ):
            code_host.fetch(sha)
    assert not list(code_host.trees.glob("repos/*.lfs/*/.new-*"))
    code_host.store(LOGO)
    code_host.fetch(sha)


def test_lfs_object_that_the_code_host_does_not_have_is_named_with_its_path_and_the_fix(
    code_host: CodeHost, sha: CommitSha
) -> None:
    shutil.rmtree(code_host.home / "lfs")
    with pytest.raises(Rejected, match=r"art/big\.png of Git LFS .*: the code host does not have it; .*loop\.lfs"):
        code_host.fetch(sha)


def test_lfs_objects_beyond_the_room_on_the_disk_are_not_requested(code_host: CodeHost, sha: CommitSha) -> None:
    with pytest.raises(Rejected, match=r"need 0 MB, and the disk and LOOPLINE_DISK_GIGABYTES leave 0 MB"):
        code_host.fetch(sha, room=200_000)
    assert code_host.batches() == 0


def test_lfs_server_that_is_unavailable_is_waited_for(code_host: CodeHost, sha: CommitSha) -> None:
    fault = {"operation": "POST /{owner}/{repo}.git/info/lfs/objects/batch", "kind": "502", "times": 1}
    requests.post(f"{code_host.url}/_faults", json=fault, timeout=5).raise_for_status()
    with pytest.raises(Unavailable, match="responds with 503 to a request of Git LFS"):
        code_host.fetch(sha)
    code_host.fetch(sha)


def test_lfs_credentials_that_are_refused_are_one_sentence(code_host: CodeHost, sha: CommitSha) -> None:
    code_host.fetch(code_host.commit(logo_png=b"", art__big_png=b""))
    with pytest.raises(Rejected, match="the code host refuses Loopline's credentials for Git LFS") as refused:
        code_host.mirror(token="ghp_wrong").fetch_large_files([sha])
    assert "ghp_wrong" not in str(refused.value)


def test_lfs_configuration_of_another_server_is_not_contacted(code_host: CodeHost, sha: CommitSha) -> None:
    other = CommitSha(commit(code_host.bare, {".lfsconfig": b"[lfs]\n\turl = https://evil.example/lfs\n"}))
    with pytest.raises(Rejected, match=r"its \.lfsconfig names another server, which Loopline does not contact"):
        code_host.fetch(other)
    own = f"[lfs]\n\turl = {code_host.url}/{NAME}.git/info/lfs\n".encode()
    code_host.fetch(CommitSha(commit(code_host.bare, {".lfsconfig": own})))


def test_lfs_tree_without_its_object_is_an_error_and_not_a_pointer(
    code_host: CodeHost, sha: CommitSha, tmp_path: Path
) -> None:
    mirror = code_host.mirror()
    mirror.fetch("main")
    with pytest.raises(NotFound, match=r"of Git LFS is not in the cache of .*: retry the ticket"):
        open_workspace(mirror, tmp_path / "run", sha)


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="Git LFS is not installed")
def test_lfs_filter_makes_the_pointers_of_git_lfs(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)  # Git LFS writes into the repository it runs in
    made = subprocess.run(["git-lfs", "clean"], cwd=tmp_path, input=BIG, capture_output=True, check=True).stdout
    assert made == pointer(BIG)
