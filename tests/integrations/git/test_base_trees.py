"""Base trees: made once, shared by many runs, never written again, evicted when no run needs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integrations.git.base_trees import KEPT, BaseTrees
from integrations.git.export import commit_leftovers
from integrations.git.mirror import Mirror
from integrations.git.work_tree import WorkTreeDigest
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox
from tests.integrations.git.hosting import commit, sha_of
from tests.support.workspaces import list_files, wait_until_empty


def snapshot(folder: Path) -> list[tuple[str, int, int, int, bytes]]:
    """Name, mode, links, time and content of every entry."""
    found = []
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found.append((str(path), state.st_mode, state.st_nlink, state.st_mtime_ns, content))
    return found


@pytest.fixture
def trees(tmp_path: Path) -> BaseTrees:
    return BaseTrees(tmp_path / "repos" / "acme__shop.git.trees")


@pytest.mark.parametrize(
    "attack",
    [
        "echo x > README.md", "echo x >> src/app.py", "chmod 777 README.md src", "rm -rf src README.md", "mv src s2",
        "ln README.md hard; echo x >> hard", "mv README.md a; echo x >> a", "rm README.md; ln -s /etc/passwd README.md",
        "touch -d 2001-01-01 README.md src", "rm -rf src; mkdir src; touch src/x", "truncate -s 0 README.md",
        "mount --bind /tmp /workspace", "umount /workspace", "umount -l /workspace/.git",
        "echo x > ../workspace/../run/x",
        "for f in /proc/*/root/workspace/README.md; do echo x > $f; done", "setfattr -n user.x -v y README.md",
        "python3 -c \"import os; os.setxattr('src', 'user.overlay.opaque', b'y')\"",
        "python3 -c \"import os; os.setxattr('src', 'user.overlay.redirect', b'/../../..')\"; ls src",
        "mknod README.md c 0 0; rm -f README.md; mknod README.md c 0 0", "echo x > .git", "rm -f .git", "chmod 0 .",
    ],
)  # fmt: skip
def test_base_tree_is_not_changed_by_an_agent(
    mirror: Mirror, sandbox: Sandbox, workspace: Workspace, tmp_path: Path, attack: str
) -> None:
    before = snapshot(workspace.lower)
    sandbox.run(["bash", "-c", attack], workspace, timeout=30)
    assert snapshot(workspace.lower) == before
    other = mirror.create_workspace(tmp_path / "runs" / "ENG-2", workspace.base_sha)
    result = sandbox.run(["bash", "-ec", "git status --porcelain; cat README.md src/app.py"], other, timeout=30)
    assert result.output == b"hello\nprint('hi')\n"


def test_base_tree_has_no_path_inside_the_sandbox(sandbox: Sandbox, workspace: Workspace) -> None:
    assert sandbox.run(["ls", str(workspace.lower)], workspace, timeout=30).exit_code != 0


def test_base_tree_is_made_once_for_concurrent_runs(mirror: Mirror, sandbox: Sandbox, tmp_path: Path) -> None:
    sha = mirror.head("main")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: mirror.create_workspace(tmp_path / "runs" / str(n), sha), range(8)))
        outputs = pool.map(
            lambda n: sandbox.run(["bash", "-c", f"echo {n} > own; cat own README.md"], made[n], timeout=30), range(8)
        )
        assert [result.output for result in outputs] == [b"%d\nhello\n" % n for n in range(8)]
    assert len({(workspace.lower, workspace.lower.stat().st_ino) for workspace in made}) == 1


KILLED = """
import sys
from pathlib import Path
from integrations import failpoints
from integrations.git.base_trees import BaseTrees
from integrations.git.repository import HostRepository
import integrations.git.base_trees as base_trees, os
base_trees.fail = lambda *_: os.kill(os.getpid(), 9)
BaseTrees(Path(sys.argv[2])).acquire(HostRepository(Path(sys.argv[1])), sys.argv[3], Path(sys.argv[4]))
"""


def test_base_tree_of_a_killed_process_is_made_again(mirror: Mirror, trees: BaseTrees, tmp_path: Path) -> None:
    sha = mirror.head("main")
    arguments = [tmp_path / "repos" / "acme__shop.git", trees.folder, sha, tmp_path / "runs" / "1"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (trees.folder / f"{sha}.new" / "tree" / "half").touch()
    workspace = mirror.create_workspace(tmp_path / "runs" / "1", sha)
    assert list_files(workspace) == {"README.md": b"hello\n", "src/app.py": b"print('hi')\n"}
    wait_until_empty(trees.trash)
    assert not list(trees.folder.glob("*.new"))


def test_base_tree_is_evicted_only_when_no_workspace_needs_it(
    mirror: Mirror, trees: BaseTrees, upstream: Path, workspace: Workspace, tmp_path: Path
) -> None:
    for number in range(KEPT + 2):
        new = commit(upstream, {"x": b"%d" % number})
        mirror.fetch("main")
        folder = tmp_path / "runs" / f"other-{number}"
        mirror.create_workspace(folder, new)
        mirror.remove_workspace(folder)
    assert trees.evict(0) > 0
    assert workspace.lower.is_dir(), "a run that has not ended uses it"
    mirror.remove_workspace(workspace.folder)
    assert trees.evict(0) > 0 and trees.measure() == 0
    wait_until_empty(trees.trash)


def test_base_tree_that_is_missing_is_made_again_for_a_running_ticket(mirror: Mirror, workspace: Workspace) -> None:
    (workspace.upper / "work").write_text("in progress")
    workspace.lower.parent.rename(workspace.lower.parent.with_name("lost"))
    again = mirror.create_workspace(workspace.folder, workspace.base_sha)
    assert list_files(again) == {"README.md": b"hello\n", "src/app.py": b"print('hi')\n", "work": b"in progress"}


CHANGES: dict[str, dict[str, bytes | None]] = {
    "edited": {"README.md": b"new\n"},
    "added": {"src/more/x.py": b"x\n", "y": b"y\n"},
    "removed": {"README.md": None},
    "removed folder": {"src/app.py": None},
    "folder in place of a file": {"README.md": None, "README.md/x": b"x\n"},
    "file in place of a folder": {"src/app.py": None, "src": b"x\n"},
    "line ends": {".gitattributes": b"*.txt text eol=crlf\n", "a.txt": b"a\nb\n"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_workspace_at_another_commit_has_its_files_above_the_same_base_tree(
    mirror: Mirror, upstream: Path, sandbox: Sandbox, tmp_path: Path, change: str
) -> None:
    base, new = mirror.head("main"), commit(upstream, CHANGES[change])
    mirror.fetch("main")
    full = mirror.create_workspace(tmp_path / "runs" / "full", new)
    layered = mirror.create_workspace(tmp_path / "runs" / "layered", new, base)
    assert layered.lower.parent.name == base
    script = "git status --porcelain; git rev-parse HEAD; find . | sort; find . -type f | sort | xargs sha1sum"
    outputs = [sandbox.run(["bash", "-ec", script], workspace, timeout=30).output for workspace in (full, layered)]
    assert outputs[0] == outputs[1]
    commit_leftovers(sandbox, layered, "left over")
    assert sandbox.run(["git", "rev-parse", "HEAD"], layered, timeout=30).output.decode().strip() == new


LEFT = {
    "a commit, then its file is removed": "echo x > n; git add n; git commit -qm n; rm n; echo y > m",
    "a file of the base is untracked and ignored": "git rm -q --cached README.md; echo README.md > .gitignore",
    "a folder is replaced by a link": "rm -rf src; mkdir s2; touch s2/f; ln -s s2 src",
    "a folder is replaced by a file": "rm -rf src; echo x > src",
    "a file is replaced by a folder": "rm README.md; mkdir README.md; echo x > README.md/f",
    "a folder is emptied and made again": "rm -rf src; mkdir src; echo x > src/new",
    "same size and time": "touch -r README.md t; echo HELLO > README.md; touch -r t README.md; rm t",
    "ignored folder": "mkdir -p node_modules/a; touch node_modules/a/b; echo node_modules > .gitignore",
    "staged only": "echo x > staged; git add staged; echo y >> staged",
    "odd names": "touch -- -x 'a b' $'new\\nline' '*' ':(top)x'",
    "no index": "rm $(git rev-parse --git-dir)/index; echo x > y",
    "a link beyond a staged folder": "mkdir d e; touch d/x e/x; git add d; rm -rf d; ln -s e d",
}


@pytest.mark.parametrize("case", LEFT)
def test_leftovers_are_the_files_that_git_add_would_commit(
    mirror: Mirror, sandbox: Sandbox, tmp_path: Path, case: str
) -> None:
    found = []
    for name in ("ours", "git"):
        workspace = mirror.create_workspace(tmp_path / "runs" / name, mirror.head("main"))
        sandbox.run(["bash", "-ec", LEFT[case]], workspace, timeout=30)
        if name == "ours":
            commit_leftovers(sandbox, workspace, "left over")
        else:
            script = "git -c core.checkStat=default -c core.trustctime=true add --all; git commit -qm x"
            sandbox.run(["bash", "-c", script], workspace, timeout=30)
        listing = "git ls-tree -r HEAD; git status --porcelain --untracked-files=no"
        found.append(sandbox.run(["bash", "-ec", listing], workspace, timeout=30).output.decode())
    assert found[0] == found[1]


HOSTILE = {
    "a pipe, a socket and deep folders": "mkfifo p; mkdir -p $(printf 'd/%.0s' $(seq 100)); touch src/x",
    "a link out of the layer": "ln -s / root; ln -s ../../.. up; rm -rf src; ln -s / src",
    "patterns that backtrack": "echo '*a*a*a*a*a*a*a*a*a*a*a*a*b' > .gitignore; touch $(printf 'a%.0s' $(seq 250))",
    "a pipe as .gitignore": "mkfifo .gitignore; touch x",
    "names that are not UTF-8": "touch $'\\xff\\xfe' $'a\\nb'; mkdir $'\\xff'; touch $'\\xff/x'",
    "a large number of ignored files": "echo out > .gitignore; mkdir out; cd out; touch $(seq 20000)",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_work_digest_of_hostile_files_is_quick(sandbox: Sandbox, workspace: Workspace, case: str) -> None:
    digest = WorkTreeDigest(workspace)
    start = digest.compute(lambda: False)
    sandbox.run(["bash", "-c", HOSTILE[case]], workspace, timeout=60)
    before = os.times()
    assert digest.compute(lambda: False) not in (None, start)
    after = os.times()
    assert after.user + after.system - before.user - before.system < 5


def test_base_tree_moves_no_reference_of_the_mirror(workspace: Workspace) -> None:
    assert sha_of(workspace.objects.parent, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert not (workspace.objects.parent / "index").exists() and not (workspace.objects.parent / "worktrees").exists()
