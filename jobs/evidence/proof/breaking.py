"""Makes a product file unloadable, so that a check which uses it must fail. Called by `variations`. Pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from jobs.evidence.proof.layout import is_code

GARBAGE = ")}] this file cannot be loaded"
"""A syntax error in Python, JavaScript, TypeScript, Go, Rust, Java, C, C++, Ruby, PHP, Perl, shell and others: closing
brackets that nothing opened. A fallback for a failed import (`except ImportError`) does not catch it."""
_MORE_CODE = frozenset({
    "fsx", "cljs", "cljc", "v", "sv", "vhd", "vhdl", "ada", "adb", "ads", "pas", "f90", "f95", "f", "cob", "lisp",
    "scm", "rkt", "proto", "graphql", "thrift", "sol", "cu", "glsl", "metal", "prisma", "tf", "rego", "ipp", "inl",
    "raku", "fish", "awk",
})  # fmt: skip
_SCRIPT_TAG = re.compile(r"<script\b[^>]*>", re.IGNORECASE)
_PHP_TAG = re.compile(r"<\?(php\b|=)?")


def make_unloadable(path: str, text: str) -> str | None:
    """The file with a syntax error at its start, None for data, templates and styles, which nothing loads as code."""
    suffix = PurePosixPath(path).suffix.removeprefix(".").lower()
    if suffix in ("vue", "svelte"):
        return _insert_after(_SCRIPT_TAG.search(text), text)
    if suffix == "php":
        return _insert_after(_PHP_TAG.search(text), text)
    if not (is_code(path) or suffix in _MORE_CODE or (not suffix and text.startswith("#!"))):
        return None
    if text.startswith("#!") and not text.startswith("#!["):
        shebang, _, rest = text.partition("\n")
        return f"{shebang}\n{GARBAGE}\n{rest}"
    return f"{GARBAGE}\n{text}"


def _insert_after(tag: re.Match[str] | None, text: str) -> str | None:
    return f"{text[: tag.end()]}\n{GARBAGE}\n{text[tag.end() :]}" if tag else None
