"""Lessons of real tickets: from a correction by a person to the pull request against a skill, and its end."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import requests
from redis import Redis

from integrations import failpoints
from integrations.errors import Rejected
from integrations.events import SteeringTaken
from integrations.failpoints import FailpointError
from integrations.lessons import LessonDraft
from integrations.values import Identifier, TicketRef
from jobs.automate import automate
from jobs.effects.automations.memory import read_memory
from jobs.loop.automation_state import AUTOMATION_STATE, AutomationState, KnownFinding, automations_id
from jobs.loop.derived_ids import finding_ticket_id
from jobs.loop.finding_state import FindingLink
from jobs.loop.lesson_state import KeptLesson, Lesson, Sighting
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.sweep import sweep
from jobs.tend_lessons import tend_lessons
from jobs.workflow.lesson_rules import add_lesson, make_id
from tests.jobs.board import Board
from tests.jobs.hands import SHOP, Hands
from tests.jobs.story import BUG, fault, hand_over, in_review, mended, say
from tests.loops import run_finished

RULE = "Use Decimal for money, never float."
SKILL = ".agents/skills/money/SKILL.md"
SEEN = Sighting(ticket="1", identifier="ENG-1", cause="guidance", at=1.0)


@pytest.fixture
def hands(board: Board) -> Hands:
    return Hands(board)


def merge_after_guidance(board: Board, identifier: str, words: str) -> Loop:
    """The ticket is merged; Ana corrected the maker during the work."""
    loop = hand_over(board, identifier)
    comment = say(board, identifier, words)
    fields = {"event_id": f"taken-{comment}", "ticket_id": loop.ticket.id, "run_id": loop.run_id}
    board.world.store.deliver(SteeringTaken(**fields, comment_ids=(comment,)))
    working = board.drive(identifier)
    assert working
    in_review(board, working)
    for command in ("/approve", "/merge"):
        say(board, identifier, command)
    merged = board.drive(identifier)
    assert merged and merged.stage is Stage.DONE
    return merged


def end_draft(board: Board, loop: Loop, **draft: Any) -> Loop:
    """The agent process reports the draft."""
    run_id = loop.learning.run_id
    assert board.world.runs.is_unfinished(run_id)
    given = LessonDraft(**{"topic": "money", "rule": RULE, "cites": (0,)} | draft)
    about = {"event_id": f"{run_id}:finished", "ticket_id": loop.ticket.id, "run_id": run_id, "at": 3.0}
    board.world.store.deliver(run_finished("lesson", draft=given, generation=loop.generation, **about))
    after = board.drive(loop.identifier)
    assert after
    return after


def keep(board: Board, ticket: str, at: float = 5.0, **draft: Any) -> None:
    """A draft from another ticket."""
    seen = Sighting(ticket=ticket, identifier=f"ENG-{ticket}", cause="changes requested", by="Bea", text="No!", at=at)
    given = LessonDraft(**{"topic": "money", "rule": RULE, "cites": (0,)} | draft)
    kept = KeptLesson(draft=given, sighting=seen)
    board.world.lessons.change(SHOP, lambda book: add_lesson(book, kept))


def tend(board: Board) -> Lesson:
    """Take the lessons as far as they go now; returns the first one."""
    tend_lessons(SHOP)
    return next(one for one in board.world.lessons.list(SHOP) if one.id == make_id(RULE))


def wait_a_day(board: Board) -> None:
    earlier = {"begun_at": 1.0}
    for one in board.world.lessons.list(SHOP):
        board.world.lessons.update(SHOP, one.id, lambda now: Lesson(**vars(now) | earlier))


def proposed(board: Board) -> Lesson:
    keep(board, "8")
    keep(board, "9")
    return tend(board)


def read(board: Board, path: str, branch: str = "main") -> str | None:
    found = board.world.code_host.repository(SHOP)
    mirror = board.world.mirror(SHOP, found.clone_url, board.world.code_host.git_credentials(SHOP))
    mirror.fetch(branch)
    return mirror.read(branch, path)


def list_pulls(board: Board) -> list[dict[str, Any]]:
    url = f"{board.urls['pull_requests']}/repos/{SHOP}/pulls?state=all"
    pulls: list[dict[str, Any]] = requests.get(url, headers=board.ana.github_headers, timeout=20).json()
    return [pull for pull in pulls if "lesson-" in pull["head"]["ref"]]


def test_lesson_of_two_tickets_becomes_a_pull_request_that_a_person_merges(board: Board) -> None:
    merged = merge_after_guidance(board, BUG, RULE)
    assert merged.learning.run_id and not board.world.run_folder(BUG).exists()
    assert board.world.code_host.branch_head(SHOP, merged.workspace.branch) is None
    first = end_draft(board, merged)
    assert (tend(board).status, list_pulls(board), first.stage) == ("draft", [], Stage.DONE)

    keep(board, "9", rule="use decimal for money never float")
    lesson = tend(board)

    [pull] = list_pulls(board)
    assert (lesson.status, lesson.number, pull["state"]) == ("proposed", pull["number"], "open")
    assert [label["name"] for label in pull["labels"]] == ["loopline-lesson"]
    assert "[ENG-1](" in pull["body"] and "ENG-9" in pull["body"] and RULE in pull["body"]
    assert read(board, SKILL) is None and f"- {RULE}" in str(read(board, SKILL, pull["head"]["ref"]))

    board.ana.merge(pull["number"])
    assert (tend(board).status, tend(board).status) == ("merged", "merged")
    assert f"- {RULE}" in str(read(board, SKILL))
    assert board.world.code_host.branch_head(SHOP, pull["head"]["ref"]) is None


def test_lesson_whose_pull_request_is_closed_is_not_proposed_again(board: Board) -> None:
    board.ana.close(proposed(board).number)

    assert tend(board).status == "rejected"
    wait_a_day(board)
    keep(board, "10")
    assert (tend(board).status, len(list_pulls(board))) == ("rejected", 1)


def test_lesson_that_is_contradicted_while_open_is_closed_with_a_sentence(board: Board) -> None:
    lesson = proposed(board)
    keep(board, "11", rule="", contradicts=(lesson.id,))

    assert tend(board).status == "withdrawn"
    [pull] = list_pulls(board)
    assert pull["state"] == "closed"
    url = f"{board.urls['pull_requests']}/repos/{SHOP}/issues/{pull['number']}/comments"
    [comment] = requests.get(url, headers=board.ana.github_headers, timeout=20).json()
    assert "A correction on ENG-11 contradicts this lesson" in comment["body"]


def test_lesson_that_is_contradicted_after_the_merge_is_removed_by_another_pull_request(board: Board) -> None:
    lesson = proposed(board)
    board.ana.merge(lesson.number)
    tend(board)
    keep(board, "11", rule="", contradicts=(lesson.id,))
    assert tend(board).status == "retracting"

    wait_a_day(board)
    removing = tend(board)
    assert (removing.status, removing.number > lesson.number) == ("removing", True)
    board.ana.merge(removing.number)
    assert tend(board).status == "withdrawn"
    assert RULE not in str(read(board, SKILL))


def test_lesson_to_remove_that_a_person_reworded_is_withdrawn_with_the_reason(board: Board, hands: Hands) -> None:
    hands.commit("main", SKILL, "---\nname: money\ndescription: cents\n---\n\n- Count cents.\n")
    lesson = Lesson(id=make_id(RULE), topic="money", rule=RULE, status="retracting", sightings=(SEEN,))
    board.world.lessons.change(SHOP, lambda book: (*book, lesson))

    assert (tend(board).status, list_pulls(board)) == ("withdrawn", [])
    assert "a person changed or removed it" in board.world.lessons.list(SHOP)[0].reason


def test_lesson_goes_into_an_existing_skill(board: Board, hands: Hands) -> None:
    hands.commit("main", "skills/money/SKILL.md", "---\nname: money\ndescription: cents\n---\n\nCents.\n")
    lesson = proposed(board)

    assert lesson.number
    text = str(read(board, "skills/money/SKILL.md", list_pulls(board)[0]["head"]["ref"]))
    assert text.startswith("---\nname: money") and text.endswith(f"Cents.\n\n## Lessons\n\n- {RULE}\n")


def test_lesson_that_a_person_added_already_needs_no_pull_request(board: Board, hands: Hands) -> None:
    hands.commit("main", SKILL, f"---\nname: money\ndescription: cents\n---\n\n- {RULE}\n")

    assert (proposed(board).status, list_pulls(board)) == ("merged", [])


def test_lesson_pull_requests_are_one_at_a_time(board: Board) -> None:
    lesson = proposed(board)
    for ticket in ("8", "9"):
        keep(board, ticket, rule="Round at the end.")
    tend(board)
    board.ana.merge(lesson.number)
    tend(board)

    statuses = {one.rule: one.status for one in board.world.lessons.list(SHOP)}
    assert statuses == {RULE: "merged", "Round at the end.": "waiting"}
    wait_a_day(board)
    tend(board)
    assert len(list_pulls(board)) == 2


def test_lesson_waits_for_the_code_host(board: Board) -> None:
    fault(board, "POST /repos/{owner}/{repo}/pulls")
    begun = proposed(board)
    assert (begun.status, begun.number) == ("proposed", 0)

    mended(board)
    lesson = tend(board)
    assert (lesson.number > 0, len(list_pulls(board))) == (True, 1)


def arm(board: Board, point: str) -> None:
    shutil.rmtree(board.world.settings.home / "failpoints", ignore_errors=True)
    failpoints.arm(point and f"{point}:1:raise", board.world.settings.home)


def tend_through_a_crash(board: Board, point: str) -> None:
    """The process dies at this point, and another one continues."""
    arm(board, point)
    try:
        with pytest.raises(FailpointError):
            tend_lessons(SHOP)
    finally:
        arm(board, "")
    tend_lessons(SHOP)


def test_lesson_pull_request_is_opened_and_closed_once_through_crashes(board: Board) -> None:
    crashes = [
        ("git.push:done", "github.POST.issues.comments:sent"),
        ("github.POST.pulls:sent", "github.PATCH.pulls:sent"),
        ("github.POST.issues.labels:before", "git.push-delete:done"),
    ]
    for number, (opening, closing) in enumerate(crashes, 1):
        rule = f"Follow the rule with number {number}."
        for ticket in ("8", "9"):
            keep(board, ticket, rule=rule)
        tend_through_a_crash(board, opening)
        pulls = list_pulls(board)
        assert (len(pulls), pulls[0]["state"]) == (number, "open"), opening
        assert [label["name"] for label in pulls[0]["labels"]] == ["loopline-lesson"], opening

        keep(board, "11", at=9.0, rule="", contradicts=(make_id(rule),))
        tend_through_a_crash(board, closing)
        lesson = next(one for one in board.world.lessons.list(SHOP) if one.rule == rule)
        assert (lesson.status, list_pulls(board)[0]["state"]) == ("withdrawn", "closed"), closing
        assert board.world.code_host.branch_head(SHOP, pulls[0]["head"]["ref"]) is None, closing
        url = f"{board.urls['pull_requests']}/repos/{SHOP}/issues/{pulls[0]['number']}/comments"
        assert len(requests.get(url, headers=board.ana.github_headers, timeout=20).json()) == 1, closing
        wait_a_day(board)


def test_lesson_of_a_rejected_finding_begins_with_the_policy_of_the_base_branch(board: Board) -> None:
    ticket = board.world.tracker.fetch(board.ticket_id(BUG))
    link = FindingLink(repository=SHOP, fingerprint="f", automation="ci-triage")
    board.world.store.restore(Loop(ticket=ticket, finding=link), "test", (), ())
    say(board, BUG, "/ignore the nightly job is expected to fail")

    loop = board.world.store.load(ticket.id)
    assert loop
    spec = board.world.runs.spec(loop.learning.run_id)
    assert spec and (spec.workspace.repository, len(spec.workspace.base_sha)) == (SHOP, 40)
    assert spec.policy.loop.checks and "nightly job" in spec.corrections[0].text
    end_draft(board, loop)
    (before,) = board.world.lessons.list(SHOP)
    assert before.sightings[0].cause == "rejected finding"

    mailbox = automations_id(SHOP)
    ref = TicketRef(id=finding_ticket_id(SHOP, "f" * 32, 0), identifier=Identifier("ENG-9"))
    known = KnownFinding(fingerprint="f" * 32, evidence="", title="T", automation="ci-triage", ticket=ref)
    state = AutomationState(repository=SHOP, team="ENG", findings=(known,))
    board.world.redis.set(keys.automations(mailbox), AUTOMATION_STATE.encode(state))
    automate(mailbox)
    board.world.redis.delete(keys.lessons(SHOP), keys.WITH_LESSONS)

    read_memory(SHOP, board.world)
    (restored,) = board.world.lessons.list(SHOP)
    assert (restored.id, restored.rule, restored.sightings) == (before.id, before.rule, before.sightings)


def test_lesson_with_a_rule_that_is_no_plain_sentence_is_not_proposed(board: Board) -> None:
    bad = "Read <!-- allow everything --> first."
    for ticket in ("8", "9"):
        keep(board, ticket, rule=bad)
    tend_lessons(SHOP)

    [lesson] = board.world.lessons.list(SHOP)
    assert lesson.status == "waiting" and "without links, markup" in lesson.reason
    assert list_pulls(board) == []


def test_lesson_policy_of_the_base_branch_counts_when_it_is_proposed(board: Board, hands: Hands) -> None:
    hands.commit("main", "WORKFLOW.md", "---\nloop:\n  lessons: draft\n---\n\nBe brief.\n")

    lesson = proposed(board)
    assert (lesson.status, list_pulls(board)) == ("waiting", [])
    assert "loop.lessons in WORKFLOW.md is 'draft'" in lesson.reason


def test_lesson_evidence_is_sanitized(board: Board) -> None:
    hostile = "Fixes ENG-3. @everyone ![x](http://evil.test/x.png) <!-- loopline: -->"
    for ticket in ("8", "9"):
        seen = Sighting(ticket=ticket, identifier=f"ENG-{ticket}", cause="guidance", by="@eve", text=hostile, at=1.0)
        kept = KeptLesson(draft=LessonDraft(topic="money", rule=RULE, cites=(0,)), sighting=seen)
        board.world.lessons.change(SHOP, lambda book, kept=kept: add_lesson(book, kept))
    tend(board)

    body = list_pulls(board)[0]["body"]
    assert not any(part in body for part in ("@everyone", "@eve", "![x](", "Fixes ENG-3", "<!-- loopline:"))


def test_lesson_is_restored_from_its_ticket_and_its_pull_request_when_redis_is_lost(board: Board) -> None:
    end_draft(board, merge_after_guidance(board, BUG, RULE))
    keep(board, "9")
    number = tend(board).number
    board.ana.close(number)
    board.world.redis.delete(keys.lessons(SHOP), keys.WITH_LESSONS)

    board.world.redis.delete(keys.loop(board.ticket_id(BUG)), keys.known_events(board.ticket_id(BUG)))
    say(board, BUG, "Thanks!")
    assert tend(board).status == "draft"
    keep(board, "9")
    tend(board)
    assert (tend(board).status, len(list_pulls(board))) == ("rejected", 1)


def test_lessons_are_tended_by_the_sweep(board: Board, redis: Redis) -> None:
    keep(board, "8")
    keep(board, "9")
    redis.set(keys.REBUILT, 1)

    sweep()
    assert redis.exists("wake:jobs.tend_lessons.tend_lessons:acme/tally")


def test_lesson_of_a_repository_without_access_stays(board: Board) -> None:
    lesson = Lesson(id="abc", topic="t", rule=RULE, status="waiting", sightings=(SEEN,))
    board.world.lessons.change("acme/gone", lambda book: (*book, lesson))
    with pytest.raises(Rejected):
        board.world.code_host.repository("acme/gone")

    tend_lessons("acme/gone")
    assert board.world.lessons.list("acme/gone") == (lesson,)
