"""From a ticket's words and a repository's checks to the list of criteria. Pure; called by `jobs.workflow`."""

from __future__ import annotations

import re

from integrations.results import Proposal
from integrations.values import Ticket
from jobs.loop import Contract, Criterion
from jobs.policy import RepositoryPolicy

_HEADING = re.compile(r"^\s*(?:#{1,6}\s*|\*\*|__)?(?P<title>[^\n*_#:]+?)\s*:?\s*(?:\*\*|__)?\s*:?\s*$")
_FINISH_LINES = frozenset({"done when", "acceptance criteria", "definition of done", "finish line"})
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,2}[.)])\s+(?:\[[ xX]\]\s+)?(?P<text>\S.*)$")
_YES = re.compile(r"\s*(ok|okay|yes|agreed)\s*[.!]*\s*", re.IGNORECASE)
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
    """The list items of an answer; none where it has no list."""
    return [m["text"].strip() for m in map(_ITEM.match, text.splitlines()) if m][:MAX_CRITERIA]


def command_in(text: str) -> str:
    """The command that a criterion names: the first `code` of an item that says it passes, runs, exits.

    'a `--json` flag exists' names no command, '`pytest tests/auth` passes' does."""
    code = _CODE.search(text)
    if not code or not _COMMAND_WORDS.search(_CODE.sub("", text)):
        return ""
    command = code[1].strip()
    return command if re.match(r"[A-Za-z0-9_./]", command) else ""


def wanted_by(description: str) -> list[str]:
    """The ticket's own finish line."""
    return criteria_in(description)


def agree(description: str, policy: RepositoryPolicy) -> Contract | None:
    """The contract that the ticket's own words give, or None when there is no finish line and one must be proposed."""
    items = [Criterion(id="", text=text, command=command_in(text)) for text in wanted_by(description)]
    return _contract(items, policy)


def proposed(proposal: Proposal, policy: RepositoryPolicy) -> Contract:
    """The contract that the planner proposes, with the repository's checks."""
    items = [Criterion(id="", text=c.text, command=c.command, evidence=c.evidence) for c in proposal.criteria]
    return _contract(items, policy) or Contract(criteria=())


def answered(text: str, ticket: Ticket, proposal: Proposal | None, policy: RepositoryPolicy) -> Contract | None:
    """The contract in a person's answer: 'ok' takes the proposal (without one the title), a list is the contract.

    Other words are a criterion where nothing was proposed; else None, since they are meant for the planner."""
    if _YES.fullmatch(text):
        title = [Criterion(id="", text=ticket.title)]
        return proposed(proposal, policy) if proposal else _contract(title, policy)
    items = criteria_in(text) or items_in(text)
    if not items and proposal is None:
        items = [" ".join(text.split())]
    return _contract([Criterion(id="", text=item, command=command_in(item)) for item in items], policy)


def _contract(wanted: list[Criterion], policy: RepositoryPolicy) -> Contract | None:
    if not wanted:
        return None
    numbered = tuple(c.model_copy(update={"id": f"c{n}"}) for n, c in enumerate(wanted, 1))
    checks = tuple(
        Criterion(id=f"k{n}", text=f"{check.name} (repository check)", command=check.run)
        for n, check in enumerate(policy.loop.checks, 1)
    )
    return Contract(criteria=numbered + checks)
