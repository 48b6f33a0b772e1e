"""Title and description of the tickets that a ticket for several repositories is split into. Pure."""

from __future__ import annotations

import re

from jobs.loop.repository_tags import TAG, find_tags, strip_tags
from jobs.loop.state import Loop
from jobs.loop.wait_state import Part
from jobs.messages.routing import list_names
from jobs.messages.text import inline


def part_title(loop: Loop, part: Part) -> str:
    """The ticket's title with the repository's name."""
    return f"{inline(strip_tags(loop.ticket.title)) or loop.identifier} ({inline(part.repository.partition('/')[2])})"


def part_body(loop: Loop, part: Part) -> str:
    """The description: which part it is, the repository, and the ticket's own text with its acceptance criteria.

    A line that names another part's repository beside other text belongs to that part and is left out."""
    others = [one.repository for one in loop.parts if one is not part]
    tag = f"[repo={part.repository}{'#' * bool(part.base_branch)}{part.base_branch}]"
    place = f"Part {loop.parts.index(part) + 1} of {len(loop.parts)} of {loop.identifier}, for {part.repository}."
    head = (
        f"{place} The criteria are those of the whole: here only the share of this repository is to be done, and "
        f"another ticket does that of {list_names(others)}."
    )
    return f"{head}\n\n{tag}\n\n{_select_lines(loop.ticket.description, part, others)}".rstrip() + "\n"


def _select_lines(text: str, part: Part, others: list[str]) -> str:
    lines = [line for line in text.splitlines() if _is_ours(line, part, others)]
    kept = "\n".join(strip_tags(line) for line in lines)
    return re.sub(r"\n{3,}", "\n\n", kept).strip()


def _is_ours(line: str, part: Part, others: list[str]) -> bool:
    named = {name.casefold() for name, _ in find_tags(line)}
    if not named:
        return True
    if not TAG.sub("", line).strip(" \t-*.,;:&+") or _names(named, part.repository):
        return bool(TAG.sub("", line).strip(" \t-*.,;:&+"))
    return not any(_names(named, other) for other in others)


def _names(named: set[str], repository: str) -> bool:
    return bool(named & {repository.casefold(), repository.casefold().partition("/")[2]})


def part_link_text(repository: str, url: str, *, is_before: bool) -> str:
    """A paragraph of a pull request about that of another part."""
    order = "is merged before this one" if is_before else "is merged after this one"
    return f"\n\nThe other part of this change, in {inline(repository)}, {order}: {inline(url)}\n"
