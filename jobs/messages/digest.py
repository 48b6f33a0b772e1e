"""The morning digest, as a comment and as plain text. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from jobs.loop.digest import Digest, FoundLine, MergedLine, ProblemLine, WaitingLine
from jobs.messages.notifications import plain
from jobs.messages.text import inline, limit_words, link

T = TypeVar("T")
Link = Callable[[str, str], str]
"""Shows a text with its URL, which can be empty."""
HOUR, DAY = 3_600.0, 86_400.0
MOST_LINES = 10
"""Lines of each part."""
DIGEST_TICKET_TITLE = "Loopline: daily digest"
_LONGEST_TITLE = 120
_URL = re.compile(r"https?://[^\s()<>\[\]`]+")


def digest_ticket_body(team: str) -> str:
    """Description of the ticket on which the digests of a team are comments."""
    return (
        f"Loopline comments here each morning for team {inline(team)}: merged, waiting for people, found, spent. "
        "Subscribe to this ticket to be notified. `LOOPLINE_DIGEST` sets time and place."
    )


def digest_title(digest: Digest) -> str:
    """As 'Loopline digest of ENG: 3 waiting, 2 merged'."""
    numbers = {
        "waiting": len(digest.waiting),
        "not handled": len(digest.problems),
        "found": len(digest.found),
        "merged": len(digest.merged),
    }
    parts = [f"{number} {name}" for name, number in numbers.items() if number]
    return f"Loopline digest of {plain(digest.team)}{': ' if parts else ''}{', '.join(parts)}"


def digest_message(digest: Digest) -> str:
    """The comment."""

    def name(text: str, url: str) -> str:
        return link(inline(text, _LONGEST_TITLE), url)

    return _render(digest, name, lambda title: f"**{title}**")


def digest_notification(digest: Digest) -> str:
    """The plain text, with addresses in place of links."""

    def name(text: str, url: str) -> str:
        return f"{plain(text, _LONGEST_TITLE)} ({url})" if url else plain(text, _LONGEST_TITLE)

    return _render(digest, name, lambda title: title)


def _render(digest: Digest, show: Link, head: Callable[[str], str]) -> str:
    def name(text: str, url: str) -> str:
        return show(text, url if _URL.fullmatch(url) else "")

    minutes = sum(one.minutes for one in digest.waiting)
    reading = f", about {_format_minutes(minutes)} to read" if minutes else ""
    parts = [
        _list(head(f"Waiting for you ({len(digest.waiting)}){reading}"), digest.waiting, _waiting(digest, name)),
        _list(head(f"Not handled ({len(digest.problems)})"), digest.problems, lambda one: _problem(one, name)),
        _list(head(f"Found ({len(digest.found)})"), digest.found, lambda one: _found(one, name)),
        _list(head(f"Merged ({len(digest.merged)})"), digest.merged, lambda one: _merged(one, name)),
        _sums(digest),
    ]
    title = plain(f"Digest of {digest.team} since {digest.began}")
    return "\n\n".join([head(title), *filter(None, parts)])


def _list(title: str, found: Sequence[T], show: Callable[[T], str]) -> str:
    if not found:
        return ""
    more = [f"- … and {len(found) - MOST_LINES} more"] if len(found) > MOST_LINES else []
    return "\n".join([title, *(f"- {show(one)}" for one in found[:MOST_LINES]), *more])


def _waiting(digest: Digest, name: Link) -> Callable[[WaitingLine], str]:
    def show(one: WaitingLine) -> str:
        ticket, age = name(f"{one.identifier} {one.title}", one.url), _format_age(digest.until - one.since)
        if one.what != "review":
            what = "needs a decision" if one.what == "decision" else "needs an answer"
            reason = f": {plain(limit_words(one.reason, 20), 200)}" if one.reason else ""
            return f"{ticket}, for {age}, {one.risk} risk, {what}{reason}"
        size = f", {one.lines:,} lines, about {_format_minutes(one.minutes)}" if one.lines else ""
        return (
            f"{ticket}, for {age}, {one.risk} risk: review {name(f'pull request {one.number}', one.pull_request)}{size}"
        )

    return show


def _merged(one: MergedLine, name: Link) -> str:
    reviewed = "reviewed" if one.reviewed else "without a review"
    text = f"{one.identifier} {one.title}".strip()
    return f"{name(text, '')}: {name(f'pull request {one.number}', one.url)}, {one.lines:,} lines, {reviewed}"


def _found(one: FoundLine, name: Link) -> str:
    return f"{name(f'{one.identifier} {one.title}'.strip(), '')} ({plain(f'{one.severity}, {one.automation}')})"


def _problem(one: ProblemLine, name: Link) -> str:
    return name(f"{one.identifier} {one.title}".strip(), one.url)


def _sums(digest: Digest) -> str:
    debt = digest.unreviewed_lines
    parts = [f"Spent: ${digest.spent_usd:.2f}."]
    parts += [f"Reading debt: {debt:,} lines were merged without a review in seven days."] if debt else []
    return " ".join(parts)


def _format_age(seconds: float) -> str:
    """As 'less than an hour', '5 hours', '3 days'."""
    for unit, name in ((DAY, "day"), (HOUR, "hour")):
        if number := int(max(seconds, 0.0) // unit):
            return f"{number} {name}{'s' * (number > 1)}"
    return "less than an hour"


def _format_minutes(minutes: int) -> str:
    """As '12 minutes', '2 hours'."""
    if minutes < 90:
        return f"{minutes} minute{'s' * (minutes > 1)}"
    return f"{round(minutes / 60)} hours"
