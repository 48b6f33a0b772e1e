"""A work tree above a shared base tree, against git and a plain copy, as ratios.

Usage: python -m tests.benchmarks.bench_trees [files] [folder]
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from integrations.git.export import commit_leftovers
from integrations.git.mirror import Mirror
from integrations.git.work_tree import WorkTreeDigest
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from tests.integrations.git.hosting import GitHost, commit, git


def measure(act: Callable[[], object]) -> float:
    """Seconds."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def report(name: str, seconds: float, reference: float = 0.0) -> None:
    ratio = f"   ratio {seconds / reference:.4f}" if reference else ""
    sys.stdout.write(f"{name:44} {seconds * 1000:10.1f} ms{ratio}\n")
    sys.stdout.flush()


def main(files: int, parent: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=parent) as name, GitHost(Path(name) / "host") as host:
        folder, upstream = Path(name), host.create("acme/shop")
        for start in range(0, files, 2000):
            numbers = range(start, min(start + 2000, files))
            commit(upstream, {f"d{n // 100}/f{n}.txt": b"content %d\n" % n for n in numbers})
        mirror = Mirror(folder / "repos" / "shop.git", f"{host.url}/acme/shop.git")
        mirror.fetch("main")
        base, plain, copy = mirror.head("main"), folder / "plain", folder / "copy"
        added = measure(lambda: git(folder / "repos" / "shop.git", "worktree", "add", "--detach", str(plain), base))
        copied = measure(lambda: subprocess.run(["cp", "-a", plain, copy], check=True))
        report("git worktree add", added)
        report("cp -a", copied, added)
        report(
            "first tree at this base commit", measure(lambda: mirror.create_workspace(folder / "r" / "0", base)), added
        )
        more = [measure(lambda n=n: mirror.create_workspace(folder / "r" / str(n), base)) for n in range(1, 6)]  # type: ignore[misc]
        report("each further tree", statistics.median(more), added)
        new = commit(upstream, {f"d0/f{n}.txt": b"changed\n" for n in range(20)})
        mirror.fetch("main")
        report("a tree 20 files ahead", measure(lambda: mirror.create_workspace(folder / "r" / "9", new, base)), added)
        workspace, sandbox = (
            mirror.create_workspace(folder / "r" / "1", base),
            Sandbox(find_bwrap(), default_read_only()),
        )
        edit = "for n in 1 2 3 4 5; do echo x >> d0/f$n.txt; done; rm d0/f6.txt; touch new"
        sandbox.run(["bash", "-c", edit], workspace, timeout=60)
        digest = WorkTreeDigest(workspace)
        digest.compute(lambda: False)
        report(
            "digest of the work", statistics.median(measure(lambda: digest.compute(lambda: False)) for _ in range(20))
        )
        report("git status inside", measure(lambda: sandbox.run(["git", "status", "-s"], workspace, timeout=600)))
        report("commit of the leftovers", measure(lambda: commit_leftovers(sandbox, workspace, "left over")))
        report("removal, for its caller", measure(lambda: mirror.remove_workspace(workspace.folder)))
        report("shutil.rmtree of a plain tree", measure(lambda: shutil.rmtree(copy)), added)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, sys.argv[2] if len(sys.argv) > 2 else None)
