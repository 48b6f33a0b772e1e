"""The lessons of a repository: seen twice, proposed one per day, withdrawn when they are contradicted."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.lessons import LessonDraft
from jobs.loop.lesson_state import KeptLesson, Lesson, LessonMode, Sighting
from jobs.workflow.lesson_rules import (
    DAY,
    MOST_LESSONS,
    Book,
    add_lesson,
    begin,
    choose_next,
    end_pull_request,
    give_back,
    make_id,
)

RULE = "Use Decimal for money."
NOON = 100 * DAY


def drafted(ticket: str, mode: LessonMode = "propose", at: float = 1.0, **draft: Any) -> KeptLesson:
    seen = Sighting(ticket=ticket, identifier=f"ENG-{ticket}", cause="guidance", by="Ana", text="decimals!", at=at)
    return KeptLesson(draft=LessonDraft(**{"topic": "money", "rule": RULE} | draft), sighting=seen, mode=mode)


def learn(*kept: KeptLesson) -> Book:
    book: Book = ()
    for one in kept:
        book = add_lesson(book, one)
    return book


def only(book: Book) -> Lesson:
    (lesson,) = book
    return lesson


@pytest.mark.parametrize(
    ("kept", "status"),
    [
        ([drafted("1")], "draft"),
        ([drafted("1"), drafted("1", at=2.0)], "draft"),
        ([drafted("1"), drafted("2")], "waiting"),
        ([drafted("1"), drafted("2", rule="use the decimal for MONEY")], "waiting"),
        ([drafted("1"), drafted("2", rule="Never use floats.", same_as=make_id(RULE))], "waiting"),
        ([drafted("1"), drafted("2", mode="draft")], "draft"),
        ([drafted("1"), drafted("2", mode="draft"), drafted("3")], "waiting"),
    ],
    ids=[
        "once",
        "twice on one ticket",
        "on two tickets",
        "in other words",
        "by the role",
        "policy draft",
        "policy later",
    ],
)
def test_lesson_seen_on_two_tickets_waits_for_a_pull_request(kept: list[KeptLesson], status: str) -> None:
    lesson = only(learn(*kept))

    assert (lesson.status, lesson.rule) == (status, RULE)


def test_lesson_of_a_repeated_command_is_added_once() -> None:
    once = learn(drafted("1"), drafted("2"))

    assert add_lesson(add_lesson(once, drafted("2")), drafted("1")) == once


def test_lessons_with_different_meanings_stay_apart() -> None:
    assert len(learn(drafted("1"), drafted("2", rule="Round at the end."))) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [("draft", "withdrawn"), ("waiting", "withdrawn"), ("proposed", "withdrawing"), ("merged", "retracting"),
     ("rejected", "rejected"), ("withdrawn", "withdrawn"), ("removing", "removing")],
)  # fmt: skip
def test_lesson_that_is_contradicted_is_withdrawn(before: Any, after: str) -> None:
    known = Lesson(id=make_id(RULE), topic="money", rule=RULE, status=before)
    against = drafted("9", rule="", contradicts=(known.id,))

    lesson = only(add_lesson((known,), against))
    assert lesson.status == after
    assert lesson == only(add_lesson((lesson,), against))


def test_lesson_with_a_new_rule_against_an_old_one_replaces_it() -> None:
    book = add_lesson(learn(drafted("1")), drafted("2", rule="Use integer cents.", contradicts=(make_id(RULE),)))

    assert [(one.rule, one.status) for one in book] == [(RULE, "withdrawn"), ("Use integer cents.", "draft")]


def test_lesson_does_not_contradict_itself() -> None:
    assert only(learn(drafted("1"), drafted("2", contradicts=(make_id(RULE),)))).status == "waiting"


def test_lesson_that_was_rejected_is_not_proposed_again() -> None:
    rejected = Lesson(id=make_id(RULE), topic="money", rule=RULE, status="rejected")

    lesson = only(add_lesson(add_lesson((rejected,), drafted("1")), drafted("2")))
    assert (lesson.status, len(lesson.sightings), choose_next((lesson,), NOON)) == ("rejected", 2, None)


def test_lesson_that_was_withdrawn_has_to_be_seen_twice_again() -> None:
    withdrawn = add_lesson(learn(drafted("1"), drafted("2")), drafted("3", rule="", contradicts=(make_id(RULE),)))

    once = add_lesson(withdrawn, drafted("4"))
    assert (only(once).status, only(once).tries) == ("draft", 2)
    assert only(add_lesson(once, drafted("5"))).status == "waiting"


def waiting(name: str, at: float = 1.0, **fields: Any) -> Lesson:
    return Lesson(**{"id": name, "topic": "t", "rule": f"Rule {name}.", "status": "waiting", "changed_at": at} | fields)


def test_lesson_pull_request_is_one_at_a_time_and_one_per_day() -> None:
    first, second = waiting("a", 2.0), waiting("b", 1.0)
    assert choose_next((first, second), NOON) == second

    begun = begin(second, "c" * 40, NOON)
    assert (begun.status, choose_next((first, begun), NOON + 5 * DAY)) == ("proposed", None)
    merged = end_pull_request(begun, is_merged=True, at=NOON + 10)
    assert (merged.status, choose_next((first, merged), NOON + DAY - 1)) == ("merged", None)
    assert choose_next((first, merged), NOON + DAY) == first


def test_lesson_to_remove_comes_before_a_new_one() -> None:
    old = waiting("a", 5.0, status="retracting")

    assert choose_next((waiting("b"), old), NOON) == old
    removing = begin(old, "c" * 40, NOON)
    assert removing.status == "removing"
    assert end_pull_request(removing, is_merged=True, at=NOON).status == "withdrawn"
    assert end_pull_request(removing, is_merged=False, at=NOON).status == "merged"


def test_lesson_whose_pull_request_cannot_be_opened_is_tried_again_the_next_day() -> None:
    back = give_back(begin(waiting("a"), "c" * 40, NOON), "no permission")

    assert (back.status, back.reason) == ("waiting", "no permission")
    assert (choose_next((back,), NOON + 60), choose_next((back,), NOON + DAY)) == (None, back)


def test_lesson_that_was_contradicted_meanwhile_is_not_begun() -> None:
    withdrawn = waiting("a", status="withdrawn")

    assert begin(withdrawn, "c" * 40, NOON) == withdrawn == give_back(withdrawn, "x")


def test_lessons_beyond_the_bound_lose_the_oldest_draft() -> None:
    book = tuple(waiting(f"{n}", float(n), status="draft") for n in range(1, MOST_LESSONS))
    book = (waiting("kept", 0.0), *book)

    names = [one.id for one in add_lesson(book, drafted("1", at=999.0))]
    assert len(names) == MOST_LESSONS and "1" not in names and {"kept", "2", make_id(RULE)} <= set(names)
