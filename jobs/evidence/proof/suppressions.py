"""Strips the suppressions of linters and type checkers that a change adds. Called by `variations`. Pure.

Each line keeps its number, because tools report by line. A suppression on a line of its own becomes an empty comment,
so that formatters accept the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from jobs.evidence.proof.altered_lines import find_added

_KEYWORDS = (
    "ignore", "disable", "noqa", "nolint", "NOLINT", "nosec", "allow(", "expect(", "Suppress", "suppress", "@ts-",
    "eslint", "diagnostic", "warning", "NOSONAR", "noinspection", "nosem", "type_check", "nowarn", "fixme", "skip",
    "OFF", "off",
)  # fmt: skip
"""Every suppression contains one of these."""
_COMMENT_MARKERS = (
    r"noqa\b", r"(?:flake8|ruff)\s*:\s*(?:noqa|disable)", r"type:\s*ignore",
    r"(?:pyright|basedpyright|ty|pyrefly|steep|pytype|zuban)\s*:\s*(?:ignore|disable|basic)",
    r"mypy:\s*(?:ignore|disable|allow)", r"pyre-(?:ignore|fixme)", r"pylint\s*:\s*(?:disable|skip-file)",
    r"(?:#\s*)?nosec\b", r"nosemgrep", r"rubocop\s*:\s*(?:disable|todo)", r"standard:disable",
    r"shellcheck\s+disable=", r":reek:", r"typed:\s*(?:ignore|false)", r"yamllint\s+disable", r"hadolint\s+ignore",
    r"checkov:skip", r"tfsec:ignore", r"credo:disable", r"eslint-disable", r"eslint\s+[\w@/-]+\s*:",
    r"@ts-(?:ignore|expect-error|nocheck)", r"@?biome-ignore", r"deno-lint-ignore", r"oxlint-disable",
    r"tslint:disable", r"jshint\s+ignore", r"nolint\b", r"lint:(?:file-)?ignore", r"revive:disable", r"NOLINT",
    r"cppcheck-suppress", r"swiftlint:disable", r"ktlint-disable", r"detekt:disable", r"noinspection", r"NOSONAR",
    r"CHECKSTYLE[:.]\s*OFF", r"ReSharper\s+disable", r"ignore(?:_for_file)?:\s*\w", r"phpcs:(?:ignore|disable)",
    r"@?phpstan-ignore", r"@psalm-suppress", r"scala(?:fix|style):off", r"solhint-disable", r"stylelint-disable",
    r"luacheck:\s*ignore", r"sqlfluff:noqa", r"svelte-ignore", r"spellchecker:disable", r"standard-disable",
)  # fmt: skip
_COMMENT = re.compile(
    rf"(?P<opener>/\*+|//+|#|--|<!--|;;)[ \t]*(?:{'|'.join(_COMMENT_MARKERS)})"
    r"(?:(?<=/\*)|[^\n#*]|#(?!\s*\w)|\*(?!/))*(?:\*/)?"
)
_DECLARATION = re.compile(
    r"#!?\[\s*(?:allow|expect)\s*\([^\[\]]*\)\s*\]|#!?\[\s*cfg_attr\([^\[\]]*\b(?:allow|expect)\([^\[\]]*\]"
    r"|@(?:file:)?(?:SuppressWarnings|Suppress|SuppressFBWarnings|SuppressLint|nowarn|no_type_check|typing\.no_type_check)\b"
    r"(?:\s*\([^()]*\))?|\[(?:assembly:\s*)?SuppressMessage\([^()]*\)\]|#\s*pragma\s+warning\s*\(?\s*disable[^\n]*"
    r"|#\s*pragma\s+(?:GCC|clang)\s+diagnostic\s+ignored[^\n]*"
)
_STRINGS = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_MOST_LINE = 2_000
"""A longer line is generated or data."""


@dataclass(frozen=True)
class Stripped:
    """A file without the suppressions that a change adds: their number and the numbers of their lines, from 1."""

    text: str
    count: int
    lines: tuple[int, ...]


def strip_suppressions(path: str, before: str | None, after: str) -> Stripped | None:
    """The file without the suppressions of its new and changed lines, None if there are none."""
    starts = set(_find_candidates(after))
    if not starts:
        return None
    found = [match for start in sorted(starts) for match in _read_line(after, start)]
    known = Counter(
        match[0] for start in sorted(set(_find_candidates(before or ""))) for match in _read_line(before or "", start)
    )
    known.subtract(match[0] for match in found)
    if not found:
        return None
    added = find_added(before, after)
    removed = []
    number, counted = 1, 0
    for match in found:
        number += after.count("\n", counted, match.start())
        counted = match.start()
        if known[match[0]] < 0 and number in added:
            known[match[0]] += 1
            removed.append((number, match))
    if not removed:
        return None
    text = _remove(path, after, [match for _, match in removed])
    return Stripped(text, len(removed), tuple(dict.fromkeys(number for number, _ in removed)))


def _find_candidates(text: str) -> Iterator[int]:
    """The start of each line that may hold a suppression."""
    for keyword in _KEYWORDS:
        at = text.find(keyword)
        while at >= 0:
            yield text.rfind("\n", 0, at) + 1
            end = text.find("\n", at)
            at = text.find(keyword, end) if end >= 0 else -1


def _read_line(text: str, start: int) -> Iterator[re.Match[str]]:
    end = text.find("\n", start)
    end = len(text) if end < 0 else end
    if end - start > _MOST_LINE:
        return
    for pattern in (_COMMENT, _DECLARATION):
        for match in pattern.finditer(text, start, end):
            if not _is_in_string(text[start : match.start()], text[match.start() : end]):
                yield match


def _is_in_string(left: str, right: str) -> bool:
    rest = _STRINGS.sub("", left)
    return any(quote in rest and quote in right for quote in "\"'`")


def _remove(path: str, text: str, matches: list[re.Match[str]]) -> str:
    parts, at = [], 0
    for match in sorted(matches, key=lambda one: one.start()):
        if match.start() < at:
            continue
        start, end = match.span()
        line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        before, behind = text[line_start:start], text[end : line_end if line_end >= 0 else len(text)]
        behind = _COMMENT.sub("", behind)
        is_alone = not before.strip() and not behind.strip()
        if not is_alone and not behind.strip():
            start = line_start + len(before.rstrip())
        parts += [text[at:start], _choose_comment(path, match) if is_alone else ""]
        at = end
    return "".join([*parts, text[at:]])


def _choose_comment(path: str, match: re.Match[str]) -> str:
    opener = match.groupdict().get("opener") or ("#" if path.endswith((".py", ".pyi")) else "//")
    closer = {"/": " */", "<": " -->"}.get(opener[0], "") if opener.startswith(("/*", "<!--")) else ""
    return f"{opener} suppression removed{closer}"
