"""A base branch that moves while pull requests are open: real git, real gates, and the code host's stand-in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integrations import failpoints
from integrations.events import BranchPushed, TimePassed
from integrations.results import CriterionResult, Judgement, Verdict
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from integrations.values import NO_COMMIT, CommitSha
from jobs.advance_run import advance_run
from jobs.effects.upstream import AUTHOR
from jobs.inbox.dispatch import route
from jobs.loop.state import Loop, Stage
from jobs.sweep import sweep
from tests.integrations.git.hosting import commit
from tests.integrations.git.hosting import git as run_git
from tests.jobs.board import Board
from tests.jobs.story import BUG, finish, hand_over, said, say

README, SHARES, NEWS = "README.md", "tally/shares.py", "NEWS.md"
PROOF = "tests/test_rounding.py"
TEST = """\
import unittest

from tally import shares


class Rounding(unittest.TestCase):
    def test_rounding(self) -> None:
        self.assertTrue(shares.{})
"""


@pytest.fixture(autouse=True)
def sandbox(board: Board) -> None:
    """The worker's world has an agent process's sandbox too."""
    board.world._sandbox = Sandbox(find_bwrap(), default_read_only())


def host_folder(board: Board) -> Path:
    (bare,) = Path(board.world.settings.home).parent.rglob("github/**/tally.git")
    return bare


def mirror_folder(board: Board) -> Path:
    return board.world.settings.home / "repos" / "acme__tally.git"


def push_to_main(board: Board, files: dict[str, bytes | str | None], message: str = "change of a colleague") -> str:
    """A commit on main, whose webhook is delivered."""
    head = commit(host_folder(board), files, message=message)
    event = BranchPushed(
        event_id=f"push-{head}", at=1.0, repository="acme/tally", branch="main", head_sha=CommitSha(head)
    )
    route(board.world.redis, event)
    return head


def candidate(board: Board, loop: Loop, files: dict[str, bytes | str | None]) -> CommitSha:
    """A maker's commit with these files on the commit that its run starts from, with the parents of a real one."""
    folder, spec = mirror_folder(board), board.world.runs.spec(loop.run_id)
    assert spec
    run_git(folder, "update-ref", "refs/heads/work", spec.start_sha)
    tip = CommitSha(commit(folder, files, "work"))
    mirror, base = board.world.mirror("acme/tally"), spec.workspace.base_sha
    parent = spec.pushed_sha or base
    merged = NO_COMMIT if mirror.is_ancestor(base, parent) else base
    return mirror.write_candidate(tip, parent, "work\n", AUTHOR, board.world.settings.commit_email, 1, merged)


def reload(board: Board) -> Loop:
    loop = board.drive(BUG)
    assert loop
    return loop


def run(board: Board, loop: Loop) -> Loop:
    """The agent process performs the run: a preflight, or a gate, in the sandbox."""
    assert loop.run_id in board.world.runs.list_unfinished()
    advance_run(loop.run_id)
    return reload(board)


def judged(board: Board, loop: Loop) -> Loop:
    """Judge and checker accept the candidate."""
    assert loop.contract
    loop = finish(board, loop, judgement=Judgement(done=True))
    results = tuple(CriterionResult(criterion=c.id, result="pass", evidence="seen") for c in loop.contract.criteria)
    return finish(board, loop, verdict=Verdict(head_sha=loop.candidate.head_sha, results=results, summary="Fine."))


def open_review(board: Board, files: dict[str, bytes | str | None]) -> Loop:
    """The ticket's pull request with a change of these files, accepted by gate and checker."""
    loop = hand_over(board, BUG)
    files = {PROOF: TEST.format("split").encode(), **files}
    loop = run(board, finish(board, loop, head_sha=candidate(board, loop, files), summary="Works."))
    loop = judged(board, loop)
    assert loop.stage is Stage.REVIEW, loop.reason
    return loop


def pass_time(board: Board, loop: Loop) -> Loop:
    """The time to compare the base branch has come, again while the code host computes whether there is a conflict."""
    assert loop.upstream.due_at
    while loop.stage is Stage.REVIEW and (due := loop.upstream.due_at):
        board.world.store.deliver(TimePassed(event_id=f"due-{due}", ticket_id=loop.ticket.id, at=due, due=due))
        loop = reload(board)
    return loop


def parents(board: Board, sha: str) -> list[str]:
    return run_git(host_folder(board), "log", "-1", "--format=%P", sha).decode().split()


def line(board: Board, text: str) -> str:
    return next((body for body in said(board, BUG) if text in body), "")


def readme(board: Board, first: str) -> bytes:
    """The repository's README with another first line."""
    old = run_git(host_folder(board), "show", "main:README.md").decode()
    return (first + "\n" + old.split("\n", 1)[1]).encode()


def test_moving_base_that_conflicts_is_noticed_merged_and_reviewed_again(board: Board) -> None:
    ours, theirs = readme(board, "# Tally, by the agent"), readme(board, "# Tally, by Bob")
    loop = open_review(board, {README: ours})
    before = loop.pull_request.pushed_sha
    main = push_to_main(board, {README: theirs}, "Rename the project")

    loop = reload(board)
    loop = pass_time(board, loop)
    assert loop.stage is Stage.PREFLIGHT
    assert "Rename the project" in line(board, "**Conflict with `main`")
    loop = run(board, loop)
    assert loop.stage is Stage.MAKING and board.ana.board()[BUG]["column"] == "In Progress"
    text = board.world.mirror("acme/tally").read(loop.candidate.head_sha, README) or ""
    assert "<<<<<<< " in text and "by the agent" in text and "by Bob" in text

    left = run(board, finish(board, loop, outcome="no_change", head_sha=loop.candidate.head_sha))
    assert "conflicts of the merge are not resolved: `README.md:1`" in left.attempt.tried[-1]
    both = candidate(board, left, {README: readme(board, "# Tally, by Bob and the agent")})
    loop = judged(board, run(board, finish(board, left, head_sha=both)))

    assert loop.stage is Stage.REVIEW, loop.reason
    assert loop.pull_request.pushed_sha == both and parents(board, both) == [before, main]
    assert board.world.code_host.fetch_pull_request("acme/tally", loop.pull_request.number).head_sha == both
    assert board.ana.board()[BUG]["column"] == "In Review"
    changed = [one.path for one in board.world.mirror("acme/tally").changes(loop.workspace.base_sha, both)]
    assert changed == [README, PROOF]


def test_moving_base_of_which_the_branch_has_to_have_everything_costs_no_model_call(board: Board) -> None:
    workflow = run_git(host_folder(board), "show", "main:WORKFLOW.md")
    push_to_main(board, {"WORKFLOW.md": workflow.replace(b"\nloop:\n", b"\nloop:\n  base: {update: always}\n")})
    loop = open_review(board, {NEWS: b"news\n"})
    before, calls = loop.pull_request.pushed_sha, loop.spend.usage.model_calls
    main = push_to_main(board, {README: readme(board, "# Tally 2")})

    loop = pass_time(board, reload(board))
    loop = run(board, run(board, loop))

    assert loop.stage is Stage.REVIEW, loop.reason
    head = loop.pull_request.pushed_sha
    assert parents(board, head) == [before, main]
    assert loop.spend.usage.model_calls == calls
    assert f"The checker examined `{before[:7]}`." in said(board, BUG)[-1]
    assert board.ana.board()[BUG]["column"] == "In Review"


def test_moving_base_with_a_protected_file_is_not_the_agents_change(board: Board) -> None:
    """A person asks for the update in plain words; no agent and no revision is needed."""
    loop = open_review(board, {NEWS: b"news\n"})
    workflow = run_git(host_folder(board), "show", "main:WORKFLOW.md") + b"\nTwo words.\n"
    push_to_main(board, {"WORKFLOW.md": workflow})

    say(board, BUG, "/changes merge main into the branch and solve the conflict")
    loop = run(board, run(board, reload(board)))

    assert (loop.stage, loop.revision, loop.candidate.tampering) == (Stage.REVIEW, 0, ())
    assert "Two words." in (board.world.mirror("acme/tally").read(loop.pull_request.pushed_sha, "WORKFLOW.md") or "")


@pytest.mark.parametrize(
    "point",
    [
        "git.merge-tree:before",
        pytest.param("git.merge-tree:done", marks=pytest.mark.long),
        pytest.param("git.push:before", marks=pytest.mark.long),
        "git.push:done",
    ],
)
def test_moving_base_is_merged_and_pushed_once_after_a_crash(
    board: Board, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = open_review(board, {NEWS: b"news\n"})
    before, main = loop.pull_request.pushed_sha, push_to_main(board, {README: readme(board, "# Tally 2")})
    monkeypatch.setattr(failpoints, "ARMED", None)  # also at the end of the test
    failpoints.arm(f"{point}:1:raise", board.world.settings.home)
    crashes = []

    def survive(step: Callable[[], object]) -> Loop:
        """The step, and after a crash of the worker the next worker's."""
        try:
            step()
        except failpoints.FailpointError:
            crashes.append(point)
        return reload(board)

    loop = survive(lambda: say(board, BUG, "/changes merge main"))
    loop = survive(lambda: advance_run(loop.run_id))
    advance_run(loop.run_id)
    loop = survive(lambda: board.drive(BUG))

    assert crashes == [point]
    assert loop.stage is Stage.REVIEW, loop.reason
    assert parents(board, loop.pull_request.pushed_sha) == [before, main]
    assert len([body for body in said(board, BUG) if "**Merging `main`" in body]) == 1


def merging(board: Board) -> Loop:
    say(board, BUG, "/approve")
    say(board, BUG, "/merge")
    return reload(board)


def test_merge_result_with_a_base_that_breaks_the_work_is_not_merged(board: Board) -> None:
    """Both sides pass alone and git merges them: only the merge result shows that they break each other."""
    old = run_git(host_folder(board), "show", f"main:{SHARES}")
    push_to_main(board, {SHARES: old + b"\nMARK = True\n"})
    loop = open_review(board, {PROOF: TEST.format("MARK").encode()})
    push_to_main(board, {SHARES: old})

    loop = merging(board)
    assert loop.stage is Stage.MERGING and line(board, "Checking the merge result with `main`")
    loop = run(board, loop)

    assert not board.world.code_host.fetch_pull_request("acme/tally", loop.pull_request.number).merged
    assert "python3 -m unittest" in line(board, "**Not merged:** on the merge result")
    loop = run(board, run(board, loop))
    assert (loop.stage, loop.attempt.iteration) == (Stage.MAKING, 1)
    assert board.ana.board()[BUG]["column"] == "In Progress"


def test_merge_result_is_checked_until_the_base_stands_still_and_then_merged(board: Board) -> None:
    loop = open_review(board, {NEWS: b"news\n"})
    push_to_main(board, {README: readme(board, "# Tally 2")})
    loop = merging(board)
    push_to_main(board, {README: readme(board, "# Tally 3")})
    loop = run(board, loop)
    assert (loop.stage, loop.upstream.rounds) == (Stage.MERGING, 2)

    loop = run(board, loop)

    assert loop.stage is Stage.DONE
    assert run_git(host_folder(board), "show", "main:NEWS.md") == b"news\n"
    assert len([body for body in said(board, BUG) if "Checking the merge result" in body]) == 2


def test_merge_of_a_base_that_stands_still_needs_no_further_gate(board: Board) -> None:
    open_review(board, {NEWS: b"news\n"})

    assert merging(board).stage is Stage.DONE


def test_moving_base_is_found_by_the_sweep_and_read_without_a_request_per_ticket(board: Board) -> None:
    loop = open_review(board, {NEWS: b"news\n"})
    commit(host_folder(board), {README: readme(board, "# Tally 2")})
    sweep()
    loop = reload(board)
    first = loop.upstream.due_at
    sweep()

    assert first and reload(board).upstream.due_at == first
