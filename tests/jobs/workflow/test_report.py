from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jobs.loop.commands import CleanUp, Command, MoveTicket, PostComment, PrepareWorkspace, PublishBranch
from jobs.loop.state import Loop, Stage
from jobs.workflow import ServicePolicy
from jobs.workflow.report import (
    INTERVAL,
    WrittenReport,
    compute_delay,
    is_due_before,
    parse_report,
    record_report,
    report_of,
)

COMMENT = PostComment(body="hello")
PUSH = PublishBranch(
    generation=1, repository="acme/shop", branch="loopline/x", base_branch="main", sha="a" * 40, expected=""
)
PUSH_AS_IS = replace(PUSH, as_is=True)
PREPARE = PrepareWorkspace(generation=1, repository="acme/shop")
CLEAN_UP = CleanUp(repository="acme/shop")


@pytest.mark.parametrize(
    ("outbox", "due"),
    [
        ((), True),
        ((COMMENT,), False),
        ((COMMENT, MoveTicket(column="review")), False),
        ((MoveTicket(column="working"), PREPARE), True),
        ((COMMENT, PUSH), True),
        ((COMMENT, PUSH_AS_IS), False),
        ((COMMENT, CLEAN_UP), False),
        ((CLEAN_UP,), True),
    ],
)
def test_report_is_due_when_the_outbox_has_drained_or_starts_work_on_the_code_host(
    outbox: tuple[Command, ...], due: bool
) -> None:
    assert is_due_before(outbox) is due


def test_report_digest_is_equal_for_equal_states_and_differs_with_each_part(
    making: Loop, policy: ServicePolicy
) -> None:
    report = report_of(making, policy)

    assert report_of(making, policy).digest == report.digest
    others = [
        replace(report, generation=2),
        replace(report, progress="other"),
        replace(report, subtitle="other"),
        replace(report, metadata={**report.metadata, "stage": "done"}),
    ]
    assert len({report.digest, *(other.digest for other in others)}) == 5


def test_report_shows_the_attempt_and_keeps_the_loop_in_the_metadata(making: Loop, policy: ServicePolicy) -> None:
    report = report_of(making, policy)

    assert "iteration 1 of 3" in report.progress
    assert (report.generation, report.metadata["stage"]) == (1, "making")


NOW = 1_000.0


@pytest.mark.parametrize("stage", [Stage.GATING, Stage.JUDGING, Stage.CHECKING])
def test_report_of_the_next_step_waits_for_the_interval(making: Loop, policy: ServicePolicy, stage: Stage) -> None:
    written = parse_report(record_report(report_of(making, policy), NOW))
    report = report_of(replace(making, stage=stage), policy)

    assert report.digest != written.digest
    assert compute_delay(report, written, NOW + 10) == INTERVAL - 10
    assert compute_delay(report, written, NOW + INTERVAL) == 0.0


def test_report_after_a_clock_that_went_back_waits_for_one_interval(making: Loop, policy: ServicePolicy) -> None:
    written = parse_report(record_report(report_of(making, policy), NOW))

    assert compute_delay(report_of(making, policy), written, NOW - 10_000) == INTERVAL


MILESTONES = {
    "stage": lambda loop: replace(loop, stage=Stage.NEEDS_HUMAN),
    "publishing": lambda loop: replace(loop, stage=Stage.PUBLISHING),
    "generation": lambda loop: replace(loop, generation=2),
    "revision": lambda loop: replace(loop, revision=1),
    "iteration": lambda loop: replace(loop, attempt=replace(loop.attempt, iteration=2)),
    "candidate": lambda loop: replace(loop, candidate=replace(loop.candidate, head_sha="d" * 40)),
    "comment": lambda loop: replace(loop, comments=replace(loop.comments, last_id="c9")),
    "pull request": lambda loop: replace(loop, pull_request=replace(loop.pull_request, number=7)),
}


@pytest.mark.parametrize("change", MILESTONES.values(), ids=MILESTONES)
def test_report_of_a_milestone_is_written_at_once(
    making: Loop, policy: ServicePolicy, change: Callable[[Loop], Loop]
) -> None:
    written = parse_report(record_report(report_of(making, policy), NOW))

    assert compute_delay(report_of(change(making), policy), written, NOW) == 0.0


def test_report_of_an_earlier_release_is_a_digest() -> None:
    assert parse_report("ab12") == WrittenReport(digest="ab12")
    assert parse_report("") == WrittenReport()
