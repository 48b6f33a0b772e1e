"""Reads the tests of a Python file: claims, preceding steps, and skips. Called by `python_compare`.

Tables are expanded: a parametrised test, a loop over a literal and a series of separate tests are equal.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from jobs.evidence.tampering.cases import Case, Claim
from jobs.evidence.tampering.python_claims import (
    RAISING,
    always_holds,
    called_name,
    format_claim,
    is_claim,
    split_conjunction,
    to_expression,
)
from jobs.evidence.tampering.python_names import (
    Function,
    ModuleNames,
    bind,
    literal_items,
    resolve,
    resolve_imports,
    unparse,
    without_docstring,
)

_COLLECTED = re.compile(r"test.*\.py|.*_test\.py|tests\.py")
_SKIP = re.compile(r"(\w+\.)*(skip|skipif|xfail|skipIf|skipUnless|expectedFailure|skipTest|SkipTest|importorskip)")
_SETUP_METHODS = ("setUp", "asyncSetUp", "setup_method")
_MOST_CASES = 500
_DEEPEST = 4


_PLAIN_MARKS = frozenset(
    {"parametrize", "usefixtures", "asyncio", "anyio", "trio", "django_db", "filterwarnings", "timeout"}
)


def is_collected(path: str) -> bool:
    """Whether test runners collect tests from a file of this name."""
    return _COLLECTED.fullmatch(PurePosixPath(path).name) is not None


def read_tests(module: ast.Module, path: str) -> dict[str, list[Case]]:
    """Map names of tests to their cases, one per row of a table. The last of two tests with the same name counts, as in
    Python."""
    names = ModuleNames(module)
    skips = [skip for s in module.body if isinstance(s, ast.Assign) for skip in _get_marks(s, "pytestmark", "__test__")]
    found = {
        name: _read_cases(function, names, path, name, (), skips)
        for name, function in names.functions.items()
        if name.startswith("test")
    }
    for cls in names.classes.values():
        if is_test_class(cls):
            found |= _read_cls(cls, names, path, skips)
    return found


def is_test_class(cls: ast.ClassDef) -> bool:
    """Whether test runners collect tests from the class."""
    bases = [unparse(b) for b in cls.bases]
    return cls.name.startswith("Test") or any(b.endswith(("Case", "Test", "Tests", "TestBase")) for b in bases)


def _read_cls(cls: ast.ClassDef, names: ModuleNames, path: str, skips: list[tuple[int, str]]) -> dict[str, list[Case]]:
    methods = {m.name: m for m in _list_methods(cls)}
    own = [s for d in cls.decorator_list for s in find_skips(d)]
    own += [skip for s in cls.body if isinstance(s, ast.Assign) for skip in _get_marks(s, "pytestmark", "__test__")]
    first = [methods[name] for name in _SETUP_METHODS if name in methods]
    for base in cls.bases:
        parent = names.classes.get(unparse(base))
        first = [m for m in _list_methods(parent) if m.name in _SETUP_METHODS] + first if parent else first
    return {
        f"{cls.name}.{name}": _read_cases(method, names, path, f"{cls.name}.{name}", first, skips + own)
        for name, method in methods.items()
        if name.startswith("test")
    }


def _list_methods(cls: ast.ClassDef) -> Iterator[Function]:
    return (m for m in cls.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef))


def _get_marks(statement: ast.Assign, *wanted: str) -> Iterator[tuple[int, str]]:
    """Yield `pytestmark = pytest.mark.skip` and `__test__ = False`."""
    for target in statement.targets:
        if isinstance(target, ast.Name) and target.id in wanted:
            off = isinstance(statement.value, ast.Constant) and statement.value.value is False
            if off or any(True for _ in find_skips(statement.value)):
                yield statement.lineno, unparse(statement)


def find_skips(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the place where this code skips tests; custom marks count, as they can be deselected."""
    for inner in ast.walk(node):
        if not isinstance(inner, ast.Attribute | ast.Name):
            continue
        name = unparse(inner)
        marked = name.startswith("pytest.mark.") and name.count(".") == 2 and name[12:] not in _PLAIN_MARKS
        if marked or _SKIP.fullmatch(name):
            yield inner.lineno, unparse(node)
            return


def _read_cases(
    function: Function,
    names: ModuleNames,
    path: str,
    name: str,
    first: Sequence[Function],
    skips: list[tuple[int, str]],
) -> list[Case]:
    decorators = [d for d in function.decorator_list if called_name(d) != "parametrize"]
    own = [s for d in decorators for s in find_skips(d)]
    rest = [unparse(resolve(d, {}, names)) for d in decorators if not any(True for _ in find_skips(d))]
    found = []
    for env, context, skipped in _read_rows(function, names):
        walk = _Walk(Case(path, name, function.lineno, steps=list(rest), skips=[*skips, *own]), names, env)
        within = names.conditions.get(name.partition(".")[0])
        walk.context = (f"if {within}", *context) if within else context
        if skipped:
            continue  # a skipped row has no assertions
        for before in first:
            walk.block(without_docstring(before.body))
        walk.fixtures(function)
        walk.block(without_docstring(function.body))
        found.append(walk.case)
    return found


Row = tuple[dict[str, ast.expr], tuple[str, ...], bool]


def _read_rows(function: Function, names: ModuleNames) -> list[Row]:
    """Return all combinations of the parametrize tables; a table that is not a literal becomes context."""
    tables: list[list[Row]] = []
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and called_name(decorator) == "parametrize" and len(decorator.args) >= 2:
            tables.append(_read_table(decorator, names))
    combined = itertools.islice(itertools.product(*tables), _MOST_CASES)
    return [
        (
            {name: value for env, _, _ in rows for name, value in env.items()},
            tuple(c for _, context, _ in rows for c in context),
            any(skipped for _, _, skipped in rows),
        )
        for rows in combined
    ]


def _read_table(decorator: ast.Call, names: ModuleNames) -> list[Row]:
    wanted, given = decorator.args[0], resolve(names.table(decorator.args[1]), {}, names)
    items = literal_items(given)
    if isinstance(wanted, ast.Constant):
        columns = [c.strip() for c in str(wanted.value).split(",") if c.strip()]
    else:
        columns = [ast.literal_eval(e) for e in literal_items(wanted) or [] if isinstance(e, ast.Constant)]
    if items is None or not columns:
        return [({}, (f"for {unparse(wanted)} in {unparse(given)}",), False)]
    return [_read_row(columns, item) for item in items]


def _read_row(columns: Sequence[str], item: ast.expr) -> Row:
    skipped = False
    values: list[ast.expr] | None
    if isinstance(item, ast.Call) and called_name(item) == "param":
        values, skipped = item.args, any(True for k in item.keywords for _ in find_skips(k.value))
    else:
        values = [item] if len(columns) == 1 else literal_items(item)
    if values is None:
        return {}, (f"with {unparse(item)}",), skipped
    return dict(zip(columns, values, strict=False)), (), skipped


class _Walk:
    """Collects the steps and claims of a test by walking its statements in order."""

    def __init__(self, case: Case, names: ModuleNames, env: dict[str, ast.expr]) -> None:
        self.case, self._names, self._env = case, names, dict(env)
        self.context: tuple[str, ...] = ()
        self._depth = 0

    def fixtures(self, function: Function) -> None:
        """Inline the fixtures of the same file."""
        for argument in function.args.args:
            fixture = self._names.functions.get(argument.arg)
            if fixture is None or not any("fixture" in unparse(d) for d in fixture.decorator_list):
                continue
            self.fixtures(fixture) if self._depth < _DEEPEST else None
            for statement in without_docstring(fixture.body):
                if (value := _fixture_value(statement)) is not None:
                    self._env[argument.arg] = self._resolved(value)
                    break
                self.block([statement])

    def block(self, statements: Sequence[ast.stmt]) -> bool:
        """Walk the statements; returns whether the next one can be reached."""
        return all(self._statement(s) for s in statements)

    def _resolved(self, expression: ast.expr) -> ast.expr:
        return resolve(expression, self._env, self._names)

    def _text(self, expression: ast.expr) -> str:
        return unparse(self._resolved(expression))

    def _statement(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.Assert(test=test):
                self._claim(test, statement)
            case ast.Expr(value=value):
                return self._expression(value.value if isinstance(value, ast.Await) else value)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(target, self._resolved(value))
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                self._assign(target, self._resolved(value))
            case ast.AugAssign(target=target, op=op, value=value):
                loaded = ast.parse(unparse(target), mode="eval").body
                self._assign(target, ast.BinOp(self._resolved(loaded), op, self._resolved(value)))
            case ast.Import() | ast.ImportFrom():
                self._env.update(resolve_imports(statement))
            case ast.Return() | ast.Continue() | ast.Break():
                return False
            case ast.Raise(exc=exc):
                if exc and any(True for _ in find_skips(exc)):
                    self._skipped(exc, False)
                return False
            case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
                self._inside((f"def {len(statement.args.args)}",), body)
            case _:
                return self._compound(statement)
        return True

    def _compound(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.If(test=test, body=body, orelse=orelse):
                condition = self._text(test)
                through = self._inside((f"if {condition}",), body), self._inside((f"else {condition}",), orelse)
                if not all(through):
                    self.context += (f"unless {condition}",)
                return any(through)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                return self._with(items, body)
            case ast.For(target=target, iter=over, body=body) | ast.AsyncFor(target=target, iter=over, body=body):
                self._loop(target, self._resolved(self._names.table(over)), body)
            case ast.While(test=test, body=body):
                self._inside((f"while {self._text(test)}",), body)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                strict = all(_always_fails(h.body) for h in handlers)
                self._inside(() if strict else ("try",), [*body, *orelse])
                return self.block(final)
            case ast.Match(subject=subject, cases=cases):
                for one in cases:
                    self._inside((f"match {self._text(subject)} {unparse(one.pattern)}",), one.body)
            case _:
                pass
        return True

    def _inside(self, context: tuple[str, ...], body: Sequence[ast.stmt]) -> bool:
        outer, self.context = self.context, self.context + context
        reached = self.block(body)
        self.context = outer
        return reached

    def _loop(self, target: ast.expr, over: ast.expr, body: Sequence[ast.stmt]) -> None:
        items = literal_items(over)
        if items is None or len(items) + len(self.case.claims) + len(self.case.steps) > _MOST_CASES:
            self._assign(target, ast.Call(ast.Name("each"), [over], []))
            self._inside((f"for {unparse(over)}",), body)
            return
        for item in items:
            self._assign(target, item)
            self.block(body)

    def _with(self, items: Sequence[ast.withitem], body: Sequence[ast.stmt]) -> bool:
        for item in items:
            opened = self._resolved(item.context_expr)
            if item.optional_vars is not None:
                self._assign(item.optional_vars, ast.Call(ast.Name("entered"), [opened], []))
            if isinstance(opened, ast.Call) and called_name(opened) in RAISING:
                self._raises(item.context_expr, opened, body)
            elif isinstance(opened, ast.Call) and called_name(opened) == "suppress":
                return self._inside(("try",), body)
            elif called_name(opened) != "subTest":
                self.case.steps.append(f"with {unparse(opened)}")
        return self.block(body)

    def _raises(self, at: ast.expr, opened: ast.Call, body: Sequence[ast.stmt]) -> None:
        inner = _Walk(Case("", ""), self._names, self._env)
        inner.block(body)
        done = [*inner.case.steps, *(f"{k} = {unparse(v)}" for k, v in inner._env.items() if k not in self._env)]
        name = "raises" if called_name(opened) in ("assertRaises", "assertRaisesRegex") else called_name(opened)
        call = ast.Call(ast.Name(name), [*opened.args, ast.Constant("; ".join(done))], opened.keywords)
        if called_name(opened) == "assertRaisesRegex":
            call.keywords = [ast.keyword("match", call.args.pop(1))]
        self._add(call, at.lineno, unparse(at))

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self._env[name] = value
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=attr):
                self._env[f"self.{attr}"] = value
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                parts = literal_items(value)
                for n, inner in enumerate(elts):
                    known = parts is not None and len(parts) == len(elts)
                    self._assign(inner, parts[n] if known and parts else ast.Subscript(value, ast.Constant(n)))
            case _:
                self.case.steps.append(f"{self._text(target)} = {unparse(value)}")

    def _expression(self, value: ast.expr) -> bool:
        if not isinstance(value, ast.Call):
            return True
        if _SKIP.fullmatch(unparse(value.func)):
            self._skipped(value, called_name(value) == "importorskip")
            return False
        function = self._local(value)
        if function and self._depth < _DEEPEST and (bound := bind(function, value, self._env)) is not None:
            self._enter(function, {k: self._resolved(v) for k, v in bound.items()})
        elif is_claim(value):
            self._call_claim(value)
        else:
            self.case.steps.append(self._text(value))
        return True

    def _skipped(self, value: ast.expr, asks: bool) -> None:
        asks = asks or any(c.startswith(("if ", "else ", "try")) for c in self.context)
        self.case.skips.append((value.lineno, f"{'if: ' if asks else ''}{unparse(value)}"))

    def _call_claim(self, value: ast.Call) -> None:
        if called_name(value) in RAISING and len(value.args) >= 2:
            body = ast.Expr(ast.Call(value.args[1], value.args[2:], value.keywords))
            opened = ast.Call(value.func, value.args[:1], [])
            self._raises(value, self._resolved(opened), [body])  # type: ignore[arg-type]
            return
        self._claim(to_expression(value), value)

    def _local(self, call: ast.Call) -> Function | None:
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        return self._names.functions.get(name) if name not in self._env else None

    def _enter(self, function: Function, bound: dict[str, ast.expr]) -> None:
        outer, self._env, context = self._env, bound, self.context
        self._depth += 1
        self.block(without_docstring(function.body))
        self._depth -= 1
        kept = {k: v for k, v in self._env.items() if k.startswith("self.")}
        self._env, self.context = {**outer, **kept}, context

    def _claim(self, expression: ast.expr, at: ast.Assert | ast.Call) -> None:
        for one in split_conjunction(self._resolved(expression)):
            self._add(one, at.lineno, unparse(at))

    def _add(self, expression: ast.expr, line: int, shown: str) -> None:
        if always_holds(expression):
            self.case.constant.append((line, shown))
            return
        text = format_claim(expression)
        self.case.claims.append(Claim(text, self.context, tuple(self.case.steps), line, shown))


def _always_fails(body: Sequence[ast.stmt]) -> bool:
    """Whether an except block always fails the test."""
    last = body[-1]
    return isinstance(last, ast.Raise) or (isinstance(last, ast.Expr) and called_name(last.value) == "fail")


def _fixture_value(statement: ast.stmt) -> ast.expr | None:
    """Return the value that a fixture returns or yields in this statement."""
    match statement:
        case ast.Return(value=value) | ast.Expr(value=ast.Yield(value=value)):
            return value
        case _:
            return None
