"""Lessons from rejected findings in the memory of a repository's automations, since their tickets have no board memory.
Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from integrations.lessons import LessonCause, LessonDraft
from integrations.values import Codec
from jobs.loop.automation_memory import Metadata, read_list, split_lines
from jobs.loop.lesson_state import KeptLesson, Lesson

MOST_PARTS = 4
_CAUSE: LessonCause = "rejected finding"
_KEPT: Codec[KeptLesson] = Codec(KeptLesson)


def describe_lessons(lessons: Sequence[Lesson]) -> dict[str, str]:
    """The metadata with the drafts from rejected findings, the newest first; those that do not fit are left out."""
    drafts = [
        KeptLesson(
            draft=LessonDraft(topic=one.topic, rule=one.rule, cites=(0,)),
            sighting=seen,
            mode="draft" if one.status == "draft" else "propose",
        )
        for one in lessons
        for seen in one.sightings
        if seen.cause == _CAUSE
    ]
    drafts.sort(key=lambda one: -one.sighting.at)
    parts = split_lines(json.dumps(_KEPT.to_builtins(one), ensure_ascii=False) for one in drafts)
    return {f"lessons{number}": part for number, part in enumerate(parts[:MOST_PARTS])}


def restore_lessons(metadata: Metadata) -> list[KeptLesson]:
    """The drafts, the oldest first, as far as they are valid. Rule and topic are checked before they are proposed."""
    parts = [metadata.get(f"lessons{number}") for number in range(MOST_PARTS)]
    found = [one for part in parts for one in read_list(part, _KEPT) if one.sighting.cause == _CAUSE]
    return sorted(found, key=lambda one: one.sighting.at)
