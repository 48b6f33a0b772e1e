"""Alters what the new and changed assertions of a test expect, so that it must fail. Called by `variations`. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from itertools import chain, islice

from jobs.evidence.proof.altered_lines import Falsified, find_added
from jobs.evidence.proof.conditions import falsify_guard, is_guard
from jobs.evidence.proof.data_expectations import falsify_data
from jobs.evidence.proof.exceptions import Edits, Statement
from jobs.evidence.proof.layout import is_code
from jobs.evidence.proof.spans import find_close, find_condition_end, find_end, is_unfinished
from jobs.evidence.proof.statements import falsify_statement, is_anchor
from jobs.evidence.proof.tokens import Edit, Reader, Token, apply, find_family

_ASSERTING = (
    "ssert", "SSERT", "xpect", "XPECT", "should", "must_", "wont_", "refute", "raises", "check", "verify", "require",
    "ensure", "t.", "is(", "ok(", "eq(", "qual(", "same(", "test_", "CHECK", "that(", "that_", "should_panic",
)  # fmt: skip
"""Every assertion contains one of these."""
_FAILING = ("Error", "Fatal", "Fail", "throw", "raise", "panic", "fail", "exit", "abort", "reject", "flunk")
_CONDITION = re.compile(r"[ \t]*(?:\}[ \t]*)?(?:else[ \t]+)?(if|unless|elif)\b")
_PANIC = re.compile(r"#\[should_panic[^\]\n]*\]")
MOST_PLACES = 300
"""More need not be altered to see whether tests notice."""
_MOST_CHARACTERS = 4_000
_MOST_LINES = 200
"""A statement that is longer is no assertion, but a block."""


def falsify(path: str, before: str | None, after: str, most: int = MOST_PLACES) -> Falsified | None:
    """The file with the expected values of its new and changed lines altered, at most `most` of them, None if there is
    nothing to alter."""
    if not is_code(path):
        return falsify_data(path, before, after)
    added = _find_added_starts(before, after)
    if added is not None and not added:
        return None
    reader = Reader(after, find_family(path))
    every = chain(_find_edits(reader, added), _find_guards(reader, added), _find_panics(reader, added))
    groups = list(islice(filter(None, every), most))
    if not groups:
        return None
    return Falsified(apply(after, [edit for edits in groups for edit in edits]), len(groups))


def _find_added_starts(before: str | None, after: str) -> set[int] | None:
    """Where the added lines start, None: every line is new."""
    if not before:
        return None
    numbers = find_added(before, after)
    starts, at = set(), 0
    for number, line in enumerate(after.split("\n"), 1):
        if number in numbers:
            starts.add(at)
        at += len(line) + 1
    return starts


def _find_lines(text: str, marks: tuple[str, ...]) -> list[int]:
    """Where the lines start that contain one of the marks."""
    starts = set()
    for mark in marks:
        at = text.find(mark)
        while at >= 0:
            starts.add(text.rfind("\n", 0, at) + 1)
            end = text.find("\n", at)
            at = text.find(mark, end) if end >= 0 else -1
    return sorted(starts)


def _is_added(text: str, start: int, end: int, added: set[int] | None) -> bool:
    if added is None:
        return True
    at = text.rfind("\n", 0, start) + 1
    while at < end:
        if at in added:
            return True
        at = text.find("\n", at) + 1
        if at == 0:
            return False
    return False


def _is_near(starts: list[int] | None, start: int) -> bool:
    """Whether a statement that starts at `start` may reach an added line."""
    if starts is None:
        return True
    place = bisect_left(starts, start)
    return place < len(starts) and starts[place] - start < _MOST_CHARACTERS


def _find_edits(reader: Reader, added: set[int] | None) -> Iterator[Edits]:
    text, done = reader.text, 0
    starts = None if added is None else sorted(added)
    for start in _find_lines(text, _ASSERTING):
        if start < done or not _is_near(starts, start) or reader.is_hidden(start):
            continue
        tokens = reader.read_line(start)
        at = 0
        while at < len(tokens):
            if tokens[at].kind != "word" or not is_anchor(tokens, at, reader.family):
                at += 1
                continue
            end = _read_to_end(reader, tokens, at)
            if tokens[at].text == "expect" and at + 1 < end and at and tokens[at - 1].text == ".":
                end = min(end, find_close(tokens, at + 1) + 1)
            done = tokens[end - 1].end
            if end > at and _is_added(text, tokens[at].start, done, added):
                first = at - 1 if at and tokens[at - 1].text == "." else at
                yield falsify_statement(Statement(tokens[first:end], at - first, reader.family, text))
            at = max(end, at + 1)


def _read_to_end(reader: Reader, tokens: list[Token], at: int) -> int:
    """The end of the statement; reads the lines that it continues on."""
    for _ in range(_MOST_LINES):
        end = find_end(tokens, at, reader.family)
        if end < len(tokens) - 1 or not is_unfinished(tokens, at, reader.text, reader.family):
            return end
        more = reader.read_line(tokens[-1].end)
        if not more:
            break
        tokens += more
    return find_end(tokens, at, reader.family)


def _find_guards(reader: Reader, added: set[int] | None) -> Iterator[Edits]:
    """The conditions of the blocks that make a test fail: `if got != want {`."""
    text = reader.text
    seen = set()
    for start in _find_lines(text, _FAILING):
        line = start
        for _ in range(4):
            if (found := _CONDITION.match(text, line)) and line not in seen and not reader.is_hidden(line):
                seen.add(line)
                yield _falsify_guard_at(reader, found, start, added)
            if found or line == 0:
                break
            line = text.rfind("\n", 0, line - 1) + 1


def _find_panics(reader: Reader, added: set[int] | None) -> Iterator[Edits]:
    """The attributes of Rust that ask for a panic."""
    for found in _PANIC.finditer(reader.text) if reader.family == "rust" else ():
        if _is_added(reader.text, *found.span(), added):
            yield [Edit(*found.span(), "#[cfg(all())]")]


def _falsify_guard_at(reader: Reader, found: re.Match[str], failing: int, added: set[int] | None) -> Edits:
    tokens = reader.read_line(found.start())
    while tokens and tokens[-1].end <= failing and (more := reader.read_line(tokens[-1].end)):
        tokens += more
    first = next((at for at, token in enumerate(tokens) if token.start == found.start(1)), None)
    if first is None:
        return []
    end = find_condition_end(tokens, first + 1, reader.family)
    if end <= first + 1 or not is_guard(tokens, end, reader.text):
        return []
    if not _is_added(reader.text, tokens[first].start, tokens[end - 1].end, added):
        return []
    return falsify_guard(tokens[first + 1 : end], reader.family, is_inverted=found[1] == "unless")
