"""Lessons of a repository, the corrections that a loop collects for them, and the commands about both. Values only."""

from __future__ import annotations

from typing import Literal

from integrations.lessons import Correction, LessonCause, LessonDraft
from integrations.values import NO_COMMIT, Codec, CommitSha, Identifier, RunId, TicketId, value

LessonStatus = Literal[
    "draft", "waiting", "proposed", "merged", "rejected", "withdrawing", "retracting", "removing", "withdrawn"
]  # fmt: skip
"""draft: seen on one ticket. waiting: seen on two, a pull request follows. proposed: it is open. merged and rejected:
a person decided. withdrawing: contradicted, its pull request has to be closed. retracting: contradicted after the
merge, a pull request that removes it follows. removing: that one is open. withdrawn: contradicted, and in no skill."""
LessonMode = Literal["off", "draft", "propose"]
"""Policy `loop.lessons`. draft: lessons are collected, without pull requests."""
MOST_SIGHTINGS = 10


@value
class Sighting:
    """A ticket that a lesson was drafted from, with the evidence: an excerpt of the comment or record, and of the diff.
    `at` is Unix seconds."""

    ticket: TicketId
    identifier: Identifier
    url: str = ""
    cause: LessonCause
    by: str = ""
    text: str = ""
    hunk: str = ""
    at: float = 0.0


@value
class Lesson:
    """One lesson of a repository. `id` is a digest of the first wording of its rule.

    `number` and `url` are those of its last pull request, 0 and empty without one; `head_sha` is its commit on top of
    `base_sha`, `begun_at` when it was begun, by which a repeated step is idempotent; `tries` is part of the branch's
    name. Times are Unix seconds. `reason` is why it was withdrawn or could not be proposed."""

    id: str
    topic: str
    rule: str
    status: LessonStatus = "draft"
    sightings: tuple[Sighting, ...] = ()
    contradiction: Sighting | None = None
    number: int = 0
    url: str = ""
    base_sha: CommitSha = NO_COMMIT
    head_sha: CommitSha = NO_COMMIT
    tries: int = 1
    begun_at: float = 0.0
    changed_at: float = 0.0
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a pull request about it is open or being opened."""
        return self.status in {"proposed", "withdrawing", "removing"}


LESSON: Codec[Lesson] = Codec(Lesson)


@value
class KeptLesson:
    """A draft with its evidence, as the ticket keeps it: the repository's list is restored from it."""

    draft: LessonDraft
    sighting: Sighting
    mode: LessonMode = "propose"


@value
class LearningState:
    """`corrections` since the last lesson, those of the run that drafts one now, and the drafts of this ticket."""

    corrections: tuple[Correction, ...] = ()
    drafting: tuple[Correction, ...] = ()
    run_id: RunId = RunId("")
    kept: tuple[KeptLesson, ...] = ()


@value
class KeepLesson:
    """Add a draft to the repository's lessons. Idempotent."""

    kind: Literal["KeepLesson"] = "KeepLesson"
    repository: str
    lesson: KeptLesson
