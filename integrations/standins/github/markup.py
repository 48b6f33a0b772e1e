"""Turns people's and agents' markdown into HTML that cannot run anything. Pure. Used by the pages."""

from __future__ import annotations

import re

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

TASK = re.compile(r"^(\s*(?:[-*+]|\d+\.) )\[([ xX])\] ", re.MULTILINE)
# HTML stays in, so that hidden markers (comments) and <details> work as on GitHub; nh3 takes out what is not harmless.
_MARKDOWN = MarkdownIt("commonmark", {"breaks": True}).enable(["table", "strikethrough"])


def render(text: str | None) -> Markup:
    """Safe HTML of GitHub-flavoured markdown; empty for nothing."""
    ticked = TASK.sub(lambda found: f"{found[1]}{'☐' if found[2] == ' ' else '☑'} ", text or "")
    return Markup(nh3.clean(_MARKDOWN.render(ticked), link_rel="noopener noreferrer nofollow"))
