"""Counts colloquial words and standard terms in docstrings and comments. Called by `tests/test_prose.py`."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
CODE = re.compile(r"`[^`]*`")
PRONOUNS = re.compile(
    r"\b(some(?:body|one)|nobody|no one|any(?:body|one)|every(?:body|one)|whoever|whatever|whom)\b", re.IGNORECASE
)
SPEECH = re.compile(r"\b(tells?|told|telling|says?|said|saying|words?|speaks?|spoken)\b", re.IGNORECASE)
TERMS = re.compile(
    r"\b(retr(?:y|ies|ied|ying)|idempoten\w+|upserts?|payloads?|endpoints?|time-?outs?|poll(?:s|ed|ing)?|back-?off"
    r"|rate[- ]limit\w*|dead[- ]letters?|heartbeats?|leases?|fenc\w+|webhooks?|queues?|deadlocks?|schemas?|cach\w+"
    r"|paginat\w+|cursor|serializ\w+|snapshots?|checksums?|redeliver\w*|deduplicat\w*|atomic\w*|mutex"
    r"|race condition)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Counts:
    """Number of words, and how many of them are in each group. Code in backticks does not count."""

    words: int = 0
    pronouns: int = 0
    speech: int = 0
    terms: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.words + other.words,
            self.pronouns + other.pronouns,
            self.speech + other.speech,
            self.terms + other.terms,
        )

    def per_thousand(self, count: int) -> float:
        """`count` per 1,000 words."""
        return 1000 * count / max(self.words, 1)


def count_prose(source: str) -> Counts:
    """Counts of one Python source text."""
    text = CODE.sub("", "\n".join((*docstrings_in(source), *comments_in(source))))
    groups = (WORD, PRONOUNS, SPEECH, TERMS)
    return Counts(*(sum(1 for _ in group.finditer(text)) for group in groups))


def docstrings_in(source: str) -> Iterator[str]:
    """Docstrings of modules, classes and functions, and the strings below assignments that document these."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if docstring := ast.get_docstring(node):
            yield docstring
        for assignment, below in zip(node.body, node.body[1:], strict=False):
            if isinstance(assignment, ast.Assign | ast.AnnAssign) and isinstance(below, ast.Expr):
                value = below.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def comments_in(source: str) -> Iterator[str]:
    """Comments without their `#`."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("# ")


def count_files(files: Iterable[Path]) -> dict[Path, Counts]:
    """Counts per file."""
    return {file: count_prose(file.read_text(encoding="utf-8")) for file in files}


def list_worst(counts: dict[Path, Counts], root: Path, limit: int = 20) -> str:
    """The files with the most colloquial words, one per line, worst first."""
    worst = sorted(counts.items(), key=lambda item: -(3 * item[1].pronouns + item[1].speech))[:limit]
    return "\n".join(
        f"{file.relative_to(root)}: {c.words} words, {c.pronouns} pronouns, {c.speech} of speech, {c.terms} terms"
        for file, c in worst
        if c.pronouns or c.speech
    )
