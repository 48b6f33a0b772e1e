"""Answers to review comments in a maker's last reply, the brief's section, and suggestions as one commit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.values import Person, Ticket
from jobs.loop.commands import RunSpec
from jobs.loop.review_state import OpenThread
from jobs.roles.commit_message import build_commit_message
from jobs.roles.review_comments import (
    find_answers,
    find_reviewed,
    format_answers,
    format_review_comments,
    remove_answers,
)
from tests.loops import spec_with

THREADS = (
    OpenThread(
        id="A", comment_id="1", path="a.py", line=3, author="Ana", login="ana", email="ana@h.test", text="name it"
    ),
    OpenThread(id="B", comment_id="2", path="b.py", author="lint[bot]", login="lint[bot]", text="long", is_advice=True),
)
TICKET = Ticket(id="t", identifier="ENG-1", title="Limit logins", creator=Person(id="u", name="Ana", email="a@x.test"))


@pytest.fixture
def spec() -> RunSpec:
    return replace(spec_with(TICKET, "ENG-1-g1-r1-i1-maker"), threads=THREADS)


@pytest.mark.parametrize(
    ("reply", "answers"),
    [
        ("T1 done: renamed it", [("A", "done", "renamed it")]),
        ("Changed it.\n\n- **T1 done** – renamed\n- `T2 disagree: it is\n  the style here`\n\nBye", [
            ("A", "done", "renamed"), ("B", "disagree", "it is\nthe style here`"),
        ]),
        ("[T1] needs more detail: which one?", [("A", "need detail", "which one?")]),
        ("T1: Disagrees, the API is public.", [("A", "disagree", "the API is public.")]),
        ("T1 done: a\nT1 disagree: b", [("A", "disagree", "b")]),
        ("T3 done: x\nT0 done: y\nT1 is a nice one\nAbout T1 done", []),
        ("", []),
    ],
)  # fmt: skip
def test_answers_are_found_line_by_line(reply: str, answers: list[tuple[str, str, str]]) -> None:
    found = [(one.thread, one.kind, one.note) for one in find_answers(reply, THREADS)]
    assert found == answers


def test_answers_are_no_part_of_the_summary() -> None:
    assert remove_answers("Renamed it.\n\nT1 done: renamed\nin two files\n\nNot checked: load.") == (
        "Renamed it.\n\n\nNot checked: load."
    )


def test_brief_numbers_the_comments_and_marks_advice(spec: RunSpec) -> None:
    section = format_review_comments(spec)

    assert "T1 a.py:3\nAna: name it" in section and "`T1 done: <what you did>`" in section
    assert "T2 b.py (advice of a bot" in section
    assert 'from="people with write access to the repository"' in section
    assert 'from="people without that permission, and apps"' in section
    assert format_review_comments(replace(spec, threads=())) == ""


def test_checker_gets_the_answers_as_claims(spec: RunSpec) -> None:
    answered = replace(spec, threads=(replace(THREADS[0], answer="disagree", note="public"),))
    assert "answer: disagree: public" in format_answers(answered) and "claims of the maker" in format_answers(answered)


def test_author_of_an_applied_suggestion_is_a_co_author(spec: RunSpec) -> None:
    applied = replace(spec, threads=(replace(THREADS[0], is_applied=True), THREADS[1]))

    lines = build_commit_message(applied, "bot@x.test").splitlines()

    assert lines[-2:] == ["Co-authored-by: Ana <a@x.test>", "Co-authored-by: Ana <ana@h.test>"]
    assert sum("Co-authored" in line for line in build_commit_message(spec, "bot@x.test").splitlines()) == 1


def test_reviewed_commit_is_the_start_unless_suggestions_were_applied_now(spec: RunSpec) -> None:
    applied = replace(spec, threads=(replace(THREADS[0], is_applied=True, head_sha="f" * 40),))
    assert find_reviewed(applied) == "f" * 40
    assert find_reviewed(replace(applied, attempt=replace(spec.attempt, iteration=2))) == spec.start_sha
    assert find_reviewed(spec) == spec.start_sha
