"""Texts of notifications beyond the tracker: plain text, which every service shows as it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from integrations.texts import show_hidden
from jobs.loop.problem import DeadTarget
from jobs.loop.state import Loop
from jobs.messages.escalations import ESCALATION_TITLES
from jobs.messages.text import limit_words, shorten

LINE_CHARACTERS = 300
MOST_NAMED = 20
_BREAK = "\u200b"
_FORMS = (
    (re.compile(r"<"), "‹"),  # HTML, and Slack's <!channel> and <@U123>
    (re.compile(r">"), "›"),
    (re.compile(r"([@＠﹫])(?=\S)"), rf"\1{_BREAK}"),
    (re.compile(r"\](?=\()"), f"]{_BREAK}"),  # Markdown links of Discord and others
    (re.compile(r"(?<=[A-Za-z0-9+.-]:)(?=//)"), _BREAK),
)
TEST_TITLE, TEST_BODY = "Loopline: test", "This is a test of loopline doctor. Nothing needs to be done."


def plain(text: str, most: int = LINE_CHARACTERS) -> str:
    """One line of a text from outside without mentions, links and markup of the services that show it."""
    line = shorten(" ".join(show_hidden(text).split()), most)
    for form, broken in _FORMS:
        line = form.sub(broken, line)
    return line


def escalation_title(loop: Loop) -> str:
    """As 'ENG-12 needs you: decision needed'."""
    kind = loop.escalation.kind if loop.escalation else "judgement"
    return f"{loop.identifier} needs you: {ESCALATION_TITLES[kind]}"


def escalation_body(loop: Loop) -> str:
    """The ticket's title, the reason, and where to answer."""
    reason = plain(limit_words(loop.reason, 55), 600)
    return f"{plain(loop.ticket.title)}\n\n{reason}\n\nAnswer on the ticket: {loop.ticket.url}"


def more_escalations_title(kind: str, number: int) -> str:
    """As '12 more tickets need you: infrastructure problem'; `kind` is an `EscalationClass`."""
    cause = next((title for name, title in ESCALATION_TITLES.items() if name == kind), plain(kind))
    return f"{number} more {'ticket needs' if number == 1 else 'tickets need'} you: {cause}"


def more_escalations_body(identifiers: Sequence[str]) -> str:
    """The tickets that have the same cause as one that was reported before."""
    more = len(identifiers) - MOST_NAMED
    listed = ", ".join(map(plain, identifiers[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
    return f"The same reason as reported before: {listed}.\n\nAnswer on the tickets."


def dead_target_sentence(dead: Sequence[DeadTarget]) -> str:
    """Targets that fail, by scheme and team, with the reason of each."""
    listed = ", ".join(plain(f"{one.scheme} of {one.team} ({one.reason})") for one in dead)
    return f"Notifications cannot be sent to {listed}; correct LOOPLINE_NOTIFY, or make the service available."
