"""Commits from the sandbox, honest and hostile, against the quarantine."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from integrations.errors import Rejected
from integrations.git.export import commit_leftovers, export_pack
from integrations.git.mirror import Mirror
from integrations.git.tree_policy import TreeLimits
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox
from integrations.values import CommitSha
from jobs.roles.edit_program import DRAFT
from tests.integrations.git.hosting import commit, git, sha_of

LIMITS = TreeLimits()
CAP = LIMITS.max_pack_bytes


class Forge:
    """An attacker's repository that can hold any object, also those that git would refuse to write."""

    def __init__(self, folder: Path, mirror: Path, base: str) -> None:
        self.folder, self.base = folder, base
        folder.mkdir()
        git(folder, "init", "-q", "--bare")
        (folder / "objects" / "info" / "alternates").write_text(f"{mirror}/objects\n")

    def blob(self, content: bytes = b"x") -> str:
        return sha_of(self.folder, "hash-object", "-w", "--stdin", stdin=content)

    def tree(self, *entries: tuple[str, bytes, str]) -> str:
        body = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in entries)
        return self._write(b"tree", body)

    def _write(self, kind: bytes, body: bytes) -> str:
        whole = kind + b" %d\0" % len(body) + body
        sha = hashlib.sha1(whole).hexdigest()
        path = self.folder / "objects" / sha[:2] / sha[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(whole))
        return sha

    def commit(self, tree: str, *parents: str) -> str:
        arguments = [argument for parent in parents for argument in ("-p", parent)]
        return sha_of(self.folder, "commit-tree", tree, *arguments, "-m", "evil")

    def over_base(self, *entries: tuple[str, bytes, str]) -> str:
        return self.commit(self.tree(*entries), self.base)

    def pack(self, tip: str) -> bytes:
        """A pack of all objects written so far. Without --revs, because git refuses to walk the worst trees."""
        loose = (self.folder / "objects").glob("[0-9a-f][0-9a-f]/*")
        names = {path.parent.name + path.name for path in loose} | {tip}
        return git(self.folder, "pack-objects", "--stdout", "-q", stdin="".join(f"{n}\n" for n in names).encode())


@pytest.fixture
def git_dir(mirror: Mirror, tmp_path: Path) -> Path:
    return tmp_path / "repos" / "acme__shop.git"


@pytest.fixture
def forge(mirror: Mirror, git_dir: Path, tmp_path: Path) -> Forge:
    return Forge(tmp_path / "forge", git_dir, mirror.head("main"))


def work(sandbox: Sandbox, workspace: Workspace, script: str) -> tuple[str, bytes]:
    result = sandbox.run(["bash", "-ec", script], workspace, timeout=30)
    assert result.exit_code == 0, result.output
    commit_leftovers(sandbox, workspace, "left over")
    return export_pack(sandbox, workspace, workspace.base_sha, CAP)


def test_leftovers_are_committed_without_drafts_of_the_editor(sandbox: Sandbox, workspace: Workspace) -> None:
    script = f"echo half > src/{DRAFT}7; echo half > {DRAFT}8; echo whole > src/new"
    assert sandbox.run(["bash", "-ec", script], workspace, timeout=30).exit_code == 0
    commit_leftovers(sandbox, workspace, "left over")
    listed = sandbox.run(["git", "show", "--name-only", "--format="], workspace, timeout=30).output
    assert listed.split() == [b"src/new"]


def test_export_commits_uncommitted_files_and_receive_imports_them(
    mirror: Mirror, sandbox: Sandbox, workspace: Workspace
) -> None:
    tip, pack = work(sandbox, workspace, "echo 1 > new; rm README.md; echo 2 >> src/app.py; ln -s app.py src/link")
    for _ in range(2):
        mirror.receive(pack, tip, workspace.base_sha, LIMITS)
    assert [c.path for c in mirror.changes(workspace.base_sha, tip)] == ["README.md", "new", "src/app.py", "src/link"]
    assert mirror.read(tip, "new") == "1\n"
    mirror.receive(b"", tip, workspace.base_sha, LIMITS)


def test_export_includes_commits_on_the_agents_own_branch(
    mirror: Mirror, sandbox: Sandbox, workspace: Workspace
) -> None:
    tip, pack = work(sandbox, workspace, "git checkout -qb b; echo 1 > a; git add a; git commit -qm a; echo 2 > b")
    mirror.receive(pack, tip, workspace.base_sha, LIMITS)
    assert [c.path for c in mirror.changes(workspace.base_sha, tip)] == ["a", "b"]


def test_export_without_a_change_is_an_empty_pack(mirror: Mirror, sandbox: Sandbox, workspace: Workspace) -> None:
    assert work(sandbox, workspace, "true") == (workspace.base_sha, b"")
    mirror.receive(b"", workspace.base_sha, workspace.base_sha, LIMITS)


def test_export_skips_ignored_files_and_clears_a_stale_lock(sandbox: Sandbox, workspace: Workspace) -> None:
    tip, _ = work(sandbox, workspace, "echo out > .gitignore; touch out kept $(git rev-parse --git-dir)/index.lock")
    assert tip != workspace.base_sha
    listed = sandbox.run(["git", "show", "--name-only", "--format=%B", tip], workspace, timeout=10).output
    assert listed.decode().split() == ["left", "over", ".gitignore", "kept"]


@pytest.mark.parametrize("lock", ["refs/heads/b.lock", "HEAD.lock", "index.lock/x"])
def test_export_clears_stale_locks_of_the_agents_own_branch(sandbox: Sandbox, workspace: Workspace, lock: str) -> None:
    leave = f'mkdir -p "$(dirname "$(git rev-parse --git-path {lock})")"; touch "$(git rev-parse --git-path {lock})"'
    tip, _ = work(sandbox, workspace, f"git checkout -qb b; {leave}; touch kept")
    assert tip != workspace.base_sha


def test_export_that_takes_too_long_is_reported_as_such(sandbox: Sandbox, workspace: Workspace) -> None:
    sandbox.run(["sh", "-c", 'cd "$(git rev-parse --git-dir)"; rm index; mkfifo index'], workspace, timeout=30)
    with pytest.raises(Rejected, match="committing the agent's files failed: it was killed after 1 s"):
        commit_leftovers(sandbox, workspace, "left over", timeout=1)


def test_receive_accepts_a_pack_file(mirror: Mirror, sandbox: Sandbox, workspace: Workspace, tmp_path: Path) -> None:
    tip, pack = work(sandbox, workspace, "touch a")
    (tmp_path / "p.pack").write_bytes(pack)
    mirror.receive(tmp_path / "p.pack", tip, workspace.base_sha, LIMITS)
    assert mirror.read(tip, "a") == ""


def test_export_rejects_a_pack_above_the_limit(sandbox: Sandbox, workspace: Workspace) -> None:
    commit = "head -c 300000 /dev/urandom > big; git add big; git commit -qm big"
    assert sandbox.run(["sh", "-c", commit], workspace, timeout=30).exit_code == 0
    with pytest.raises(Rejected, match="more than the 100000 bytes"):
        export_pack(sandbox, workspace, workspace.base_sha, 100_000)


@pytest.mark.parametrize("plant", ["rm -f $A/HEAD", "echo evil > $A/HEAD", "echo 'ref: refs/heads/none' > $A/HEAD"])
def test_export_rejects_a_broken_head(sandbox: Sandbox, workspace: Workspace, plant: str) -> None:
    sandbox.run(["sh", "-c", plant.replace("$A", "/run/git")], workspace, timeout=10)
    with pytest.raises(Rejected):
        export_pack(sandbox, workspace, workspace.base_sha, CAP)


def test_receive_rejects_a_nested_repository(mirror: Mirror, sandbox: Sandbox, workspace: Workspace) -> None:
    nested = "git init -q sub; cd sub; touch f; git add f; git commit -qm f"
    tip, pack = work(sandbox, workspace, nested)
    with pytest.raises(Rejected, match="sub is a submodule or a nested repository"):
        mirror.receive(pack, tip, workspace.base_sha, LIMITS)


PLANTS = """
printf '#!/bin/sh\\ntouch $MARKER\\n' > evil; chmod +x evil
printf '* filter=f diff=f merge=f\\n' | tee .gitattributes > sub.attributes
git init -q --bare bare; git init -q sub; cp .gitattributes sub; touch sub/file
for config in bare/config sub/.git/config $ADMIN/config.worktree; do
    for line in core.fsmonitor core.sshCommand filter.f.clean filter.f.smudge diff.f.command diff.f.textconv \
        merge.f.driver gpg.program; do git config -f $config $line $PWD/evil; done
    git config -f $config core.hooksPath $PWD; git config -f $config extensions.worktreeConfig true
done
for hook in pre-commit post-checkout post-index-change reference-transaction; do
    cp evil $hook; cp evil $ADMIN/$hook; cp evil sub/.git/hooks/$hook
done
echo $PWD/sub/.git > $ADMIN/commondir; echo planted
"""


def test_mirror_runs_nothing_that_is_planted_in_a_worktree(
    mirror: Mirror, sandbox: Sandbox, workspace: Workspace, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    script = PLANTS.replace("$MARKER", str(marker)).replace("$ADMIN", "/run/git")
    assert sandbox.run(["bash", "-ec", script], workspace, timeout=30).output.endswith(b"planted\n")
    mirror.fetch("main")
    mirror.create_workspace(workspace.folder, workspace.base_sha)
    mirror.create_workspace(tmp_path / "runs" / "2", workspace.base_sha)
    mirror.diff(workspace.base_sha, workspace.base_sha, 100)
    mirror.remove_workspace(workspace.folder)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "mode"),
    [(b".git", "40000"), (b".GIT", "40000"), (b"..", "40000"), (b".", "40000"), (b"git~1", "40000"),
     (b".gitmodules", "100644"),
     (b".g\xe2\x80\x8cit", "40000"), (b"a\nb", "100644"), (b"-rf", "100644"), (b"\xff", "100644"), (b"sub", "160000"),
     (b"a/b", "100644"), (b"", "100644"), (b"x", "0")],
)  # fmt: skip
def test_receive_rejects_hostile_trees_and_changes_nothing(
    mirror: Mirror, forge: Forge, git_dir: Path, name: bytes, mode: str
) -> None:
    inner = forge.tree(("40000", b"workflows", forge.tree(("100644", b"ci.yml", forge.blob()))))
    sha = {"40000": inner, "160000": forge.base}.get(mode, forge.blob())
    tip = forge.over_base((mode, name, sha))
    before = sorted(git_dir.rglob("*"))
    with pytest.raises(Rejected):
        mirror.receive(forge.pack(tip), tip, forge.base, LIMITS)
    assert sorted(git_dir.rglob("*")) == before
    assert [path.name for path in git_dir.parent.glob(".quarantine-*")] == []


def test_quarantine_of_a_killed_process_is_cleared(mirror: Mirror, forge: Forge, git_dir: Path) -> None:
    tip = forge.over_base(("100644", b"file", forge.blob()))
    left = git_dir.parent / f".quarantine-{tip}" / "objects" / "pack"
    left.mkdir(parents=True)
    (left / "tmp_pack_half").write_bytes(b"PACK")
    mirror.receive(forge.pack(tip), tip, forge.base, LIMITS)
    assert list(git_dir.parent.glob(".quarantine-*")) == []
    assert list(git_dir.rglob("tmp_pack_half")) == []


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n"


def test_receive_rejects_every_change_of_a_pointer_of_git_lfs(mirror: Mirror, forge: Forge, upstream: Path) -> None:
    base = commit(upstream, {"logo.png": POINTER % (b"a" * 64)})
    mirror.fetch("main")
    changes = {
        "another object": ("100644", b"logo.png", forge.blob(POINTER % (b"b" * 64))),
        "the content": ("100644", b"logo.png", forge.blob(b"a large file")),
        "removal": ("100644", b"other", forge.blob(b"x")),
    }
    for name, entry in changes.items():
        tip = forge.commit(forge.tree(entry), base)
        with pytest.raises(Rejected, match=r"logo.png is a file of Git LFS, which an agent cannot change"):
            mirror.receive(forge.pack(tip), tip, CommitSha(base), LIMITS)
            pytest.fail(name)


def test_receive_rejects_a_forged_pointer_in_a_new_file(mirror: Mirror, forge: Forge) -> None:
    tip = forge.over_base(("100644", b"new.bin", forge.blob(POINTER % (b"c" * 64))))
    with pytest.raises(Rejected, match=r"new\.bin is a file of Git LFS"):
        mirror.receive(forge.pack(tip), tip, forge.base, LIMITS)


@pytest.mark.parametrize("target", [b"/etc/passwd", b"../x", b".git/config", b"a/../../x"])
def test_receive_rejects_escaping_links(mirror: Mirror, forge: Forge, target: bytes) -> None:
    tip = forge.over_base(("120000", b"AGENT", forge.blob(target)))
    with pytest.raises(Rejected, match="AGENT is a link"):
        mirror.receive(forge.pack(tip), tip, forge.base, LIMITS)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(TreeLimits(max_blob_bytes=10), "more than the 10"), (TreeLimits(max_files=1), "more than the 1 "),
     (TreeLimits(max_total_bytes=50), "more than the 50"), (TreeLimits(max_pack_bytes=60), "more than the 60")],
)  # fmt: skip
def test_receive_enforces_limits(mirror: Mirror, forge: Forge, limits: TreeLimits, reason: str) -> None:
    blob = forge.blob(os.urandom(200))
    tip = forge.over_base(("100644", b"a", blob), ("100644", b"b", blob))
    with pytest.raises(Rejected, match=reason):
        mirror.receive(forge.pack(tip), tip, forge.base, limits)


def test_receive_rejects_a_compression_bomb(mirror: Mirror, forge: Forge) -> None:
    tip = forge.over_base(("100644", b"zeros", forge.blob(bytes(20 * 2**20))))
    pack = forge.pack(tip)
    assert len(pack) < 100_000
    with pytest.raises(Rejected, match="20971520 bytes"):
        mirror.receive(pack, tip, forge.base, LIMITS)


Claim = Callable[[Forge], tuple[bytes, str]]


def _unrelated(forge: Forge) -> tuple[bytes, str]:
    tip = forge.commit(forge.tree(("100644", b"a", forge.blob())))
    return forge.pack(tip), tip


def _missing_blob(forge: Forge) -> tuple[bytes, str]:
    tip = forge.over_base(("100644", b"a", "1" * 40))
    objects = [tip, sha_of(forge.folder, "rev-parse", f"{tip}^{{tree}}")]
    return git(forge.folder, "pack-objects", "--stdout", "-q", stdin="\n".join(objects).encode()), tip


def _missing_parent(forge: Forge) -> tuple[bytes, str]:
    tip = forge.commit(forge.tree(("100644", b"a", forge.blob())), forge.over_base(("100644", b"b", forge.blob())))
    listed = git(forge.folder, "rev-list", "--objects", tip, f"^{tip}^").split(b"\n")
    return git(forge.folder, "pack-objects", "--stdout", "-q", stdin=b"\n".join(line[:40] for line in listed)), tip


def _another_tip(forge: Forge) -> tuple[bytes, str]:
    return forge.pack(forge.over_base(("100644", b"a", forge.blob()))), "2" * 40


def _a_tree(forge: Forge) -> tuple[bytes, str]:
    tip = forge.over_base(("100644", b"a", forge.blob()))
    return forge.pack(tip), sha_of(forge.folder, "rev-parse", f"{tip}^{{tree}}")


def _garbage(_: Forge) -> tuple[bytes, str]:
    return b"PACK\0\0\0\2\0\0\0\1 not a pack", "2" * 40


def _option(forge: Forge) -> tuple[bytes, str]:
    return b"", "--all"


@pytest.mark.parametrize(
    "claim", [_unrelated, _missing_blob, _missing_parent, _another_tip, _a_tree, _garbage, _option]
)
def test_receive_rejects_false_claims_about_the_tip(mirror: Mirror, forge: Forge, git_dir: Path, claim: Claim) -> None:
    pack, tip = claim(forge)
    before = sorted(git_dir.rglob("*"))
    with pytest.raises(Rejected):
        mirror.receive(pack, tip, forge.base, LIMITS)
    assert sorted(git_dir.rglob("*")) == before


def test_received_commit_survives_fetch_and_fsck(mirror: Mirror, forge: Forge, git_dir: Path) -> None:
    tip = forge.over_base(("100644", b"a", forge.blob()))
    mirror.receive(forge.pack(tip), tip, forge.base, LIMITS)
    mirror.fetch("main")
    git(git_dir, "fsck", "--strict", "--connectivity-only")
    assert sha_of(git_dir, "rev-parse", f"refs/loopline/received/{tip}") == tip
