"""Splits source text into tokens, by the lexical rules that many languages share. Called by `expectations`. Pure.

One regular expression per family of languages; it is linear, because a string or comment without an end reaches to the
end of its line or file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

Family = Literal["python", "script", "ruby", "go", "rust", "java", "php", "shell", "other"]

_SUFFIXES: dict[Family, str] = {
    "python": "py pyi pyx",
    "script": "js cjs mjs jsx ts cts mts tsx vue svelte coffee",
    "ruby": "rb rake cr ex exs",
    "go": "go",
    "rust": "rs",
    "java": "java kt kts scala groovy cs swift dart c h cc cpp cxx hpp hh m mm zig d",
    "php": "php",
    "shell": "sh bash bats zsh fish ps1 pl pm t r jl nim",
}
_FAMILIES: dict[str, Family] = {suffix: name for name, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
TYPED: frozenset[Family] = frozenset({"go", "rust", "java"})
"""Compiled languages, where the type of a literal must be kept and single quotes hold one character."""

_HASH = r"#[^\n]*"
_SLASHES = r"//[^\n]*|/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)"
_TRIPLE = r'"""(?:[^"\\]++|\\.|"(?!""))*+(?:"""|\Z)'
_TRIPLE_SINGLE = r"'''(?:[^'\\]++|\\.|'(?!''))*+(?:'''|\Z)"
_DOUBLE = r'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+(?:"|(?=\n)|\Z)'
_SINGLE = r"'[^'\\\n]*+(?:\\.[^'\\\n]*+)*+(?:'|(?=\n)|\Z)"
_LONG = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)'
_LONG_SINGLE = r"'[^'\\]*+(?:\\.[^'\\]*+)*+(?:'|\Z)"
_TICKS = r"`[^`\\]*+(?:\\.[^`\\]*+)*+(?:`|\Z)"
_CHARACTER = r"'(?:[^'\\\n]|\\[^\n][^'\n]{0,9})'"
_PATTERN_BODY = r"/(?![/*\s=])(?:[^/\\\n\[]++|\\.|\[(?:[^\]\\\n]++|\\.)*+\])++/[a-z]*"
_PATTERN = rf"(?:(?<=[(,=:\[!&|?{{;\n])|(?<=[(,=:\[!&|?~] )){_PATTERN_BODY}"
_NUMBER = r"0[xXbBoO][\da-fA-F_]+\w*|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?\w*"
_NAME = r"(?P<name>[^\W\d][\w$]*+(?![\"'#]))"
_MARK = r"(?P<line>\n)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<mark>[,.;](?![.\d]))"
_REST = (
    rf"(?P<number>(?<![\w.]){_NUMBER})|(?P<word>[^\W\d][\w$]*)"
    r"|(?P<sign>===|!==|==|!=|<=>|<=|>=|=~|!~|=>|->|&&|\|\||::|:=|\?\.|\.\.\.|\.\.|<<|>>|[^\s\w])"
)
_RULES: dict[Family, tuple[str, str, str]] = {
    "python": (_HASH, rf"[rRbBuUfF]{{0,2}}(?:{_TRIPLE}|{_TRIPLE_SINGLE}|{_DOUBLE}|{_SINGLE})", r"(?!)"),
    "script": (_SLASHES, rf"{_DOUBLE}|{_SINGLE}|{_TICKS}", _PATTERN),
    "ruby": (
        rf"{_HASH}|(?m:^=begin\b)(?s:.*?)(?:\n=end\b|\Z)",
        rf"{_TRIPLE}|{_LONG}|{_LONG_SINGLE}|%[wWqQiI]?(?:\[[^\]]*+\]|\{{[^}}]*+\}}|\((?:[^()]|\([^()]*\))*\))",
        rf"%r\{{[^}}]*+\}}[a-z]*|{_PATTERN}|(?<=\w ){_PATTERN_BODY}",
    ),
    "go": (_SLASHES, rf"{_DOUBLE}|{_CHARACTER}|`[^`]*+(?:`|\Z)", r"(?!)"),
    "rust": (_SLASHES, rf'b?r(?P<hashes>#{{0,4}})"(?s:.*?)(?:"(?P=hashes)|\Z)|[bc]?{_LONG}|b?{_CHARACTER}', r"(?!)"),
    "java": (_SLASHES, rf'R"\((?s:.*?)(?:\)"|\Z)|{_TRIPLE}|[$@]{{0,2}}{_DOUBLE}|{_CHARACTER}', r"(?!)"),
    "php": (rf"{_SLASHES}|#(?!\[)[^\n]*", rf"{_LONG}|{_LONG_SINGLE}", r"(?!)"),
    "shell": (r"(?<!\S)#[^\n]*", rf"{_LONG}|'[^']*+(?:'|\Z)", r"(?!)"),
    "other": (rf"{_HASH}|{_SLASHES}|--[^\n]*", rf"{_TRIPLE}|{_DOUBLE}|{_SINGLE}", r"(?!)"),
}
_LEXERS = {
    family: re.compile(
        rf"[^\S\n]*+(?:{_NAME}|{_MARK}|(?P<comment>{comment})|(?P<string>{string})|(?P<pattern>{pattern})|{_REST}|(?P<comment_end>\Z))",
        re.DOTALL,
    )
    for family, (comment, string, pattern) in _RULES.items()
}
_LONG_MARKS: dict[Family, tuple[str, ...]] = {
    "python": ('"""', "'''"),
    "script": ("`", "/*"),
    "go": ("`", "/*"),
    "java": ('"""', "/*", 'R"('),
}
"""What a string or comment of several lines begins with; in the other families each quote may."""
_SKELETONS = {
    family: re.compile(rf"(?:{comment})|(?:{string})|(?:{pattern})", re.DOTALL)
    for family, (comment, string, pattern) in _RULES.items()
}
_KINDS = {"name": "word", "mark": "sign"}
_HEREDOC = re.compile(r"(?<![\w\d<])<<[~-]?(['\"]?)([A-Z_]\w*)\1([^\n]*\n)(?s:(.*?))(?:^[ \t]*\2\b|\Z)", re.MULTILINE)


class Token(NamedTuple):
    """`kind` is comment, string, pattern (a regular expression), number, word, line (its end), open, close or sign."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Edit:
    """Replaces the characters from `start` to `end`."""

    start: int
    end: int
    text: str


def find_family(path: str) -> Family:
    """The family of languages of a file, by its suffix."""
    return _FAMILIES.get(PurePosixPath(path).suffix.removeprefix(".").lower(), "other")


class Reader:
    """Reads the tokens of single lines, so that a file costs as much as its assertions. `text` has no heredocs."""

    def __init__(self, text: str, family: Family) -> None:
        if family in ("ruby", "shell", "php") and "<<" in text:
            text = _HEREDOC.sub(_hide_body, text)
        self.text = text
        self.family: Family = family
        self._lexer = _LEXERS[family]
        self._hidden = list(_find_hidden(text, family))
        self._starts = [start for start, _ in self._hidden]

    def is_hidden(self, at: int) -> bool:
        """Whether the character is part of a string or comment of several lines."""
        place = bisect_right(self._starts, at) - 1
        return place >= 0 and at < self._hidden[place][1]

    def read_line(self, at: int) -> list[Token]:
        """The tokens from `at` to the end of the line, with the token of that end and without comments."""
        found = []
        for match in self._lexer.finditer(self.text, at):
            group = match.lastgroup or "sign"
            if not group.startswith("comment"):
                found.append(Token(_KINDS.get(group, group), match[group], *match.span(group)))
                if group == "line":
                    break
        return found


def _find_hidden(text: str, family: Family) -> Iterator[tuple[int, int]]:
    if not any(mark in text for mark in _LONG_MARKS.get(family, ('"',))):
        return
    for match in _SKELETONS[family].finditer(text):
        if "\n" in match[0]:
            yield match.span()


def _hide_body(match: re.Match[str]) -> str:
    head = match.start(4) - match.start()
    return match[0][:head] + re.sub(r"[^\n]", " ", match[0][head:])


def apply(text: str, edits: list[Edit]) -> str:
    """The text with all edits made; an edit that overlaps an earlier one is left out."""
    parts, at = [], 0
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):
        if edit.start >= at:
            parts += [text[at : edit.start], edit.text]
            at = edit.end
    return "".join([*parts, text[at:]])
