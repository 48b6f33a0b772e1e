"""The files of a maker that was stopped: kept as a checkpoint, from which the next maker starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.events import RunFinished
from integrations.results import Made, Provenance
from jobs.loop.board_memory import loop_of, metadata_of
from jobs.loop.commands import PublishBranch, RunSpec, StartRun
from jobs.loop.state import Loop, Stage
from jobs.messages.progress import progress_message
from jobs.workflow import Decision, ServicePolicy, decide
from tests.jobs.workflow.values import BASE, CHECKED, HEAD, OTHER, finished, ready, said
from tests.loops import changed


def interrupted(loop: Loop, sha: str = OTHER, outcome: str = "stopped") -> RunFinished:
    """The report of the maker of `loop`, with a checkpoint."""
    made = Provenance(run_id=loop.run_id, role="maker", outcome="stopped", base_sha=loop.workspace.base_sha)
    return replace(finished(loop, outcome=outcome, provenance=made), result=Made(checkpoint=sha))


def find_maker(decision: Decision) -> RunSpec:
    (spec,) = [c.spec for c in decision.commands if isinstance(c, StartRun) and c.spec.role == "maker"]
    return spec


def start_maker(loop: Loop, policy: ServicePolicy, branch_sha: str | None = None) -> RunSpec:
    """The next maker's run, after the repository was read, the preflight ended and the scout reported."""
    for _ in range(3):
        event = ready(CHECKED, loop.generation, branch_sha) if loop.stage is Stage.PREPARING else finished(loop)
        decision = decide(loop, event, policy)
        loop = decision.loop
    return find_maker(decision)


def test_checkpoint_is_where_the_maker_starts_after_stop_and_retry(making: Loop, policy: ServicePolicy) -> None:
    stopped = decide(making, said("/stop"), policy).loop
    kept = decide(stopped, interrupted(making), policy).loop
    again = decide(kept, said("/retry"), policy).loop

    spec = start_maker(again, policy)

    assert (spec.start_sha, spec.resumes) == (OTHER, True)
    assert "`ccccccc`" in progress_message(kept, 3)


def test_checkpoint_that_arrives_after_the_retry_counts(making: Loop, policy: ServicePolicy) -> None:
    again = decide(decide(making, said("/stop"), policy).loop, said("/retry"), policy).loop

    assert start_maker(decide(again, interrupted(making), policy).loop, policy).start_sha == OTHER


def test_checkpoint_is_neither_candidate_nor_pushed(making: Loop, policy: ServicePolicy) -> None:
    stopped = decide(making, said("/stop"), policy).loop
    kept = decide(stopped, interrupted(making), policy).loop
    again = changed(decide(kept, said("/retry"), policy).loop, stage=Stage.MAKING)

    taken = decide(again, said("/takeover"), policy)

    assert kept.candidate == stopped.candidate
    assert all(c.sha != OTHER for c in taken.commands if isinstance(c, PublishBranch))


def test_checkpoint_survives_a_rebuild(making: Loop, policy: ServicePolicy) -> None:
    kept = decide(decide(making, said("/stop"), policy).loop, interrupted(making), policy).loop

    assert loop_of(kept.ticket, metadata_of(kept)).checkpoint == OTHER


def test_checkpoint_of_a_run_that_failed_is_where_the_next_iteration_starts(
    making: Loop, policy: ServicePolicy
) -> None:
    assert find_maker(decide(making, interrupted(making, outcome="failed"), policy)).start_sha == OTHER


@pytest.mark.parametrize("outcome", ["done", "no_change"])
def test_checkpoint_is_part_of_the_next_candidate(making: Loop, policy: ServicePolicy, outcome: str) -> None:
    resumed = changed(making, checkpoint=OTHER)

    decision = decide(resumed, finished(resumed, outcome=outcome, head_sha=HEAD), policy)

    assert (decision.loop.checkpoint, decision.loop.candidate.head_sha) == ("", HEAD)


def test_checkpoint_is_dropped_for_commits_of_a_person(making: Loop, policy: ServicePolicy) -> None:
    stopped = decide(making, said("/takeover"), policy).loop
    again = decide(decide(stopped, interrupted(making), policy).loop, said("/retry"), policy).loop

    assert start_maker(again, policy, branch_sha=HEAD).start_sha == HEAD


def test_checkpoint_is_dropped_with_the_branch(making: Loop, policy: ServicePolicy) -> None:
    waiting = changed(making, stage=Stage.NEEDS_HUMAN, checkpoint=OTHER)

    closed = decide(waiting, said("/close"), policy).loop

    assert not closed.checkpoint and not decide(closed, interrupted(making), policy).loop.checkpoint


def test_checkpoint_of_an_older_generation_or_base_is_ignored(making: Loop, policy: ServicePolicy) -> None:
    stopped = decide(making, said("/stop"), policy).loop
    for later in (
        changed(stopped, generation=3),
        changed(stopped, base_sha=HEAD),
        changed(making, generation=2, run_id="later"),
        changed(stopped, stage=Stage.DONE),
    ):
        assert not decide(later, interrupted(making), policy).loop.checkpoint


def test_checkpoint_keeps_the_base_commit(making: Loop, policy: ServicePolicy) -> None:
    stopped = changed(making, stage=Stage.PREPARING, checkpoint=OTHER, base_sha=HEAD, head_sha="")

    read = decide(stopped, ready(CHECKED), policy).loop

    assert (read.workspace.base_sha, BASE) == (HEAD, BASE)
