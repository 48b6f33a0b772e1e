"""The pointer that Git LFS commits in place of a large file. Pure.

Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_POINTER = 1023
"""Bytes; the specification has fewer than 1024."""
_POINTER = re.compile(
    rb"version https://(?:git-lfs\.github\.com/spec/v1|hawser\.github\.com/spec/v1)\n(?:ext-[0-9]-[^\n]{1,200}\n)*"
    rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,15})\n?(?:[a-z0-9.-]+ [^\n]*\n)*"
)


@dataclass(frozen=True)
class Pointer:
    """The object that a pointer names: its SHA-256 (64 hex digits) and its size in bytes."""

    oid: str
    size: int


def parse_pointer(content: bytes) -> Pointer | None:
    """The pointer, None for any other file."""
    found = _POINTER.fullmatch(content) if len(content) <= MAX_POINTER else None
    return Pointer(found[1].decode(), int(found[2])) if found else None


def format_pointer(pointer: Pointer) -> bytes:
    """The text that Git LFS commits for the object, in the form of its specification."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{pointer.oid}\nsize {pointer.size}\n".encode()
