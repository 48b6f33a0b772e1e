"""Finds acceptance criteria in Markdown, and parses each with its command or kind of evidence. Pure.

Reads the rendered blocks of the ticket: HTML comments, code blocks and quotes are ignored. A nested item is a part of
its parent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

from markdown_it import MarkdownIt
from markdown_it.token import Token

from integrations.results import EvidenceKind, ProposedCriterion
from jobs.contract.may_change import MOST_PATTERNS, read_may_change

MAX_CRITERIA = 20
MAX_CHARACTERS = 600
MAX_READ = 500_000  # takes five seconds at worst, as 60,000 items; a log in a code block takes milliseconds
MAX_LINE = 2_000

_MARKDOWN = MarkdownIt("commonmark").disable(["inline", "reference", "html_block"])
_CRITERIA_TITLES = frozenset(
    {"done when", "done if", "this is done when", "it is done when", "acceptance criteria", "acceptance criterion"}
    | {"definition of done", "finish line", "success criteria", "acceptance tests", "acceptance", "ac", "dod"}
)
_EXCLUDED_TITLES = frozenset(
    {"out of scope", "not in scope", "non goals", "nongoals", "later", "follow ups", "followups", "future work"}
    | {"nice to have", "won t do", "won't do", "ideas"}
)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_SPACES = re.compile("[\u00a0\u2007\u202f\u2009\u3000]")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_BULLET = re.compile(r"^([ \t]*)•(?=[ \t])", re.MULTILINE)  # pasted from documents; not Markdown
_BOX = re.compile(r"^\\?\[[ xX]?\\?\](?:\s+|$)")
_TAGS = re.compile(r"</?[a-zA-Z][^<>]*>")
_BOLD = re.compile(r"^(\*\*|__)(?P<title>[^*]+?)\1\s*:?$")
_INLINE = re.compile(r"^(?:\*\*|__)?(?P<title>[A-Za-z][A-Za-z ()]{1,40}?)\s*(?::\s*(?:\*\*|__)|(?:\*\*|__)?\s*:)\s*")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_CODE = re.compile(r"(`+[^`]+`+)")
_STRUCK = re.compile(r"^~~.*~~$")
_MAX_TITLE_WORDS = 3
KINDS: tuple[str, ...] = get_args(EvidenceKind)
_COMMAND = re.compile(r"`([^`\n]+)`")
_NAMED = re.compile(
    r"\s*[(\[]\s*(?P<what>command|evidence)\s*:\s*(?P<value>`[^`\n]+`|[^()\[\]`]+?)\s*[)\]]\s*$", re.IGNORECASE
)
_COMMAND_WORDS = re.compile(
    r"\b(pass(?:es)?|succeeds?|exits?|runs?|is clean|is green|works?|finish(?:es)?)\b", re.IGNORECASE
)


@dataclass
class _Item:
    """An item during parsing: its lines, and those of each nested item. Ignored without lines.

    `depth` is the nesting level, from 1."""

    depth: int
    task: bool
    lines: list[str]
    parts: list[list[str]] = field(default_factory=list)

    def join_lines(self) -> str:
        """One line: the item, then its nested items."""
        own = " ".join(self.lines).rstrip()
        if parts := [" ".join(lines) for lines in self.parts if lines]:
            own = f"{own.rstrip(':')}: {'; '.join(parts)}"
        own = " ".join(own.split())
        return own if len(own) <= MAX_CHARACTERS else own[: MAX_CHARACTERS - 1] + "…"


@dataclass
class _Section:
    """The blocks below one heading; `finish`: the heading names acceptance criteria; `aside`: it excludes them.

    `level` is that of a Markdown heading, 0 for others; `under` the depth of an item that is the heading; `may_change`
    are the patterns of its lines 'May change: …'."""

    finish: bool = False
    aside: bool = False
    level: int = 0
    under: int = 0
    items: list[_Item] = field(default_factory=list)
    paragraph: list[str] = field(default_factory=list)
    may_change: list[str] = field(default_factory=list)
    closed: bool = False

    def list_criteria(self) -> list[str]:
        """The items, or the paragraph without any."""
        if self.items:
            return [item.join_lines() for item in self.items if item.lines]
        text = " ".join(" ".join(self.paragraph).split())
        return [text[:MAX_CHARACTERS]] if re.search(r"\w", text) else []


def find_criteria(text: str) -> list[str]:
    """The acceptance criteria in the text; empty without any. Lists over `MAX_CRITERIA` are not cut.

    The items below each heading, in any form, such as 'Done when', 'Acceptance criteria' or 'Definition of done'; the
    paragraph of such a heading without a list; without such a heading the items of task lists (`- [ ] …`)."""
    sections = _split_sections(text)
    found = [criterion for section in sections if section.finish for criterion in section.list_criteria()]
    if not found:
        found = [i.join_lines() for s in sections if not s.aside for i in s.items if i.task and i.lines]
    return list(dict.fromkeys(found))


def find_may_change(text: str) -> tuple[str, ...]:
    """The path patterns of the lines 'May change: a, b' below the headings of acceptance criteria."""
    found = [pattern for section in _split_sections(text) if section.finish for pattern in section.may_change]
    return tuple(dict.fromkeys(found))[:MOST_PATTERNS]


def find_items(text: str) -> list[str]:
    """The list items of an answer; a text without a list is one item, an empty one none."""
    items = [item.join_lines() for section in _split_sections(text, plain=True) for item in section.items if item.lines]
    return items or [line for line in [" ".join(clean_text(text).split())[:MAX_CHARACTERS]] if line]


def clean_text(text: str) -> str:
    """The text with plain spaces and line ends, without comments and invisible characters."""
    text = _INVISIBLE.sub("", _SPACES.sub(" ", text[:MAX_READ].replace("\r\n", "\n").replace("\r", "\n")))
    return _COMMENT.sub("", text)


def find_list_markers(text: str) -> list[str]:
    """The marker of each item that is not nested: '-', '*' or '+', or its number."""
    items = [token for token in _parse_visible(text) if token.type == "list_item_open" and token.level == 1]
    return [token.info or token.markup for token in items]


def _parse_visible(text: str) -> Iterator[Token]:
    """The blocks of Markdown outside of quotes; of a quote only its end."""
    quotes = 0
    for token in _MARKDOWN.parse(_BULLET.sub(r"\1-", text)):
        quotes += (token.type == "blockquote_open") - (token.type == "blockquote_close")
        if not quotes:
            yield token


def _split_sections(text: str, plain: bool = False) -> list[_Section]:
    """All sections in order; the first precedes all headings. `plain` disables headings."""
    text = clean_text(text)
    source = text.split("\n")
    sections = [_Section()]
    depth = level = 0
    starts = False  # an item whose text comes next
    for token in _parse_visible(text):
        section = sections[-1]
        if token.type == "list_item_open":
            depth, starts = depth + 1, True
        elif token.type == "list_item_close":
            sections += [_Section()] if section.under == depth else []
            depth, starts = depth - 1, False
        elif token.type in {"heading_open", "heading_close"}:
            level = int(token.tag[1]) if token.nesting == 1 else 0
        elif token.type in {"hr", "blockquote_close"} and not depth:
            waits = token.type == "hr" and section.finish and not section.items
            sections += [] if waits else [_Section()]
        elif token.type == "inline" and level and not depth and not plain:
            sections.append(_create_section(token.content.split("\n")[-1], section, level))
        elif token.type == "inline":
            section.closed = bool(section.paragraph)  # a paragraph is over; a list may still come
            lines = [line.strip()[:MAX_LINE] for line in token.content.split("\n")]
            if starts:
                _add_item(sections, depth, lines[0], plain)
            first, end = token.map or (0, 0)
            for line, written in list(zip(lines, source[first:end], strict=False))[starts:]:
                indented = depth > 0 and written[:1].isspace()  # else it can continue below the item, as in a paragraph
                if opened := None if plain or indented else _open_section(line, sections[-1]):
                    sections.append(opened)
                else:
                    _add_line(sections, line, depth)
            starts = False
    return sections


def _open_section(line: str, before: _Section) -> _Section | None:
    """The section that a line of a paragraph opens, if it is a heading: bold, a term for acceptance criteria alone, or
    a short title with a colon."""
    if line.startswith(("|", "`")):
        return None
    if bold := _BOLD.match(line):
        return _create_section(bold["title"], before)
    if inline := _INLINE.match(line):
        section, rest = _create_section(inline["title"]), line[inline.end() :].strip()
        section.paragraph += [_unescape(rest)] if section.finish and rest else []
        few = len(inline["title"].split()) <= _MAX_TITLE_WORDS and not rest
        return section if section.finish or few else None
    return _create_section(line) if _normalize_title(line) in _CRITERIA_TITLES else None


def _create_section(title: str, before: _Section | None = None, level: int = 0) -> _Section:
    """The section of this title; a heading below that of acceptance criteria only divides their list."""
    plain = _normalize_title(title)
    section = _Section(finish=plain in _CRITERIA_TITLES, aside=plain in _EXCLUDED_TITLES, level=level)
    if before and before.finish:
        section.finish |= 0 < before.level < level and not section.aside
        section.level = before.level if section.finish else level
    return section


def _normalize_title(title: str) -> str:
    """The title in lower case, without marks, tags, numbers, emoji and text in brackets."""
    bare = re.sub(r"\([^)]*\)|\\", "", _TAGS.sub("", title))
    return " ".join(re.sub(r"[^a-z' ]+", " ", bare.lower().replace("’", "'")).split())


def _add_item(sections: list[_Section], depth: int, line: str, plain: bool) -> None:
    section = sections[-1]
    if section.finish and (patterns := read_may_change(_unescape(line))) is not None:
        section.may_change += patterns
        line = ""
    if not plain and not section.finish and _normalize_title(line) in _CRITERIA_TITLES:
        sections.append(_Section(finish=True, under=depth))
        return
    box = _BOX.match(line)
    text = _unescape(line[box.end() :] if box else line)
    lines = [] if _STRUCK.match(text) or not re.search(r"\w", text) else [text]
    if section.items and depth > section.items[0].depth:
        section.items[-1].parts.append(lines)
    else:
        section.items.append(_Item(depth, box is not None, lines))


def _add_line(sections: list[_Section], line: str, depth: int) -> None:
    """Add a line that is neither a heading nor the start of an item: to an item, or to a paragraph."""
    section, text = sections[-1], _unescape(line)
    if section.finish and (patterns := read_may_change(text)) is not None:
        section.may_change += patterns
        return
    if not re.search(r"\w", _TAGS.sub("", text)):
        return  # a line of marks or tags, such as the fence of a collapsible section
    if depth and section.items:
        last = section.items[-1]
        lines = last.parts[-1] if last.parts else last.lines
        lines += [text] if lines else []
    elif section.items or section.closed:
        sections.append(_Section())
    else:
        section.paragraph.append(text)


def _unescape(text: str) -> str:
    """Resolve Markdown escapes outside of code, and remove bold marks."""
    parts = _CODE.split(text.strip())
    for place in range(0, len(parts), 2):
        parts[place] = _ESCAPED.sub(r"\1", parts[place].replace("**", ""))
    return "".join(parts).strip()


def parse_criterion(text: str) -> ProposedCriterion:
    """One item as a criterion: 'the tests pass (command: `make test`)', 'it is there (evidence: file and line)', or
    free text, in which a command is recognised."""
    named = _NAMED.search(text)
    if named:
        value, bare = named["value"].strip("` "), text[: named.start()].strip()
        kind = " ".join(value.lower().split())
        if bare and named["what"].lower() == "command":
            return ProposedCriterion(text=bare, command=value)
        if bare and kind in KINDS:
            return ProposedCriterion(text=bare, evidence=kind)
    return ProposedCriterion(text=text, command=find_command(text))


def format_criterion(criterion: ProposedCriterion) -> str:
    """The criterion as an item that people can edit; `parse_criterion` is the inverse."""
    if criterion.command and find_command(criterion.text) != criterion.command:
        return f"{criterion.text} (command: `{criterion.command}`)"
    return f"{criterion.text} (evidence: {criterion.evidence})" if criterion.evidence else criterion.text


def find_command(text: str) -> str:
    """The command in a criterion: the first `code` of an item with a verb such as passes, runs or exits.

    'a `--json` flag exists' names no command, '`pytest tests/auth` passes' does."""
    code = _COMMAND.search(text)
    if not code or not _COMMAND_WORDS.search(_COMMAND.sub("", text)):
        return ""
    command = code[1].strip()
    return command if re.match(r"[A-Za-z0-9_./]", command) else ""
