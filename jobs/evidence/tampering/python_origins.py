"""Finds tricks in Python that use indirection: imports of the test runner, references to `os._exit`, test detection.

Called by `jobs.evidence.tampering.product` with a file's syntax tree. Pure: nothing is imported or executed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from integrations.results import TamperKind
from jobs.evidence.tampering.python_names import unparse

Found = tuple[TamperKind, int, str]
_RUNNERS = re.compile(r"(unittest|pytest|_pytest|nose2?)(\..*)?")
_EXITS = frozenset({"_exit", "_Exit", "Py_Exit"})
_SYSTEM = re.compile(r"os|posix|nt|.*(CDLL|pythonapi|libc).*")
_QUERIES = frozenset({"startswith", "endswith", "count", "find", "index", "search", "match", "fullmatch"})
_EXECS = re.compile(r"(os|posix)\.(exec[lv]p?e?)")
_WHO_RUNS = re.compile(
    r"(?<!\w)(inspect\.(stack|currentframe|getouterframes)|sys\.(orig_argv|argv|_getframe|modules|gettrace)|traceback\.\w+"
    r"|/proc/(self|\d+)/\w+|psutil\.\w+|os\.getppid|os\.getcwd|Path\.cwd|__file__)"
)
_TESTING = re.compile(r"['\"][^'\"]*(\b_?pytest\b|\bunittest\b|-gate\b|-checker\b|/runs/)[^'\"]*['\"]")


def find_hidden(module: ast.Module, *, test: bool) -> Iterator[Found]:
    """Yield (kind, line, text) of each trick; test files can import their runner."""
    called = {id(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)}
    for node in ast.walk(module):
        if not test:
            yield from _find_runner_imports(node)
            yield from _find_test_detection(node)
        yield from _find_exit_references(node, called=id(node) in called)
    yield from _find_import_effects(module)


def _note(kind: TamperKind, node: ast.stmt | ast.expr) -> Found:
    return kind, node.lineno, unparse(node).splitlines()[0]


def _find_runner_imports(node: ast.AST) -> Iterator[Found]:
    """Yield imports of a test runner in product code, which can patch it, and objects that equal everything."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
    if any(map(_RUNNERS.fullmatch, names)):
        assert isinstance(node, ast.stmt)
        yield _note("monkeypatch", node)
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__eq__" for t in node.targets):
        yield _note("monkeypatch", node)
    if isinstance(node, ast.Dict) and any(isinstance(k, ast.Constant) and k.value == "__eq__" for k in node.keys):
        yield _note("monkeypatch", node)


def _find_test_detection(node: ast.AST) -> Iterator[Found]:
    """Yield conditions on the running process and its location."""
    asks = isinstance(node, ast.Compare | ast.GeneratorExp | ast.ListComp) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _QUERIES
    )
    if asks and isinstance(node, ast.expr):
        text = unparse(node)
        if _WHO_RUNS.search(text) and _TESTING.search(text):
            yield _note("exit_trick", node)


def _find_exit_references(node: ast.AST, *, called: bool) -> Iterator[Found]:
    """Yield references to `os._exit`: as a value, by another name, or by a computed name. Plain calls are left to
    `product`: they can have an exit code."""
    if isinstance(node, ast.ImportFrom) and any(alias.name in _EXITS for alias in node.names):
        yield _note("exit_trick", node)
    if isinstance(node, ast.Attribute) and node.attr in _EXITS:
        system = unparse(node.value)
        if _SYSTEM.fullmatch(system) and not (called and system == "os"):
            yield _note("exit_trick", node)
    if isinstance(node, ast.Subscript) and _is_computed_key(node):
        yield _note("exit_trick", node)
    if isinstance(node, ast.Call) and node.args:
        name, first = unparse(node.func), node.args[0]
        by_name = name in ("getattr", "vars") and _SYSTEM.fullmatch(unparse(first)) and not _is_plain(node.args[1:])
        if by_name or (name == "__import__" and not _is_plain(node.args)):
            yield _note("exit_trick", node)


def _is_computed_key(node: ast.Subscript) -> bool:
    """Whether this is a lookup in a `__dict__` by a computed name."""
    in_parts = isinstance(node.slice, ast.BinOp | ast.Constant)
    return in_parts and unparse(node.value).endswith("__dict__") and not _is_plain([node.slice])


def _is_plain(values: list[ast.expr]) -> bool:
    """Whether the name is a literal, and not one of an exit function."""
    return bool(values) and isinstance(values[0], ast.Constant) and values[0].value not in _EXITS


def _find_import_effects(module: ast.Module) -> Iterator[Found]:
    """Yield calls at import time that replace the process or run hidden code."""
    for statement in module.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            handed = [call.func, *call.args]
            if any(_EXECS.fullmatch(unparse(part)) for part in handed) or unparse(call.func) in ("exec", "eval"):
                yield _note("exit_trick", statement)
