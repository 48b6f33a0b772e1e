"""Texts of a ticket that a person files for later, or an agent proposes."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.results import Finding
from jobs.loop.comments import Guidance
from jobs.loop.repository_tags import strip_tags
from jobs.loop.state import Loop
from jobs.messages.text import code, inline, link, quoted

_TITLE_CHARACTERS = 120


def follow_up_title(loop: Loop, request: Guidance) -> str:
    """The first line of the request, or the ticket whose findings these are."""
    first = next((line for line in request.text.splitlines() if line.strip()), "")
    return inline(first, _TITLE_CHARACTERS) if first else f"Findings of {loop.identifier}: {inline(loop.ticket.title)}"


def follow_up_body(loop: Loop, request: Guidance, findings: Sequence[Finding]) -> str:
    """The request, or the findings with their places, and where it comes from. Tags that choose repository and branch
    are a person's: those in an agent's text are removed."""
    url = loop.pull_request.url
    place = f", {link(f'pull request {loop.pull_request.number}', url)}" if url else ""
    head = f"From {loop.identifier}{place}, filed by {inline(request.author)}."
    lines = [
        f"- {finding.severity}: {f'{code(finding.path)}: ' if finding.path else ''}{inline(strip_tags(finding.text))}"
        for finding in findings
    ]
    return "\n\n".join((head, "\n".join(lines) if lines else quoted(request.text)))


def proposal_title(title: str) -> str:
    """The title of a ticket that an agent proposes."""
    return inline(strip_tags(title), _TITLE_CHARACTERS) or "Proposal of an agent"


def proposal_body(loop: Loop, text: str) -> str:
    """The agent's text as a quotation, and where it comes from."""
    head = f"Proposed by the agent that works on {loop.identifier}. Nothing starts before a person accepts it."
    return f"{head}\n\n{quoted(strip_tags(text))}"
