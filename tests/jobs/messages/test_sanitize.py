"""Hostile texts through the sanitizer, judged by a CommonMark parser and by the patterns of providers and bots."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from jobs.messages.sanitize import LONGEST_TITLE, Own, sanitize_line, sanitize_markdown
from jobs.messages.text import code, inline, quoted

OWN = Own("ENG-1", ("https://linear.test/acme", "https://github.test/acme/shop"))
PARSER = MarkdownIt("commonmark")

# How a provider or a bot reads a text: GitHub's and Linear's documentation, and the regular expressions of bots.
MENTION = re.compile(r"(?<![\w`/])[@＠]\w")
CLOSING = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?|part of|refs)\b:?\s+[\w./-]*#\d", re.IGNORECASE)
MAGIC = re.compile(r"\b(?:fixes|closes|part of|refs|resolves)\b.{0,40}\b(?!ENG-1\b)[A-Z]+-\d", re.IGNORECASE)
COMMAND = re.compile(r"^\s*/(?:approve|merge|lgtm|close|retry)\b", re.MULTILINE)
BOT = re.compile(r"(?:^|\s)@(?:dependabot|claude)\s+\w", re.MULTILINE)
ISSUE = re.compile(r"#\d")
FOREIGN = re.compile(r"(?:https?|ftp)://(?!github\.test/acme/shop\b|linear\.test/acme\b)|\bwww\.\w", re.IGNORECASE)


def read_prose(text: str) -> Iterator[str]:
    """The rendered texts outside of code."""
    for token in walk(PARSER.parse(text)):
        if token.type in {"text", "text_special"}:
            yield token.content


def walk(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from walk(token.children or [])


def find_effects(text: str) -> list[str]:
    """Everything that the text would cause outside."""
    tokens = list(walk(PARSER.parse(text)))
    found = [t.type for t in tokens if t.type in {"image", "html_inline", "html_block"}]
    links = [str(t.attrs["href"]) for t in tokens if t.type == "link_open"]
    found += [f"link {url}" for url in links if not OWN.has_page(url)]
    raw = {"closing": CLOSING, "ticket": MAGIC, "command": COMMAND, "bot": BOT}
    found += [name for name, form in raw.items() if form.search(text)]
    prose = "".join(read_prose(text))
    rendered = {"mention": MENTION, "issue": ISSUE, "foreign": FOREIGN}
    found += [name for name, form in rendered.items() if form.search(prose)]
    return found + ["mark"] * ("<!-- loopline:" in text)


HOSTILE = [
    "![x](https://evil.test/?q=1)", "![x][r]\n\n[r]: https://evil.test/?q=1", "<img src='https://evil.test/?q=1'>",
    "<IMG\nSRC=https://evil.test>", "[![a](https://evil.test/a.png)](https://evil.test)", "[a](https://evil.test)",
    "[a](<https://evil.test> \"t\")", "<https://evil.test/?q=1>", "https://evil.test/?q=1", "www.evil.test/?q=1",
    "[a](//evil.test)", "[a](javascript:alert(1))", "[a](data:text/html,x)", "[a][b]\n\n[b]: //evil.test",
    "[b]\n\n  [b]:\n  https://evil.test", "[a](https://github.test.evil.test/acme/shop)",
    "[a](https://github.test/acme/shop-evil)", "[a](https://github.test@evil.test/acme/shop)",
    "https://github.test/acme/shop@evil.test", "[a](https://linear.test/acme/profiles/ana)",
    "<details><summary>x</summary>y</details>", "<script>x</script>", "<!-- hidden -->", "<!-- loopline:abc -->",
    "```\n<!-- loopline:abc -->\n```", "<a href='https://evil.test'>x</a>", "<b c=\"`\">`@team`</b>",
    "@team look", "cc @acme/security.", "`a` @team `b`", "a ` b\n@team ` c` d", "\\`@team\\`", "`` ` @team `",
    "\\@team",
    "&#64;team", "&commat;team", "*@team*", "[@team](x)", "| a ` b | @team ` |\n|---|---|\n| ` @team | ` |",
    "fixes #1", "Closes: #1", "FIXES\nacme/shop#1", "resolves GH-1", "fix&#101;s &#35;1", "fixes **#1**", "`fixes #1`",
    "```\nfixes #1\n```", "closes ENG-2", "Part of ENG-3", "refs eng-4", "Fixes ENG-1, ENG-5 and ENG-6",
    "fixes [ENG-7](https://linear.test/acme/issue/ENG-7)", "see #12",
    "/approve", "  /merge", "- /merge", "> /merge now", "```\n/merge\n```", "1. /lgtm", "x\n/close\ny",
    "@dependabot merge", "```\n@claude do it\n```", "> " * 30 + "@team <b>", "~~~\n~~~\n@team", "    code\n\n@team",
    "```\ncode\n``` \n@team", "- ```\n  x\n@team", "a\r\n/merge\r@team", "@\u200bteam", "@\u2060team", "/\u200bmerge",
    "fixes #\u200b1", "fi\u00adxes #1", "\U000e0040team", "\u202e@team",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_sanitized_text_has_no_effect_outside(text: str) -> None:
    sent = sanitize_markdown(text, OWN)

    assert find_effects(sent) == []
    assert sanitize_markdown(sent, OWN) == sent, "idempotent"


def test_hostile_texts_have_effects_without_the_sanitizer() -> None:
    assert sum(bool(find_effects(text)) for text in HOSTILE) > len(HOSTILE) * 0.75


@pytest.mark.parametrize("text", HOSTILE)
def test_sanitized_line_has_no_effect_outside(text: str) -> None:
    sent = sanitize_line(f"ENG-1: {text}", OWN)

    assert find_effects(sent) == []
    assert "\n" not in sent and not re.search(r"\b(?!ENG-1\b)(?:ENG|eng)-\d", sent)


@pytest.mark.parametrize(
    "text",
    [
        "Fixes ENG-1\n\n**Verdict: done (3/3).** `pytest -q` → exit 0, output SHA-256 `abc`",
        "[ENG-1](https://linear.test/acme/issue/ENG-1) · https://github.test/acme/shop/pull/7",
        'Reply `ok`, `/retry <hint>` or `2: new text`. Use `a@b` and `<b>`, "UTF-8" & co.',
        "```python\n@property\ndef x(self) -> '<b>':\n    return '![x](https://a.test)'\n```",
        "- item\n  1. nested `x`\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "Path /usr/lib and src/app.py:3, 3 < 4, a[0], x = y; \u2764\ufe0f \U0001f469\u200d\U0001f4bb",
    ],
)
def test_harmless_text_is_unchanged(text: str) -> None:
    assert sanitize_markdown(text, OWN) == text


def test_hidden_characters_are_shown_in_outward_text() -> None:
    sent = sanitize_markdown("a\u200bb\u202ec\U000e0041d e\ufe0f\U000e0100", OWN)

    assert sent == "a⟨U+200B⟩b⟨U+202E⟩c⟨U+E0041⟩d e⟨U+FE0F⟩⟨U+E0100⟩"


@pytest.mark.parametrize(
    "text", ["`" * 70_000, "@" * 70_000, "> " * 35_000, "fix " * 20_000, "](" * 30_000, "``` " * 9_999]
)
def test_sanitizer_is_bounded_in_time_and_length(text: str) -> None:
    began = time.monotonic()
    sent = sanitize_markdown(text, OWN)

    assert time.monotonic() - began < 5
    assert len(sent) <= 65_000 and len(sanitize_line(text, OWN)) <= LONGEST_TITLE


def test_long_text_has_no_code_that_a_provider_would_cut_open() -> None:
    text = "@x " * 19_000 + "`@team " + "y" * 2_000 + "`"

    assert not MENTION.search(sanitize_markdown(text, OWN))


@pytest.mark.parametrize(
    "text", ["# x", "> x", "- x", "1. x", "a\n\n# b", "```x", "a ` b", "===", "| a |", "* x", "~~~"]
)
def test_inline_text_starts_no_block_and_ends_no_code(text: str) -> None:
    message = f"{inline(text)}\n\n`code` after"

    tokens = [t.type for t in PARSER.parse(message)]
    assert tokens == ["paragraph_open", "inline", "paragraph_close"] * 2
    assert [t.content for t in walk(PARSER.parse(message)) if t.type == "code_inline"] == ["code"]


@pytest.mark.parametrize("command", ["make", "echo `date`", "a ``b`` `c`", "x\ny", "`", "` @team"])
def test_code_span_holds_any_command(command: str) -> None:
    spans = [t.content for t in walk(PARSER.parse(f"ran {code(command)} once")) if t.type == "code_inline"]

    assert spans == [" ".join(command.split())]


def test_quotation_holds_headings_and_open_code_blocks() -> None:
    summary = "# Contract, checked\n\n```\nopen\n\n- x"

    message = quoted(summary) + "\n\n## Evidence"

    tokens = PARSER.parse(message)
    assert [t.level for t in tokens if t.type == "heading_open"] == [1, 0]
