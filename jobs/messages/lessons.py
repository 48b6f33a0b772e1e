"""Texts of the pull requests with which lessons are proposed and removed."""

from __future__ import annotations

from jobs.loop.lesson_state import Lesson, LessonStatus, Sighting
from jobs.messages.text import code, fenced, inline, link, quoted

LABEL = "loopline-lesson"
STATUS_TEXTS: dict[LessonStatus, str] = {
    "draft": "draft, seen on one ticket",
    "waiting": "waits for its pull request",
    "proposed": "proposed, waits for a review",
    "merged": "in the skill",
    "rejected": "rejected, not proposed again",
    "withdrawing": "contradicted, its pull request is being closed",
    "retracting": "contradicted, waits for the pull request that removes it",
    "removing": "contradicted, its removal waits for a review",
    "withdrawn": "withdrawn",
}
_CAUSES = {
    "changes requested": "changes were requested",
    "guidance": "guidance during the work",
    "takeover": "the agent's work was changed",
    "rejected finding": "a finding of an automation was rejected",
    "discovery": "accepted only after iterations that failed",
}


def describe_status(lesson: Lesson) -> str:
    """The status with the number of tickets, and a problem."""
    tickets = {one.ticket for one in lesson.sightings}
    text = STATUS_TEXTS[lesson.status]
    if lesson.status == "draft" and len(tickets) > 1:
        text = f"draft, seen on {len(tickets)} tickets"
    return f"{text} ({inline(lesson.reason)})" if lesson.reason else text


def lesson_title(lesson: Lesson) -> str:
    """The title of the pull request, and the subject of its commit."""
    verb = "Remove a lesson from" if lesson.status == "removing" else "Add a lesson to"
    return f"{verb} the skill {inline(lesson.topic)}"


def lesson_body(lesson: Lesson, path: str) -> str:
    """The description: the rule, the evidence of each ticket, and what a merge and a close do."""
    if lesson.status == "removing":
        heading = f"Removes this rule from {code(path)}, because a later correction contradicts it:"
        seen = [lesson.contradiction] if lesson.contradiction else []
        ending = "Merge it to remove the rule; close it to keep the rule."
    else:
        heading = f"Adds this rule to {code(path)}, which agents read before such work:"
        seen = list(lesson.sightings)
        ending = (
            "Edit the rule on this branch if needed. Merge it to keep the rule; close it, and it is not proposed again."
        )
    evidence = "\n\n".join(map(_format_sighting, seen))
    note = "An agent drafted it from the corrections below. Loopline never merges this pull request."
    return f"{heading}\n\n> {inline(lesson.rule, 400)}\n\n{note} {ending}\n\n### Evidence\n\n{evidence}"


def _format_sighting(seen: Sighting) -> str:
    by = f" by {inline(seen.by)}" if seen.by else ""
    parts = [f"{link(seen.identifier, '' if ' ' in seen.url else seen.url)}: {_CAUSES[seen.cause]}{by}"]
    parts += [quoted(seen.text)] if seen.text.strip() else []
    parts += [f"```diff\n{fenced(seen.hunk)}\n```"] if seen.hunk.strip() else []
    return "\n\n".join(parts)


def withdrawn_message(lesson: Lesson) -> str:
    """The comment with which the pull request of a contradicted lesson is closed."""
    where = lesson.contradiction.identifier if lesson.contradiction else "a later ticket"
    return f"A correction on {where} contradicts this lesson, so it is withdrawn and this pull request is closed."
