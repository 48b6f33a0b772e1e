"""Puts Loopline's sections into the description of a pull request, and keeps what people wrote. Pure.

Called by `jobs.effects.pull_requests` with sanitized text. Each section is between two hidden marks; the first has a
checksum of each line. At an update the lines that Loopline wrote are replaced, and every other line stays: lines that a
person added inside a section move below it. A mark with the checksum of the title shows whether a person changed it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from integrations.ports.code_host import COMMENT_MARK
from jobs.messages.pull_request_template import find_places, tick_boxes

MOST_CHARACTERS, LONGEST_TEMPLATE = 60_000, 30_000
_NOTE_CHARACTERS = 200
CODE_HOST_LIMIT = 65_536
"""GitHub's answer to a longer one is 422."""
_FOLDED = frozenset({"evidence", "findings", "provenance"})
_HEADING = re.compile(r"^## (?P<heading>.+)$", re.MULTILINE)
_SECTION = re.compile(
    rf"^{COMMENT_MARK}begin (?P<name>[a-z-]+) (?P<form>heading|plain) (?P<lines>[0-9a-f,]*) -->\n"
    rf"(?P<text>(?:(?!{COMMENT_MARK}).*\n)*?){COMMENT_MARK}end (?P=name) -->[ \t]*$",
    re.MULTILINE,
)
_TITLE = re.compile(rf"^{COMMENT_MARK}title (?P<checksum>[0-9a-f]+) -->[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A part of the description. `name` is that of its marks; one in a place of the template has no own heading."""

    name: str
    heading: str
    text: str


def split_sections(body: str) -> tuple[Section, ...]:
    """The sections of Loopline's text; the part before the first heading is named 'ticket'."""
    found = list(_HEADING.finditer(body))
    ends = [*(one.start() for one in found), len(body)]
    parts = [Section("ticket", "", body[: ends[0]].strip())]
    for one, end in zip(found, ends[1:], strict=True):
        name = re.sub(r"[^a-z]+", "-", one["heading"].lower()).strip("-")
        parts.append(Section(name, one["heading"], body[one.end() : end].strip()))
    return tuple(part for part in parts if part.text)


def compose_description(title: str, body: str, page: str, template: str = "", proofs: Mapping[str, str] = {}) -> str:
    """The description of a new pull request: the template with Loopline's sections in the places that it knows, then
    the other sections. `page` has what is cut, `proofs` tick the template's boxes."""
    sections = split_sections(body)
    text = _normalize(template).strip() if len(template) <= LONGEST_TEMPLATE else ""
    places = find_places(text, {section.name for section in sections})
    lines, start, pieces = tick_boxes(text, proofs).split("\n"), 0, list[str | Section]()
    by_name = {section.name: section for section in sections}
    for line, name in places:
        pieces += ["\n".join(lines[start:line]), replace(by_name[name], heading="")]
        start = line
    pieces.append("\n".join(lines[start:]))
    pieces.append(f"{COMMENT_MARK}title {_checksum(title)} -->")
    placed = {name for _, name in places}
    return _render([*pieces, *(section for section in sections if section.name not in placed)], page)


def update_description(current: str, title: str, body: str, page: str) -> str:
    """The description with Loopline's sections brought up to date. `title` is the one that Loopline wrote, empty for a
    person's own. One that leaves no room for Loopline's text stays as it is."""
    sections = {section.name: section for section in split_sections(body)}
    current, pieces, end, last = _normalize(current), list[str | Section](), 0, 0
    for found in _SECTION.finditer(current):
        pieces.append(current[end : found.start()])
        if section := sections.pop(found["name"], None):
            pieces.append(section if found["form"] == "heading" else replace(section, heading=""))
            last = len(pieces)
        pieces.append(_find_added(found["text"], found["lines"].split(",")))
        end = found.end()
    pieces.append(current[end:])
    place = last or len(pieces)
    pieces[place:place] = sections.values()
    if title:
        pieces = [
            _TITLE.sub(f"{COMMENT_MARK}title {_checksum(title)} -->", one) if isinstance(one, str) else one
            for one in pieces
        ]
    updated = _render(pieces, page)
    return updated if len(updated) <= CODE_HOST_LIMIT else current


def choose_title(current: str, description: str, wanted: str) -> str:
    """The title of an existing pull request: `wanted`, unless a person changed the one that Loopline wrote."""
    mark = _TITLE.search(_normalize(description))
    return wanted if mark and mark["checksum"] == _checksum(current) else current


def _normalize(text: str) -> str:
    """With the line ends that the code host's editor replaces."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _find_added(text: str, checksums: Sequence[str]) -> str:
    """The lines in a section that Loopline did not write."""
    lines = text.splitlines()
    filled = [number for number, line in enumerate(lines) if line.strip()]
    matcher = SequenceMatcher(None, checksums, [_checksum(lines[number]) for number in filled], autojunk=False)
    own = {filled[block.b + n] for block in matcher.get_matching_blocks() for n in range(block.size)}
    added = [line for number, line in enumerate(lines) if number not in own]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(added)).strip("\n")


def _checksum(line: str) -> str:
    return hashlib.sha256(" ".join(line.split()).encode()).hexdigest()[:8]


def _render(pieces: Sequence[str | Section], page: str) -> str:
    """The pieces, separated by empty lines, with sections that are cut to the room that the text of people leaves."""
    texts = [piece for piece in pieces if isinstance(piece, str)]
    sections = [piece for piece in pieces if isinstance(piece, Section)]
    overhead = sum(len(_mark(one)) - len(one.text) for one in sections)
    room = MOST_CHARACTERS - sum(len(text) + 4 for text in texts) - overhead
    fitting = iter(fit_texts([one.text for one in sections], room, page))
    rendered = (
        _mark(replace(one, text=next(fitting))) if isinstance(one, Section) else one.strip("\n") for one in pieces
    )
    return "\n\n".join(filter(None, rendered)).strip() + "\n"


def fit_texts(texts: Sequence[str], room: int, page: str) -> list[str]:
    """The texts in about `room` characters: short ones stay whole, long ones are cut between two lines, with a link to
    the rest."""
    left = sorted(map(len, texts))
    while left and left[0] * len(left) <= room:
        room -= left.pop(0)
    most = max(room, 0) // len(left) if left else MOST_CHARACTERS
    return [_cut(text, most, page) for text in texts]


def _cut(text: str, most: int, page: str) -> str:
    if len(text) <= most:
        return text
    lines, kept, size = text.splitlines(), list[str](), 0
    for line in lines:
        size += len(line) + 1
        if size > most - _NOTE_CHARACTERS:
            break
        kept.append(line)
    rest = len(lines) - len(kept)
    note = f"{rest:,} more {'line' if rest == 1 else 'lines'} on [the ticket's page]({page})."
    return "\n".join(kept).rstrip() + "\n\n" * bool(kept) + note


def _mark(section: Section) -> str:
    """The section between its marks."""
    if not section.heading:
        text = section.text
    elif section.name in _FOLDED:
        text = f"<details><summary>{section.heading}</summary>\n\n{section.text}\n\n</details>"
    else:
        text = f"## {section.heading}\n\n{section.text}"
    form = "heading" if section.heading or section.name == "ticket" else "plain"
    checksums = ",".join(_checksum(line) for line in _list_filled(text.splitlines()))
    begin = f"{COMMENT_MARK}begin {section.name} {form} {checksums} -->"
    return f"{begin}\n{text}\n{COMMENT_MARK}end {section.name} -->"


def _list_filled(lines: Iterable[str]) -> list[str]:
    return [line for line in lines if line.strip()]
