"""Makes an assertion ask for another exception than the one that is raised. Called by `statements`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.evidence.proof.negation import RAISING, negate_word
from jobs.evidence.proof.spans import find_close
from jobs.evidence.proof.tokens import Edit, Family, Token

Edits = list[Edit]


@dataclass(frozen=True)
class Statement:
    """The tokens of one assertion. `anchor` is the place of the word that asserts."""

    tokens: Sequence[Token]
    anchor: int
    family: Family
    text: str


def falsify_raise(statement: Statement) -> Edits:
    for at in range(statement.anchor, min(len(statement.tokens), statement.anchor + 400)):
        token = statement.tokens[at]
        if token.kind == "word" and RAISING.fullmatch(token.text) and _asks_exception(statement, at):
            break
    else:
        return []
    return _falsify_raising(statement, at)


def _asks_exception(statement: Statement, at: int) -> bool:
    if at == statement.anchor or statement.family == "ruby":
        return True
    is_method = statement.tokens[at - 1].text in (".", "::", "->")
    return is_method and (statement.family in ("script", "java") or at == find_verb(statement))


def _falsify_raising(statement: Statement, at: int) -> Edits:
    """The edits that ask for another exception than the one at the word at `at`."""
    tokens, family = statement.tokens, statement.family
    token = tokens[at]
    if family == "script":
        return _negate_raising(tokens, at)
    if family in ("python", "ruby", "php") and at + 1 < len(tokens):
        first = at + 2 if tokens[at + 1].text == "(" else at + 1
        while first + 1 < len(tokens) and tokens[first].kind == "line":
            first += 1
        end = first
        while end < len(tokens) and tokens[end].text not in (",", ")", "{", "do", "=") and tokens[end].kind != "line":
            end = find_close(tokens, end) + 1 if tokens[end].kind == "open" else end + 1
        if (end > first and (family == "python" or tokens[first].text[:1].isupper())) or (
            tokens[first : first + 1] and tokens[first].text == "("
        ):
            other = {"python": "FloatingPointError", "ruby": "FloatDomainError"}.get(family, "\\ArithmeticError::class")
            return [Edit(tokens[first].start, tokens[end - 1].end, other)]
    if family == "ruby" and token.text.startswith("raise_"):
        return []
    if family == "java":
        return _change_exception_class(tokens, at, statement.text)
    if opposite := negate_word(token.text):
        return [Edit(token.start, token.end, opposite)]
    return []


def _change_exception_class(tokens: Sequence[Token], at: int, text: str) -> Edits:
    """Another class of exception, where the type of the caught exception is not needed in what follows."""
    start = text.rfind("\n", 0, tokens[at].start) + 1
    is_assigned = "=" in text[start : tokens[at].start]
    if is_assigned or at + 4 >= len(tokens):
        return []
    if tokens[at + 1].text == "(":
        end = next((place for place in range(at + 2, min(at + 12, len(tokens))) if tokens[place].text == "class"), None)
        return [Edit(tokens[at + 2].start, tokens[end].end, "IllegalMonitorStateException.class")] if end else []
    if tokens[at + 1].text == "<" and tokens[at + 3].text == ">":
        return [Edit(tokens[at + 2].start, tokens[at + 2].end, "System.DuplicateWaitObjectException")]
    return []


def _negate_raising(tokens: Sequence[Token], at: int) -> Edits:
    token = tokens[at]
    if at > 1 and tokens[at - 2].text == "not":
        return [Edit(tokens[at - 2].start, token.start, "")]
    if token.text in ("rejects", "resolves") and at + 2 < len(tokens) and tokens[at + 1].text == ".":
        return (
            [Edit(tokens[at + 2].start, tokens[at + 2].start, "not.")]
            if tokens[at + 2].text != "not"
            else [Edit(tokens[at + 2].start, tokens[at + 2].end + 1, "")]
        )
    if opposite := negate_word(token.text) or {"throws": "doesNotThrow"}.get(token.text):
        opposite = "doesNotThrow" if token.text == "throws" and tokens[at - 2].text == "assert" else opposite
        return [Edit(token.start, token.end, opposite)]
    return [Edit(token.start, token.start, "not.")] if tokens[at - 1].text == "." else []


def find_verb(statement: Statement) -> int:
    """The place of the last word before the arguments: `assert.strictEqual(`, `self.assertEqual(`, `assert_eq!(`."""
    tokens, at = statement.tokens, statement.anchor
    while at + 2 < len(tokens) and tokens[at + 1].text in (".", "::", "->") and tokens[at + 2].kind == "word":
        at += 2
    return at
