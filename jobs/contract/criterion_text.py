"""Parses one line of text as a criterion with its command or kind of evidence, and formats it again. Pure."""

from __future__ import annotations

import re
from typing import get_args

from integrations.results import EvidenceKind, ProposedCriterion

KINDS: tuple[str, ...] = get_args(EvidenceKind)
_CODE = re.compile(r"`([^`\n]+)`")
_NAMED = re.compile(
    r"\s*[(\[]\s*(?P<what>command|evidence)\s*:\s*(?P<value>`[^`\n]+`|[^()\[\]`]+?)\s*[)\]]\s*$", re.IGNORECASE
)
_COMMAND_WORDS = re.compile(
    r"\b(pass(?:es)?|succeeds?|exits?|runs?|is clean|is green|works?|finish(?:es)?)\b", re.IGNORECASE
)


def parse_criterion(text: str) -> ProposedCriterion:
    """One item as a criterion: 'the tests pass (command: `make test`)', 'it is there (evidence: file and line)', or
    free text, in which a command is recognised."""
    named = _NAMED.search(text)
    if named:
        value, bare = named["value"].strip("` "), text[: named.start()].strip()
        kind = " ".join(value.lower().split())
        if bare and named["what"].lower() == "command":
            return ProposedCriterion(text=bare, command=value)
        if bare and kind in KINDS:
            return ProposedCriterion(text=bare, evidence=kind)
    return ProposedCriterion(text=text, command=find_command(text))


def format_criterion(criterion: ProposedCriterion) -> str:
    """The criterion as an item that people can edit; `parse_criterion` is the inverse."""
    if criterion.command and find_command(criterion.text) != criterion.command:
        return f"{criterion.text} (command: `{criterion.command}`)"
    return f"{criterion.text} (evidence: {criterion.evidence})" if criterion.evidence else criterion.text


def find_command(text: str) -> str:
    """The command in a criterion: the first `code` of an item with a verb such as passes, runs or exits.

    'a `--json` flag exists' names no command, '`pytest tests/auth` passes' does."""
    code = _CODE.search(text)
    if not code or not _COMMAND_WORDS.search(_CODE.sub("", text)):
        return ""
    command = code[1].strip()
    return command if re.match(r"[A-Za-z0-9_./]", command) else ""
