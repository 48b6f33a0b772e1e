"""Makes a condition false, or the guard of a failure true. Called by `statements` and `expectations`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobs.evidence.proof.exceptions import Edits
from jobs.evidence.proof.literals import STEP, alter_first, is_literal
from jobs.evidence.proof.negation import OPPOSITE_SIGNS
from jobs.evidence.proof.spans import find_close, list_top
from jobs.evidence.proof.tokens import Edit, Family, Token

_GUARD = re.compile(
    r"(\b|\.)(Error|Fatal|Fail|FailNow|Errorf|Fatalf|throw|raise|panic!?|fail|exit|abort|reject|fail!|flunk)\b"
)
_CONSTRUCTOR = re.compile(
    r"vec|new|json|approx|datetime|date|timedelta|set|frozenset|list|tuple|dict|bytes|bytearray|u?int\d*|float\d*"
)
_JOINS = frozenset({"or", "||", "and", "&&", "?"})


def alter_expected(arguments: Sequence[Sequence[Token]], family: Family) -> Edit | None:
    """The edit of the literal that stands alone in one of the compared arguments."""
    compared = list(arguments[:2])
    if (
        len(arguments) == 3
        and family in ("java", "php")
        and arguments[0][0].kind == "string"
        and rate(arguments[0]) == 3
    ):
        is_message = rate(arguments[1]) >= 2 or arguments[2][0].kind != "string"
        compared = list(arguments[1:]) if is_message else compared
    if family in ("python", "script", "rust"):
        compared.reverse()
    for argument in sorted(compared, key=rate, reverse=True):
        if rate(argument) > 1 and (edit := alter_first(argument, family)):
            return edit
    return None


def rate(tokens: Sequence[Token]) -> int:
    """How much an expression stands alone: 3 one literal, 2 a collection, 1 a call with literals, 0 no literal."""
    literals = sum(map(is_literal, tokens))
    if not literals:
        return 0
    if all(is_literal(one) or one.text in ("-", "&", "+") for one in tokens):
        return 3
    return 2 if tokens[0].kind == "open" or is_literal(tokens[0]) or _is_constructor(tokens) else 1


def _is_constructor(tokens: Sequence[Token]) -> bool:
    names = [at for at, token in enumerate(tokens[:4]) if token.kind == "word"]
    if any(_CONSTRUCTOR.fullmatch(tokens[at].text) for at in names) or tokens[0].text == "&":
        return True
    first = names[0] if names else 0
    after = tokens[first + 1].text if first + 1 < len(tokens) else ""
    return tokens[first].text[:1].isupper() and after in ("(", "{", "::", ".", "[")


def set_apart(tokens: Sequence[Token], family: Family) -> Edits:
    """Makes of an expected value without a literal a pair with another one, where the type may change."""
    pair = {
        "python": ("(", f", {STEP})"),
        "script": ("[", f", {STEP}]"),
        "ruby": ("[", f", {STEP}]"),
        "php": ("[", f", {STEP}]"),
    }
    if family not in pair or not tokens or any(one.text in ("do", "*", "...", "**", "=>") for one in tokens):
        return []
    if (
        (tokens[0].text == "{" and family == "ruby")
        or any(one.text == ":" for one in tokens[:2])
        or tokens[-1].text == "{"
    ):
        return []
    left, right = pair[family]
    return [Edit(tokens[0].start, tokens[0].start, left), Edit(tokens[-1].end, tokens[-1].end, right)]


def falsify_expression(tokens: Sequence[Token], family: Family) -> Edits:
    """The edits that make a true condition false: the literal that is compared with, the operator or a `not` before."""
    tokens = [one for one in tokens if one.kind != "line" and one.text != "\\"]
    if not tokens:
        return []
    top = list(list_top(tokens))
    signs = [at for at in top if tokens[at].text in OPPOSITE_SIGNS or tokens[at].text in ("in", "is")]
    if any(tokens[at].text in _JOINS or tokens[at].text in ("not", "!") for at in top) or len(signs) != 1:
        return _wrap(tokens, family)
    at = signs[0]
    sign = tokens[at].text
    if sign in ("==", "===", "in", "=~") and (edit := _alter_side(tokens[:at], tokens[at + 1 :], family)):
        return [edit]
    if sign in ("==", "===") and (apart := set_apart(tokens[at + 1 :], family)):
        return apart
    opposite = OPPOSITE_SIGNS.get(sign) or {"in": "not in", "is": "is not"}[sign]
    if opposite in (">=", "<") and family not in ("python", "script", "ruby", "php"):
        return _wrap(tokens, family)
    return [Edit(tokens[at].start, tokens[at].end, opposite)]


def _alter_side(left: Sequence[Token], right: Sequence[Token], family: Family) -> Edit | None:
    sides = [right, left]
    for side in sorted(sides, key=rate, reverse=True):
        if rate(side) > 1 and (edit := alter_first(side, family)):
            return edit
    return None


def _wrap(tokens: Sequence[Token], family: Family) -> Edits:
    start, end = tokens[0].start, tokens[-1].end
    tops = list(list_top(tokens))
    joined = any(tokens[at].text in _JOINS for at in tops)
    if tokens[0].text in ("not", "!") and not joined and not any(tokens[at].text in OPPOSITE_SIGNS for at in tops):
        return [Edit(start, tokens[1].start if len(tokens) > 1 else tokens[0].end, "")]
    return [Edit(start, start, "not (" if family == "python" else "!("), Edit(end, end, ")")]


def is_guard(tokens: Sequence[Token], end: int, text: str) -> bool:
    """Whether the block that begins at `end` makes a test fail."""
    stop = end
    lines = 0
    while stop < len(tokens) and lines < 3:
        lines += tokens[stop].kind == "line"
        stop += 1
    return end < len(tokens) and _GUARD.search(text, tokens[end].start, tokens[stop - 1].end) is not None


def falsify_guard(tokens: Sequence[Token], family: Family, is_inverted: bool = False) -> Edits:
    """The edits that make a condition true which is false in a passing test: `if got != want {`. `is_inverted`: it is
    true in a passing test, as after `unless`."""
    if is_inverted:
        return falsify_expression(tokens, family)
    condition = [one for one in tokens if one.kind != "line"]
    for at in range(len(condition) - 1, -1, -1):
        if condition[at].text == ";":
            condition = condition[at + 1 :]
            break
    if condition and condition[0].text == "(" and find_close(condition, 0) == len(condition) - 1:
        condition = condition[1:-1]
    if not condition:
        return []
    top = [condition[at] for at in list_top(condition)]
    signs = [one for one in top if one.text in OPPOSITE_SIGNS]
    if any(one.text in _JOINS for one in top) or len(signs) != 1:
        return _wrap(condition, family)
    at = condition.index(signs[0])
    if signs[0].text in ("!=", "!==") and (edit := _alter_side(condition[:at], condition[at + 1 :], family)):
        return [edit]
    return [Edit(signs[0].start, signs[0].end, OPPOSITE_SIGNS[signs[0].text])]
