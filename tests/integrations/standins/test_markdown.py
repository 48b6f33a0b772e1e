"""Markdown on the pages: its features, and hostile text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from integrations.standins.markdown import to_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        (None, ""),
        ("**a** `b`", "<p><strong>a</strong> <code>b</code></p>\n"),
        ("a\nb", "<p>a<br />\nb</p>\n"),
        ("- [ ] open\n- [x] done", "<ul>\n<li>☐ open</li>\n<li>☑ done</li>\n</ul>\n"),
        ("~~no~~", "<p><s>no</s></p>\n"),
        ("a\n<!-- loopline:1 -->", "<p>a</p>\n"),
        ("[x](https://a.example)", '<p><a href="https://a.example" rel="noopener noreferrer">x</a></p>\n'),
    ],
)
def test_markdown_becomes_html(text: str | None, html: str) -> None:
    assert to_html(text) == html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<scr<!-- x -->ipt>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](&#x6A;avascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](data:image/png;base64,eA==)",
        "[x][1]\n\n[1]: vbscript:x",
        "<javascript:alert(1)>",
        "![x](https://example.com/pixel.png)",
        '<https://example.com/"onmouseover=alert(1)>',
        '[x](https://example.com/ "a\\"onclick=b")',
        "`<b onclick=x>`",
        '```"><script>\nx\n```',
        "| <svg onload=alert(1)> |\n|---|\n| x |",
    ],
)
def test_markdown_runs_and_loads_nothing(text: str) -> None:
    found = Found()
    found.feed(to_html(text))
    assert found.tags <= {"p", "a", "code", "pre", "br", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.attributes.keys() <= {"href", "rel", "title", "class"}
    assert all(link.startswith("https://example.com/") for link in found.attributes.get("href", []))


class Found(HTMLParser):
    """The tags, and the attributes' values by name, as a browser parses them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")


def test_collapsed_part_is_rendered_as_details() -> None:
    html = to_html("before\n\n+++ Details <b>\n\n- one\n\n+++\n\nafter")

    collapsed = "<details><summary>Details &lt;b&gt;</summary><ul>\n<li>one</li>\n</ul>\n</details>"
    assert html == f"<p>before</p>\n{collapsed}<p>after</p>\n"
    assert "<details" not in to_html("a diff\n+++ b/file\n+ line")
