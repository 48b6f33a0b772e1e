"""What becomes of the text that people and agents write, above all when it is hostile."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from integrations.standins.linear.markdown import to_html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** `b`", "<p><strong>a</strong> <code>b</code></p>\n"),
        ("a\nb", "<p>a<br>\nb</p>\n"),
        ("- [ ] open\n- [x] done", "<ul>\n<li>☐ open</li>\n<li>☑ done</li>\n</ul>\n"),
        ("~~no~~", "<p><s>no</s></p>\n"),
        ("+++ Log\ntext\n+++\nend", "<details><summary>Log</summary><p>text</p>\n</details><p>end</p>\n"),
        ("+++ never closed", "<p>+++ never closed</p>\n"),
    ],
)
def test_markdown_becomes_html(text: str, html: str) -> None:
    assert to_html(text) == html


def test_a_link_opens_without_telling_where_it_came_from() -> None:
    assert 'rel="noopener noreferrer"' in to_html("[x](https://example.com)")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "![x](https://evil.example/pixel.png)",
        '<https://example.com/"onmouseover=alert(1)>',
        "+++ <script>alert(1)</script>\n<iframe src=x>\n+++",
        "`<b onclick=x>`",
        "| <svg onload=alert(1)> |\n|---|\n| x |",
    ],
)
def test_nothing_that_runs_or_loads_gets_through(text: str) -> None:
    found = Found()
    found.feed(to_html(text))
    assert found.tags <= {"p", "a", "code", "br", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}
    assert found.attributes.keys() <= {"href", "rel"}
    assert all(link.startswith("https://example.com/") for link in found.attributes.get("href", []))


class Found(HTMLParser):
    """The tags, and the attributes' values by name, that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
