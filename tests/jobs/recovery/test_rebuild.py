"""Redis is wiped while loops are in every phase; board, pull requests and git are what is left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from integrations.events import TicketCommented
from integrations.ports.tracker import Attachment
from integrations.results import Evidence
from jobs.loop.board_memory import LONGEST, loop_of, metadata_of
from jobs.loop.comments import Guidance
from jobs.loop.state import Loop, Stage
from jobs.recovery.rebuild import LEASE, rebuild
from jobs.runtime import keys
from jobs.runtime.lease import hold
from jobs.sweep import sweep
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, VAGUE, candidate, finish, hand_over, in_review, said
from tests.loops import changed
from tests.support.checkout import REPOSITORY

Story = Callable[[Board], Loop]


def restarted(board: Board, identifier: str = BUG) -> Loop:
    """Everything that Redis knew is gone, and the service starts again."""
    board.world.redis.flushall()
    sweep()
    loop = board.drive(identifier)
    assert loop
    return loop


AT_WORK = {
    "preparing": (story.preparing, Stage.PREFLIGHT, "preflight"),
    "making": (lambda board: hand_over(board, BUG), Stage.MAKING, "maker"),
    "gating": (story.gating, Stage.GATING, "gate"),
    "checking": (story.checking, Stage.GATING, "gate"),
    "second try": (story.second_try, Stage.MAKING, "maker"),
}


@pytest.mark.parametrize(("before", "stage", "role"), AT_WORK.values(), ids=AT_WORK)
def test_agent_at_work_restarts_at_its_stage(board: Board, before: Story, stage: Stage, role: str) -> None:
    known = before(board)

    loop = restarted(board)

    (run_id,) = board.world.runs.list_unfinished()
    assert (loop.stage, loop.run_id, run_id.rsplit("-", 1)[1]) == (stage, run_id, role)
    assert (loop.generation, loop.attempt.iteration) == (known.generation + 1, known.attempt.iteration)
    assert (loop.workspace.branch, loop.candidate.head_sha, loop.attempt.tried) == (
        known.workspace.branch,
        known.candidate.head_sha,
        known.attempt.tried,
    )
    assert loop.workflow.checks
    assert not known.contract or loop.contract == known.contract


def test_late_output_of_the_old_agent_is_discarded(board: Board) -> None:
    known = hand_over(board, BUG)
    restarted(board)

    after = finish(board, known, head_sha=candidate(board, known))

    assert (after.stage, after.candidate.head_sha) == (Stage.MAKING, "")


WAITING = {
    "asking": (story.asking, VAGUE),
    "needs human": (story.given_up, BUG),
    "review": (in_review, BUG),
}


@pytest.mark.parametrize(("before", "identifier"), WAITING.values(), ids=WAITING)
def test_loop_that_waits_for_a_person_is_rebuilt_without_a_comment(
    board: Board, before: Story, identifier: str
) -> None:
    known = before(board)
    words = said(board, identifier)

    loop = restarted(board, identifier)

    bare = {"evidence": loop.candidate.evidence, "run_id": "", "replies": (), "handed_over": ()}
    assert loop == changed(known, **bare, ticket=loop.ticket)
    assert said(board, identifier) == words
    assert board.world.runs.list_unfinished() == []


@pytest.mark.parametrize(("before", "stage"), [(story.stopped, Stage.STOPPED), (story.merged, Stage.DONE)])
def test_loop_that_has_ended_is_rebuilt_as_ended(board: Board, before: Story, stage: Stage) -> None:
    known = before(board)
    board.world.redis.flushall()
    sweep()
    assert board.world.store.loops() == []

    story.say(board, BUG, "thank you")

    loop = board.world.store.load(known.ticket.id)
    assert loop
    assert (loop.stage, loop.generation, loop.attempt.tried) == (stage, known.generation, known.attempt.tried)
    assert board.world.runs.list_unfinished() == []


def test_stopped_ticket_that_is_dragged_back_goes_on_with_its_branch(board: Board) -> None:
    known = story.stopped(board)
    board.world.redis.flushall()

    loop = story.moved(board, BUG, "Agent")

    assert (loop.stage, loop.generation, loop.workspace.branch) == (
        Stage.PREFLIGHT,
        known.generation + 1,
        known.workspace.branch,
    )


def test_verdict_that_was_not_published_yet_is_published_once(board: Board) -> None:
    known = story.publishing(board)

    loop = restarted(board)

    (pull,) = board.ana.pull_requests().values()
    assert (loop.stage, pull["head"]["sha"]) == (Stage.REVIEW, known.candidate.head_sha)
    assert len([body for body in said(board, BUG) if "Verdict: done" in body]) == 1
    assert board.world.runs.list_unfinished() == []


def test_pull_request_whose_opening_was_forgotten_is_found(board: Board) -> None:
    known = story.publishing(board)
    board.world.code_host.open_pull_request("acme/tally", known.workspace.branch, "main", "t", "b")

    restarted(board)

    assert len(board.ana.pull_requests()) == 1


def test_approved_merge_is_carried_out(board: Board) -> None:
    story.merging(board)

    loop = restarted(board)

    assert (loop.stage, board.ana.board()[BUG]["column"]) == (Stage.DONE, "Done")
    assert len([body for body in said(board, BUG) if body.startswith("**Merged.**")]) == 1


def test_board_memory_that_claims_an_approval_merges_nothing(board: Board) -> None:
    known = in_review(board)
    (memory,) = [a for a in board.world.tracker.attachments(known.ticket.id) if a.title == "Loopline"]
    forged = {**memory.metadata, "stage": "merging", "approved": known.pull_request.pushed_sha}
    board.world.tracker.attach(known.ticket.id, Attachment(memory.url, memory.title, "", forged))

    loop = restarted(board)

    assert (loop.stage, loop.pull_request.approved_sha) == (Stage.REVIEW, "")
    assert "`/approve` and `/merge` again" in loop.reason
    assert not any(pull["merged_at"] for pull in board.ana.pull_requests().values())


@pytest.mark.parametrize("given", [{"branch": "main"}, {"repository": "acme/other"}, {"schema": 99}, {"criteria": "{"}])
def test_board_memory_that_names_a_foreign_branch_or_repository_is_rejected(
    board: Board, given: dict[str, str | int | float]
) -> None:
    known = in_review(board)
    (memory,) = [a for a in board.world.tracker.attachments(known.ticket.id) if a.title == "Loopline"]
    odd = Attachment(memory.url, memory.title, "", {**memory.metadata, **given})
    board.world.tracker.attach(known.ticket.id, odd)
    board.world.redis.flushall()

    ((ticket, line),) = rebuild(board.world)

    assert (ticket.identifier, line[:11]) == (BUG, "not rebuilt")
    assert board.world.store.loops() == []


def test_pull_request_that_was_merged_meanwhile_ends_the_loop(board: Board) -> None:
    known = in_review(board)
    board.ana.merge(known.pull_request.number)

    loop = restarted(board)

    assert (loop.stage, board.ana.board()[BUG]["column"]) == (Stage.DONE, "Done")
    assert not board.world.run_folder(BUG).exists()


def test_comments_are_read_exactly_once(board: Board) -> None:
    hand_over(board, BUG)
    story.say(board, BUG, "the first word")
    board.ana.say(BUG, "the second word")

    loop = restarted(board)
    again = restarted(board)

    assert [words.text for words in loop.comments.guidance] == ["the first word", "the second word"]
    assert again.comments.guidance == loop.comments.guidance


def test_late_webhook_of_a_comment_that_was_found_adds_nothing(board: Board) -> None:
    hand_over(board, BUG)
    board.ana.say(BUG, "the only word")
    loop = restarted(board)

    comment = loop.comments.guidance[0].comment_id
    event = TicketCommented(event_id=f"comment:{comment}", ticket_id=loop.ticket.id, comment_id=comment)

    assert not board.world.store.deliver(event)


def test_comment_that_comes_before_the_rebuild_is_not_lost(board: Board) -> None:
    hand_over(board, BUG)
    board.world.redis.flushall()

    story.say(board, BUG, "hold on")
    loop = board.drive(BUG)

    assert loop
    assert [words.text for words in loop.comments.guidance] == ["hold on"]


def test_answer_given_while_redis_was_away_starts_the_work(board: Board) -> None:
    hand_over(board, VAGUE)
    board.ana.say(VAGUE, "- `python3 -m unittest -q` passes")

    loop = restarted(board, VAGUE)

    assert (loop.stage, len(loop.planning.answers)) == (Stage.SCOUTING, 1)
    assert len([body for body in said(board, VAGUE) if "acceptance criteria before" in body]) == 1


def test_ticket_that_was_dragged_away_meanwhile_is_not_taken_up(board: Board) -> None:
    hand_over(board, BUG)
    board.world.redis.flushall()

    loop = story.moved(board, BUG, "Done")

    assert loop.stage is Stage.STOPPED
    assert board.world.runs.list_unfinished() == []


def test_foreign_commit_voids_the_verdict(board: Board) -> None:
    known = in_review(board)
    folder = board.world.settings.home / "repos" / "acme__tally.git"
    who = {f"GIT_{role}_{part}": "eve@e" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    command = [
        "git",
        "-C",
        str(folder),
        "commit-tree",
        f"{known.candidate.head_sha}^{{tree}}",
        "-p",
        known.candidate.head_sha,
        "-m",
        "mine",
    ]
    sha = subprocess.run(command, env=os.environ | who, capture_output=True, text=True, check=True).stdout.strip()
    host = board.world.code_host
    mirror = board.world.mirror(
        "acme/tally", host.repository("acme/tally").clone_url, host.git_credentials("acme/tally")
    )
    mirror.push(known.workspace.branch, sha, known.candidate.head_sha)

    loop = restarted(board)

    assert (loop.stage, loop.pull_request.pushed_sha, loop.candidate.verdict) == (Stage.REVIEW, sha, None)


def test_candidate_that_is_on_no_disk_is_made_again(board: Board) -> None:
    known = story.gating(board)
    (memory,) = [a for a in board.world.tracker.attachments(known.ticket.id) if a.title == "Loopline"]
    lost = Attachment(memory.url, memory.title, "", {**memory.metadata, "head_sha": "f" * 40})
    board.world.tracker.attach(known.ticket.id, lost)

    loop = restarted(board)

    assert (loop.stage, loop.candidate.head_sha, loop.attempt.iteration) == (Stage.MAKING, "", 1)


def test_code_host_webhooks_find_their_ticket_after_a_rebuild(board: Board) -> None:
    loop = in_review(board)

    restarted(board)

    places = [
        keys.pull_request("acme/tally", loop.pull_request.number),
        keys.branch("acme/tally", loop.workspace.branch),
    ]
    assert (
        board.world.redis.mget([*places, keys.head("acme/tally", loop.candidate.head_sha)])
        == [loop.ticket.id.encode()] * 3
    )


def test_several_tickets_come_back_each_where_it_was(board: Board) -> None:
    in_review(board)
    hand_over(board, FEATURE)
    hand_over(board, VAGUE)
    board.world.redis.flushall()

    sweep()

    stages = {loop.identifier: loop.stage for loop in board.world.store.loops()}
    assert stages == {BUG: Stage.REVIEW, FEATURE: Stage.MAKING, VAGUE: Stage.ASKING}


def test_rebuild_dry_run_reports_and_changes_nothing(board: Board) -> None:
    in_review(board)
    board.ana.say(BUG, "looks good")
    board.world.redis.flushall()

    ((ticket, line),) = rebuild(board.world, dry_run=True)

    assert (ticket.identifier, line) == (
        BUG,
        "review → review, generation 1, 1 tried, pull request #1, to read: TicketCommented",
    )
    measured = keys.DISK_USED.encode()  # before the mirror is fetched
    allowance = keys.bucket("linear").encode()
    assert set(board.world.redis.scan_iter()) == {b"fence:rebuild", measured, allowance}


def test_rebuild_command_works_beside_a_running_service(board: Board) -> None:
    in_review(board)
    board.world.redis.flushall()
    command = [sys.executable, "-m", "service", "rebuild", "--env-file", "none"]

    done = subprocess.run(command, cwd=REPOSITORY, env=board.environ, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == [
        "ENG-1: review → review, generation 1, 1 tried, pull request #1",
        "1 tickets with a board memory.",
    ]
    assert [loop.stage for loop in board.world.store.loops()] == [Stage.REVIEW]


def test_second_rebuild_changes_nothing(board: Board) -> None:
    hand_over(board, BUG)
    loop = restarted(board)

    assert [line for _, line in rebuild(board.world)] == ["exists"]
    assert board.drive(BUG) == loop


def test_rebuilds_at_the_same_time_run_once(board: Board) -> None:
    in_review(board)
    board.world.redis.flushall()
    with hold(board.world.redis, LEASE):
        assert list(rebuild(board.world)) == []
        sweep()

    assert board.world.store.loops() == []


def test_redis_that_knows_the_board_is_not_rebuilt_again(board: Board) -> None:
    hand_over(board, BUG)
    restarted(board)
    board.world.redis.delete(keys.loop(board.ticket_id(BUG)))

    sweep()

    assert board.world.store.load(board.ticket_id(BUG)) is None


def test_board_memory_fits_guidance_and_evidence_of_any_length(board: Board) -> None:
    known = in_review(board)
    long = tuple(Guidance(author="Ana", text=f"{n} " + "x" * 3_000) for n in range(9))
    big = changed(known, guidance=long, evidence=(Evidence(name="c", command="x", exit_code=1, output="y" * 9_000),))

    memory = metadata_of(big)

    assert max(len(value) for value in memory.values() if isinstance(value, str)) <= LONGEST
    assert loop_of(big.ticket, memory).comments.guidance == long[-2:]
