"""CPU of planning and guarding a large change. Run: python -m tests.benchmarks.bench_guard [files] [kilobytes]

Everything that the gate computes in this process: classification, variations with their altered texts, protected paths,
stray files, size. Half of the files are tests. The lower bound is one pass over the texts with a regular expression, in
the same run.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable

from integrations.git.changes import Change, Side
from jobs.evidence.change_size import measure_change
from jobs.evidence.proof.layout import Layout
from jobs.evidence.proof.variations import classify_changes, plan_variations
from jobs.evidence.protected import find_protected
from jobs.evidence.stray_files import find_stray_files

PRODUCT = "def price_{0}(cents, count):\n    total = cents * count\n    return total if total > {0} else 0\n\n\n"
TEST = "def test_price_{0}():\n    assert price({0}, 3) == {0}\n    assert price({0}, 0) is not None\n\n\n"


def make_side(text: str) -> Side:
    return Side("100644", "a" * 40, len(text), text)


def make_text(block: str, size: int, start: int) -> str:
    parts, length = [], 0
    while length < size:
        parts.append(block.format(start + len(parts)))
        length += len(parts[-1])
    return "".join(parts)


def make_changes(files: int, size: int, *, new: bool) -> list[Change]:
    changes = []
    for number in range(files):
        path, block = (f"tests/test_{number}.py", TEST) if number % 2 else (f"shop/m{number}.py", PRODUCT)
        after = make_text(block, size, 1)
        before = None if new else make_side(after.replace("3", "4", 1))
        changes.append(Change(path, before, make_side(after)))
    return changes


def guard(changes: list[Change]) -> None:
    layout = Layout()
    plan_variations(classify_changes(changes, layout), by_test=True)
    list(find_protected(changes, ()))
    find_stray_files(changes, "")
    measure_change(changes, layout)


def measure(act: Callable[[], object]) -> float:
    begin = time.process_time()
    act()
    return time.process_time() - begin


def main() -> None:
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    size = 1000 * (int(sys.argv[2]) if len(sys.argv) > 2 else 50)
    word = re.compile(r"\bassert\b")
    for name, new in (("new files", True), ("one changed line per file", False)):
        changes = make_changes(files, size, new=new)
        pass_over = measure(lambda all_=changes: [word.findall(one.after.text or "") for one in all_ if one.after])  # type: ignore[misc]
        found = min(measure(lambda all_=changes: guard(all_)) for _ in range(3))  # type: ignore[misc]
        print(f"{files} files of {size // 1000} kB, {name}: {found:.3f} s of CPU, {found / pass_over:.1f} passes")  # noqa: T201


if __name__ == "__main__":
    main()
