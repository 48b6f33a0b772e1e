"""A mirror that a power loss, a bad disk or a killed git left damaged repairs itself, and other loops continue."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from integrations.errors import NotFound, Rejected, Unavailable
from integrations.git.failures import Damaged
from integrations.git.mirror import Mirror
from integrations.git.workspace import Workspace
from tests.integrations.git.hosting import ENVIRONMENT, GitHost, commit, git, sha_of

TRACKING = "refs/remotes/origin/main"
UNKNOWN = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def git_dir(mirror: Mirror, tmp_path: Path) -> Path:
    return tmp_path / "repos" / "acme__shop.git"


def unpack(git_dir: Path) -> None:
    """Store all objects as loose files."""
    for pack in (git_dir / "objects" / "pack").glob("*.pack"):
        content = pack.read_bytes()
        for file in pack.parent.glob(f"{pack.stem}.*"):
            file.unlink()
        git(git_dir, "unpack-objects", "-q", stdin=content)


def damage_object(git_dir: Path, revision: str, change: Callable[[bytes], bytes | None]) -> None:
    """Replace the stored bytes of an object; None deletes it."""
    sha = sha_of(git_dir, "rev-parse", revision)
    unpack(git_dir)
    file = git_dir / "objects" / sha[:2] / sha[2:]
    content = change(file.read_bytes())
    file.unlink()
    if content is not None:
        file.write_bytes(content)


def replace_by_file(git_dir: Path) -> None:
    shutil.rmtree(git_dir)
    git_dir.write_text("x")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "reference empty": lambda m: (m / TRACKING).write_text(""),
    "reference of NULs": lambda m: (m / TRACKING).write_bytes(b"\0" * 41),
    "reference to a lost commit": lambda m: (m / TRACKING).write_text(f"{UNKNOWN}\n"),
    "newest commit empty": lambda m: damage_object(m, TRACKING, lambda _: b""),
    "newest commit cut off": lambda m: damage_object(m, TRACKING, lambda content: content[:20]),
    "newest commit missing": lambda m: damage_object(m, TRACKING, lambda _: None),
    "packed-refs cut off": lambda m: (m / "packed-refs").write_text(f"{UNKNOWN[:17]}"),
    "packed-refs of NULs": lambda m: (m / "packed-refs").write_bytes(b"\0" * 300),
    "packed-refs missing": lambda m: (m / "packed-refs").unlink(),
    "HEAD empty": lambda m: (m / "HEAD").write_text(""),
    "HEAD missing": lambda m: (m / "HEAD").unlink(),
    "config empty": lambda m: (m / "config").write_text(""),
    "config garbage": lambda m: (m / "config").write_bytes(b"[core\n\xff\0"),
    "config of a newer format": lambda m: git(m, "config", "core.repositoryFormatVersion", "99"),
    "config with an unknown extension": lambda m: git(m, "config", "extensions.unknown", "1"),
    "config that includes itself": lambda m: git(m, "config", "include.path", str(m / "config")),
    "reference to itself": lambda m: (m / TRACKING).write_text(f"ref: {TRACKING}\n"),
    "config missing": lambda m: (m / "config").unlink(),
    "objects missing": lambda m: shutil.rmtree(m / "objects"),
    "refs missing": lambda m: shutil.rmtree(m / "refs"),
    "shallow garbage": lambda m: (m / "shallow").write_text("x"),
    "a file": replace_by_file,
    "missing": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_mirror_that_is_damaged_works_after_the_next_fetch(
    mirror: Mirror, upstream: Path, git_dir: Path, tmp_path: Path, damage: str
) -> None:
    base = mirror.head("main")
    DAMAGES[damage](git_dir)
    new = commit(upstream, {"y": b"1"})
    mirror.fetch("main")
    assert mirror.head("main") == new
    assert mirror.read(new, "README.md") == "hello\n"
    assert mirror.create_workspace(tmp_path / "runs" / "1", base).lower.is_dir()
    git(git_dir, "fsck", "--connectivity-only")
    assert sorted(path.name for path in git_dir.parent.iterdir()) == [
        "acme__shop.git", "acme__shop.git.fetch", "acme__shop.git.lock", "acme__shop.git.trees"
    ]  # fmt: skip


@pytest.mark.parametrize("change", [lambda _: None, lambda _: b"", lambda c: c[:9], lambda c: c[:-3] + b"xyz"])
@pytest.mark.parametrize("revision", [f"{TRACKING}^{{tree}}", f"{TRACKING}:README.md"])
def test_object_that_is_damaged_is_one_sentence_and_the_next_fetch_restores_it(
    mirror: Mirror, git_dir: Path, tmp_path: Path, revision: str, change: Callable[[bytes], bytes | None]
) -> None:
    head = mirror.head("main")
    damage_object(git_dir, revision, change)
    for act in (
        lambda: mirror.read(head, "README.md"),
        lambda: mirror.create_workspace(tmp_path / "runs" / "1", head),
    ):
        with pytest.raises(Damaged, match=r"acme/shop.*retry the ticket, and Loopline fetches the repository again"):
            act()
    mirror.fetch("main")
    assert mirror.read(head, "README.md") == "hello\n"
    assert mirror.create_workspace(tmp_path / "runs" / "1", head).lower.is_dir()


def test_repair_keeps_candidates_that_can_be_read_and_logs_one_line(
    mirror: Mirror, upstream: Path, git_dir: Path
) -> None:
    base = mirror.head("main")
    commit(upstream, {"z": b"1"}, branch="source")
    mirror.fetch("source")
    candidate = mirror.write_candidate(mirror.head("source"), base, "ENG-1", "Loopline", "bot@example.com", 1)
    lost = git_dir / "refs" / "loopline" / "candidate" / UNKNOWN
    lost.write_text(f"{UNKNOWN}\n")
    with capture_logs() as logs:
        mirror.fetch("main")
    (line,) = logs
    assert (line["event"], line["repository"]) == ("mirror was damaged, fetched again", "acme/shop")
    assert (line["references"], line["references_kept"]) == (3, 2)
    assert mirror.head("source")
    assert UNKNOWN in line["reason"]
    assert mirror.read(candidate, "z") == "1"
    assert mirror.is_ancestor(base, candidate)
    mirror.push("loopline/eng-1", candidate, None)


def test_repair_does_not_restore_a_branch_that_was_deleted(mirror: Mirror, upstream: Path, git_dir: Path) -> None:
    kept, gone = (commit(upstream, {name: b"1"}, branch=name) for name in ("kept", "gone"))
    mirror.fetch("kept", "gone")
    git(upstream, "update-ref", "-d", "refs/heads/gone")
    (git_dir / "HEAD").unlink()
    mirror.fetch("main", "gone")
    assert mirror.head("kept") == kept
    assert mirror.files(gone)
    with pytest.raises(NotFound):
        mirror.head("gone")


def test_repair_leaves_the_mirror_while_the_code_host_is_unavailable(
    mirror: Mirror, host: GitHost, git_dir: Path
) -> None:
    (git_dir / TRACKING).write_text("")
    host.status = 503
    for _ in range(2):
        with pytest.raises((Damaged, Unavailable)):
            mirror.fetch("main")
        assert (git_dir / "objects").is_dir()
    host.status = 0
    mirror.fetch("main")
    assert mirror.head("main")


def test_repair_keeps_the_workspaces_of_running_agents(mirror: Mirror, git_dir: Path, workspace: Workspace) -> None:
    (workspace.upper / "work").write_text("in progress")
    (git_dir / "HEAD").unlink()
    mirror.fetch("main")
    again = mirror.create_workspace(workspace.folder, workspace.base_sha)
    assert (again.upper / "work").read_text() == "in progress"
    mirror.remove_workspace(workspace.folder)
    assert not workspace.folder.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [("HEAD", b""), ("HEAD", UNKNOWN.encode() + b"\n"), ("HEAD", b"\0" * 41), ("commondir", b""),
     ("config", b"\xff\xfe"), ("index", b""), ("index.lock", b"")],
)  # fmt: skip
def test_private_git_directory_that_is_damaged_stops_no_other_run(
    mirror: Mirror, upstream: Path, workspace: Workspace, tmp_path: Path, name: str, content: bytes
) -> None:
    (workspace.git / name).write_bytes(content)
    new = commit(upstream, {"y": b"1"})
    mirror.fetch("main")
    other = mirror.create_workspace(tmp_path / "runs" / "ENG-2", new)
    for folder in (workspace.folder, other.folder):
        mirror.remove_workspace(folder)
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\0\0", b'{"sha": "x"}'])
def test_workspace_with_a_damaged_marker_is_replaced(mirror: Mirror, workspace: Workspace, content: bytes) -> None:
    (workspace.folder / "workspace.json").write_bytes(content)
    (workspace.upper / "work").touch()
    assert not (mirror.create_workspace(workspace.folder, workspace.base_sha).upper / "work").exists()


def test_damage_of_one_repository_does_not_concern_another(tmp_path: Path, host: GitHost, mirror: Mirror) -> None:
    host.create("acme/other")
    other = Mirror(tmp_path / "repos" / "acme__other.git", f"{host.url}/acme/other.git")
    other.fetch("main")
    (tmp_path / "repos" / "acme__other.git" / "HEAD").unlink()
    with pytest.raises(Rejected):
        other.head("main")
    assert mirror.head("main")


def make_old(path: Path) -> None:
    path.touch()
    os.utime(path, (1, 1))


@pytest.mark.parametrize("name", [f"{TRACKING}.lock", "packed-refs.lock", "HEAD.lock", "config.lock", "shallow.lock"])
def test_lock_file_of_a_killed_git_is_deleted(mirror: Mirror, upstream: Path, git_dir: Path, name: str) -> None:
    make_old(git_dir / name)
    new = commit(upstream, {"y": b"1"})
    git(upstream, "update-ref", "refs/heads/topic", new)
    mirror.fetch("main", "topic")
    mirror.forget("topic")
    assert mirror.head("main") == new
    assert not (git_dir / name).exists()


def test_lock_file_of_a_living_git_is_kept_and_retried(mirror: Mirror, upstream: Path, git_dir: Path) -> None:
    lock = git_dir / f"{TRACKING}.lock"
    lock.touch()
    commit(upstream, {"y": b"1"})
    with pytest.raises(Unavailable, match="File exists"):
        mirror.fetch("main")
    assert lock.exists()


def test_lock_file_from_a_clock_that_jumped_back_is_deleted(mirror: Mirror, upstream: Path, git_dir: Path) -> None:
    lock = git_dir / f"{TRACKING}.lock"
    lock.touch()
    os.utime(lock, (time.time() + 86_400, time.time() + 86_400))
    commit(upstream, {"y": b"1"})
    mirror.fetch("main")
    assert not lock.exists()


def test_lock_file_of_a_candidate_is_deleted(mirror: Mirror, upstream: Path, git_dir: Path) -> None:
    base, tip = mirror.head("main"), commit(upstream, {"y": b"1"})
    mirror.fetch("main")
    arguments = (tip, base, "m", "a", "e@example.com", 1)
    made = mirror.write_candidate(*arguments)  # type: ignore[arg-type]
    make_old(git_dir / "refs" / "loopline" / "candidate" / f"{made}.lock")
    assert mirror.write_candidate(*arguments) == made  # type: ignore[arg-type]


def test_unfinished_packs_of_a_killed_git_are_deleted(mirror: Mirror, upstream: Path, git_dir: Path) -> None:
    objects = git_dir / "objects"
    (objects / "tmp_objdir-incoming-1").mkdir()
    make_old(objects / "pack" / "tmp_pack_x")
    os.utime(objects / "tmp_objdir-incoming-1", (1, 1))
    (objects / "pack" / "tmp_pack_new").touch()
    commit(upstream, {"y": b"1"})
    mirror.fetch("main")
    assert not (objects / "pack" / "tmp_pack_x").exists()
    assert not (objects / "tmp_objdir-incoming-1").exists()
    assert (objects / "pack" / "tmp_pack_new").exists()


def test_fetch_continues_after_git_was_killed_at_any_moment(
    mirror: Mirror, upstream: Path, git_dir: Path, host: GitHost
) -> None:
    for number in range(6):
        new = commit(upstream, {f"big{number}": os.urandom(300_000)})
        arguments = ["git", "-C", str(git_dir), "fetch", "-q", f"{host.url}/acme/shop.git", f"+main:{TRACKING}"]
        process = subprocess.Popen(arguments, env=ENVIRONMENT, start_new_session=True, stderr=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02 * number)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for lock in git_dir.rglob("*.lock"):
            make_old(lock)
        mirror.fetch("main")
        assert mirror.head("main") == new
    git(git_dir, "fsck", "--connectivity-only")


@pytest.mark.parametrize("depth", [100, 1500, 5000])
def test_workspace_with_deeply_nested_folders_is_removed(mirror: Mirror, workspace: Workspace, depth: int) -> None:
    script = f"for i in range({depth}): os.mkdir('d'); os.chdir('d')"
    subprocess.run(["python3", "-c", f"import os\n{script}\nos.chmod('.', 0)"], cwd=workspace.upper, check=True)
    mirror.remove_workspace(workspace.folder)
    assert list(workspace.folder.parent.iterdir()) == []
