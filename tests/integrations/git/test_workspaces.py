"""A run's workspace: created once, reused, replaced when incomplete, removed; normal git inside the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.errors import Conflict, NotFound, Rejected
from integrations.git.mirror import Mirror
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox
from tests.integrations.git.hosting import commit, git
from tests.support.workspaces import find_file, wait_until_empty

UNKNOWN = "0123456789abcdef0123456789abcdef01234567"


def shell(sandbox: Sandbox, workspace: Workspace, script: str) -> str:
    result = sandbox.run(["bash", "-ec", script], workspace, timeout=30)
    assert result.exit_code == 0, result.output.decode()
    return result.output.decode()


def assert_refused(sandbox: Sandbox, workspace: Workspace, script: str) -> str:
    result = sandbox.run(["bash", "-ec", script], workspace, timeout=30)
    assert result.exit_code != 0, f"allowed: {script}"
    return result.output.decode()


def test_workspace_has_the_files_of_the_commit(workspace: Workspace) -> None:
    assert find_file(workspace, "src/app.py").read_text() == "print('hi')\n"
    assert workspace.folder.stat().st_mode & 0o067 == 0


def test_workspace_that_is_complete_is_reused_with_the_agents_work(mirror: Mirror, workspace: Workspace) -> None:
    (workspace.upper / "work").write_text("in progress")
    assert mirror.create_workspace(workspace.folder, workspace.base_sha) == workspace
    assert (workspace.upper / "work").read_text() == "in progress"


def test_workspace_of_another_commit_is_a_conflict(mirror: Mirror, workspace: Workspace, upstream: Path) -> None:
    new = commit(upstream, {"x": b"1"})
    mirror.fetch("main")
    with pytest.raises(Conflict, match="remove it first"):
        mirror.create_workspace(workspace.folder, new)


@pytest.mark.parametrize("missing", ["workspace.json", "git", "tree"])
def test_workspace_that_is_incomplete_is_replaced(mirror: Mirror, workspace: Workspace, missing: str) -> None:
    (workspace.folder / "workspace.json").unlink()
    if missing != "workspace.json":
        (workspace.folder / missing).rename(workspace.folder / "lost")
    again = mirror.create_workspace(workspace.folder, workspace.base_sha)
    assert find_file(again, "README.md").is_file()
    assert not (workspace.folder / "lost").exists()


@pytest.mark.parametrize("sha", ["main", "-q", UNKNOWN[:39], UNKNOWN])
def test_workspace_needs_a_known_commit(mirror: Mirror, tmp_path: Path, sha: str) -> None:
    with pytest.raises(NotFound if sha == UNKNOWN else Rejected):
        mirror.create_workspace(tmp_path / "runs" / "1", sha)
    assert not (tmp_path / "runs" / "1").exists()


def test_workspace_removal_is_idempotent(mirror: Mirror, workspace: Workspace) -> None:
    for _ in range(2):
        mirror.remove_workspace(workspace.folder)
        assert not workspace.folder.exists()
    assert list(workspace.folder.parent.iterdir()) == []


def test_workspace_removal_finishes_a_killed_removal(mirror: Mirror, workspace: Workspace) -> None:
    trash = workspace.lower.parents[1] / ".trash"
    trash.mkdir(exist_ok=True)
    workspace.folder.rename(trash / "left")
    mirror.remove_workspace(workspace.folder)
    wait_until_empty(trash)


def test_workspace_removal_keeps_other_worktrees(mirror: Mirror, workspace: Workspace, tmp_path: Path) -> None:
    other = mirror.create_workspace(tmp_path / "runs" / "ENG-12", workspace.base_sha)
    mirror.remove_workspace(workspace.folder)
    assert find_file(other, "README.md").is_file()
    assert other.git.is_dir()


def test_workspace_removal_follows_no_link_and_enters_unreadable_folders(
    mirror: Mirror, workspace: Workspace, sandbox: Sandbox, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    shell(sandbox, workspace, f"ln -s {outside} link; mkdir -p shut/in; touch shut/in/f; chmod 0 shut/in shut")
    mirror.remove_workspace(workspace.folder)
    assert not workspace.folder.exists()
    wait_until_empty(workspace.lower.parents[1] / ".trash")
    assert (outside / "kept").read_text() == "kept"


def test_workspace_supports_git_as_a_normal_worktree(sandbox: Sandbox, workspace: Workspace) -> None:
    script = "echo more >> README.md; git stash -q; git stash list; git stash pop -q; git diff --stat"
    assert "stash@{0}" in shell(sandbox, workspace, script)
    shell(sandbox, workspace, "git add -A; git commit -qm mine; git log --oneline | wc -l; git show HEAD:README.md")
    assert shell(sandbox, workspace, "git log -1 --format='%an %ae'") == "Loopline agent agent@loopline.invalid\n"
    assert shell(sandbox, workspace, "git status --porcelain") == ""


def test_workspace_shows_the_branches_and_allows_new_ones(sandbox: Sandbox, workspace: Workspace) -> None:
    base = workspace.base_sha
    assert shell(sandbox, workspace, "git rev-parse main origin/main") == f"{base}\n{base}\n"
    shell(sandbox, workspace, "git checkout -qb fix; touch new; git add -A; git commit -qm new")
    assert shell(sandbox, workspace, "git log --oneline main..fix | wc -l") == "1\n"


def test_workspace_git_commands_change_nothing_in_the_mirror(sandbox: Sandbox, workspace: Workspace) -> None:
    mirror = workspace.objects.parent
    before = git(mirror, "for-each-ref"), sorted(mirror.rglob("*"))
    shell(
        sandbox,
        workspace,
        "git checkout -qb x; touch a; git add a; git commit -qm a; git stash; git tag t; git gc -q || true",
    )
    assert (git(mirror, "for-each-ref"), sorted(mirror.rglob("*"))) == before
    git(mirror, "fsck", "--strict")


@pytest.mark.parametrize(
    "attack",
    [
        "git config core.fsmonitor 'touch /tmp/x'", "echo x > $M/config", "touch $M/hooks/pre-commit",
        "echo x > /run/repository/objects/x", "rm -rf /run/repository/objects/pack",
        "git update-ref refs/heads/main HEAD~0 && git branch -D main", "rm .git", "mv .git x", "echo x > .git",
        "ln -sf /tmp .git", "mv $M/config $M/x", "mv $M/hooks $M/x", "rm $M/config", "rm -r $M/hooks",
        "echo x > $M/packed-refs", "echo x > $M/info/attributes", "mv $M $M.x", "git pack-refs --all",
        "mkdir /run/repository/x",
    ],
)  # fmt: skip
def test_workspace_repository_is_read_only_in_the_sandbox(sandbox: Sandbox, workspace: Workspace, attack: str) -> None:
    assert_refused(sandbox, workspace, attack.replace("$M", "/run/git"))


def test_workspace_hides_other_runs_of_the_repository(
    mirror: Mirror, sandbox: Sandbox, workspace: Workspace, tmp_path: Path
) -> None:
    other = mirror.create_workspace(tmp_path / "runs" / "ENG-2", workspace.base_sha)
    shell(sandbox, other, "echo canary-7 > s; git add s; git commit -qm s")
    git(workspace.objects.parent, "update-ref", "refs/loopline/received/abc", workspace.base_sha)
    assert_refused(sandbox, workspace, f"ls {tmp_path}")
    assert "loopline" not in shell(sandbox, workspace, "git for-each-ref; git worktree list | tail -n +2")
    assert "canary-7" not in shell(sandbox, workspace, "grep -rs canary-7 /workspace /run /home || true")
