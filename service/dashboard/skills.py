"""View models of each repository's skills and lessons: which skills precede success and failure, and what becomes of
the lessons. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from integrations.values import Codec, value
from jobs.loop.lesson_state import Lesson, LessonStatus
from jobs.loop.skill_state import CountSkills
from jobs.messages.lessons import describe_status
from jobs.store.skill_outcomes import SkillStatistics, count_outcomes
from service.dashboard.overview import web_link


@value
class ShownLesson:
    """A lesson with its status in one phrase, and the tickets that it was seen on."""

    id: str
    topic: str
    rule: str
    status: LessonStatus
    status_text: str
    tickets: tuple[str, ...]
    number: int
    url: str
    changed_at: float


@value
class ShownSkills:
    """One repository's skills, those that most attempts read first, and its lessons, the newest change first."""

    repository: str
    skills: tuple[SkillStatistics, ...] = ()
    lessons: tuple[ShownLesson, ...] = ()


SKILLS: Codec[list[ShownSkills]] = Codec(list[ShownSkills])


def list_skills(
    names: Iterable[str], counted: Mapping[str, Sequence[CountSkills]], lessons: Mapping[str, Sequence[Lesson]]
) -> list[ShownSkills]:
    """The repositories that have any, by name."""
    shown = (
        ShownSkills(
            repository=name,
            skills=count_outcomes(counted.get(name, ())),
            lessons=tuple(map(_show_lesson, lessons.get(name, ()))),
        )
        for name in sorted(set(names))
    )
    return [one for one in shown if one.skills or one.lessons]


def _show_lesson(lesson: Lesson) -> ShownLesson:
    return ShownLesson(
        id=lesson.id,
        topic=lesson.topic,
        rule=lesson.rule,
        status=lesson.status,
        status_text=describe_status(lesson),
        tickets=tuple(dict.fromkeys(seen.identifier for seen in lesson.sightings)),
        number=lesson.number,
        url=web_link(lesson.url),
        changed_at=lesson.changed_at,
    )
