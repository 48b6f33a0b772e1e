"""Applies a person's answer to the planner's proposal: accepted, edited, or replaced. Pure; called by
`jobs.contract.agreement`. Never guesses: any other answer is None and becomes guidance for the planner.
"""

from __future__ import annotations

import re

from integrations.results import Proposal, ProposedCriterion
from jobs.contract.criteria import (
    MAX_CRITERIA,
    clean_text,
    find_criteria,
    find_items,
    find_list_markers,
    parse_criterion,
)

_YES = (
    r"(?:ok(?:ay)?|yes|yep|yeah|y|sure|fine|good|great|perfect|agreed?|approved?|accept(?:ed)?|confirm(?:ed)?"
    r"|go(?: ahead)?|start|lgtm|looks good(?: to me)?|sounds good|do it|please do|ship it|👍|✅|:\+1:|\+1)"
)
_THANKS = r"(?:thanks|thank you|thx|please|as (?:it is|proposed|is)|from me|that(?:'s| is) (?:fine|good|right))"
_CONSENT = re.compile(rf"^[/@]?{_YES}(?:[\s,.!]+(?:{_YES}|{_THANKS}))*[\s,.!👍✅🙏]*$", re.IGNORECASE)
_LEAD = re.compile(rf"^[/@]?{_YES}[\s,.;:!–—-]*(?:but|except|and|with|only)?[\s,:]*", re.IGNORECASE)
_NUMBERS = r"#?(?P<numbers>\d{1,2}(?:\s*(?:,|and|&|\+)+\s*#?\d{1,2})*)"
_DROP = re.compile(
    rf"^(?:please |also )?(?:drop|remove|delete|skip|without|no|not|omit)\s+"
    rf"(?:the |number |numbers |item |items |criterion |criteria |nr\.? |no\.? )*{_NUMBERS}[.!]?$",
    re.IGNORECASE,
)
_CHANGE = re.compile(
    r"^(?:please |also )?(?:(?:change|replace|make|edit|reword)\s+(?:item |criterion |number )?#?(?P<n>\d{1,2})"
    r"\s*(?::|to\b|with\b|into\b)"
    r"|#?(?P<m>\d{1,2})\s*(?::|→|=>|->|[.)](?=\s)))\s*(?P<text>\S.*)$",
    re.IGNORECASE,
)
_ADD = re.compile(r"^(?:please |also )?(?:add|plus|and also)\s*:?\s+(?P<text>\S.*)$", re.IGNORECASE)
_NUMBERED = re.compile(r"^\s*(\d{1,3})[.)]\s+\S")
_NEXT_IN_LINE = re.compile(r"\s+(?=\d{1,2}[.)]\s+\S)")

Criteria = tuple[ProposedCriterion, ...]


def is_consent(answer: str) -> bool:
    """Whether the answer is a yes and nothing else: 'ok', 'LGTM', 'yes, thanks'."""
    return bool(_CONSENT.match(" ".join(clean_text(answer).split())))


def amend_proposal(answer: str, proposal: Proposal) -> Criteria | None:
    """The criteria after the answer; None if it is neither consent, a list nor changes.

    'ok' is the proposal. A list replaces it: an item that repeats one of the proposal keeps its command. 'drop 2',
    '2: new text', 'change 2 to …' and 'add: …', one per line or after 'ok but', change the proposal; numbers are those
    of the proposal. A numbered list that does not start with 1 is parsed as such changes."""
    if is_consent(answer):
        return proposal.criteria or None
    lines = [line.strip() for line in _split_inline_list(clean_text(answer)).splitlines() if line.strip()]
    if not lines:
        return None
    yes = _LEAD.match(lines[0])
    if not yes and _is_whole_list(lines):
        return _read_list(answer, proposal)
    rest = [lines[0][yes.end() :], *lines[1:]] if yes else lines
    changes = [part.strip(" -*•") for line in rest for part in re.split(r";\s*", line)]
    changed = _apply_changes([change for change in changes if change], proposal)
    if changed is None and find_list_markers("\n".join(lines[1:] if yes else lines)):
        return _read_list(answer, proposal)
    return changed


def _split_inline_list(text: str) -> str:
    """Split '1. a 2. b' into one line per item, if the numbers count up from 1."""
    lines: list[str] = []
    for line in text.splitlines():
        parts = _NEXT_IN_LINE.split(line.strip())
        counted = [int(found[1]) for part in parts if (found := _NUMBERED.match(part))]
        lines += parts if len(parts) > 1 and counted == list(range(1, len(parts) + 1)) else [line]
    return "\n".join(lines)


def _is_whole_list(lines: list[str]) -> bool:
    """A bulleted list, or a numbered one that counts up from 1; not a list of instructions."""
    instructions = any(_DROP.match(line.lstrip("-*+• ")) for line in lines)
    markers = find_list_markers("\n".join(lines))
    counted = [str(number) for number in range(1, len(markers) + 1)]
    return not instructions and (not all(map(str.isdigit, markers)) or (bool(markers) and markers == counted))


def _read_list(answer: str, proposal: Proposal) -> Criteria | None:
    shown = {_normalize(f"{c.text} {c.command or f'evidence {c.evidence}'}"): c for c in proposal.criteria}
    known = shown | {_normalize(c.text): c for c in proposal.criteria}
    items = (find_criteria(answer) or find_items(_split_inline_list(clean_text(answer))))[:MAX_CRITERIA]
    criteria = []
    for given in map(parse_criterion, items):
        same = known.get(_normalize(given.text), given)
        repeated = given.command in {"", same.command} and given.evidence in {"", same.evidence}
        criteria.append(same if repeated else given)
    return tuple(criteria) or None


def _normalize(text: str) -> str:
    return " ".join(re.sub(r"[^\w]+", " ", text.lower()).split())


def _apply_changes(changes: list[str], proposal: Proposal) -> Criteria | None:
    """The proposal after these changes; None if one is invalid or refers to a missing number."""
    places: dict[int, ProposedCriterion] = dict(enumerate(proposal.criteria, 1))
    last = len(places)
    added: list[ProposedCriterion] = []
    for change in changes:
        if drop := _DROP.match(change):
            numbers = [int(n) for n in re.findall(r"\d+", drop["numbers"])]
            if any(not 1 <= n <= last for n in numbers):
                return None
            places = {n: c for n, c in places.items() if n not in numbers}
        elif new := _CHANGE.match(change):
            number = int(new["n"] or new["m"])
            if not 1 <= number <= last:
                return None
            places[number] = parse_criterion(new["text"].strip())
        elif more := _ADD.match(change):
            added.append(parse_criterion(more["text"].strip()))
        else:
            return None
    criteria = (*(places[n] for n in sorted(places)), *added)[:MAX_CRITERIA]
    return criteria if changes and criteria else None
