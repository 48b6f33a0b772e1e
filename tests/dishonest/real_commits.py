"""Replays commits of real repositories as if they were candidates, and counts what a person would be asked about for
its place alone. Run: python -m tests.dishonest.real_commits [--commits N] [--verbose] BARE_REPOSITORY ...

What experiments ask about needs the environment of each repository and is not counted. Merges and commits without a
parent are left out. The contract names nothing, as for a ticket whose planner proposed nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from integrations.git.changes import read_changes
from integrations.git.failures import Damaged
from integrations.git.repository import HostRepository, Remote
from jobs.evidence.proof.layout import Layout
from jobs.evidence.proof.variations import classify_changes, plan_variations
from jobs.evidence.protected import find_protected


def list_commits(repository: HostRepository, most: int) -> list[str]:
    """The newest commits with one parent."""
    listed = repository.git("log", "--no-merges", "--min-parents=1", f"--max-count={most}", "--format=%H", "HEAD")
    return listed.decode().split()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.dishonest.real_commits", description=__doc__)
    parser.add_argument("repositories", nargs="+", type=Path)
    parser.add_argument("--commits", type=int, default=50)
    parser.add_argument("--verbose", action="store_true", help="name each place")
    arguments = parser.parse_args()
    asked, only, total, slowest, reasons, skipped = 0, 0, 0, 0.0, Counter[str](), Counter[str]()
    for folder in arguments.repositories:
        repository = HostRepository(folder, Remote("http://127.0.0.1/none", None, 0))
        here = 0
        for sha in list_commits(repository, arguments.commits):
            try:
                changes = read_changes(repository, f"{sha}^", sha)
            except Damaged:  # a copy without its large files
                continue
            begin = time.process_time()
            found = list(find_protected(changes, ()))
            planned = plan_variations(classify_changes(changes, Layout()), by_test=True)
            slowest = max(slowest, time.process_time() - begin)
            skipped.update(one.reason for one in planned.values() if one.reason)
            total += 1
            if found:
                here += 1
                only += {one.path for one in found} == {one.path for one in changes}
                reasons.update({one.text.split(" (")[0] for one in found})
            for one in found if arguments.verbose else ():
                write(f"{folder.name} {sha[:9]} {one.path}: {one.text}")
        asked += here
        write(f"{folder.parent.name}/{folder.name}: {here} asked about")
    write(f"\n{asked} of {total} commits ({asked / max(total, 1):.1%}), {only} of them change nothing else")
    write(f"slowest plan: {slowest:.2f} s of CPU")
    for reason, number in reasons.most_common():
        write(f"{number:>5}  {reason}")
    for reason, number in skipped.most_common():
        write(f"{number:>5}  not run: {reason}")


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
