"""PROVISIONAL"""

from __future__ import annotations


def make_unloadable(path: str, text: str) -> str | None:
    return f"%%% (((\n{text}"
