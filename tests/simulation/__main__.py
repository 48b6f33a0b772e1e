"""`python -m tests.simulation --seeds 10000 --first 0`: many stories, several at a time; exit code 1 if one fails.

Each line names a seed that broke a promise; `--first SEED --seeds 1 --verbose` plays that story again and shows it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time

from tests.simulation.checks import Violation
from tests.simulation.world import World


def play(seed: int) -> tuple[int, str, list[str]]:
    """The seed, what it broke ('' for nothing), and its schedule."""
    world = World(seed)
    try:
        world.run()
    except Violation as broken:
        return seed, str(broken), world.schedule
    return seed, "", world.schedule


def main() -> int:
    """Play the seeds and report failures."""
    options = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    options.add_argument("--seeds", type=int, default=1000, help="how many")
    options.add_argument("--first", type=int, default=0, help="the first of them")
    options.add_argument("--processes", type=int, default=os.cpu_count())
    options.add_argument("--verbose", action="store_true", help="show each schedule")
    given = options.parse_args()
    began, failed = time.monotonic(), 0
    with multiprocessing.Pool(given.processes) as pool:
        for seed, broken, schedule in pool.imap(play, range(given.first, given.first + given.seeds), chunksize=20):
            if given.verbose:
                sys.stdout.write("\n".join([*schedule, ""]))
            if broken:
                failed += 1
                sys.stdout.write(f"seed {seed}, after {len(schedule)} steps: {broken[:400]}\n")
    seconds = time.monotonic() - began
    sys.stdout.write(f"{given.seeds - failed} passed, {failed} failed in {seconds:.1f} s\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
