"""Tricks in Python that go through a name: an alias of the runner, a reference to `os._exit`, a look at who is running.

Called by `jobs.evidence.tampering.product` with a file's syntax tree. Pure: nothing is imported or executed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from integrations.results import TamperKind
from jobs.evidence.tampering.python_names import written

Found = tuple[TamperKind, int, str]
_RUNNERS = re.compile(r"(unittest|pytest|_pytest|nose2?)(\..*)?")
_ENDS = frozenset({"_exit", "_Exit", "Py_Exit"})
_SYSTEM = re.compile(r"os|posix|nt|.*(CDLL|pythonapi|libc).*")
_ASKS = frozenset({"startswith", "endswith", "count", "find", "index", "search", "match", "fullmatch"})
_BECOMES = re.compile(r"(os|posix)\.(exec[lv]p?e?)")
_WHO_RUNS = re.compile(
    r"(?<!\w)(inspect\.(stack|currentframe|getouterframes)|sys\.(orig_argv|argv|_getframe|modules|gettrace)|traceback\.\w+"
    r"|/proc/(self|\d+)/\w+|psutil\.\w+|os\.getppid|os\.getcwd|Path\.cwd|__file__)"
)
_TESTING = re.compile(r"['\"][^'\"]*(\b_?pytest\b|\bunittest\b|-gate\b|-checker\b|/runs/)[^'\"]*['\"]")


def hidden(module: ast.Module, *, test: bool) -> Iterator[Found]:
    """(kind, line, text) of each; a file of tests may import its runner."""
    called = {id(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)}
    for node in ast.walk(module):
        if not test:
            yield from _runner(node)
            yield from _looks(node)
        yield from _ends(node, called=id(node) in called)
    yield from _at_import(module)


def _note(kind: TamperKind, node: ast.stmt | ast.expr) -> Found:
    return kind, node.lineno, written(node).splitlines()[0]


def _runner(node: ast.AST) -> Iterator[Found]:
    """Product code that brings the test runner in can replace it, or answer with what is equal to everything."""
    names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
    if any(map(_RUNNERS.fullmatch, names)):
        assert isinstance(node, ast.stmt)
        yield _note("monkeypatch", node)
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__eq__" for t in node.targets):
        yield _note("monkeypatch", node)
    if isinstance(node, ast.Dict) and any(isinstance(k, ast.Constant) and k.value == "__eq__" for k in node.keys):
        yield _note("monkeypatch", node)


def _looks(node: ast.AST) -> Iterator[Found]:
    """A condition on who is running this, and where."""
    asks = isinstance(node, ast.Compare | ast.GeneratorExp | ast.ListComp) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _ASKS
    )
    if asks and isinstance(node, ast.expr):
        text = written(node)
        if _WHO_RUNS.search(text) and _TESTING.search(text):
            yield _note("exit_trick", node)


def _ends(node: ast.AST, *, called: bool) -> Iterator[Found]:
    """`os._exit` handed on, under another name, or by a name that is put together. A plain call is `product`'s: it may
    have an exit code."""
    if isinstance(node, ast.ImportFrom) and any(alias.name in _ENDS for alias in node.names):
        yield _note("exit_trick", node)
    if isinstance(node, ast.Attribute) and node.attr in _ENDS:
        system = written(node.value)
        if _SYSTEM.fullmatch(system) and not (called and system == "os"):
            yield _note("exit_trick", node)
    if isinstance(node, ast.Subscript) and _put_together(node):
        yield _note("exit_trick", node)
    if isinstance(node, ast.Call) and node.args:
        name, first = written(node.func), node.args[0]
        by_name = name in ("getattr", "vars") and _SYSTEM.fullmatch(written(first)) and not _plain(node.args[1:])
        if by_name or (name == "__import__" and not _plain(node.args)):
            yield _note("exit_trick", node)


def _put_together(node: ast.Subscript) -> bool:
    """Whether something is taken out of a `__dict__` by a name that is not written out."""
    in_parts = isinstance(node.slice, ast.BinOp | ast.Constant)
    return in_parts and written(node.value).endswith("__dict__") and not _plain([node.slice])


def _plain(values: list[ast.expr]) -> bool:
    """Whether the name is written out, and not that of an end."""
    return bool(values) and isinstance(values[0], ast.Constant) and values[0].value not in _ENDS


def _at_import(module: ast.Module) -> Iterator[Found]:
    """What runs when the file is imported and need not run there: another program in this one's place, hidden code."""
    for statement in module.body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            call = statement.value
            handed = [call.func, *call.args]
            if any(_BECOMES.fullmatch(written(part)) for part in handed) or written(call.func) in ("exec", "eval"):
                yield _note("exit_trick", statement)
