"""Tells assertions that cannot fail: a value compared with itself, or constants only. Called by `statements`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from jobs.evidence.proof.exceptions import Statement
from jobs.evidence.proof.spans import find_close, list_top, split_arguments
from jobs.evidence.proof.tokens import Token

_EQUAL = frozenset({"==", "===", "is", "eql?", "equal?"})
_JOINS = frozenset({"or", "and", "||", "&&", ","})
_CONSTANTS = frozenset({"True", "False", "None", "true", "false", "null", "nil", "undefined", "not", "is", "or", "and"})


def is_tautology(statement: Statement) -> bool:
    """Whether the assertion holds for every program: it is then not altered, so that its test still passes."""
    operands = _list_operands(statement)
    variable = [None if all(map(_is_constant, operand)) else _join(operand) for operand in operands]
    if any(one is not None and one == other for one, other in pairwise(variable)):
        return True
    if any(_compares_with_itself(operand) for operand in operands):
        return True
    return bool(variable) and not any(variable)


def _list_operands(statement: Statement) -> list[Sequence[Token]]:
    """The arguments of the assertion and of its matcher, or its condition."""
    tokens, at = statement.tokens, statement.anchor + 1
    if (
        statement.anchor
        and tokens[statement.anchor - 1].text == "."
        and not tokens[statement.anchor].text.startswith("assert")
    ):
        return []  # the value stands before the matcher
    while at < len(tokens) and tokens[at].text in ("!", "."):
        at += 1 if tokens[at].text == "!" else 2
    if at >= len(tokens) or tokens[at].text != "(":
        condition = [token for token in tokens[statement.anchor + 1 :] if token.kind != "line"]
        return split_arguments(condition)[:2] if condition else []
    close = find_close(tokens, at)
    operands, rest = list(split_arguments(tokens[at + 1 : close]))[:3], tokens[close + 1 :]
    operands = [one for one in operands if statement.family != "go" or _join(one) != "t"]
    place = next((i for i, token in enumerate(rest) if token.text == "("), -1)
    if len(operands) == 1 and place >= 0:
        operands += split_arguments(rest[place + 1 : find_close(rest, place)])[:1]
    elif rest and any(token.kind not in ("line", "sign", "comment") for token in rest):
        return []
    return operands


def _compares_with_itself(operand: Sequence[Token]) -> bool:
    tops = list(list_top(operand))
    for place in tops:
        if operand[place].text in _EQUAL:
            joins = [other for other in tops if operand[other].text in _JOINS]
            start = max((other + 1 for other in joins if other < place), default=0)
            end = min((other for other in joins if other > place), default=len(operand))
            left = _join(operand[start:place])
            if left and left == _join(operand[place + 1 : end]):
                return True
    return False


def _is_constant(token: Token) -> bool:
    return token.kind != "word" or token.text in _CONSTANTS


def _join(tokens: Sequence[Token]) -> str:
    return " ".join(token.text for token in tokens if token.kind not in ("line", "comment"))
