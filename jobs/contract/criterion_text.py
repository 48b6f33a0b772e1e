"""One line of words as a criterion, and back: commands and kinds of evidence recognised. Pure; called by
`jobs.contract.agreement`, `jobs.contract.amendments` and `jobs.messages`.
"""

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


def criterion_of(text: str) -> ProposedCriterion:
    """One item as a criterion: 'the tests pass (command: `make test`)', 'it is there (evidence: file and line)',
    or free words, in which a command is recognised."""
    named = _NAMED.search(text)
    if named:
        value, bare = named["value"].strip("` "), text[: named.start()].strip()
        kind = " ".join(value.lower().split())
        if bare and named["what"].lower() == "command":
            return ProposedCriterion(text=bare, command=value)
        if bare and kind in KINDS:
            return ProposedCriterion(text=bare, evidence=kind)
    return ProposedCriterion(text=text, command=command_in(text))


def item_of(criterion: ProposedCriterion) -> str:
    """The criterion as an item that people can edit; `criterion_of` reads it back."""
    if criterion.command and command_in(criterion.text) != criterion.command:
        return f"{criterion.text} (command: `{criterion.command}`)"
    return f"{criterion.text} (evidence: {criterion.evidence})" if criterion.evidence else criterion.text


def command_in(text: str) -> str:
    """The command that a criterion names: the first `code` of an item that says it passes, runs, exits.

    'a `--json` flag exists' names no command, '`pytest tests/auth` passes' does."""
    code = _CODE.search(text)
    if not code or not _COMMAND_WORDS.search(_CODE.sub("", text)):
        return ""
    command = code[1].strip()
    return command if re.match(r"[A-Za-z0-9_./]", command) else ""
