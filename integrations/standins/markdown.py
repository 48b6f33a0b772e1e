"""Markdown as safe HTML for the pages of the stand-ins. Pure.

The text is untrusted. Raw HTML is escaped, links need a harmless scheme, and images, which would be fetched from
another host, are not rendered. HTML comments are removed, as Linear and GitHub hide them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

SCHEMES = ("http://", "https://", "mailto:")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FOLD = re.compile(r"^\+\+\+ (?P<title>.+)\n(?P<text>(?:(?!\+\+\+).*\n)*?)\+\+\+[ \t]*$", re.MULTILINE)
_DETAILS = re.compile(
    r"^<details><summary>(?P<title>[^<\n]*)</summary>\n\n(?P<text>.*?)\n\n</details>$", re.MULTILINE | re.DOTALL
)
_TASK = re.compile(r"<li>(<p>)?\[([ xX])\] ")


class _SafeMarkdown(MarkdownIt):
    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "breaks": True})
        self.enable(["table", "strikethrough"]).disable("image")
        self.add_render_rule("link_open", _link_open)

    def validateLink(self, url: str) -> bool:
        return url.lower().startswith(SCHEMES)


def _link_open(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer")
    return str(renderer.renderToken(tokens, index, options, env))


_MARKDOWN = _SafeMarkdown()


def to_html(text: str | None) -> Markup:
    """The text as HTML; empty for None. Collapsed parts are `details`: Linear's between `+++ title` and `+++`, GitHub's
    in that tag."""
    text, parts, start = _COMMENT.sub("", text or ""), [], 0
    found = sorted((*_FOLD.finditer(text), *_DETAILS.finditer(text)), key=lambda one: one.start())
    for one in found:
        if one.start() >= start:
            folded = Markup("<details><summary>{}</summary>{}</details>")
            parts += [_render(text[start : one.start()]), folded.format(one["title"], _render(one["text"]))]
            start = one.end()
    return Markup("").join([*parts, _render(text[start:])])


def _render(text: str) -> Markup:
    html = _MARKDOWN.render(text)
    # The renderer has escaped the text already.
    return Markup(_TASK.sub(lambda found: f"<li>{found[1] or ''}{'☐' if found[2] == ' ' else '☑'} ", html))
