"""The tamper guard: finds changes that could make checks pass without the work. Called by `jobs.roles.gate`. Pure.

It does not judge: it lists places for a person to review. Honest changes (tests that are new, renamed, moved or turned
into tables, additional assertions) give an empty list; the corpus in `tests/jobs/evidence/tampering`
measures both kinds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from integrations.git.changes import Change
from integrations.results import Tampering
from jobs.evidence.tampering import paths
from jobs.evidence.tampering.cases import is_subsequence
from jobs.evidence.tampering.configuration import find_changed_rules, find_changed_sections
from jobs.evidence.tampering.other_tests import compare_others, holds_tests
from jobs.evidence.tampering.product import family, find_suppressions, find_tricks
from jobs.evidence.tampering.python_compare import compare_rest, compare_support, compare_tests, only_adds, parse_both
from jobs.loop.state import Contract

MOST, MOST_TEXT = 100, 200


@dataclass(frozen=True)
class GuardResult:
    """Result of the guard. `from_base` are the paths that the gate checks out from the base commit."""

    tampering: tuple[Tampering, ...]
    from_base: tuple[str, ...]


def guard(changes: Sequence[Change], tests: Sequence[str], contract: Contract) -> GuardResult:
    """Return all findings that a person has to accept, sorted by path, at most 100; `tests` are path patterns."""
    try:
        found = list(_find_all(changes, tests, contract))
    except (RecursionError, ValueError, MemoryError):  # MemoryError: Python's parser has reached its depth
        deep = "it or a file changed with it is nested too deeply to be compared"
        found = [Tampering(kind="exit_trick", path=c.path, text=deep) for c in changes]
    found = [replace(t, text=t.text[:MOST_TEXT]) for t in found]
    unique = sorted(dict.fromkeys(found), key=lambda t: (t.path, t.line, t.kind))
    suspicious = {t.path for t in found}
    base = {c.path for c in changes if _uses_base(c, suspicious, tests, contract)}
    return GuardResult(tuple(unique[:MOST]), tuple(sorted(base | _find_moved(changes, base))))


def _find_all(changes: Sequence[Change], tests: Sequence[str], contract: Contract) -> Iterator[Tampering]:
    mine = [c for c in changes if _is_test(c, tests, contract)]
    for change in changes:
        yield from _check_path(change, tests, contract)
    new_marks = any(_is_package_mark(c.path) and c.before is None for c in changes)
    for change in changes:
        gone = _is_package_mark(change.path) and change.after is None and paths.is_test(change.path, tests)
        if gone and not new_marks:
            yield Tampering(kind="test_configuration", path=change.path, text="its folder is no longer a package")
    yield from _compare_python(mine)
    code = [c for c in changes if c in mine or _holds_tests(c)]
    yield from compare_others([(c.path, text_of(c.before), text_of(c.after)) for c in code if family(c.path) != "py"])
    for change in mine:
        yield from _compare_data(change)
    for change in changes:
        if change.after and change.after.text is not None and not paths.is_document(change.path):
            yield from find_tricks(change.path, text_of(change.before), change.after.text, test=change in mine)
    yield from find_suppressions([(c.path, text_of(c.before), text_of(c.after)) for c in changes])


def text_of(side: object) -> str | None:
    """Return the text of one side of a change, or None."""
    return getattr(side, "text", None)


def _is_test(change: Change, tests: Sequence[str], contract: Contract) -> bool:
    if paths.configuration_kind(change.path) or paths.is_snapshot(change.path):
        return False
    named = paths.is_named_test(change.path, contract)
    return named or (paths.is_test(change.path, tests) and not _is_script(change.path, tests, contract))


def _is_script(path: str, tests: Sequence[str], contract: Contract) -> bool:
    """Whether the file is a script of a check; a test file that a command names counts as a test."""
    code = family(path) not in ("", "sh")
    test = paths.is_named_test(path, contract) or (code and paths.is_test(path, tests))
    return paths.is_check_script(path, contract) and not test


def _holds_tests(change: Change) -> bool:
    return any(holds_tests(change.path, t) for t in (text_of(change.before), text_of(change.after)) if t)


def _compare_python(mine: Sequence[Change]) -> Iterator[Tampering]:
    files = parse_both([c for c in mine if family(c.path) == "py"])
    yield from compare_tests(files)
    yield from compare_support(files)
    broken = {c.path for c in mine if c.after and family(c.path) == "py"} - {f.path for f in files if f.after}
    for file in files:
        yield from compare_rest(file)
        if file.path in broken and file.before:
            yield Tampering(kind="test_changed", path=file.path, text="it is no longer valid Python")


def _check_path(change: Change, tests: Sequence[str], contract: Contract) -> Iterator[Tampering]:
    """Yield findings that follow from the path."""
    before, after = text_of(change.before), text_of(change.after)
    kind = paths.configuration_kind(change.path)
    if kind:
        yield Tampering(kind=kind, path=change.path)
    elif change.before is None and paths.shadows_tool(change.path):
        yield Tampering(kind="exit_trick", path=change.path, text="it shadows a tool")
    elif paths.is_snapshot(change.path) and change.before and not _only_adds_lines(before, after):
        yield Tampering(kind="snapshot", path=change.path)
    elif _is_script(change.path, tests, contract) and change.before:
        if "akefile" in change.path and before is not None and after is not None:
            yield from find_changed_rules(change.path, before, after)
        else:
            yield Tampering(kind="check_command", path=change.path)
    yield from find_changed_sections(change.path, before, after)


def _compare_data(change: Change) -> Iterator[Tampering]:
    """Compare test data: additions are honest, changes are not."""
    if not change.before or family(change.path) == "py" or paths.is_document(change.path):
        return
    before, after = text_of(change.before), text_of(change.after)
    if before is not None and holds_tests(change.path, before):
        return
    if after is None or before is None or not (_grows(before, after) or _only_adds_lines(before, after)):
        yield Tampering(kind="test_changed", path=change.path)


def _grows(before: str, after: str) -> bool:
    """Whether the new JSON value only adds to the old one."""
    try:
        return _is_within(json.loads(before), json.loads(after))
    except (ValueError, RecursionError):
        return False


def _is_within(small: object, large: object) -> bool:
    if isinstance(small, dict) and isinstance(large, dict):
        return all(key in large and _is_within(value, large[key]) for key, value in small.items())
    if isinstance(small, list) and isinstance(large, list):
        return len(small) <= len(large) and all(map(_is_within, small, large))
    return small == large


def _only_adds_lines(before: str | None, after: str | None) -> bool:
    if before is None or after is None:
        return False
    old, new = ([line.rstrip() for line in one.splitlines() if line.strip()] for one in (before, after))
    return is_subsequence(old, new)


def _is_package_mark(path: str) -> bool:
    return path.endswith("__init__.py")


def _find_moved(changes: Sequence[Change], base: set[str]) -> set[str]:
    """Return new paths of moved files; if both existed, a runner would collect the same tests twice."""
    gone = [c for c in changes if c.path in base and c.after is None and c.before]
    names = {PurePosixPath(c.path).name for c in gone} - {"__init__.py"}
    contents = {c.before.sha for c in gone if c.before and c.before.size}
    new = [c for c in changes if c.before is None and c.after]
    return {c.path for c in new if PurePosixPath(c.path).name in names or (c.after and c.after.sha in contents)}


def _uses_base(change: Change, suspicious: set[str], tests: Sequence[str], contract: Contract) -> bool:
    """Whether the gate uses the base commit's version of this path (none, if the file is new)."""
    path = change.path
    if paths.configuration_kind(path):
        return True
    if change.before is None:
        return paths.shadows_tool(path)
    if paths.is_snapshot(path) or _is_script(path, tests, contract):
        return path in suspicious
    if not (paths.is_test(path, tests) or paths.is_named_test(path, contract)) or paths.is_document(path):
        return False
    return change.after is None or path in suspicious or not _only_adds(change)


def _only_adds(change: Change) -> bool:
    if family(change.path) == "py":
        return only_adds(parse_both([change])[0])
    before, after = text_of(change.before), text_of(change.after)
    return _only_adds_lines(before, after) or (before is not None and after is not None and _grows(before, after))


__all__ = ["Guarded", "guard"]
