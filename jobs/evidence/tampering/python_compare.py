"""Compares the Python tests of two commits: finds removed, skipped and weakened tests. Called by
`jobs.evidence.tampering`.

A test that was renamed, moved, split, merged or turned into a table is recognized by its assertions. Tests that are not
recognized count as removed.
"""

from __future__ import annotations

import ast
import re
import unittest
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from integrations.git.changes import Change
from integrations.results import Tampering, TamperKind
from jobs.evidence.tampering.cases import Case, Claim, is_subsequence
from jobs.evidence.tampering.python_claims import called_name, implies, is_claim
from jobs.evidence.tampering.python_names import digest_of, is_table, literal_items, unparse
from jobs.evidence.tampering.python_tests import find_skips, is_collected, is_test_class, read_tests

_PATCHING = re.compile(r"\b(patch|setattr|setitem|delattr|\w*Mock)\b|^(?!self\.)[\w.]+\.\w+ = ")
_CONDITIONAL = re.compile(r"^if: |skipif|skipIf|skipUnless|importorskip|mark\.(?!skip|xfail)\w+")
_ALWAYS = re.compile(r"(skipif|skipIf)\((True|1)\b|skipUnless\((False|0)\b")
_TESTCASE = frozenset(dir(unittest.TestCase)) - {
    "setUp", "tearDown", "setUpClass", "tearDownClass", "maxDiff", "longMessage", "__init__", "__doc__", "__module__",
    "id", "shortDescription", "__dict__", "__slots__", "__annotations__",
}  # fmt: skip
_STEERING = {"pytestmark", "__test__", "collect_ignore", "collect_ignore_glob", "pytest_plugins", "load_tests"}


@dataclass(frozen=True)
class FilePair:
    """One test file, parsed, before and after; None where it is missing or does not parse."""

    path: str
    before: ast.Module | None
    after: ast.Module | None


def parse_both(changes: Sequence[Change]) -> list[FilePair]:
    """Parse both sides of the changes."""
    found = []
    for change in changes:
        before = parse(change.before.text if change.before else None)
        after = parse(change.after.text if change.after else None)
        found.append(FilePair(change.path, before, after))
    return found


def parse(text: str | None) -> ast.Module | None:
    """Parse a module; None when there is no text or it does not parse."""
    if text is None:
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Pool:
    """An index of cases by their claims."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.cases = cases
        self._by_text: dict[tuple[str, tuple[str, ...]], list[tuple[Claim, Case]]] = defaultdict(list)
        for case in cases:
            for claim in case.claims:
                self._by_text[claim.text, claim.context].append((claim, case))

    def keeps(self, claim: Claim, skips: set[str]) -> bool:
        """Whether a case without other skips than `skips` has this claim after the same steps."""
        found = self._by_text.get((claim.text, claim.context), ())
        return any(claim.is_kept_by(other) and not _is_skipped(case, skips) for other, case in found)

    def holds(self, case: Case, skips: set[str]) -> bool:
        """Whether the whole case exists, in one case or spread over several."""
        if case.claims:
            return all(self.keeps(claim, skips) for claim in case.claims)
        live = (c for c in self.cases if not _is_skipped(c, skips))
        return any(case.is_same_as(c) or (case.steps and is_subsequence(case.steps, c.steps)) for c in live)


def _is_skipped(case: Case, skips: set[str]) -> bool:
    return bool({text for _, text in case.skips} - skips)


def compare_tests(files: Sequence[FilePair]) -> Iterator[Tampering]:
    """Yield findings about existing tests, and about new tests that prove nothing."""
    before = {f.path: read_tests(f.before, f.path) for f in files if f.before}
    after = {f.path: read_tests(f.after, f.path) for f in files if f.after and (f.before or is_collected(f.path))}
    everywhere = _Pool([case for tests in after.values() for cases in tests.values() for case in cases])
    new = {p: {n: cs for n, cs in tests.items() if n not in before.get(p, {})} for p, tests in after.items()}
    others = _Pool([case for tests in new.values() for cases in tests.values() for case in cases])
    for path, tests in before.items():
        for name, cases in tests.items():
            yield from _compare_test(cases, after.get(path, {}).get(name), everywhere, others)
    old = [case for tests in before.values() for cases in tests.values() for case in cases]
    for tests in new.values():
        for cases in tests.values():
            yield from _check_new_test(cases, old)


def _compare_test(cases: list[Case], there: list[Case] | None, everywhere: _Pool, others: _Pool) -> Iterator[Tampering]:
    """Compare one test with the cases under its old name and with all others."""
    if not cases:
        return
    skips = {text for case in cases for _, text in case.skips}
    if there is None:
        gone = next((case for case in cases if not everywhere.holds(case, skips)), None)
        if gone is not None:
            yield Tampering(kind="test_removed", path=gone.path, text=gone.name)
        return
    skip = next((s for case in there for s in case.skips if s[1] not in skips), None)
    if skip or not there:
        at, text = skip or (0, f"every case of {cases[0].name}")
        yield Tampering(kind="test_skipped", path=cases[0].path, line=at, text=text)
        return
    mine = _Pool(there)
    seen: set[str] = set()
    for case in cases:
        for finding in _find_weakened(case, mine, others, skips):
            if finding.text not in seen:
                seen.add(finding.text)
                yield finding


def _find_weakened(case: Case, mine: _Pool, others: _Pool, skips: set[str]) -> Iterator[Tampering]:
    there = mine.cases
    for claim in case.claims:
        if mine.keeps(claim, skips) or others.keeps(claim, skips) or _is_stronger(claim, there):
            continue
        moved = any(claim.text == c.text and claim.context == c.context for one in there for c in one.claims)
        line = next((c.line for one in there for c in one.claims if _is_similar(claim, c)), there[0].line)
        kind: TamperKind = "test_changed" if moved else "assertion_weakened"
        yield Tampering(kind=kind, path=case.path, line=line, text=claim.shown)
    if not case.claims and not any(is_subsequence(case.steps, one.steps) for one in (*there, *others.cases)):
        yield Tampering(kind="test_changed", path=case.path, line=there[0].line, text=case.name)
    for one in there:
        for step in one.steps:
            if _PATCHING.search(step) and step not in case.steps and case.claims:
                yield Tampering(kind="monkeypatch", path=case.path, line=one.line, text=step)


def _is_stronger(claim: Claim, there: Sequence[Case]) -> bool:
    """Whether a claim in the same context implies this one."""
    placed = (c for one in there for c in one.claims if claim.context == c.context)
    return any(is_subsequence(claim.steps, c.steps) and implies(c.text, claim.text) for c in placed)


def _is_similar(one: Claim, other: Claim) -> bool:
    return bool(set(re.findall(r"\w+\(", one.text)) & set(re.findall(r"\w+\(", other.text)))


def _check_new_test(cases: list[Case], old: Sequence[Case]) -> Iterator[Tampering]:
    """Yield findings about a new test that never runs or cannot fail."""
    for case in cases[:1]:
        if any(case.is_same_as(other) and other.skips == case.skips for other in old):
            return
        for line, text in case.skips:
            if (not _CONDITIONAL.search(text) or _ALWAYS.search(text)) and not any(
                text == known for other in old if other.short == case.short for _, known in other.skips
            ):
                yield Tampering(kind="test_skipped", path=case.path, line=line, text=text)
        if case.constant and not case.claims and not case.steps:
            line, text = case.constant[0]
            yield Tampering(kind="assertion_weakened", path=case.path, line=line, text=text)


def compare_rest(file: FilePair) -> Iterator[Tampering]:
    """Yield findings outside of tests: names that runners look for, overridden framework methods, and functions that
    skip tests."""
    if file.after is None:
        return
    old = {ast.dump(s) for s in _list_statements(file.before)}
    defined = {n for s in _list_statements(file.before) for n in _bound_names(s) if isinstance(s, _DEFINITIONS)}
    for statement in _list_statements(file.after):
        if ast.dump(statement) in old:
            continue
        yield from _find_steering(statement, file)
        if isinstance(statement, ast.Assign) and _bound_names(statement) & defined:
            yield _make_finding("test_changed", file.path, statement, unparse(statement))
        if isinstance(statement, _FUNCTIONS) and file.before and not statement.name.startswith("test"):
            for line, text in find_skips(statement):
                yield Tampering(kind="test_skipped", path=file.path, line=line, text=text[:200])


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)


def _list_statements(module: ast.Module | None) -> list[ast.stmt]:
    """Return the statements of the module and of its classes."""
    if module is None:
        return []
    inner = [m for s in module.body if isinstance(s, ast.ClassDef) for m in s.body]
    return [*module.body, *inner]


def _find_steering(statement: ast.stmt, file: FilePair) -> Iterator[Tampering]:
    match statement:
        case ast.FunctionDef(name=name) if name in _STEERING or name.startswith("pytest_"):
            yield _make_finding("test_configuration", file.path, statement, f"def {name}")
        case ast.Assign(targets=[ast.Name(id=name)]) if name in _STEERING - {"pytestmark"}:
            yield _make_finding("test_configuration", file.path, statement, unparse(statement))
        case ast.ClassDef(bases=[_, *_]) if is_test_class(statement):
            known = _dump_members(file.before, statement.name)
            for member in statement.body:
                names = _bound_names(member) & _TESTCASE
                if names and ast.dump(member) not in known:
                    yield _make_finding("monkeypatch", file.path, member, f"{statement.name}.{min(names)}")
        case ast.Assign(targets=[ast.Attribute() as target]):
            yield _make_finding("monkeypatch", file.path, statement, unparse(target))
        case ast.Expr(value=ast.Call() as call) if called_name(call) in ("setattr", "patch", "start"):
            yield _make_finding("monkeypatch", file.path, statement, unparse(call))
        case ast.Delete():
            yield _make_finding("test_removed", file.path, statement, unparse(statement))
        case _:
            pass


def _make_finding(kind: TamperKind, path: str, node: ast.stmt, text: str) -> Tampering:
    return Tampering(kind=kind, path=path, line=node.lineno, text=text[:200])


def _bound_names(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets) if all(isinstance(t, ast.Name | ast.Tuple) for t in targets):
            return {t.id for target in targets for t in ast.walk(target) if isinstance(t, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return {a.asname or a.name.partition(".")[0] for a in names}
        case _:
            return set()


def _dump_members(module: ast.Module | None, name: str) -> set[str]:
    cls = next((s for s in module.body if isinstance(s, ast.ClassDef) and s.name == name), None) if module else None
    return {ast.dump(m) for m in cls.body} if cls else set()


def compare_support(files: Sequence[FilePair]) -> Iterator[Tampering]:
    """Yield findings about support code: constants, which can grow, and assertion helpers in files without tests, which
    can move. Other functions are not compared: the gate takes their files from the base."""
    after: set[str] = set()
    for file in files:
        if file.before is None:
            continue
        kept = {ast.dump(s) for s in file.after.body} if file.after else set()
        tests = is_collected(file.path) or bool(read_tests(file.before, file.path))
        new = {n: s for s in (file.after.body if file.after else ()) for n in _bound_names(s)}
        for statement in file.before.body:
            name = min(_bound_names(statement), default="")
            checks = isinstance(statement, _DEFINITIONS) and not tests and _checks_something(statement)
            constant = isinstance(statement, ast.Assign) and is_table(statement.value)
            if not (checks or constant) or ast.dump(statement) in kept or _only_adds_rows(statement, new.get(name)):
                continue
            after = after or {digest_of(s) for f in files if f.after for s in f.after.body if _bound_names(s)}
            if digest_of(statement) not in after:
                yield Tampering(kind="test_changed", path=file.path, text=name)


def _checks_something(node: ast.AST) -> bool:
    kinds = (ast.Assert, ast.Raise)
    return any(isinstance(n, kinds) or (isinstance(n, ast.Call) and is_claim(n)) for n in ast.walk(node))


def _only_adds_rows(before: ast.stmt, after: ast.stmt | None) -> bool:
    """Whether a table still has all its rows."""
    if not isinstance(before, ast.Assign) or not isinstance(after, ast.Assign):
        return False
    old, new = before.value, after.value
    if isinstance(old, ast.Dict) and isinstance(new, ast.Dict):
        there = {(key and ast.dump(key), ast.dump(value)) for key, value in zip(new.keys, new.values, strict=True)}
        return all((k and ast.dump(k), ast.dump(v)) in there for k, v in zip(old.keys, old.values, strict=True))
    had, has = literal_items(old), literal_items(new)
    return had is not None and has is not None and {ast.dump(e) for e in had} <= {ast.dump(e) for e in has}


def only_adds(file: FilePair) -> bool:
    """Whether the change only adds new names and changes tests, which `compare_tests` covers. The gate can use such a
    file as changed."""
    if file.before is None or file.after is None:
        return False
    return _body_only_adds(file.before.body, file.after.body, top=True)


def _body_only_adds(before: Sequence[ast.stmt], after: Sequence[ast.stmt], *, top: bool) -> bool:
    old, new = [s for s in before if not _is_text(s)], [s for s in after if not _is_text(s)]
    taken = {name for s in old for name in _bound_names(s)}
    dumps = {ast.dump(s) for s in old}
    kept = {ast.dump(s) for s in new}
    return all(_is_kept(s, new, kept) for s in old) and all(
        ast.dump(s) in dumps or _find_counterpart(s, old) is not None or _is_harmless(s, taken, top=top) for s in new
    )


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_kept(statement: ast.stmt, new: Sequence[ast.stmt], kept: set[str]) -> bool:
    return ast.dump(statement) in kept or _find_counterpart(statement, new) is not None


def _find_counterpart(statement: ast.stmt, others: Sequence[ast.stmt]) -> ast.stmt | None:
    """Return the corresponding statement of the other side: a test of the same name, a class that only adds, an import
    of the same names."""
    for other in others:
        if type(statement) is not type(other):
            continue
        match statement, other:
            case (ast.FunctionDef(name=a), ast.FunctionDef(name=b)) | (
                ast.AsyncFunctionDef(name=a),
                ast.AsyncFunctionDef(name=b),
            ):
                if a == b and (a.startswith("test") or digest_of(statement) == digest_of(other)):
                    return other
            case ast.ClassDef(name=a), ast.ClassDef(name=b):
                bases = [ast.dump(x) for x in statement.bases] == [ast.dump(x) for x in other.bases]
                if a == b and bases and _class_only_adds(statement, other):
                    return other
            case (ast.Import(), ast.Import()) | (ast.ImportFrom(), ast.ImportFrom()):
                if _imported_names(statement) <= _imported_names(other) or _imported_names(other) <= _imported_names(
                    statement
                ):
                    return other
            case _:
                pass
    return None


def _class_only_adds(one: ast.ClassDef, other: ast.ClassDef) -> bool:
    return _body_only_adds(one.body, other.body, top=False) or _body_only_adds(other.body, one.body, top=False)


def _imported_names(statement: ast.stmt) -> set[str]:
    module = f"{'.' * statement.level}{statement.module}" if isinstance(statement, ast.ImportFrom) else ""
    return {f"{module} {a.name} {a.asname}" for a in getattr(statement, "names", ())}


_HOOKS = re.compile(r"setUp\w*|tearDown\w*|asyncSetUp|asyncTearDown|setup\w*|teardown\w*|pytest_\w+|load_tests|__\w+__")


def _is_harmless(statement: ast.stmt, taken: set[str], *, top: bool) -> bool:
    names = _bound_names(statement)
    if not names or names & (taken | _STEERING) or any(_HOOKS.fullmatch(n) for n in names):
        return isinstance(statement, ast.Pass)
    if isinstance(statement, ast.FunctionDef) and "autouse" in "".join(map(ast.dump, statement.decorator_list)):
        return False
    return top or not names & _TESTCASE
