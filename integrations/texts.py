"""Texts within a limit. A text that is cut shows it, so that no reader takes a part for the whole. Pure."""

from __future__ import annotations


def cut(text: str, most: int, tail: int = 0) -> str:
    """`text` in at most `most` characters, the last `tail` of them from its end; marked where it is cut."""
    if len(text) <= most:
        return text
    mark = f"\n\n[cut by Loopline: {len(text):,} characters in all]" + "\n\n" * bool(tail)
    if most < 200:
        return f"{text[: most - 1]}…"
    return text[: most - tail - len(mark)] + mark + (text[-tail:] if tail else "")
