"""`python -m tests.dishonest --report`: plays everything, or what is named, and prints the figures.

`--selfcheck` checks the plays in six languages without Loopline.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from tests.dishonest.languages import selfcheck, table
from tests.dishonest.languages.tools import ToolMissing
from tests.dishonest.plays import ALL
from tests.dishonest.report import Row, report, rows


def main() -> int:
    """Exit code 0 if no dishonest work was accepted, no honest work was stopped, and all outcomes are as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.dishonest", description=__doc__)
    parser.add_argument("names", nargs="*", help="beginnings of names, or a language; default all")
    parser.add_argument("--jobs", type=int, default=2, help="how many are played at once")
    parser.add_argument(
        "--report", action="store_true", help="play and print the figures; without it the names are listed"
    )
    parser.add_argument("--selfcheck", action="store_true", help="check the plays in six languages without Loopline")
    arguments = parser.parse_args()
    places = table.choose(arguments.names)
    try:
        if arguments.selfcheck:
            table.require_tools(places)
            return _check(places, arguments.jobs)
        if arguments.report:
            table.require_tools(places)
            return _report(arguments.names, places, arguments.jobs)
    except ToolMissing as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for one in (*ALL, *(table.ALL[place] for place in places)):
        sys.stdout.write(f"{'honest' if one.honest else 'dishonest':<10} {one.name}\n")
    return 0


def _check(places: Sequence[int], jobs: int) -> int:
    wrong = 0
    for play, problem in selfcheck.check_plays(places, jobs):
        wrong += bool(problem)
        sys.stdout.write(f"{'INVALID' if problem else 'valid':<10} {play.name}\n{problem}{chr(10) if problem else ''}")
    sys.stdout.write(f"{len(places)} plays, {wrong} invalid\n")
    return 1 if wrong else 0


def _report(names: Sequence[str], places: Sequence[int], jobs: int) -> int:
    scenarios, found = [], []
    for row in rows(names, jobs):
        scenarios.append(row)
        _show(row.name, row.problems, row.seconds)
        sys.stderr.write(f"{row.text}\n" if row.problems else "")
    for one in table.rows(places, jobs):
        found.append(one)
        _show(f"{one.play.name}: {one.end}", (one.problem,) if one.problem else (), one.seconds)
    if scenarios:
        sys.stdout.write(report(scenarios) + "\n\n")
    if found:
        sys.stdout.write(table.report(found) + "\n\n")
    sys.stdout.write(json.dumps(_count(scenarios, found)) + "\n")
    return 1 if any(row.problems for row in scenarios) or any(row.problem for row in found) else 0


def _show(name: str, problems: Sequence[str], seconds: float) -> None:
    sys.stderr.write(f"{'WRONG' if problems else 'as it must':<10} {seconds:5.1f} s  {name}\n")
    sys.stderr.writelines(f"  - {problem}\n" for problem in problems)
    sys.stderr.flush()


def _count(scenarios: Sequence[Row], found: Sequence[table.Row]) -> dict[str, int]:
    """The numbers of the last line."""
    honest = sum(row.honest for row in scenarios) + sum(row.play.honest for row in found)
    return {
        "dishonest": len(scenarios) + len(found) - honest,
        "false_done": sum(row.false_done for row in (*scenarios, *found)),
        "honest": honest,
        "false_alarm": sum(row.false_alarm for row in (*scenarios, *found)),
    }


if __name__ == "__main__":
    sys.exit(main())
