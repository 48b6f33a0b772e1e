"""Finds where statements, arguments and brackets end in the tokens of a program. Called by `statements`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jobs.evidence.proof.tokens import Family, Token

_CONTINUING = frozenset(["\\", ".", ",", "==", "!=", "===", "&&", "||", "+", "=>", "?", ":", "and", "or", "|", "="])
_CONTINUED = re.compile(r"\s*(?:\.\w|&\.|\?\.|&&|\|\|)")


def find_end(tokens: Sequence[Token], at: int, family: Family) -> int:
    """The place after the last token of the statement that contains the token at `at`."""
    depth = 0
    while at < len(tokens):
        token = tokens[at]
        if token.kind == "open":
            if token.text == "{" and depth == 0 and family in ("go", "rust", "java") and _opens_block(tokens, at):
                return at
            depth += 1
        elif token.kind == "close":
            depth -= 1
            if depth < 0:
                return at
        elif depth == 0 and (token.text == ";" or (token.kind == "line" and not _continues(tokens, at, family))):
            return at
        at += 1
    return at


def is_unfinished(tokens: Sequence[Token], at: int, text: str, family: Family) -> bool:
    """Whether the statement at `at` goes on after the last line of `tokens`."""
    depth = 0
    for token in tokens[at:]:
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth < 0:
            return False
    if depth > 0:
        return True
    last = tokens[-2].text if len(tokens) > 1 else ""
    if last in _CONTINUING and not _ends_line(last, family):
        return True
    if family == "python" or not tokens or tokens[-1].kind != "line":
        return False
    return _CONTINUED.match(text, tokens[-1].end) is not None


def find_condition_end(tokens: Sequence[Token], at: int, family: Family) -> int:
    """The place after the condition of an `if` that begins at `at`: its block."""
    if at < len(tokens) and tokens[at].text == "(" and family in ("script", "java", "php"):
        return find_close(tokens, at) + 1
    depth = 0
    for place in range(at, min(len(tokens), at + 400)):
        token = tokens[place]
        if depth == 0 and (
            (token.text == "{" and _opens_block(tokens, place)) or (token.text == ":" and family == "python")
        ):
            return place
        if depth == 0 and token.kind == "line" and not _continues(tokens, place, family):
            return place
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth < 0:
            return place
    return len(tokens)


def _opens_block(tokens: Sequence[Token], at: int) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].kind == "line" and tokens[at - 1].text not in ("(", ",", "=", ":")


def _continues(tokens: Sequence[Token], at: int, family: Family) -> bool:
    before = tokens[at - 1].text if at else ""
    if before in _CONTINUING:
        return not _ends_line(before, family)
    after = next((one for one in tokens[at : at + 6] if one.kind != "line"), None)
    return after is not None and after.text in (".", "?.", "&", "&&", "||") and family != "python"


def _ends_line(sign: str, family: Family) -> bool:
    return (sign == ":" and family == "python") or (sign == "?" and family == "ruby")


def split_arguments(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """The parts between the commas at the top level, without line ends."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if token.text == "," and depth == 0:
            parts.append([])
        elif token.kind != "line":
            parts[-1].append(token)
    return [part for part in parts if part]


def find_close(tokens: Sequence[Token], at: int) -> int:
    """The place of the bracket that closes the one at `at`, or the number of tokens."""
    depth = 0
    for place in range(at, len(tokens)):
        depth += {"open": 1, "close": -1}.get(tokens[place].kind, 0)
        if depth == 0:
            return place
    return len(tokens)


def list_top(tokens: Sequence[Token]) -> Iterator[int]:
    depth = 0
    for at, token in enumerate(tokens):
        if token.kind == "close":
            depth -= 1
        if depth == 0:
            yield at
        if token.kind == "open":
            depth += 1
