"""The variations of a change: the files that each experiment takes from base commit, change or a mutation. Pure.

Called by `jobs.roles.proof`, which runs the contract's commands in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from integrations.git.changes import Change, Side
from integrations.proof import ExperimentKind
from jobs.evidence.check_sections import find_check_sections
from jobs.evidence.proof.breaking import make_unloadable
from jobs.evidence.proof.expectations import MOST_PLACES, falsify
from jobs.evidence.proof.layout import Layout, PathKind, is_code
from jobs.evidence.proof.suppressions import strip_suppressions

_IMPORT = re.compile(
    r"(import|from|use|require|package|#include|using|mod)\b|[\]\[(){};,]*$|(const|var|let)\b.*\brequire\("
)
MOST_FILES = 20
_ID_PARTS = re.compile(r"[^\w-]+")
_INLINE_TESTS = "#[cfg(test)]"
ORDER: tuple[ExperimentKind, ...] = (
    "old_tests", "new_tests", "without_extras", "suppressions", "false_expectations", "broken_code",
)  # fmt: skip
"""The order in which the experiments run, the most telling first: what the time budget leaves out is at the end."""
SLOW_ONLY: frozenset[ExperimentKind] = frozenset({"false_expectations", "broken_code"})
"""Left out by `proof: fast`."""


@dataclass(frozen=True)
class Variation:
    """One experiment's files: `contents` by path replace those of the base commit or of the candidate.

    `reason` is why there is nothing to run, one clause; `paths` are the files that the experiment is about.
    `is_partial`: there are more places than were altered. `is_of_existing`: the change leaves the altered tests as they
    are."""

    kind: ExperimentKind
    onto: Literal["base", "candidate"] = "candidate"
    contents: Mapping[str, Side | None] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    reason: str = ""
    is_partial: bool = False
    is_of_existing: bool = False


@dataclass(frozen=True)
class ClassifiedChange:
    """The changed files by what they are for. Tests inside of a product file, as in Rust, are in neither list."""

    changes: Sequence[Change]
    kinds: Mapping[str, PathKind]

    def of(self, *kinds: PathKind) -> list[Change]:
        return [change for change in self.changes if self.kinds[change.path] in kinds]

    @property
    def edited_tests(self) -> tuple[str, ...]:
        """The existing tests and test data that the change edits or removes."""
        return tuple(change.path for change in self.of("test", "data") if change.before)

    @property
    def inline(self) -> list[Change]:
        """The product files of which the change edits the tests inside."""
        return [
            one for one in self.of("product") if split_inline(one, one.before)[1] != split_inline(one, one.after)[1]
        ]

    @property
    def tests(self) -> tuple[str, ...]:
        """The files with new and changed tests or test data."""
        return tuple(one.path for one in (*self.of("test", "data"), *self.inline) if one.after)

    @property
    def adds_tests(self) -> bool:
        """Whether tests have lines that no test had before: not if they were only moved or removed."""
        lines = Counter[str]()
        for one in (*self.of("test", "data"), *self.inline):
            for side, sign in ((one.before, -1), (one.after, 1)):
                text = (
                    split_inline(one, side)[1] if one.path.endswith(".rs") and one in self.of("product") else read(side)
                )
                for line in (text or "").splitlines():
                    if (plain := line.strip()) and not _IMPORT.match(plain):
                        lines[plain] += sign
        return any(count > 0 for count in lines.values())

    @property
    def has_product(self) -> bool:
        return any(split_inline(one, one.before)[0] != split_inline(one, one.after)[0] for one in self.of("product"))


def classify_changes(changes: Sequence[Change], layout: Layout) -> ClassifiedChange:
    """The changes with the kind of each path."""
    return ClassifiedChange(changes, {change.path: layout.classify(change.path) for change in changes})


def plan_variations(change: ClassifiedChange, *, by_test: bool = False) -> dict[ExperimentKind, Variation]:
    """The variation of each experiment, also of those that have nothing to run. `by_test`: the results of single tests
    are known, so that all expectations of a changed file can be altered, also those that a new row of a table uses."""
    planned = {kind: plan(change) for kind, plan in _PLANS.items()}
    return planned | {"false_expectations": _plan_false_expectations(change, by_test=by_test)}


def split_inline(change: Change, side: Side | None) -> tuple[str | None, str]:
    """The product part and the tests of a file: only Rust keeps unit tests in the file that they test, behind a marker
    (The Rust Programming Language, 11.3)."""
    text = read(side)
    if text is None or not change.path.endswith(".rs"):
        return text if text is not None or side is None else side.sha, ""
    at = text.find(_INLINE_TESTS)
    return (text, "") if at < 0 else (text[:at], text[at:])


def _mix(change: Change, product: Side | None, tests: Side | None) -> Side | None:
    """The file with the product part of one side and the tests of the other."""
    part, inside = split_inline(change, product), split_inline(change, tests)[1]
    return product if product is None or part[1] == inside else rewrite(product, f"{part[0]}{inside}")


def _take_after(changes: Sequence[Change]) -> dict[str, Side | None]:
    return {change.path: change.after for change in changes}


def _plan_old_tests(change: ClassifiedChange) -> Variation:
    if not change.of("test", "data", "configuration") and not change.inline:
        return Variation("old_tests", reason="the change edits no tests")
    product = {one.path: _mix(one, one.after, one.before) for one in change.of("product")}
    return Variation("old_tests", "base", product | _take_after(change.of("manifest", "document")), change.edited_tests)


def _plan_new_tests(change: ClassifiedChange) -> Variation:
    if not change.tests:
        return Variation("new_tests", reason="the change adds no tests")
    if not change.has_product:
        return Variation("new_tests", reason="the change has no product source")
    inline = {one.path: _mix(one, one.before, one.after) for one in change.inline if one.before}
    files = _take_after(change.of("test", "data", "manifest"))
    return Variation("new_tests", "base", inline | files, change.tests)


def _plan_without_extras(change: ClassifiedChange) -> Variation:
    manifests = [
        one for one in change.of("manifest") if find_check_sections(one.path, read(one.before), read(one.after))
    ]
    extras = [*change.of("configuration"), *manifests]
    if not extras:
        return Variation("without_extras", reason="the change has no further files")
    contents: dict[str, Side | None] = {one.path: one.before for one in extras}
    return Variation("without_extras", "candidate", contents, tuple(contents))


def _plan_suppressions(change: ClassifiedChange) -> Variation:
    contents: dict[str, Side | None] = {}
    places: list[str] = []
    for one in change.changes:
        stripped = strip_suppressions(one.path, read(one.before), read(one.after) or "")
        if one.after and stripped:
            contents[one.path] = rewrite(one.after, stripped.text)
            places += [f"{one.path}:{line}" for line in stripped.lines]
    if not contents:
        return Variation("suppressions", reason="the change adds no suppressions")
    return Variation("suppressions", "candidate", contents, tuple(places))


def _plan_false_expectations(change: ClassifiedChange, *, by_test: bool) -> Variation:
    left = MOST_PLACES

    def alter(one: Change) -> str | None:
        nonlocal left
        if left <= 0:
            return None
        product, inside = split_inline(one, one.after) if one in inline else ("", read(one.after) or "")
        before = split_inline(one, one.before)[1] if one in inline else read(one.before)
        is_whole = by_test and is_code(one.path)
        found = falsify(one.path, None if is_whole else before, inside, left)
        left -= found.places if found else 0
        return f"{product}{found.text}" if found else None

    inline = change.inline
    tests = [one for one in (*change.of("test", "data"), *inline) if one.after and one.after.text is not None]
    if not tests:
        return Variation("false_expectations", reason="the change adds no tests")
    found = _mutate("false_expectations", tests, alter)
    return replace(found, is_partial=left <= 0)


def find_test_files(tests: Collection[str], paths: Iterable[str], layout: Layout) -> list[str]:
    """The test files among `paths` that these test ids name, by path, module or file name; at most `MOST_FILES`."""
    parts = {part for test in tests for part in _ID_PARTS.split(test)}
    texts = [test.replace("::", "/").replace(".", "/") for test in tests]
    found = []
    for path in paths:
        stem = path.rpartition(".")[0]
        plain = stem.replace(".", "/")
        if (path.rpartition("/")[2].rpartition(".")[0] in parts or any(plain in text for text in texts)) and (
            layout.classify(path) == "test"
        ):
            found.append(path)
    return found[:MOST_FILES]


def plan_existing_expectations(tests: Mapping[str, Side]) -> Variation:
    """False expectations in tests that the change leaves as they are, for a change that makes failing tests pass."""
    changes = [Change(path, None, side) for path, side in tests.items()]
    classified = ClassifiedChange(changes, dict.fromkeys(tests, "test"))
    return replace(_plan_false_expectations(classified, by_test=True), is_of_existing=True)


def _plan_broken_code(change: ClassifiedChange) -> Variation:
    product = [one for one in change.of("product") if one.after and one.after.text is not None]
    if not product:
        return Variation("broken_code", reason="the change has no product source")
    return _mutate("broken_code", product, lambda one: make_unloadable(one.path, read(one.after) or ""))


def _mutate(kind: ExperimentKind, changes: Sequence[Change], alter: Callable[[Change], str | None]) -> Variation:
    altered = {one.path: rewrite(one.after, text) for one in changes if one.after and (text := alter(one)) is not None}
    return Variation(kind, "candidate", altered, tuple(altered))


def read(side: Side | None) -> str | None:
    """The text of one side of a change, None without one."""
    return side.text if side else None


def rewrite(side: Side, text: str) -> Side:
    """The file with another text, which is not written yet."""
    return replace(side, sha="", size=len(text.encode()), text=text)


_PLANS: Mapping[ExperimentKind, Callable[[ClassifiedChange], Variation]] = {
    "old_tests": _plan_old_tests,
    "new_tests": _plan_new_tests,
    "without_extras": _plan_without_extras,
    "suppressions": _plan_suppressions,
    "broken_code": _plan_broken_code,
}
