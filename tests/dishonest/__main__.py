"""`python -m tests.dishonest --report`: plays all scenarios, or those that are named, and prints the figures."""

from __future__ import annotations

import argparse
import sys

from tests.dishonest.plays import ALL
from tests.dishonest.report import report, rows


def main() -> int:
    """Exit code 0 if no dishonest work was accepted, no honest work was stopped, and all outcomes are as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.dishonest", description=__doc__)
    parser.add_argument("names", nargs="*", help="names of scenarios, default all")
    parser.add_argument("--jobs", type=int, default=2, help="how many are played at once")
    parser.add_argument(
        "--report", action="store_true", help="play and print the figures; without it the names are listed"
    )
    arguments = parser.parse_args()
    if not arguments.report:
        for scenario in ALL:
            sys.stdout.write(f"{'honest' if scenario.honest else 'dishonest':<10} {scenario.name}\n")
        return 0
    found = []
    for row in rows(arguments.names, arguments.jobs):
        found.append(row)
        sys.stderr.write(f"{'as it must' if not row.problems else 'WRONG':<10} {row.seconds:5.1f} s  {row.name}\n")
        sys.stderr.writelines(f"  - {problem}\n" for problem in row.problems)
        sys.stderr.write(f"{row.text}\n" if row.problems else "")
    sys.stdout.write(report(found) + "\n")
    return 1 if any(row.problems for row in found) else 0


if __name__ == "__main__":
    sys.exit(main())
