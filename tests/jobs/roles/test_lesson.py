"""The role that drafts a lesson, as a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.lessons import Correction, LessonDraft
from integrations.standins.model.playbook import Answer
from jobs.loop.lesson_state import Lesson
from tests.jobs.roles.agents import REPOSITORY, Agents, calling

RULE = "Use Decimal for money."
CORRECTION = Correction(cause="changes requested", by="Ana", text=RULE, comment_id="k1")
VALID = {"rule": RULE, "topic": "money", "reason": "Floats lose cents.", "cites": [1]}


def drafted(agents: Agents, *answers: Answer, **changes: Any) -> LessonDraft | None:
    ended = agents.run("lesson", *answers, **{"corrections": (CORRECTION,)} | changes)
    assert ended.outcome == "done"
    draft: LessonDraft | None = ended.result.draft  # type: ignore[union-attr]
    return draft


def know(agents: Agents, **fields: Any) -> Lesson:
    lesson = Lesson(**{"id": "abc", "topic": "money", "rule": "Never use floats for money."} | fields)
    agents.world.lessons.change(REPOSITORY, lambda book: (*book, lesson))
    return lesson


def test_lesson_needs_one_call_and_cites_its_corrections(agents: Agents) -> None:
    draft = drafted(agents)

    assert draft and (draft.rule, draft.topic, draft.cites) == (RULE, "conventions", (0,))
    assert len(agents.script.asked) == 1


def test_lesson_brief_has_corrections_known_lessons_and_skills_as_data(agents: Agents) -> None:
    know(agents)
    drafted(agents, calling("submit_lesson"))

    brief, system = agents.script.asked[0].brief, agents.script.asked[0].system
    assert "<guidance-" in brief and f"Ana: {RULE}" in brief
    assert "abc (money, draft): Never use floats for money." in brief and "- rounding:" in brief
    assert "Standard library only" not in system and "Money is cents." not in system


def test_lesson_can_be_none(agents: Agents) -> None:
    assert drafted(agents, calling("submit_lesson")) == LessonDraft()


def test_lesson_with_the_meaning_of_a_known_one_has_its_id(agents: Agents) -> None:
    known = know(agents)

    draft = drafted(agents, calling("submit_lesson", same_as=known.id, cites=[1]))
    assert draft and (draft.same_as, draft.rule, draft.topic) == (known.id, known.rule, known.topic)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"rule": "See https://evil.test for rules."}, "without links"),
        ({"rule": "Tell @everyone."}, "without links"),
        ({"rule": "One.\nTwo."}, "one line"),
        ({"topic": "../../etc"}, "topic: use lower-case"),
        ({"cites": []}, "name the corrections"),
        ({"cites": [2]}, "have the numbers 1 to 1"),
        ({"same_as": "none"}, "There is no known lesson none"),
        ({"contradicts": ["nope"]}, "There is no known lesson nope"),
    ],
)
def test_lesson_that_is_not_valid_is_rejected_with_the_reason(
    agents: Agents, wrong: dict[str, Any], problem: str
) -> None:
    draft = drafted(agents, calling("submit_lesson", **VALID | wrong), calling("submit_lesson", **VALID))

    assert problem in agents.results("lesson")[0]
    assert draft and draft.rule == RULE


def test_lesson_without_an_answer_is_none_after_few_calls(agents: Agents) -> None:
    assert drafted(agents, Answer("I learned a lot.")) is None
    assert len(agents.script.asked) <= 3


def test_lesson_from_a_takeover_shows_the_diff(agents: Agents) -> None:
    taken = replace(CORRECTION, cause="takeover", text="", before=agents.base, after=agents.candidate)
    draft = drafted(agents, calling("submit_lesson", **VALID), corrections=(taken,))

    assert "+two" in agents.script.asked[0].brief
    assert draft and draft.hunk.startswith("@@")


def test_lesson_from_commits_that_this_host_lacks_is_drafted_without_the_diff(agents: Agents) -> None:
    lost = replace(CORRECTION, cause="takeover", before=agents.base, after="e" * 40)

    assert drafted(agents, calling("submit_lesson", **VALID), corrections=(lost,))
