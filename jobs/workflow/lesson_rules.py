"""Rules for the lessons of a repository: the same lesson from two tickets is proposed as a pull request against a
skill, one at a time and one per day, and a contradiction withdraws it. Pure; `jobs.tend_lessons` acts on them.

Each function returns the new lessons. All are idempotent, because drafts are delivered at least once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from integrations.values import CommitSha
from jobs.loop.lesson_state import MOST_SIGHTINGS, KeptLesson, Lesson, LessonStatus, Sighting

Book = tuple[Lesson, ...]
NEEDED = 2
"""Tickets that a lesson is seen on before it is proposed."""
DAY = 86_400.0
MOST_LESSONS = 200
_WORD = re.compile(r"\w+")
_ARTICLES = frozenset({"a", "an", "the"})
_AFTER_CONTRADICTION: dict[LessonStatus, LessonStatus] = {
    "draft": "withdrawn",
    "waiting": "withdrawn",
    "proposed": "withdrawing",
    "merged": "retracting",
}
_AFTER_END: dict[LessonStatus, tuple[LessonStatus, LessonStatus]] = {
    "proposed": ("merged", "rejected"),
    "withdrawing": ("retracting", "withdrawn"),
    "removing": ("withdrawn", "merged"),
}
"""By a merge, and by a close without one: a closed one is not proposed again, a removal that is closed leaves the
lesson in its skill."""


def make_id(rule: str) -> str:
    """12 hex digits: equal for rules that differ only in case, punctuation and articles."""
    plain = " ".join(word for word in _WORD.findall(rule.casefold()) if word not in _ARTICLES)
    return hashlib.sha256(plain.encode()).hexdigest()[:12]


def add_lesson(book: Book, kept: KeptLesson) -> Book:
    """The lessons with this draft: a new one, or another sighting of a known one; those that it contradicts are
    withdrawn."""
    draft, seen = kept.draft, kept.sighting
    same = draft.same_as or (make_id(draft.rule) if draft.rule else "")
    book = tuple(_contradict(one, seen) if one.id in draft.contradicts and one.id != same else one for one in book)
    if not same:
        return book
    if same not in {one.id for one in book}:
        new = Lesson(id=make_id(draft.rule), topic=draft.topic, rule=draft.rule, sightings=(seen,), changed_at=seen.at)
        return _limit((*book, new)) if draft.rule else book
    proposes = kept.mode == "propose"
    return tuple(_see_again(one, seen, proposes=proposes) if one.id == same else one for one in book)


def _contradict(lesson: Lesson, seen: Sighting) -> Lesson:
    status = _AFTER_CONTRADICTION.get(lesson.status)
    if status is None or _is_known(lesson, seen):
        return lesson
    reason = f"contradicted on {seen.identifier}"
    return replace(lesson, status=status, contradiction=seen, reason=reason, changed_at=seen.at)


def _see_again(lesson: Lesson, seen: Sighting, *, proposes: bool) -> Lesson:
    """Another sighting. After a withdrawal it begins anew; a rejected one stays rejected."""
    if _is_known(lesson, seen):
        return lesson
    if lesson.status == "withdrawn":
        again = replace(lesson, status="draft", sightings=(seen,), changed_at=seen.at, reason="", number=0, url="")
        return replace(again, tries=lesson.tries + 1)
    lesson = replace(lesson, sightings=(*lesson.sightings, seen)[-MOST_SIGHTINGS:])
    tickets = {one.ticket for one in lesson.sightings}
    if lesson.status == "draft" and proposes and len(tickets) >= NEEDED:
        return replace(lesson, status="waiting", changed_at=seen.at)
    return lesson


def _is_known(lesson: Lesson, seen: Sighting) -> bool:
    return (seen.ticket, seen.at) in {(one.ticket, one.at) for one in (*lesson.sightings, lesson.contradiction) if one}


def _limit(book: Book) -> Book:
    """Without the oldest drafts and withdrawn lessons beyond the bound."""
    idle = sorted((one for one in book if one.status in {"draft", "withdrawn"}), key=lambda one: one.changed_at)
    dropped = {one.id for one in idle[: max(len(book) - MOST_LESSONS, 0)]}
    return tuple(one for one in book if one.id not in dropped)


def choose_next(book: Sequence[Lesson], at: float) -> Lesson | None:
    """The lesson whose pull request is opened now: one at a time, and one per day. Removals come first."""
    if any(one.is_open or (one.begun_at and at - one.begun_at < DAY) for one in book):
        return None
    candidates = [one for one in book if one.status in {"retracting", "waiting"}]
    return min(candidates, key=lambda one: (one.status, one.changed_at), default=None)


def begin(lesson: Lesson, base_sha: CommitSha, at: float) -> Lesson:
    """A pull request is being opened, on top of this commit of the base branch; the same lesson if none is wanted."""
    statuses: dict[LessonStatus, LessonStatus] = {"waiting": "proposed", "retracting": "removing"}
    if lesson.status not in statuses:
        return lesson
    status = statuses[lesson.status]
    return replace(lesson, status=status, base_sha=base_sha, begun_at=at, changed_at=at, number=0, url="", reason="")


def give_back(lesson: Lesson, problem: str) -> Lesson:
    """The pull request cannot be opened, for this reason; it is tried again the next day."""
    statuses: dict[LessonStatus, LessonStatus] = {"proposed": "waiting", "removing": "retracting"}
    return replace(lesson, status=statuses[lesson.status], reason=problem) if lesson.status in statuses else lesson


def end_pull_request(lesson: Lesson, *, is_merged: bool, at: float) -> Lesson:
    """A person merged or closed the lesson's pull request."""
    if lesson.status not in _AFTER_END:
        return lesson
    merged, closed = _AFTER_END[lesson.status]
    return replace(lesson, status=merged if is_merged else closed, changed_at=at)
