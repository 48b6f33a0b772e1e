"""Seconds from a push to the base branch to the updated branch of a ticket, as a ratio to the gate's own commands.

Run by hand: `python -m tests.benchmarks.bench_base_moves`. Starts the demo's stack with a model that answers at once
and `loop.base.update: always`, takes a ticket to review, pushes a commit to the base branch, and prints one line of
JSON: the seconds until the merge is on the branch, those of the gate's commands alone, and their ratio.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from integrations.standins.demo.person import Ana
from tests.benchmarks.bench_red_check import until
from tests.crash.stack import FragileStack, free_ports, git
from tests.crash.story import BUG

CHECKS = ("python3 -m unittest discover -q", "python3 -m compileall -q tally")


def measure(stack: FragileStack, folder: Path) -> dict[str, float]:
    """Play one ticket to review, then move the base branch."""
    ana, place = Ana(stack), folder / "clone"
    address = stack.urls["pull_requests"].replace("://", f"://ana:{stack.tokens['github_ana']}@")
    subprocess.run(["git", "clone", "-q", f"{address}/acme/tally.git", str(place)], check=True)
    policy = place / "WORKFLOW.md"
    policy.write_text(policy.read_text().replace("loop:\n", "loop:\n  base: {update: always}\n"))
    push(place, "always update")
    ana.drag(BUG, "Agent")
    until(lambda: ana.board()[BUG]["column"] == "In Review")
    git(place, "fetch", "-q", "origin")
    (branch,) = [one for one in git(place, "branch", "-r").split() if "loopline/" in one]
    name = branch.removeprefix("origin/")
    before = git(place, "rev-parse", branch)
    began = time.monotonic()
    for command in CHECKS:
        subprocess.run(command, shell=True, cwd=place, check=False, capture_output=True)
    alone = time.monotonic() - began
    (place / "NEWS.md").write_text("news\n")
    began = push(place, "news of a colleague")
    until(lambda: git(place, "ls-remote", "origin", f"refs/heads/{name}").split()[0] != before)
    updated = time.monotonic() - began
    return {"updated": updated, "checks": alone, "ratio": updated / alone}


def push(place: Path, message: str) -> float:
    """Commit everything and push it; returns the time at which the push was accepted."""
    git(place, "add", "--all")
    git(place, "-c", "user.name=Ana", "-c", "user.email=ana@acme.test", "commit", "-q", "-m", message)
    git(place, "push", "-q", "origin", "HEAD:main")
    return time.monotonic()


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        stack = FragileStack(Path(home) / "s", free_ports(28_000), latency=0.0)
        with stack:
            figures = {name: round(value, 2) for name, value in measure(stack, Path(home)).items()}
        sys.stdout.write(json.dumps({"load": os.getloadavg()[0], **figures}) + "\n")


if __name__ == "__main__":
    main()
