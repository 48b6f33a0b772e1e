"""Resolves names in a Python test file: replaces locals, helpers and imports by their definitions.

Called by `python_tests`. Two tests are equal when their resolved assertions are equal, independent of variable names.
Nothing is executed or imported.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Mapping, Sequence

Env = Mapping[str, ast.expr]
Function = ast.FunctionDef | ast.AsyncFunctionDef
_MOST_NODES = 400
_DEEPEST = 4


def unparse(node: ast.AST) -> str:
    """Return the code as text, or a dump of the tree if it cannot be unparsed (some f-strings)."""
    try:
        return ast.unparse(node)
    except ValueError:
        return ast.dump(node)


def digest_of(node: ast.AST) -> str:
    """Return a digest that does not depend on name, docstring, annotations and layout."""
    parts: list[str] = []
    _serialize(node, parts, named=False)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _serialize(node: object, parts: list[str], *, named: bool = True) -> None:
    if isinstance(node, list):
        parts.append("[")
        for item in node:
            _serialize(item, parts)
        return
    if not isinstance(node, ast.AST):
        parts.append(repr(node))
        return
    parts.append(type(node).__name__)
    documented = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module)
    for field in node._fields:
        if field in ("annotation", "returns", "ctx") or (field == "name" and not named):
            continue
        value = getattr(node, field, None)
        _serialize(without_docstring(value) if documented and field == "body" and value else value, parts)


def without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements without bare strings."""
    return [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))] or [ast.Pass()]


def literal_items(node: ast.expr) -> list[ast.expr] | None:
    """Return the elements of a literal list, tuple or set; None for other expressions."""
    plain = isinstance(node, ast.List | ast.Tuple | ast.Set) and not any(isinstance(e, ast.Starred) for e in node.elts)
    return list(node.elts) if plain else None  # type: ignore[attr-defined]


def is_table(value: ast.expr) -> bool:
    """Whether this is a literal with several entries. Tables can grow, so they are compared separately."""
    entries = value.values if isinstance(value, ast.Dict) else literal_items(value)
    return entries is not None and len(entries) > 1


class ModuleNames:
    """Definitions of the names of a module."""

    def __init__(self, module: ast.Module) -> None:
        self.functions: dict[str, Function] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.env: dict[str, ast.expr] = {}
        self.conditions: dict[str, str] = {}
        """Name → the condition under which it is defined."""
        self._tables: dict[str, ast.expr] = {}
        for statement in module.body:
            self._learn(statement)
        self._digests: dict[str, str] = {}

    def _learn(self, statement: ast.stmt) -> None:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                self.functions[name] = statement
                self.env.pop(name, None)
            case ast.ClassDef(name=name):
                self.classes[name] = statement
                self.env.pop(name, None)
            case ast.Import() | ast.ImportFrom():
                self.env.update(resolve_imports(statement))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._tables[name] = resolve(value, self.env, None)
                self.env[name] = ast.Name(f"table_{name}") if is_table(value) else self._tables[name]
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self.env[name] = resolve(value, self.env, None)
            case ast.If(test=test, body=body):
                self._learn_if(unparse(test), body)
            case ast.Try(body=body):
                self._learn_if("try", body)
            case _:
                pass

    def _learn_if(self, condition: str, body: list[ast.stmt]) -> None:
        for inner in body:
            self._learn(inner)
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self.conditions[inner.name] = condition

    def table(self, expression: ast.expr) -> ast.expr:
        """Return the literal of a table's name."""
        return self._tables.get(expression.id, expression) if isinstance(expression, ast.Name) else expression

    def local_name(self, name: str) -> str:
        """Return a name for a function or class of this file that is a digest of its code and of all that it calls."""
        if name not in self._digests:
            self._digests[name] = "recursive"
            node = self.functions.get(name) or self.classes[name]
            used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            local = sorted(used & (self.functions.keys() | self.classes.keys()) - {name})
            known = "".join(ast.dump(self.env[n]) for n in sorted(used & self.env.keys()))
            text = digest_of(node) + "".join(map(self.local_name, local)) + known
            self._digests[name] = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"local_{self._digests[name]}"


def resolve_imports(statement: ast.Import | ast.ImportFrom) -> dict[str, ast.expr]:
    """Map bound names to dotted names. Leading dots are dropped, as they depend on the importing file."""
    if isinstance(statement, ast.Import):
        return {a.asname: ast.Name(a.name) for a in statement.names if a.asname}
    module = statement.module or ""
    return {a.asname or a.name: ast.Name(f"{module}.{a.name}" if module else a.name) for a in statement.names}


def resolve(expression: ast.expr, env: Env, module: ModuleNames | None, depth: int = 0) -> ast.expr:
    """Return the expression with all names resolved, or a digest when it becomes too large."""
    found = _Resolver(env, module, depth).visit(copy.deepcopy(expression))
    if sum(1 for _ in ast.walk(found)) <= _MOST_NODES:
        return found  # type: ignore[no-any-return]
    return ast.Name("large_" + hashlib.sha256(ast.dump(found).encode()).hexdigest()[:12])


def bind(function: Function, call: ast.Call, env: Env) -> dict[str, ast.expr] | None:
    """Map parameters to arguments of a call; None if it uses `*` or `**`."""
    arguments = function.args
    starred = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    if starred or arguments.vararg or arguments.kwarg:
        return None
    names = [a.arg for a in arguments.posonlyargs + arguments.args if a.arg not in ("self", "cls")]
    late = names[len(names) - len(arguments.defaults) :] if arguments.defaults else []
    bound: dict[str, ast.expr] = dict(zip(late, arguments.defaults, strict=False))
    bound |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None}
    bound |= dict(zip(names, call.args, strict=False))
    bound |= {k.arg: k.value for k in call.keywords if k.arg}
    return {**{k: v for k, v in env.items() if k.startswith("self.")}, **bound}


class _Resolver(ast.NodeTransformer):
    def __init__(self, env: Env, module: ModuleNames | None, depth: int) -> None:
        self._env, self._module, self._depth = env, module, depth

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if not isinstance(getattr(node, "ctx", None), ast.Load):  # a generated name is already resolved
            return node
        if node.id in self._env:
            return self._env[node.id]
        if self._module is None:
            return node
        if node.id in self._module.env:
            return self._module.env[node.id]
        local = node.id in self._module.functions or node.id in self._module.classes
        return ast.Name(self._module.local_name(node.id)) if local else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            known = self._env.get(f"self.{node.attr}")
            return known if known is not None else node
        self.generic_visit(node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        """Turn an f-string into a call: after resolving names it could contain quotes that cannot be nested."""
        parts = [part.value if isinstance(part, ast.FormattedValue) else part for part in node.values]
        specs = [p.format_spec for p in node.values if isinstance(p, ast.FormattedValue) and p.format_spec]
        return ast.Call(ast.Name("f_string"), [self.visit(p) for p in (*parts, *specs)], [])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = self._find_function(node)
        self.generic_visit(node)
        if function is None or self._depth >= _DEEPEST or isinstance(function, ast.AsyncFunctionDef):
            return node
        body, env = without_docstring(function.body), bind(function, node, self._env)
        plain = all(isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name) for s in body[:-1])
        if env is None or not plain or not isinstance(body[-1], ast.Return) or body[-1].value is None:
            return node
        return self._expand(body, body[-1].value, env)

    def _expand(self, body: Sequence[ast.stmt], value: ast.expr, env: dict[str, ast.expr]) -> ast.expr:
        for statement in body[:-1]:
            assert isinstance(statement, ast.Assign)
            assert isinstance(statement.targets[0], ast.Name)
            env[statement.targets[0].id] = resolve(statement.value, env, self._module, self._depth + 1)
        return resolve(value, env, self._module, self._depth + 1)

    def _find_function(self, node: ast.Call) -> Function | None:
        if self._module is None or not isinstance(node.func, ast.Name) or node.func.id in self._env:
            return None
        return self._module.functions.get(node.func.id)
