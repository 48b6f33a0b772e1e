"""Makes a text that leaves Loopline inert: nothing in it is fetched, notifies a person or changes a ticket. Pure.

Applied by `jobs.effects.texts` to every text of a command, so no message can omit it. Loopline's own text uses none of
the neutralized forms, so it does not change. A zero-width space breaks a form and keeps the text readable; an agent
cannot send one elsewhere, because `show_hidden` shows it.

Not neutralized: host names without a scheme, which neither CommonMark nor GitHub turns into links.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt

from integrations.ports.code_host import COMMENT_MARK
from integrations.texts import cut, show_hidden

LONGEST_BODY, LONGEST_TITLE = 60_000, 250
_LONGEST_RESULT = 65_000
_BREAK = "\u200b"
_MARKDOWN = MarkdownIt("commonmark").disable(["html_block", "reference", "inline"])
_OWN_BREAK = re.compile(f"(?<=[@＠﹫#/:<&!\\].-]){_BREAK}")
_TICKS = re.compile(r"(?P<backslashes>\\*)(?P<run>`+)")
_TABLE = re.compile(r"^[ >\t]*\|?[ ]*:?-+:?[ ]*\|[-:| ]*$", re.MULTILINE)
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{1,30}:)(?P<rest>//[^\s<>`\"']*)", re.IGNORECASE)
_LINK = re.compile(r"\]\((?P<url>[^\s()<>]*)\)")
# Linear's magic words and GitHub's closing keywords, with their inflections; what follows is a list of tickets.
_MAGIC = re.compile(
    r"\b(?:clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|complet(?:e[sd]?|ing)|implement(?:s|ed|ing)?"
    r"|refs?|references?|part of|related to|relates to|contributes to|towards?)\b(?=(?P<list>(?:(?!\n\s*\n).){0,120}))",
    re.IGNORECASE | re.DOTALL,
)
_TICKET = re.compile(r"(?<![A-Za-z0-9-])([A-Za-z][A-Za-z0-9]{0,9})-(?=\d)")
_ISSUE = re.compile(r"#(?=\d)")
_PREFIXED_ISSUE = re.compile(r"\b(gh-)(?=\d)", re.IGNORECASE)
_ISSUE_PAGE = re.compile(r"(/(?:issues?|pull|discussions)/)(?=\d|[A-Za-z]\w{0,9}-\d)")
_PERSON_PAGE = re.compile(r"/(?:profiles?|users?|orgs|teams?)(?:/|$)", re.IGNORECASE)
_COMMAND_WORD = re.compile(r"^([ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)*[/!])(?=[A-Za-z][\w-]*(?:[ \t]|$))", re.MULTILINE)
_BOT_COMMAND = re.compile(r"(?<![^\s>])(@)(?=[A-Za-z][\w/-]*[ \t]+\w)")
_STANDARDS = frozenset({"utf", "sha", "iso", "rfc", "cve", "md", "aes", "rsa", "http", "tls", "pep", "es", "python"})
"""Prefixes of names such as UTF-8, which are no tickets."""
_RENDERED = re.compile(
    r"^([ >\t]*(?:(?:[-*+]|\d+[.)])[ \t]+)*(?:`{3,}|~{3,}))[ \t]*(?:mermaid|geojson|topojson|stl|math|suggestion)\b.*$",
    re.IGNORECASE | re.MULTILINE,
)
"""Code blocks that GitHub renders as diagrams, maps, formulas and suggested changes."""


@dataclass(frozen=True)
class Own:
    """The ticket that the text is about, which it can name, and URL prefixes of pages that it can link.

    Pages of people are not among them: a tracker turns such a link into a mention (Linear's developer documentation,
    "Mentions")."""

    identifier: str
    pages: tuple[str, ...] = ()

    def has_page(self, url: str) -> bool:
        """Whether the URL is one of the pages, or below one."""
        rest = next((url[len(p) :] for p in self.pages if url == p or url.startswith((f"{p}/", f"{p}#"))), None)
        return rest is not None and not _PERSON_PAGE.search(rest)


def sanitize_markdown(text: str, own: Own) -> str:
    """Markdown without images, HTML, foreign links, mentions, references to other tickets, bot commands and hidden
    characters, in at most `LONGEST_BODY` characters. The content of code stays, but for commands that bots read in
    it. Idempotent."""
    text = _RENDERED.sub(r"\1", cut(_prepare(cut(text, LONGEST_BODY), own), LONGEST_BODY))
    lines = text.split("\n")
    has_code, covered = not _TABLE.search(text), set[int]()
    for first, last, content in _find_blocks(text):
        covered.update(range(first, last))
        if content is None:
            continue
        done = _sanitize_inline(content, own, has_code=has_code).split("\n")
        for number, (old, new) in zip(range(first, last), zip(content.split("\n"), done, strict=True), strict=False):
            start = lines[number].rfind(old)
            lines[number] = lines[number][:start] + new if start >= 0 else _sanitize_prose(lines[number], own)
    for number in set(range(len(lines))) - covered:  # deeper than the parser's limit of nesting
        lines[number] = _sanitize_prose(lines[number], own)
    done_text = "\n".join(lines)
    # Where a provider would cut it, the end of a code span could be lost.
    return done_text if len(done_text) <= _LONGEST_RESULT else cut(_sanitize_prose(text, own), _LONGEST_RESULT)


def sanitize_line(text: str, own: Own) -> str:
    """One line of plain text, such as a title, a status or the subject of a commit: code has no meaning in it, and each
    ticket that it names would be linked. Idempotent."""
    line = _sanitize_prose(_prepare(" ".join(text.split()), own), own)
    line = _break_tickets(line, own)
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 1]}…"


def _prepare(text: str, own: Own) -> str:
    """Without hidden characters, and without everything that is read from the raw text, in code too."""
    text = show_hidden(_OWN_BREAK.sub("", text.replace("\r\n", "\n")).replace("\r", "\n"))
    text = text.replace(COMMENT_MARK, f"<{_BREAK}{COMMENT_MARK[1:]}")
    text = _break_references(text, own)
    text = _COMMAND_WORD.sub(rf"\1{_BREAK}", text)
    return _BOT_COMMAND.sub(rf"\1{_BREAK}", text)


def _break_references(text: str, own: Own) -> str:
    """The text whose magic words have no effect: in what follows each of them, nothing is a reference."""
    parts, start = [], 0
    for first, end in _find_lists(text):
        named = _ISSUE.sub(f"#{_BREAK}", _PREFIXED_ISSUE.sub(rf"\1{_BREAK}", text[first:end]))
        parts += [text[start:first], _break_tickets(_ISSUE_PAGE.sub(rf"\1{_BREAK}", named), own)]
        start = end
    return "".join([*parts, text[start:]])


def _find_lists(text: str) -> list[tuple[int, int]]:
    """Start and end of what follows magic words; overlapping ones are joined."""
    lists: list[tuple[int, int]] = []
    for first, end in (found.span("list") for found in _MAGIC.finditer(text)):
        joined = bool(lists) and first <= lists[-1][1]
        lists[-1:] = [(lists[-1][0], end)] if joined else [*lists[-1:], (first, end)]
    return lists


def _break_tickets(text: str, own: Own) -> str:
    def break_one(found: re.Match[str]) -> str:
        number = re.match(r"\d+", text[found.end() :])
        name = found[0] + (number[0] if number else "")
        is_kept = found[1].lower() in _STANDARDS or name.lower() == own.identifier.lower()
        return found[0] if is_kept else f"{found[0]}{_BREAK}"

    return _TICKET.sub(break_one, text)


def _find_blocks(text: str) -> list[tuple[int, int, str | None]]:
    """First line, line after the last, and content of each block; without content for a code block."""
    tokens = _MARKDOWN.parse(text)
    blocks = [token for token in tokens if token.map and token.type in {"inline", "fence", "code_block"}]
    return [(*_get_lines(t.map), t.content if t.type == "inline" else None) for t in blocks]


def _get_lines(lines: list[int] | None) -> tuple[int, int]:
    return (lines[0], lines[1]) if lines else (0, 0)


def _sanitize_inline(text: str, own: Own, *, has_code: bool) -> str:
    """The content of a paragraph: all but its code spans. `has_code` is False for tables, whose cells cut off spans."""
    if not has_code:
        return _sanitize_prose(text, own)
    parts, start = [], 0
    for first, end in _find_code_spans(text):
        parts += [_sanitize_prose(text[start:first], own), text[first:end]]
        start = end
    return "".join([*parts, _sanitize_prose(text[start:], own)])


def _find_code_spans(text: str) -> list[tuple[int, int]]:
    """Start and end of each code span (CommonMark 6.1): the next run of as many backticks closes it."""
    runs = [m.span("run") for m in _TICKS.finditer(text)]
    escaped = {m.start("run") for m in _TICKS.finditer(text) if len(m["backslashes"]) % 2}
    spans, place = [], 0
    while place < len(runs):
        start, end = runs[place]
        place += 1
        start += start in escaped
        same = (n for n in range(place, len(runs)) if runs[n][1] - runs[n][0] == end - start)
        if end > start and (closing := next(same, None)) is not None:
            spans.append((start, runs[closing][1]))
            place = closing + 1
    return spans


def _sanitize_prose(text: str, own: Own) -> str:
    """Everything that is neither in a code span nor in a code block."""
    parts, start = [], 0
    for first, end in _find_own_links(text, own):
        parts += [_break_forms(text[start:first]), text[first:end]]
        start = end
    return "".join([*parts, _break_forms(text[start:])])


def _find_own_links(text: str, own: Own) -> list[tuple[int, int]]:
    """Start and end of links to own pages: the part from the bracket of a Markdown link, or a URL in the text."""
    links = [m.span() for m in _LINK.finditer(text) if own.has_page(m["url"])]
    for m in _URL.finditer(text):
        url = m[0].rstrip(".,;:!?)*_~")
        if own.has_page(url) and not any(first <= m.start() < end for first, end in links):
            links.append((m.start(), m.start() + len(url)))
    return sorted(links)


_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"([@＠﹫])(?=[^\s{_BREAK}])"), rf"\1{_BREAK}"),  # mentions, addresses
    (_ISSUE, f"#{_BREAK}"),
    (_PREFIXED_ISSUE, rf"\1{_BREAK}"),
    (re.compile(r"<(?=[A-Za-z/!?])"), f"<{_BREAK}"),  # HTML, autolinks
    (re.compile(r"&(?=#|[A-Za-z][A-Za-z0-9]*;)"), f"&{_BREAK}"),  # entities, which can hide the other forms
    (re.compile(r"!(?=\[)"), f"!{_BREAK}"),  # images
    (re.compile(r"\](?=[(:])"), f"]{_BREAK}"),  # links, definitions
    (re.compile(r"(?<=[A-Za-z0-9+.-]:)(?=//)"), _BREAK),  # URLs
    (re.compile(rf"\b(mailto|xmpp|javascript|data|vbscript):(?=[^\s{_BREAK}])", re.IGNORECASE), rf"\1:{_BREAK}"),
    (re.compile(rf"\b(www\.)(?=[^\s{_BREAK}])", re.IGNORECASE), rf"\1{_BREAK}"),
)


def _break_forms(text: str) -> str:
    for form, broken in _FORMS:
        text = form.sub(broken, text)
    return text
