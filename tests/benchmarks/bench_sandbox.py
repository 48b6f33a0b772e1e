"""Overhead of the sandbox per command, as a ratio to plain bash. Run: python -m tests.benchmarks.bench_sandbox [rounds]

Not a test: times depend on the machine, the ratio less so. Plain and boxed runs take turns, so that load hits both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from integrations.git.mirror import Mirror
from integrations.git.workspace import Workspace
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from tests.integrations.git.hosting import GitHost

COMMANDS = {
    "bash -c true": ["bash", "-c", "true"],
    "git status": ["git", "status"],
    "python3 -c pass": ["python3", "-c", "pass"],
}


def milliseconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


def compare(sandbox: Sandbox, workspace: Workspace, plain_tree: Path, argv: list[str], rounds: int) -> str:
    plain, boxed = [], []
    for _ in range(rounds):
        plain.append(milliseconds(lambda: subprocess.run(argv, cwd=plain_tree, capture_output=True, check=True)))
        boxed.append(milliseconds(lambda: sandbox.run(argv, workspace, timeout=30)))
    usual, boxed_usual = statistics.median(plain), statistics.median(boxed)
    worst = statistics.quantiles(boxed, n=20)[-1]
    ratio = boxed_usual / usual
    return f"plain {usual:6.1f} ms   sandbox {boxed_usual:6.1f} ms (p95 {worst:.1f})   ratio {ratio:.1f}"


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, GitHost(Path(folder) / "host") as host:
        host.create("acme/shop")
        plain_tree = Path(folder) / "plain"
        subprocess.run(["git", "clone", "-q", host.root / "acme/shop.git", plain_tree], check=True)
        mirror = Mirror(Path(folder) / "repos" / "shop.git", f"{host.url}/acme/shop.git")
        mirror.fetch("main")
        workspace = mirror.create_workspace(Path(folder) / "runs" / "1", mirror.head("main"))
        sandbox = Sandbox(find_bwrap(), default_read_only())
        for name, argv in COMMANDS.items():
            sys.stdout.write(f"{name:16} {compare(sandbox, workspace, plain_tree, argv, rounds)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
