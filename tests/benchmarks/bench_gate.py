"""Overhead of the gate compared with the command itself. Run: python -m tests.benchmarks.bench_gate [files] [rounds]

Not a test: times depend on the machine, the ratio less so. Plain is `git worktree add` and the command without a
sandbox. The gate is its parts put together here: comparison, guard, base copies, checkout, sandbox; without Redis,
setup commands and the run at the base commit. All take turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from jobs.evidence.gate_plan import plan_gate

from integrations.git.mirror import Mirror
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from jobs.loop.policy import TESTS
from jobs.loop.state import Contract, Criterion
from tests.integrations.git.hosting import GitHost, commit

COMMAND = ["python3", "-m", "unittest", "-q", "tests.test_7"]
MODULE = "def add_{0}(a, b):\n    return a + b\n" + "# padding\n" * 40
TEST = "import unittest\n\nfrom shop.m{0} import add_{0}\n\n\nclass Adding(unittest.TestCase):\n" + "".join(
    f"    def test_{n}(self):\n        self.assertEqual(add_{{0}}({n}, 1), {n + 1})\n\n" for n in range(20)
)


def milliseconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


def repository(files: int) -> dict[str, bytes]:
    half = files // 2
    made = {f"shop/m{n}.py": MODULE.format(n).encode() for n in range(half)}
    made |= {f"tests/test_{n}.py": TEST.format(n).encode() for n in range(half)}
    return {**made, "shop/__init__.py": b"", "tests/__init__.py": b""}


def change(base: Mapping[str, bytes]) -> dict[str, bytes]:
    """Ten modules and ten files of tests: five that grow, five in which something is weakened."""
    made = {f"shop/m{n}.py": base[f"shop/m{n}.py"] + b"X = 1\n" for n in range(10)}
    for n in range(5):
        path = f"tests/test_{n}.py"
        made[path] = base[path] + b"    def test_more(self):\n        self.assertTrue(X)\n"
    for n in range(5, 10):
        path = f"tests/test_{n}.py"
        made[path] = base[path].replace(b"self.assertEqual", b"self.assertTrue", 1)
    return made


class Bench:
    """A mirror with a base, an honest change of product code alone, and one that weakens tests."""

    def __init__(self, folder: Path, host: GitHost, files: int) -> None:
        self.folder, self.rounds = folder, 0
        upstream = host.create("acme/shop")
        content = repository(files)
        self.base = commit(upstream, content)
        product = {path: text for path, text in change(content).items() if path.startswith("shop/")}
        self.honest = commit(upstream, product)
        self.dishonest = commit(upstream, change(content))
        self.mirror = Mirror(folder / "repos" / "shop.git", f"{host.url}/acme/shop.git")
        self.mirror.fetch("main")
        self.sandbox = Sandbox(find_bwrap(), default_read_only())
        self.contract = Contract(criteria=(Criterion(id="k1", text="tests", command=" ".join(COMMAND)),))

    def plain(self) -> None:
        """The command in a plain worktree."""
        tree = self.folder / "plain"
        git = ["git", "-C", str(self.folder / "repos" / "shop.git")]
        subprocess.run([*git, "worktree", "add", "-q", "--detach", tree, self.honest], check=True, capture_output=True)
        subprocess.run(COMMAND, cwd=tree, check=True, capture_output=True)
        subprocess.run([*git, "worktree", "remove", "--force", tree], check=True)

    def command(self) -> None:
        """The command in a checkout in the sandbox."""
        self._run(self.honest)

    def gate(self, sha: str) -> None:
        """All steps of the gate for one command: compare, guard, mix, check out, run; both ways where copies differ."""
        planned = plan_gate(self.mirror.changes(self.base, sha), self.contract, TESTS, "")
        self._run(self.mirror.write_mixed_commit(sha, planned.from_base))
        if planned.from_base:
            self._run(sha)

    def _run(self, sha: str) -> None:
        self.rounds += 1
        folder = self.folder / "runs" / str(self.rounds)
        self.sandbox.run(COMMAND, self.mirror.create_workspace(folder, sha), timeout=60)
        self.mirror.remove_workspace(folder)

    def analysis(self) -> None:
        """Only the comparison and the guard."""
        plan_gate(self.mirror.changes(self.base, self.dishonest), self.contract, TESTS, "")


def main(files: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, GitHost(Path(folder) / "host") as host:
        bench = Bench(Path(folder), host, files)
        acts: dict[str, Callable[[], None]] = {
            "git worktree add + the command": bench.plain,
            "our checkout + the sandbox": bench.command,
            "gate, product code changed": lambda: bench.gate(bench.honest),
            "gate, tests weakened (both ways)": lambda: bench.gate(bench.dishonest),
            "comparison and guard alone": bench.analysis,
        }
        times: dict[str, list[float]] = {name: [] for name in acts}
        for _ in range(rounds):
            for name, act in acts.items():
                times[name].append(milliseconds(act))
        usual = statistics.median(next(iter(times.values())))
        for name, taken in times.items():
            middle = statistics.median(taken)
            sys.stdout.write(f"{name:34} {middle:7.1f} ms   ratio {middle / usual:.2f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000, int(sys.argv[2]) if len(sys.argv) > 2 else 10)
