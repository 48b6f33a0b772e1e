"""`infra/crash`: every cell of the crash matrix, or those that are named, in parallel stacks."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.crash.cells import CELLS, Cell
from tests.crash.driver import ORACLES, Outcome, run
from tests.crash.stack import free_ports

FIRST_PORT, PORTS_APART = 21_000, 1_000


def main() -> int:
    """Exit code 0 when every cell held."""
    args = _arguments()
    cells = list(CELLS.values()) if args.all else [CELLS[name] for name in args.names]
    random.Random(args.seed).shuffle(cells)
    home = args.home or Path(tempfile.mkdtemp(prefix="loopline-crash-"))
    lanes: SimpleQueue[int] = SimpleQueue()
    for lane in range(args.jobs):
        lanes.put(FIRST_PORT + lane * PORTS_APART)

    def one(cell: Cell, oracle: Outcome | None = None, name: str = "") -> Outcome:
        lane = lanes.get()
        try:
            outcome = run(cell, home / (name or cell.name), free_ports(lane), oracle)
        finally:
            lanes.put(lane)
        _tell(outcome)
        return outcome

    with ThreadPoolExecutor(args.jobs) as pool:
        oracles = {}
        for story in sorted({cell.story for cell in cells}):
            # as many as cells will run at a time, since the machine's load is part of what is compared
            cell = ORACLES[story]
            found = pool.map(lambda n, cell=cell: one(cell, name=f"{cell.name}-{n}"), range(args.jobs))
            oracles[story] = max(found, key=lambda outcome: (bool(outcome.sentences), outcome.seconds))
        try:
            outcomes = list(pool.map(lambda cell: one(cell, oracles[cell.story]), cells))
        finally:
            pool.shutdown(cancel_futures=True)  # an interrupt waits for the cells under way, not for all
    failed = [outcome for outcome in outcomes if outcome.sentences]
    for outcome in failed:
        _print(f"FAILED {outcome.cell}", *(f"    {sentence}" for sentence in outcome.sentences))
    _print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed" + (f"; their homes: {home}" if failed else ""))
    return 1 if failed or any(oracle.sentences for oracle in oracles.values()) else 0


def _tell(outcome: Outcome) -> None:
    line = {"cell": outcome.cell, "held": not outcome.sentences, "seconds": round(outcome.seconds, 1)}
    _print(json.dumps(line | ({"sentences": outcome.sentences} if outcome.sentences else {}), ensure_ascii=False))


def _print(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="infra/crash", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *CELLS], help="cells, as the list names them")
    parser.add_argument("--all", action="store_true", help="every cell")
    parser.add_argument("--list", action="store_true", help="print the names of all cells")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="stacks at the same time (2)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the order in which they run (0)")
    parser.add_argument("--home", type=Path, metavar="DIR", help="where the stacks write (a new temporary folder)")
    args = parser.parse_args()
    if args.list:
        _print(*CELLS)
        sys.exit(0)
    if not args.all and not args.names:
        parser.error("name a cell, or say --all")
    return args


if __name__ == "__main__":
    sys.exit(main())
