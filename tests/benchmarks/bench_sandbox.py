"""Cost of a command: plain, in a sandbox of its own, in a session, in its kept shell; of an agent's turn and the
self-test.

Run: python -m tests.benchmarks.bench_sandbox [rounds]. Not a test: times depend on the machine, the ratios less so. All
kinds take turns, so that load hits each of them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from integrations.git.mirror import Mirror
from integrations.sandbox.bubblewrap import Sandbox, Session, default_read_only, find_bwrap
from integrations.sandbox.selftest import run_self_test
from integrations.sandbox.shell import Shell
from jobs.roles.tools import SandboxTools
from tests.integrations.git.hosting import GitHost

COMMANDS = ("true", "/bin/true", "git status", "python3 -c pass")
TURN = "seq 1 400"  # 2 KB


def milliseconds(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return (time.perf_counter() - begin) * 1000


def compare(acts: Mapping[str, Callable[[], object]], rounds: int) -> str:
    """The median time of each, and its ratio to the first."""
    times: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(rounds):
        for name, act in acts.items():
            times[name].append(milliseconds(act))
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(medians.values()))
    return "   ".join(f"{name} {value:6.1f} ms ({value / first:4.1f} x)" for name, value in medians.items())


def never() -> bool:
    return False


def take_turn(tools: SandboxTools) -> None:
    """The harness's part of one turn of the maker: one command, and the digest of its work."""
    tools.call("bash", {"command": TURN}, never)
    tools.work_digest(never)


def measure(sandbox: Sandbox, session: Session, tree: Path, rounds: int) -> None:
    shell, tools = Shell(session), SandboxTools(session)

    def run_plain(command: str) -> object:
        return subprocess.run(["bash", "-c", command], cwd=tree, capture_output=True, check=True)

    for command in COMMANDS:
        argv = ["bash", "-c", command]
        acts: dict[str, Callable[[], object]] = {
            "plain": lambda command=command: run_plain(command),  # type: ignore[misc]
            "one-shot": lambda argv=argv: sandbox.run(argv, session.workspace, timeout=30),  # type: ignore[misc]
            "session": lambda argv=argv: session.run(argv, timeout=30),  # type: ignore[misc]
            "shell": lambda command=command: shell.run(command, timeout=30, stopped=never),  # type: ignore[misc]
        }
        sys.stdout.write(f"{command:16} {compare(acts, rounds)}\n")
    turn = {"plain": lambda: run_plain(TURN), "turn": lambda: take_turn(tools)}
    sys.stdout.write(f"{'agent turn':16} {compare(turn, rounds)}\n")


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, GitHost(Path(folder) / "host") as host:
        host.create("acme/shop")
        plain_tree = Path(folder) / "plain"
        subprocess.run(["git", "clone", "-q", host.root / "acme/shop.git", plain_tree], check=True)
        mirror = Mirror(Path(folder) / "repos" / "shop.git", f"{host.url}/acme/shop.git")
        mirror.fetch("main")
        workspace = mirror.create_workspace(Path(folder) / "runs" / "1", mirror.head("main"))
        sandbox = Sandbox(find_bwrap(), default_read_only())
        with sandbox.open(workspace) as session:
            measure(sandbox, session, plain_tree, rounds)
        test = {"self-test": lambda: run_self_test(sandbox, Path(folder) / "self-test")}
        sys.stdout.write(f"{'before each run':16} {compare(test, rounds)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
