"""Markdown as Linear shows it, as safe HTML. Pure; called by the page only.

Raw HTML is shown as text, and what comes out is cleaned again: comments are written by strangers.
"""

from __future__ import annotations

import re

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
_TAGS = nh3.ALLOWED_TAGS - {"img"}  # a picture would be fetched from elsewhere
_FOLD = re.compile(r"^\+\+\+ +(?P<title>.+?)\n(?P<text>.*?)^\+\+\+ *$", re.MULTILINE | re.DOTALL)
_TASK = re.compile(r"<li>(<p>)?\[([ xX])\] ")


def to_html(text: str) -> Markup:
    """The text as HTML; `+++ Title` … `+++` folds away what is between."""
    parts, end = [], 0
    for fold in _FOLD.finditer(text):
        parts += [_plain(text[end : fold.start()]), _folded(fold["title"], fold["text"])]
        end = fold.end()
    return Markup("").join([*parts, _plain(text[end:])])


def _plain(text: str) -> Markup:
    html = _TASK.sub(lambda found: f"<li>{found[1] or ''}{'☐' if found[2] == ' ' else '☑'} ", _MARKDOWN.render(text))
    return Markup(nh3.clean(html, tags=_TAGS, url_schemes={"http", "https", "mailto"}))


def _folded(title: str, text: str) -> Markup:
    return Markup("<details><summary>{}</summary>{}</details>").format(escape(title), _plain(text))
