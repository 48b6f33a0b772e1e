"""Normalizes assertions of both Python test styles: `assertEqual(a, b)` and `assert b == a` become equal.

Called by `python_tests` and `python_compare`. Pure; expressions are already resolved.
"""

from __future__ import annotations

import ast
import builtins
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

from jobs.evidence.tampering.python_names import unparse

_COMPARING: dict[str, type[ast.cmpop]] = {
    "assertEqual": ast.Eq, "assertEquals": ast.Eq, "assertListEqual": ast.Eq, "assertDictEqual": ast.Eq,
    "assertTupleEqual": ast.Eq, "assertSetEqual": ast.Eq, "assertMultiLineEqual": ast.Eq,
    "assertSequenceEqual": ast.Eq, "assertNotEqual": ast.NotEq, "assertIs": ast.Is, "assertIsNot": ast.IsNot,
    "assertIn": ast.In, "assertNotIn": ast.NotIn, "assertGreater": ast.Gt, "assertGreaterEqual": ast.GtE,
    "assertLess": ast.Lt, "assertLessEqual": ast.LtE,
}  # fmt: skip
RAISING = frozenset({"raises", "assertRaises", "assertRaisesRegex", "warns", "assertWarns", "assertWarnsRegex",
                     "assertLogs", "assertNoLogs", "deprecated_call"})  # fmt: skip
_CLAIMING = re.compile(r"assert\w*|fail|expect\w*|should\w*|check_equal")


def called_name(call: ast.expr) -> str:
    """Return the last part of the called name, or an empty string for other expressions."""
    if not isinstance(call, ast.Call):
        return ""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "").rpartition(".")[2]


def is_claim(call: ast.Call) -> bool:
    """Whether the call is an assertion."""
    return _CLAIMING.fullmatch(called_name(call)) is not None or called_name(call) in RAISING


def to_expression(call: ast.Call) -> ast.expr:
    """Return the expression that a call of an `assert…` method requires to be true."""
    name, given = called_name(call), call.args
    if name in _COMPARING and len(given) >= 2:
        return ast.Compare(given[0], [_COMPARING[name]()], [given[1]])
    if name in ("assertTrue", "assertFalse") and given:
        return given[0] if name == "assertTrue" else ast.UnaryOp(ast.Not(), given[0])
    if name in ("assertIsNone", "assertIsNotNone") and given:
        return ast.Compare(given[0], [ast.Is() if name == "assertIsNone" else ast.IsNot()], [ast.Constant(None)])
    if name == "assertIsInstance" and len(given) >= 2:
        return ast.Call(ast.Name("isinstance"), given[:2], [])
    return call


def split_conjunction(expression: ast.expr) -> Iterator[ast.expr]:
    """Split `a and b` into two assertions."""
    if isinstance(expression, ast.BoolOp) and isinstance(expression.op, ast.And):
        for value in expression.values:
            yield from split_conjunction(value)
    else:
        yield expression


def format_claim(expression: ast.expr) -> str:
    """Format an assertion as text, with the sides of an equation sorted."""
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.Not):
        inner = expression.operand
        if isinstance(inner, ast.Compare) and len(inner.ops) == 1 and type(inner.ops[0]) in _OPPOSITE:
            expression = ast.Compare(inner.left, [_OPPOSITE[type(inner.ops[0])]()], inner.comparators)
    if isinstance(expression, ast.Compare) and len(expression.ops) == 1:
        sides = [unparse(expression.left), unparse(expression.comparators[0])]
        if isinstance(expression.ops[0], ast.Eq | ast.NotEq):
            return f" {'==' if isinstance(expression.ops[0], ast.Eq) else '!='} ".join(sorted(sides))
    return unparse(expression)


_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


def always_holds(expression: ast.expr) -> bool:
    """Whether the assertion can never fail: a constant, `x == x`, `x or True`."""
    if isinstance(expression, ast.Constant):
        return bool(expression.value)
    if isinstance(expression, ast.BoolOp) and isinstance(expression.op, ast.Or):
        return any(map(always_holds, expression.values))
    if isinstance(expression, ast.UnaryOp) and isinstance(expression.op, ast.Not):
        return isinstance(expression.operand, ast.Constant) and not expression.operand.value
    if isinstance(expression, ast.Tuple):
        return bool(expression.elts)
    if not isinstance(expression, ast.Compare) or len(expression.ops) != 1:
        return False
    left, right = expression.left, expression.comparators[0]
    if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
        return True
    same = ast.dump(left) == ast.dump(right) and not any(isinstance(n, ast.Call) for n in ast.walk(left))
    return same and isinstance(expression.ops[0], ast.Eq | ast.Is | ast.LtE | ast.GtE)


def implies(new: str, old: str) -> bool:
    """Whether the assertion `new` is at least as strong as `old`; False if that is uncertain."""
    try:
        there, here = (ast.parse(text, mode="eval").body for text in (new, old))
    except (SyntaxError, ValueError):
        return False
    if called_name(there) in RAISING and called_name(here) in RAISING:
        return _is_narrower(there, here)
    if not isinstance(there, ast.Compare) or len(there.ops) != 1 or not isinstance(there.ops[0], ast.Eq | ast.Is):
        return False
    sides = [(there.left, there.comparators[0]), (there.comparators[0], there.left)]
    return any(_follows(subject, value, here) for subject, value in sides)


def _follows(subject: ast.expr, value: ast.expr, claim: ast.expr) -> bool:
    """Whether `claim` follows from `subject == value`, the value being a literal."""
    try:
        known = ast.literal_eval(value)
    except (ValueError, TypeError):
        return False
    if ast.dump(claim) == ast.dump(subject):
        return bool(known)
    if not isinstance(claim, ast.Compare) or len(claim.ops) != 1:
        return False
    names = {ast.dump(subject): known}
    if isinstance(known, list | tuple | str | dict | set):
        names[ast.dump(ast.Call(ast.Name("len", ast.Load()), [subject], []))] = len(known)
    try:
        left, right = (
            names[ast.dump(side)] if ast.dump(side) in names else ast.literal_eval(side)
            for side in (claim.left, claim.comparators[0])
        )
        return bool(_HOLDS[type(claim.ops[0])](left, right))
    except (ValueError, TypeError, KeyError):
        return False


_HOLDS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b, ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}  # fmt: skip


def _is_narrower(new: ast.expr, old: ast.expr) -> bool:
    """Whether `new` implies `old`, as `raises(ValueError, match=…)` implies `raises(Exception)`."""
    assert isinstance(new, ast.Call)
    assert isinstance(old, ast.Call)
    if not new.args or not old.args or ast.dump(new.args[-1]) != ast.dump(old.args[-1]):
        return False  # the last argument is the body
    narrow, wide = (getattr(builtins, unparse(one.args[0]), None) for one in (new, old))
    same = ast.dump(new.args[0]) == ast.dump(old.args[0])
    both = isinstance(narrow, type) and isinstance(wide, type) and issubclass(narrow, wide)
    rest = [ast.dump(a) for a in (*old.args[1:-1], *(k.value for k in old.keywords))]
    given = [ast.dump(a) for a in (*new.args[1:-1], *(k.value for k in new.keywords))]
    return (same or both) and all(r in given for r in rest)
