"""New tickets wait for people: too many verified pull requests, or too many merged lines that no person reviewed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from integrations.events import PullRequestCommented, PullRequestMerged, TicketMoved
from integrations.values import Person
from integrations.workload import OpenReview, ReviewLoad
from integrations.workload_events import LinesCounted
from jobs.loop.commands import PostComment, WatchTickets
from jobs.loop.overlap_policy import OverlapPolicy
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.state import ClosedAttempt, Loop, Stage
from jobs.loop.wait_state import CountMergedLines, WaitState
from jobs.messages.waiting import explain_wait
from jobs.workflow import ServicePolicy, decide
from jobs.workflow.bandwidth import find_hold, sum_up
from tests.jobs.workflow.values import ANA, HEAD, ready, said
from tests.loops import changed

DAY = 86_400.0


def load(number: int, **fields: Any) -> ReviewLoad:
    reviews = tuple(
        OpenReview(ticket=f"r{n}", identifier=f"ENG-{n}", url=f"http://h/{n}", since=n * DAY)
        for n in range(1, number + 1)
    )
    return ReviewLoad(reviews=reviews, **fields)


@pytest.fixture
def preparing(making: Loop) -> Loop:
    return changed(making, stage=Stage.PREPARING, contract=None, iteration=0, run_id="")


def arrive(loop: Loop, found: ReviewLoad, policy: ServicePolicy, **rules: Any) -> Any:
    own = RepositoryPolicy(loop=LoopPolicy(overlap=OverlapPolicy(**rules)))
    return decide(loop, replace(ready(own), load=found, at=9 * DAY), policy)


@pytest.mark.parametrize(
    ("rules", "found", "kind"),
    [
        pytest.param({}, load(5), "reviews", id="the service's default"),
        pytest.param({}, load(4), "", id="below the limit"),
        pytest.param({"review_limit": 2}, load(2), "reviews", id="the repository's own limit"),
        pytest.param({"review_limit": 0}, load(50), "", id="no limit"),
        pytest.param({}, load(0, unreviewed_lines=9_000), "", id="no limit of lines"),
        pytest.param(
            {"unreviewed_lines_per_week": 500}, load(0, unreviewed_lines=501), "unreviewed", id="too many lines"
        ),
        pytest.param({"unreviewed_lines_per_week": 500}, load(0, unreviewed_lines=500), "", id="lines at the limit"),
    ],
)
def test_new_ticket_waits_for_people(
    preparing: Loop, policy: ServicePolicy, rules: dict[str, int], found: ReviewLoad, kind: str
) -> None:
    decision = arrive(preparing, found, policy, **rules)

    waits = decision.loop.stage is Stage.WAITING
    assert (decision.loop.wait.kind if waits else "") == kind
    assert ("PostComment" in [one.kind for one in decision.commands]) is bool(kind)
    assert waits or decision.loop.stage is Stage.PREFLIGHT


def test_wait_for_people_names_the_oldest_review_with_its_age(preparing: Loop, policy: ServicePolicy) -> None:
    decision = arrive(preparing, load(6, at_work=("w1",)), policy)

    assert "6 verified pull requests wait for a review (limit 5), the oldest, ENG-1, for 8 days" in decision.loop.reason
    (comment,) = [one.body for one in decision.commands if isinstance(one, PostComment)]
    assert comment.index("ENG-1](http://h/1), for 8 days") < comment.index("ENG-6](http://h/6), for 3 days")
    watched = [one.tickets for one in decision.commands if isinstance(one, WatchTickets)]
    assert watched == [tuple(f"r{n}" for n in range(1, 7)), ("w1",)]


@pytest.mark.parametrize(
    "fields",
    [{"number": 7}, {"attempts": (ClosedAttempt(number=1),)}, {"wait": WaitState(anyway=True)}],
    ids=["has a pull request", "was worked on", "a person asked"],
)
def test_ticket_that_is_not_new_does_not_wait_for_people(
    preparing: Loop, policy: ServicePolicy, fields: dict[str, Any]
) -> None:
    assert find_hold(changed(preparing, **fields), load(9), policy) is None


def test_tickets_that_wait_start_one_by_one_in_the_order_of_hand_over(making: Loop, policy: ServicePolicy) -> None:
    held = changed(making, stage=Stage.WAITING, wait=WaitState(kind="reviews"), iteration=0)

    assert find_hold(held, load(4), policy) is None
    assert find_hold(held, load(4, held_before=1), policy)
    assert find_hold(held, load(4, at_work=("t9",)), policy)
    assert find_hold(held, load(0, at_work=tuple("abcdef")), policy) is None


def read(loop: Loop, found: ReviewLoad, policy: ServicePolicy) -> Any:
    ticket = replace(loop.ticket, column="In Progress")
    return decide(loop, TicketMoved(event_id="w", ticket_id="t1", at=10 * DAY, ticket=ticket, load=found), policy)


def test_ticket_that_waits_for_people_starts_when_there_are_fewer_reviews(
    preparing: Loop, policy: ServicePolicy
) -> None:
    waiting = arrive(preparing, load(6), policy).loop

    again = read(waiting, load(5), policy)
    assert again.loop.stage is Stage.WAITING and "5 verified" in again.loop.reason
    assert [one.kind for one in again.commands] == ["WatchTickets"]
    started = read(waiting, load(4), policy)
    assert started.loop.stage is Stage.PREPARING
    assert [one.kind for one in started.commands] == ["PostComment", "PrepareWorkspace"]


def test_ticket_that_waits_for_people_starts_anyway(preparing: Loop, policy: ServicePolicy) -> None:
    waiting = arrive(preparing, load(6), policy).loop

    started = decide(waiting, said("run anyway"), policy).loop

    assert started.stage is Stage.PREPARING and started.wait.anyway
    assert arrive(started, load(9), policy).loop.stage is Stage.PREFLIGHT


def test_review_load_has_the_other_tickets_of_the_repository(making: Loop) -> None:
    def other(name: Any, **fields: Any) -> Loop:
        return changed(making, ticket=replace(making.ticket, id=name, identifier=name), **fields)

    own = changed(making, started_at=5.0)
    loops = [
        own,
        other("r1", stage=Stage.REVIEW, shown_at=3.0, url="http://h/1"),
        other("r2", stage=Stage.REVIEW, shown_at=1.0),
        other("merging", stage=Stage.MERGING),
        other("elsewhere", stage=Stage.REVIEW, repository="acme/web"),
        other("working", stage=Stage.MAKING),
        other("revising", stage=Stage.MAKING, number=7),
        other("early", stage=Stage.WAITING, wait=WaitState(kind="reviews"), started_at=4.0),
        other("late", stage=Stage.WAITING, wait=WaitState(kind="reviews"), started_at=6.0),
        other("blocked", stage=Stage.WAITING, started_at=4.0),
    ]

    found = sum_up(loops, own, lines=12)

    assert [one.ticket for one in found.reviews] == ["r2", "r1"]
    assert (found.at_work, found.held_before, found.unreviewed_lines) == (("working",), 1, 12)


def test_wait_for_unreviewed_lines_is_explained(making: Loop) -> None:
    loop = changed(making, stage=Stage.WAITING, wait=WaitState(kind="unreviewed", lines=1_240, limit=1_000))

    assert "1,240 lines" in explain_wait(loop, 0.0) and "limit 1,000" in explain_wait(loop, 0.0)


@pytest.mark.parametrize(
    ("fields", "by"),
    [
        ({}, ""),
        ({"approved_sha": HEAD, "approved_by": "Ana"}, "Ana"),
        ({"approved_sha": "d" * 40, "approved_by": "Ana"}, ""),
        ({"commented_by": "Ben"}, "Ben"),
    ],
)
def test_merged_lines_are_counted_with_the_person_who_reviewed_them(
    review: Loop, policy: ServicePolicy, fields: dict[str, str], by: str
) -> None:
    merged = PullRequestMerged(event_id="m", ticket_id="t1", repository="acme/shop", number=7, head_sha=HEAD)

    decision = decide(changed(review, **fields), merged, policy)

    (count,) = [one for one in decision.commands if isinstance(one, CountMergedLines)]
    assert (count.sha, count.approved_by) == (HEAD, by)
    counted = LinesCounted(event_id="l", ticket_id="t1", lines=40, reviewed=bool(by))
    kept = decide(decision.loop, counted, policy).loop.merged
    assert kept and (kept.lines, kept.reviewed) == (40, bool(by))


@pytest.mark.parametrize(("is_bot", "by"), [(False, "Ana"), (True, "")])
def test_comment_on_the_pull_request_by_a_person_is_a_review(
    review: Loop, policy: ServicePolicy, by: str, *, is_bot: bool
) -> None:
    author: Person = replace(ANA, is_bot=is_bot)
    event = PullRequestCommented(
        event_id="e", ticket_id="t1", repository="acme/shop", number=7, comment_id="k", body="looks odd", author=author
    )

    assert decide(review, event, policy).loop.pull_request.commented_by == by
