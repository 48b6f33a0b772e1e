from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.loop.commands import CleanUp, Command, MoveTicket, PostComment, PrepareWorkspace, PublishBranch
from jobs.loop.state import Loop
from jobs.workflow import ServicePolicy
from jobs.workflow.report import is_due_before, report_of

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
