"""A run's worktree: made once, adopted, replaced when half-made, removed unread; normal git inside the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.errors import Conflict, NotFound, Rejected
from integrations.git.mirror import Mirror
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox
from tests.integrations.git.hosting import commit, git

UNKNOWN = "0123456789abcdef0123456789abcdef01234567"


def shell(sandbox: Sandbox, workspace: Workspace, script: str) -> str:
    result = sandbox.run(["bash", "-ec", script], workspace, timeout=30)
    assert result.exit_code == 0, result.output.decode()
    return result.output.decode()


def refused(sandbox: Sandbox, workspace: Workspace, script: str) -> str:
    result = sandbox.run(["bash", "-ec", script], workspace, timeout=30)
    assert result.exit_code != 0, f"allowed: {script}"
    return result.output.decode()


def test_the_worktree_holds_the_commits_files(workspace: Workspace) -> None:
    assert (workspace.tree / "src" / "app.py").read_text() == "print('hi')\n"
    assert workspace.folder.stat().st_mode & 0o777 == 0o700


def test_a_complete_workspace_is_adopted_with_the_agents_work_in_it(mirror: Mirror, workspace: Workspace) -> None:
    (workspace.tree / "work").write_text("in progress")
    assert mirror.create_workspace(workspace.folder, workspace.base_sha) == workspace
    assert (workspace.tree / "work").read_text() == "in progress"


def test_a_workspace_of_another_commit_is_a_conflict(mirror: Mirror, workspace: Workspace, upstream: Path) -> None:
    new = commit(upstream, {"x": b"1"})
    mirror.fetch()
    with pytest.raises(Conflict, match="remove it first"):
        mirror.create_workspace(workspace.folder, new)


@pytest.mark.parametrize("missing", ["workspace.json", "admin", "tree"])
def test_a_half_made_workspace_is_replaced(mirror: Mirror, workspace: Workspace, missing: str) -> None:
    (workspace.folder / "workspace.json").unlink()
    if missing != "workspace.json":
        (workspace.folder / missing).rename(workspace.folder / "lost")
    again = mirror.create_workspace(workspace.folder, workspace.base_sha)
    assert (again.tree / "README.md").is_file()
    assert not (workspace.folder / "lost").exists()


@pytest.mark.parametrize("sha", ["main", "-q", UNKNOWN[:39], UNKNOWN])
def test_a_workspace_needs_a_known_commit(mirror: Mirror, tmp_path: Path, sha: str) -> None:
    with pytest.raises(NotFound if sha == UNKNOWN else Rejected):
        mirror.create_workspace(tmp_path / "runs" / "1", sha)
    assert not (tmp_path / "runs" / "1").exists()


def test_removal_forgets_the_worktree_and_may_be_repeated(mirror: Mirror, workspace: Workspace) -> None:
    for _ in range(2):
        mirror.remove_workspace(workspace.folder)
        assert not workspace.folder.exists()
        assert not workspace.admin.exists()
    assert list(workspace.folder.parent.iterdir()) == []


def test_removal_finishes_what_a_killed_removal_began(mirror: Mirror, workspace: Workspace) -> None:
    workspace.folder.rename(workspace.folder.with_name(f".trash-{workspace.folder.name}-1"))
    mirror.remove_workspace(workspace.folder)
    assert list(workspace.folder.parent.iterdir()) == []
    assert not workspace.admin.exists()


def test_removal_leaves_other_worktrees_alone(mirror: Mirror, workspace: Workspace, tmp_path: Path) -> None:
    other = mirror.create_workspace(tmp_path / "runs" / "ENG-12", workspace.base_sha)
    mirror.remove_workspace(workspace.folder)
    assert (other.tree / "README.md").is_file()
    assert other.admin.is_dir()


def test_removal_follows_no_link_and_enters_closed_folders(
    mirror: Mirror, workspace: Workspace, sandbox: Sandbox, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    shell(sandbox, workspace, f"ln -s {outside} link; mkdir -p shut/in; touch shut/in/f; chmod 0 shut/in shut")
    mirror.remove_workspace(workspace.folder)
    assert not workspace.folder.exists()
    assert (outside / "kept").read_text() == "kept"


def test_git_works_inside_as_in_a_normal_worktree(sandbox: Sandbox, workspace: Workspace) -> None:
    script = "echo more >> README.md; git stash -q; git stash list; git stash pop -q; git diff --stat"
    assert "stash@{0}" in shell(sandbox, workspace, script)
    shell(sandbox, workspace, "git add -A; git commit -qm mine; git log --oneline | wc -l; git show HEAD:README.md")
    assert shell(sandbox, workspace, "git log -1 --format='%an %ae'") == "Loopline agent agent@loopline.invalid\n"
    assert shell(sandbox, workspace, "git status --porcelain") == ""


def test_the_agent_sees_the_repositorys_branches_and_may_make_its_own(sandbox: Sandbox, workspace: Workspace) -> None:
    base = workspace.base_sha
    assert shell(sandbox, workspace, "git rev-parse main origin/main") == f"{base}\n{base}\n"
    shell(sandbox, workspace, "git checkout -qb fix; touch new; git add -A; git commit -qm new")
    assert shell(sandbox, workspace, "git log --oneline main..fix | wc -l") == "1\n"


def test_nothing_that_the_agent_does_with_git_reaches_the_mirror(sandbox: Sandbox, workspace: Workspace) -> None:
    before = git(workspace.git_dir, "for-each-ref"), sorted(workspace.git_dir.rglob("*"))
    shell(
        sandbox,
        workspace,
        "git checkout -qb x; touch a; git add a; git commit -qm a; git stash; git tag t; git gc -q || true",
    )
    assert (git(workspace.git_dir, "for-each-ref"), sorted(workspace.git_dir.rglob("*"))) == before
    git(workspace.git_dir, "fsck", "--strict")


@pytest.mark.parametrize(
    "attack",
    [
        "git config core.fsmonitor 'touch /tmp/x'", "echo x > $M/config", "mkdir $M/hooks",
        "echo x > /run/repository/objects/x", "rm -rf /run/repository/objects/pack",
        "git update-ref refs/heads/main HEAD~0 && git branch -D main", "rm .git", "mv .git x", "echo x > .git",
        "ln -sf /tmp .git", "rm -rf $M/worktrees/*", "touch $M/worktrees/x", "echo x > $M/packed-refs",
        "echo x > $M/info/attributes", "mv $M $M.x",
    ],
)  # fmt: skip
def test_the_repository_is_read_only_inside(sandbox: Sandbox, workspace: Workspace, attack: str) -> None:
    refused(sandbox, workspace, attack.replace("$M", str(workspace.git_dir)))


def test_other_runs_of_the_same_repository_are_invisible(
    mirror: Mirror, sandbox: Sandbox, workspace: Workspace, tmp_path: Path
) -> None:
    other = mirror.create_workspace(tmp_path / "runs" / "ENG-2", workspace.base_sha)
    shell(sandbox, other, "echo canary-7 > s; git add s; git commit -qm s")
    git(workspace.git_dir, "update-ref", "refs/loopline/received/abc", workspace.base_sha)
    assert shell(sandbox, workspace, f"cd {tmp_path}/runs; ls").split() == ["ENG-1"]
    assert shell(sandbox, workspace, f"ls {workspace.admin.parent}").split() == [workspace.admin.name]
    assert "loopline" not in shell(sandbox, workspace, "git for-each-ref; git worktree list | tail -n +2")
    assert "canary-7" not in shell(sandbox, workspace, f"grep -rs canary-7 {tmp_path} || true")
