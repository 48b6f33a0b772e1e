"""From a ticket's words and a repository's checks to the list of criteria. Pure; called by `jobs.workflow`."""

from __future__ import annotations

import re

from jobs.loop import Contract, Criterion
from jobs.policy import RepositoryPolicy

_HEADING = re.compile(r"^\s*(?:#{1,6}\s*|\*\*|__)?(?P<title>[^\n*_#:]+?)\s*:?\s*(?:\*\*|__)?\s*:?\s*$")
_FINISH_LINES = frozenset({"done when", "acceptance criteria", "definition of done", "finish line"})
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,2}[.)])\s+(?:\[[ xX]\]\s+)?(?P<text>\S.*)$")
_CODE = re.compile(r"`([^`\n]+)`")
_COMMAND_WORDS = re.compile(r"\b(pass(?:es)?|succeeds?|exits?|runs?|is clean|is green|works?)\b", re.IGNORECASE)
MAX_CRITERIA = 20


def criteria_in(text: str) -> list[str]:
    """The items below a 'Done when' or 'Acceptance criteria' heading; empty when there is none.

    The list ends at the next heading or at a paragraph after it."""
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        item = _ITEM.match(line)
        if inside and item:
            found.append(item["text"].strip())
        elif inside and found and line.strip() and not line.startswith((" ", "\t")):
            break
        elif not item and (heading := _HEADING.match(line)):
            inside = heading["title"].strip().lower() in _FINISH_LINES or (inside and not line.strip())
    return found[:MAX_CRITERIA]


def items_in(text: str) -> list[str]:
    """The list items of an answer; a text without a list is one criterion."""
    items = [m["text"].strip() for m in map(_ITEM.match, text.splitlines()) if m]
    return (items or [" ".join(text.split())])[:MAX_CRITERIA]


def command_in(text: str) -> str:
    """The command that a criterion names: the first `code` of an item that says it passes, runs, exits.

    'a `--json` flag exists' names no command, '`pytest tests/auth` passes' does."""
    code = _CODE.search(text)
    if not code or not _COMMAND_WORDS.search(_CODE.sub("", text)):
        return ""
    command = code[1].strip()
    return command if re.match(r"[A-Za-z0-9_./]", command) else ""


def agree(description: str, answers: tuple[str, ...], policy: RepositoryPolicy) -> Contract | None:
    """The contract, or None when there is no finish line and a person must be asked for one."""
    wanted = criteria_in(description) or [
        item for answer in answers for item in (criteria_in(answer) or items_in(answer))
    ]
    if not wanted and (policy.loop.contract == "ask" or not policy.loop.checks):
        return None
    criteria = [Criterion(id=f"c{n}", text=text, command=command_in(text)) for n, text in enumerate(wanted, 1)]
    criteria += [
        Criterion(id=f"k{n}", text=f"{check.name} (repository check)", command=check.run)
        for n, check in enumerate(policy.loop.checks, 1)
    ]
    return Contract(criteria=tuple(criteria))
