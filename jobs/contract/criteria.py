"""Finds the finish line in what people wrote: Markdown in, items out. Pure; called by `jobs.contract.agreement`.

Reads what a person who looks at the ticket sees: nothing in HTML comments and code blocks counts, and a quoted heading
opens no list. A nested item belongs to the one above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_CRITERIA = 20
MAX_CHARACTERS = 600
MAX_READ = 100_000
MAX_LINE = 2_000

_FINISH_LINES = frozenset(
    {"done when", "done if", "this is done when", "it is done when", "acceptance criteria", "acceptance criterion"}
    | {"definition of done", "finish line", "success criteria", "acceptance tests", "acceptance", "ac", "dod"}
)
_ASIDE = frozenset(
    {"out of scope", "not in scope", "non goals", "nongoals", "later", "follow ups", "followups", "future work"}
    | {"nice to have", "won t do", "won't do", "ideas"}
)
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")
_SPACES = re.compile("[\u00a0\u2007\u202f\u2009\u3000]")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_FENCE = re.compile(r"^\s*(?:[-*+]\s+)?(?P<mark>`{3,}|~{3,})(?P<info>.*)$")
_ITEM = re.compile(r"^(?P<indent>[ \t]*)(?:[-*+•]|\d{1,3}[.)])[ \t]+(?P<text>\S.*)$")
_BOX = re.compile(r"^\\?\[(?P<mark>[ xX]?)\\?\](?:\s+|$)")
_MARKED = re.compile(
    r"^ {0,3}(?:(?P<level>#{1,6})\s*(?P<hash>[^#].*?)\s*#*|(?P<bold>\*\*|__)(?P<strong>[^*]+?)(?P=bold)\s*:?)\s*$"
)
_INLINE = re.compile(
    r"^\s{0,3}(?:\*\*|__)?(?P<title>[A-Za-z][A-Za-z ()]{1,40}?)\s*(?::\s*(?:\*\*|__)|(?:\*\*|__)?\s*:)\s*"
)
_RULE = re.compile(r"^ {0,3}(?:={3,}|(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,})$")
_NO_TITLE = re.compile(r"^\s*[>|<`]")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_CODE = re.compile(r"(`+[^`]+`+)")
_STRUCK = re.compile(r"^~~.*~~$")
_HEADING_WORDS = 3


@dataclass
class _Item:
    """An item while it is read; `indent` in columns."""

    indent: int
    text: str
    task: bool
    parts: list[str] = field(default_factory=list)

    def whole(self) -> str:
        """One line: the item, then what is nested in it."""
        own = self.text.rstrip()
        if self.parts:
            own = f"{own.rstrip(':')}: {'; '.join(self.parts)}"
        own = " ".join(own.split())
        return own if len(own) <= MAX_CHARACTERS else own[: MAX_CHARACTERS - 1] + "…"


@dataclass
class _Section:
    """The lines below one heading; `finish`: it says what done means; `aside`: it says what does not belong to it.

    `level` is the number of a heading's #, 0 for others; `under` the columns of an item that is the heading."""

    finish: bool = False
    aside: bool = False
    level: int = 0
    under: int = -1
    items: list[_Item] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    closed: bool = False


def criteria_in(text: str) -> list[str]:
    """What the text says done means; empty when it does not. Longer lists than `MAX_CRITERIA` are returned whole.

    The items below every 'Done when', 'Acceptance criteria' or 'Definition of done', a heading in any form. Where such
    a heading has no list, its paragraph. Without such a heading the items of task lists (`- [ ] …`)."""
    sections = _sections(text)
    found = [line for section in sections if section.finish for line in _criteria_of(section)]
    if not found:
        found = [i.whole() for s in sections if not s.aside for i in s.items if i.task]
    return list(dict.fromkeys(found))


def items_in(text: str) -> list[str]:
    """The list items of an answer; a text without a list is one item, an empty one none."""
    items = [item.whole() for section in _sections(text, plain=True) for item in section.items]
    return items or [line for line in [" ".join(readable(text).split())[:MAX_CHARACTERS]] if line]


def readable(text: str) -> str:
    """The text as a person sees it: usual spaces and line ends, no comments, no invisible characters."""
    text = _INVISIBLE.sub("", _SPACES.sub(" ", text[:MAX_READ].replace("\r\n", "\n").replace("\r", "\n")))
    return _COMMENT.sub("", text)


def _criteria_of(section: _Section) -> list[str]:
    if section.items:
        return [item.whole() for item in section.items]
    words = " ".join(" ".join(section.words).split())
    return [words[:MAX_CHARACTERS]] if re.search(r"\w", words) else []


def _sections(text: str, plain: bool = False) -> list[_Section]:
    """All sections in order; the first is what stands before any heading. `plain`: no line is a heading."""
    sections = [_Section()]
    blank = True
    for line in _without_code(readable(text)):
        section = sections[-1]
        if not line.strip():
            blank = True
            section.closed = bool(section.words)  # a paragraph is over; a list may still come
            continue
        if _RULE.match(line):
            sections += [] if section.finish and not section.items else [_Section()]
        elif opened := None if plain else _heading(line, section):
            sections.append(opened)
        elif item := _ITEM.match(line):
            _take_item(sections, item["indent"], item["text"])
        else:
            _take_words(sections, line, blank)
        blank = False
    return sections


def _without_code(text: str) -> Iterator[str]:
    """The lines outside of fenced blocks. A fence that is never closed hides the rest, as it does on the page."""
    closing = ""
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if closing:
            if fence and fence["mark"].startswith(closing) and not fence["info"].strip():
                closing = ""
        elif fence and "`" not in fence["info"]:
            closing = fence["mark"]
        else:
            yield line[:MAX_LINE].rstrip()


def _heading(line: str, before: _Section) -> _Section | None:
    """The section that the line opens, if it is a heading: marked as one, a finish line's name alone, or a few words
    and a colon."""
    if _NO_TITLE.match(line):
        return None
    if marked := _MARKED.match(line):
        section = _named(marked["hash"] or marked["strong"], len(marked["level"] or ""))
        section.finish |= before.finish and 0 < before.level < section.level and not section.aside
        section.level = before.level if section.finish and before.finish else section.level
        return section
    if item := _ITEM.match(line):
        columns = len(item["indent"].expandtabs(4))
        titled = not before.finish and _plain(item["text"]) in _FINISH_LINES
        return _Section(finish=True, under=columns) if titled else None
    if inline := _INLINE.match(line):
        section, rest = _named(inline["title"]), line[inline.end() :].strip()
        section.words += [_read(rest)] if section.finish and rest else []
        few = len(inline["title"].split()) <= _HEADING_WORDS and not rest
        return section if section.finish or few else None
    return _named(line) if _plain(line) in _FINISH_LINES else None


def _named(title: str, level: int = 0) -> _Section:
    plain = _plain(title)
    return _Section(finish=plain in _FINISH_LINES, aside=plain in _ASIDE, level=level)


def _plain(title: str) -> str:
    """A title without marks, numbers, emoji and what is in brackets, in lower case."""
    bare = re.sub(r"\([^)]*\)|\\", "", title)
    return " ".join(re.sub(r"[^a-z' ]+", " ", bare.lower().replace("’", "'")).split())


def _take_item(sections: list[_Section], indent: str, text: str) -> None:
    section, columns = sections[-1], len(indent.expandtabs(4))
    if columns <= section.under:
        sections.append(section := _Section())
    box = _BOX.match(text)
    text = _read(text[box.end() :] if box else text)
    if _STRUCK.match(text) or not re.search(r"\w", text):
        return
    if section.items and columns > section.items[0].indent + 1:
        section.items[-1].parts.append(text)
    else:
        section.items.append(_Item(columns, text, box is not None))


def _take_words(sections: list[_Section], line: str, blank: bool) -> None:
    """A line that is neither heading nor item: the rest of an item, a paragraph before the list, or its end."""
    section, text = sections[-1], _read(line)
    if not re.search(r"[\w>]", text):
        return  # an empty item, a line of marks
    if text.startswith(">") or (section.closed and not section.items):
        sections.append(_Section())
    elif section.items and (not blank or line.startswith((" ", "\t"))):
        last = section.items[-1]
        if last.parts:
            last.parts[-1] += f" {text}"
        else:
            last.text += f" {text}"
    elif section.items:
        sections.append(_Section())
    else:
        section.words.append(text)


def _read(text: str) -> str:
    """Markdown's escapes resolved outside of code, and bold marks removed."""
    parts = _CODE.split(text.strip())
    for place in range(0, len(parts), 2):
        parts[place] = _ESCAPED.sub(r"\1", parts[place].replace("**", ""))
    return "".join(parts).strip()
