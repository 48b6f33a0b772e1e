"""`[repo=owner/name#branch]` in the text of a ticket, and the order that the text asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations

TAG = re.compile(r"\[repo(?:sitory)?\s*[=:]\s*(?P<name>[^\]\s#]+)(?:#(?P<branch>[^\]\s]+))?\s*\]", re.IGNORECASE)
_FENCED = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_BETWEEN = r"(?:(?![.;!?](?:\s|$)|\n\s*\n)[\s\S]){0,60}?"
_MOST_ORDERED = 6


def find_tags(text: str) -> list[tuple[str, str]]:
    """Repository and branch of each different tag outside of code, in order."""
    found = TAG.finditer(_FENCED.sub("`", text))  # not empty, which could join a tag around the code
    return list(dict.fromkeys((tag["name"], tag["branch"] or "") for tag in found))


def strip_tags(text: str) -> str:
    """The text without its tags."""
    return re.sub(r"[ \t]*" + TAG.pattern + r"[ \t]*", " ", text, flags=re.IGNORECASE).rstrip()


def order_by_text(names: Sequence[str], text: str) -> tuple[str, ...]:
    """The names ('owner/name') in the order that the text asks for: 'web after api', 'api before web', 'web first'.
    Without such a sentence, or with contradicting ones, in the order given."""
    if len(names) > _MOST_ORDERED:
        return tuple(names)
    plain = TAG.sub(lambda tag: f" {tag['name']} ", _FENCED.sub("", text))
    pairs = {(one, other) for one in names for other in names if one != other and _comes_before(one, other, plain)}
    first = [name for name in names if re.search(rf"{_word(name)}\s+first\b", plain, re.IGNORECASE)]
    if len(first) == 1:
        pairs |= {(first[0], other) for other in names if other != first[0]}
    for order in permutations(names):
        if all(order.index(one) < order.index(other) for one, other in pairs):
            return order
    return tuple(names)


def _word(name: str) -> str:
    short = name.partition("/")[2] or name
    return rf"(?<![\w/-])(?:{re.escape(name)}|{re.escape(short)})(?![\w/-])"


def _comes_before(one: str, other: str, text: str) -> bool:
    before = rf"{_word(one)}{_BETWEEN}\bbefore\b{_BETWEEN}{_word(other)}"
    after = rf"{_word(other)}{_BETWEEN}\bafter\b{_BETWEEN}{_word(one)}"
    return bool(re.search(before, text, re.IGNORECASE) or re.search(after, text, re.IGNORECASE))
