"""Lessons: what a repository's agents should know next time, drafted from corrections by people. Values only; their
texts are from people and agents."""

from __future__ import annotations

from typing import Literal

from integrations.values import NO_COMMIT, CommitSha, value

LessonCause = Literal["changes requested", "guidance", "takeover", "rejected finding", "discovery"]
"""discovery: an attempt succeeded only after iterations that failed."""


@value
class Correction:
    """The occasion of a lesson. `by` is the person's name, empty for a discovery; `text` the comment, or the record of
    the iterations. A takeover has the commits `before` and `after` it."""

    cause: LessonCause
    by: str = ""
    text: str = ""
    comment_id: str = ""
    before: CommitSha = NO_COMMIT
    after: CommitSha = NO_COMMIT


@value
class LessonDraft:
    """The answer of the role `lesson`. `rule` is one sentence, empty if the corrections hold for their ticket only;
    `topic` is the skill that it belongs to; `cites` are the places of its corrections, counted from 0; `same_as` and
    `contradicts` are ids of known lessons. `hunk` is the part of the diff that shows it, from Loopline."""

    topic: str = ""
    rule: str = ""
    reason: str = ""
    cites: tuple[int, ...] = ()
    same_as: str = ""
    contradicts: tuple[str, ...] = ()
    hunk: str = ""


@value
class Learned:
    """Result of a lesson's run."""

    kind: Literal["lesson"] = "lesson"
    draft: LessonDraft | None = None
