"""Alters what the new and changed assertions of a test expect, so that it must fail. Called by `variations`. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from jobs.evidence.proof.negation import RAISING
from jobs.evidence.proof.statements import (
    Edits,
    Statement,
    falsify_guard,
    falsify_raising,
    falsify_statement,
    find_condition_end,
    find_end,
    is_anchor,
    is_guard,
)
from jobs.evidence.proof.tokens import Family, Token, apply, find_family, tokenize

_RAISERS = frozenset(
    {"raises", "assertRaises", "assertRaisesRegex", "assert_raises", "must_raise", "warns", "assertWarns"}
)


@dataclass(frozen=True)
class Falsified:
    """A test file with false expectations, and the number of altered places."""

    text: str
    places: int


def falsify(path: str, before: str | None, after: str) -> Falsified | None:
    """The file with the expected values of its new and changed lines altered, None if there is nothing to alter."""
    added = find_added(before, after)
    family = find_family(path)
    groups = _find_edits(after, family, added)
    if not groups:
        return None
    return Falsified(apply(after, [edit for edits in groups for edit in edits]), len(groups))


def find_added(before: str | None, after: str) -> set[int]:
    """The numbers of the lines, from 1, that `before` does not have; a moved line does not count."""
    lines = after.split("\n")
    if not before:
        return set(range(1, len(lines) + 1))
    known = Counter(before.split("\n"))
    added = set()
    for number, line in enumerate(lines, 1):
        if known[line] > 0:
            known[line] -= 1
        else:
            added.add(number)
    return added


def _find_edits(text: str, family: Family, added: set[int]) -> list[Edits]:
    tokens = tokenize(text, family)
    groups: list[Edits] = []
    line, at = 1, 0
    counted = 0
    while at < len(tokens):
        token = tokens[at]
        line += text.count("\n", counted, token.start)
        counted = token.start
        if token.kind != "word":
            at += 1
            continue
        edits, at = _read_statement(text, tokens, at, family, line, added)
        if edits:
            groups.append(edits)
    return groups


def _read_statement(
    text: str, tokens: list[Token], at: int, family: Family, line: int, added: set[int]
) -> tuple[Edits, int]:
    """The edits of the statement that begins at `at`, and the place where the search goes on."""
    word = tokens[at].text
    if word == "if":
        end = find_condition_end(tokens, at + 1, family)
        last = line + text.count("\n", tokens[at].start, tokens[min(end, len(tokens) - 1)].start)
        if not added.isdisjoint(range(line, last + 1)) and is_guard(tokens, end, text):
            return falsify_guard(tokens[at + 1 : end], family), end
        return [], at + 1
    if word in _RAISERS and RAISING.fullmatch(word):
        end = find_end(tokens, at, family)
        return (
            (falsify_raising(Statement(tokens[at:end], 0, family, text), 0), at + 1) if line in added else ([], at + 1)
        )
    if not is_anchor(tokens, at, family):
        return [], at + 1
    start = at - 1 if at and tokens[at - 1].text == "." else at
    end = find_end(tokens, at, family)
    if end <= at:
        return [], at + 1
    last = line + text.count("\n", tokens[at].start, tokens[end - 1].start)
    if added.isdisjoint(range(line, last + 1)):
        return [], end
    return falsify_statement(Statement(tokens[start:end], at - start, family, text)), end
