"""Alters one literal so that it no longer equals what it was, in valid syntax of its language. Called by `statements`
and by `data_expectations`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jobs.evidence.proof.tokens import TYPED, Edit, Family, Token

SUFFIX = "~7919"
STEP = 7919
_NUMBER = re.compile(r"(?P<prefix>0[xXbBoO])(?P<digits>[\da-fA-F_]+)(?P<kind>.*)|(?P<whole>\d[\d_]*)(?P<rest>.*)")
_NEXT_DIGIT = {"b": "10", "o": "12345670", "x": "123456789abcdef0"}
_OPPOSITES = {"True": "False", "False": "True", "true": "false", "false": "true", "YES": "NO", "NO": "YES"}
_NOTHING = {"None": "7919", "nil": "7919", "null": "7919", "undefined": "7919"}
_QUOTE = re.compile(r"(?:\"\"\"|'''|\"|'|`|\]|\}|\))#*\Z")
_OPENING = re.compile(r"[rRbBuUfFcR$@%wWqQiI]*#*(?:\"\"\"|'''|\"|'|`|\[|\{|\()")


def alter(token: Token, family: Family) -> Edit | None:
    """The edit that changes the value of a literal, None for what is no literal or cannot be changed safely."""
    if token.kind == "number":
        return Edit(token.start, token.end, alter_number(token.text, family in TYPED))
    if token.kind == "word":
        text = _OPPOSITES.get(token.text) or (None if family in TYPED else _NOTHING.get(token.text))
        return Edit(token.start, token.end, text) if text else None
    if token.kind == "pattern":
        return _alter_pattern(token)
    return _alter_string(token, family) if token.kind == "string" else None


def alter_number(text: str, is_typed: bool) -> str:
    """Another number of the same form. Where the type is fixed, one that fits the same integer types."""
    found = _NUMBER.match(text)
    if found is None:
        return text
    if found["prefix"]:
        digits, last = found["digits"][:-1], found["digits"][-1].lower()
        base = _NEXT_DIGIT[found["prefix"][1].lower()]
        return f"{found['prefix']}{digits}{base[int(last, 16) % len(base)]}{found['kind']}"
    whole = int(found["whole"].replace("_", "")[:4000])
    if len(found["whole"]) > 1 and found["whole"][0] == "0":
        return f"{found['whole'][:-1]}{_NEXT_DIGIT['o'][int(found['whole'][-1]) % 8]}{found['rest']}"
    if re.match(r"[\d._]*[eE][+-]?\d", found["rest"]):
        return f"{whole - 1 if whole else 1}{found['rest']}"
    is_float = found["rest"][:1] == "."
    return f"{whole + _choose_step(whole, is_typed and not is_float)}{found['rest']}"


def _choose_step(whole: int, is_typed: bool) -> int:
    if not is_typed:
        return STEP
    if whole < 256:
        return 1 if whole < 127 else -1
    return STEP if whole < 24_848 else -STEP


def _alter_pattern(token: Token) -> Edit | None:
    if token.text.startswith("%"):
        return None
    end = token.text.rindex("/")
    return Edit(token.start, token.end, f"/(?!)(?:{token.text[1:end]}){token.text[end:]}")


def _alter_string(token: Token, family: Family) -> Edit | None:
    opening, closing = _OPENING.match(token.text), _QUOTE.search(token.text)
    if not opening or not closing or opening.end() > closing.start() or not _is_closed(token.text, family):
        return None
    body = token.text[opening.end() : closing.start()]
    if family in TYPED and opening[0].endswith("'"):
        return Edit(token.start, token.end, token.text.replace(body, "z" if body == "q" else "q"))
    if family == "rust" and opening[0].startswith("b"):
        return _alter_bytes(token, body, opening.end())
    text = f" x{STEP}" if opening[0].startswith(("%w", "%i", "%W", "%I")) else SUFFIX
    at = token.start + closing.start()
    if body.endswith("\n") or body.rstrip(" \t").endswith("\n"):
        at -= len(body) - len(body.rstrip(" \t\n"))
    return Edit(at, at, text)


def _alter_bytes(token: Token, body: str, at: int) -> Edit | None:
    """A byte string of the same length: it may be an array."""
    if not body or "\\" in body:
        return None
    return Edit(token.start + at, token.start + at + 1, "q" if body[0] != "q" else "z")


def _is_closed(text: str, family: Family) -> bool:
    """Whether the closing quote is the string's own, and not an opening one at the end of the file."""
    return len(text) > 1 and (text[-1] != "\\") and not (family == "python" and text.endswith('\\"'))


def is_literal(token: Token) -> bool:
    """Whether the token is a value by itself."""
    return token.kind in ("string", "number", "pattern") or (
        token.kind == "word" and (token.text in _OPPOSITES or token.text in _NOTHING)
    )


def alter_first(tokens: Sequence[Token], family: Family) -> Edit | None:
    """The edit of the first literal that can be altered; keys of collections and named arguments come last."""
    keys: list[Token] = []
    for at, token in enumerate(tokens):
        if not is_literal(token):
            continue
        if at + 1 < len(tokens) and tokens[at + 1].text in (":", "=>"):
            keys.append(token)
        elif edit := alter(token, family):
            return edit
    return next((edit for key in keys if (edit := alter(key, family))), None)
