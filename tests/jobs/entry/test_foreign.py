"""People and integrations at work on the code host while Loopline works: each action has one effect and one sentence, by
webhook and by sweep, and a person's work is never deleted or pushed over."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import requests

from integrations.events import (
    BranchPushed,
    PullRequestChanged,
    PullRequestClosed,
    RepositoryChanged,
    TicketRemoved,
)
from integrations.values import NO_COMMIT
from jobs.drive import drive
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.sweep import sweep
from tests.jobs import story
from tests.jobs.board import Board
from tests.jobs.story import BUG, finish, hand_over, in_review, said, say

SHOP = "acme/tally"
_numbers = itertools.count()


class Hands:
    """Ana on the code host, by its API."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def call(self, method: str, path: str, **body: Any) -> Any:
        url = f"{self._board.urls['pull_requests']}{path}"
        answer = requests.request(method, url, json=body, headers=self._board.ana.github_headers, timeout=20)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def head(self, branch: str) -> str | None:
        return self._board.world.code_host.branch_head(SHOP, branch)

    def branch(self, name: str, sha: str) -> None:
        self.call("POST", f"/repos/{SHOP}/git/refs", ref=f"refs/heads/{name}", sha=sha)

    def commit(self, branch: str, path: str = "NOTES.md", text: str = "mine\n") -> str:
        """Commit one file to the branch; the webhook is not delivered."""
        content = base64.b64encode(text.encode()).decode()
        found = requests.get(
            f"{self._board.urls['pull_requests']}/repos/{SHOP}/contents/{path}?ref={branch}",
            headers=self._board.ana.github_headers,
            timeout=20,
        ).json()
        old = {"sha": found["sha"]} if "sha" in found else {}
        made = self.call(
            "PUT", f"/repos/{SHOP}/contents/{path}", message="By Ana", content=content, branch=branch, **old
        )
        return str(made["commit"]["sha"])

    def deliver(self, kind: type[Any], loop: Loop, **fields: Any) -> Loop:
        """The webhook arrives."""
        event = kind(
            **{"event_id": f"hook-{next(_numbers)}", "ticket_id": loop.ticket.id, "at": 5.0, "repository": SHOP}
            | fields
        )
        self._board.world.store.deliver(event)
        return drive_again(self._board)

    def push(self, loop: Loop, path: str = "NOTES.md", text: str = "mine\n") -> Loop:
        """Commit to the ticket's branch, and the webhook arrives."""
        sha = self.commit(loop.workspace.branch, path, text)
        return self.deliver(BranchPushed, loop, branch=loop.workspace.branch, head_sha=sha, by="ana")


def drive_again(board: Board) -> Loop:
    ticket_id = board.ticket_id(BUG)
    board.world.redis.delete(keys.retry_at(ticket_id))
    drive(ticket_id)
    loop = board.world.store.load(ticket_id)
    assert loop
    return loop


def base_head(board: Board) -> str:
    sha = board.world.code_host.branch_head(SHOP, "main")
    assert sha
    return sha


@pytest.fixture
def hands(board: Board) -> Hands:
    return Hands(board)


# --- branches that existed before -------------------------------------------------------------------------------------


def predict_branch(board: Board) -> str:
    """The branch that the first generation of the ticket gets."""
    from jobs.workflow.hand_over import branch_name

    return branch_name(board.world.tracker.fetch(board.ticket_id(BUG)), 1)


def test_branch_that_existed_before_is_left_and_another_one_is_used(board: Board, hands: Hands) -> None:
    old = predict_branch(board)
    hands.branch(old, base_head(board))
    mine = hands.commit(old)

    loop = in_review(board, hand_over(board, BUG))

    assert (hands.head(old), loop.stage) == (mine, Stage.REVIEW)
    assert loop.workspace.branch.startswith(f"{old}-") and not loop.foreign.pushes
    assert sum("existed before this ticket's work" in body for body in said(board, BUG)) == 1


def test_branch_that_appears_during_the_work_is_left_and_another_one_is_used(board: Board, hands: Hands) -> None:
    working = hand_over(board, BUG)
    hands.branch(working.workspace.branch, base_head(board))
    mine = hands.commit(working.workspace.branch)

    loop = in_review(board, working)

    assert (hands.head(working.workspace.branch), loop.stage) == (mine, Stage.REVIEW)
    assert loop.workspace.branch != working.workspace.branch
    story.moved(board, BUG, "Canceled")
    assert hands.head(working.workspace.branch) == mine


# --- ends that leave a person's branch --------------------------------------------------------------------------------


def cancel(board: Board, hands: Hands, loop: Loop) -> None:
    story.moved(board, BUG, "Canceled")


def mark_duplicate(board: Board, hands: Hands, loop: Loop) -> None:
    story.moved(board, BUG, "Duplicate")


def delete_ticket(board: Board, hands: Hands, loop: Loop) -> None:
    board.ana.delete(BUG)
    board.world.store.deliver(TicketRemoved(event_id="gone", ticket_id=loop.ticket.id, at=9.0))
    drive(loop.ticket.id)


def close(board: Board, hands: Hands, loop: Loop) -> None:
    say(board, BUG, "/close")


def close_pull_request(board: Board, hands: Hands, loop: Loop) -> None:
    board.ana.close(loop.pull_request.number)
    hands.deliver(PullRequestClosed, loop, number=loop.pull_request.number, by="ana")


ENDS = [cancel, mark_duplicate, delete_ticket, close, close_pull_request]


@pytest.mark.parametrize("end", ENDS)
def test_branch_that_was_taken_over_stays_whatever_happens(
    board: Board, hands: Hands, end: Callable[[Board, Hands, Loop], None]
) -> None:
    loop = in_review(board)
    say(board, BUG, "/takeover")
    mine = hands.push(loop).workspace.branch and hands.head(loop.workspace.branch)

    end(board, hands, loop)
    drive(loop.ticket.id)

    assert mine and hands.head(loop.workspace.branch) == mine


@pytest.mark.parametrize("end", [cancel, delete_ticket, close_pull_request])
@pytest.mark.parametrize("is_reported", [True, False], ids=["webhook arrived", "webhook lost"])
def test_branch_with_a_commit_of_a_person_stays(
    board: Board, hands: Hands, end: Callable[[Board, Hands, Loop], None], *, is_reported: bool
) -> None:
    loop = in_review(board)
    mine = hands.commit(loop.workspace.branch)
    if is_reported:
        hands.deliver(BranchPushed, loop, branch=loop.workspace.branch, head_sha=mine, by="ana")

    end(board, hands, loop)
    drive(loop.ticket.id)

    assert hands.head(loop.workspace.branch) == mine
    if end is not delete_ticket:
        assert any("is left" in body for body in said(board, BUG))


def test_branch_with_commits_of_a_person_below_those_of_loopline_stays(board: Board, hands: Hands) -> None:
    hands.push(in_review(board))
    say(board, BUG, "/changes remove the other folder too")
    working = board.world.store.load(board.ticket_id(BUG))
    assert working
    loop = publish_more(board, finish(board, working))
    own = hands.head(loop.workspace.branch)
    assert (loop.stage, own) == (Stage.REVIEW, loop.candidate.head_sha)

    story.moved(board, BUG, "Canceled")

    assert hands.head(loop.workspace.branch) == own


def publish_more(board: Board, loop: Loop) -> Loop:
    """A further commit of Loopline on the branch's head, with a verdict."""
    mirror = board.world.mirror(SHOP)
    merged = mirror.merge(
        loop.pull_request.pushed_sha, story.candidate(board, loop), "more", "Loopline", "l@acme.test", 7
    )
    sha = mirror.write_candidate(merged.sha, loop.pull_request.pushed_sha, "more", "Loopline", "l@acme.test", 8)
    if sha == loop.pull_request.pushed_sha:
        side = mirror.changes(loop.workspace.base_sha, sha)[0]
        mixed = mirror.write_mixed_commit(sha, {side.path: side.before})
        sha = mirror.write_candidate(mixed, sha, "more", "Loopline", "l@acme.test", 9)
    return in_review_at(board, loop, sha)


def in_review_at(board: Board, loop: Loop, sha: str) -> Loop:
    loop = finish(board, loop, head_sha=sha)
    loop = finish(board, loop, evidence=story.passed(loop))
    loop = finish(board, loop, judgement=story.Judgement(done=True))
    return finish(board, loop, verdict=story.verdict(loop))


# --- pushes during the work -------------------------------------------------------------------------------------------


def revising(board: Board) -> Loop:
    """A maker at work on a branch that is on the code host."""
    in_review(board)
    say(board, BUG, "/changes once more")
    loop = board.world.store.load(board.ticket_id(BUG))
    assert loop
    return finish(board, loop)


def unfinished(board: Board, loop: Loop, path: str = "draft.txt", text: str = "draft\n") -> str:
    """A commit of the maker's unfinished files on the branch's head as it knows it."""
    hands = Hands(board)
    scratch = f"scratch-{next(_numbers)}"
    hands.branch(scratch, loop.pull_request.pushed_sha)
    sha = hands.commit(scratch, path, text)
    board.world.mirror(
        SHOP,
        board.world.code_host.repository(SHOP).clone_url,
        board.world.code_host.git_credentials(SHOP),
    ).fetch(scratch)
    return sha


def test_push_during_the_work_pauses_and_resume_continues_on_top_of_both(board: Board, hands: Hands) -> None:
    working = revising(board)
    draft = unfinished(board, working)
    paused = hands.push(working)
    assert (paused.stage, "ana pushed" in paused.reason) == (Stage.STOPPED, True)
    stopped = finish(board, working, outcome="stopped", checkpoint=draft)
    assert stopped.checkpoint == draft

    say(board, BUG, "/resume")

    loop = drive_again(board)
    mirror = board.world.mirror(SHOP)
    assert loop.stage is Stage.PREFLIGHT and mirror.is_ancestor(paused.candidate.head_sha, loop.checkpoint)
    assert (mirror.read(loop.checkpoint, "NOTES.md"), mirror.read(loop.checkpoint, "draft.txt")) == (
        "mine\n",
        "draft\n",
    )
    assert [push.by for push in loop.foreign.pushes] == ["ana"]


def test_push_that_conflicts_with_unfinished_work_loses_neither(board: Board, hands: Hands) -> None:
    working = revising(board)
    draft = unfinished(board, working, "NOTES.md", "theirs\n")
    hands.push(working)
    finish(board, working, outcome="stopped", checkpoint=draft)

    say(board, BUG, "/resume")

    loop = drive_again(board)
    both = board.world.mirror(SHOP).read(loop.checkpoint, "NOTES.md")
    assert both and "mine" in both and "theirs" in both
    assert "conflict markers" in loop.comments.guidance[-1].text
    assert any("both change `NOTES.md`" in body for body in said(board, BUG))


def test_push_just_before_loopline_s_own_pauses_and_keeps_the_verified_work(board: Board, hands: Hands) -> None:
    working = revising(board)
    mine = hands.commit(working.workspace.branch)

    paused = publish_more(board, working)

    assert (paused.stage, hands.head(paused.workspace.branch)) == (Stage.STOPPED, mine)
    assert paused.checkpoint and paused.foreign.head == mine
    say(board, BUG, "/resume")
    assert board.world.mirror(SHOP).is_ancestor(mine, drive_again(board).checkpoint)


def test_force_push_is_the_new_head(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    branch = loop.workspace.branch
    hands.branch("rebased", base_head(board))
    rebased = hands.commit("rebased", "REBASED.md")
    git_push(board, f"+{rebased}:refs/heads/{branch}")

    after = hands.deliver(BranchPushed, loop, branch=branch, head_sha=rebased, by="ana", is_forced=True)

    assert (after.stage, after.pull_request.pushed_sha, after.candidate.verdict) == (Stage.REVIEW, rebased, None)
    assert any("ana force-pushed" in body for body in said(board, BUG))
    say(board, BUG, "/resume")
    assert drive_again(board).candidate.head_sha == rebased


def git_push(board: Board, refspec: str) -> None:
    """Ana's own git."""
    import subprocess

    token = board.ana.github_headers["Authorization"].split()[1]
    url = board.urls["pull_requests"].replace("://", f"://x:{token}@")
    folder = board.world.settings.home / "repos" / "acme__tally.git"
    subprocess.run(["git", "-C", str(folder), "fetch", "-q", f"{url}/{SHOP}.git", "rebased"], check=True)
    subprocess.run(["git", "-C", str(folder), "push", "-q", f"{url}/{SHOP}.git", refspec], check=True)


def test_resume_after_a_takeover_continues_on_the_persons_branch(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    say(board, BUG, "/takeover")
    mine = hands.commit(loop.workspace.branch)

    say(board, BUG, "/resume")

    again = drive_again(board)
    assert (again.workspace.branch, again.workspace.taken_over_by) == (loop.workspace.branch, "")
    assert (again.candidate.head_sha, again.foreign.head) == (mine, mine)
    story.moved(board, BUG, "Canceled")
    assert hands.head(loop.workspace.branch) == mine


def test_resume_in_review_checks_the_commit_of_a_person(board: Board, hands: Hands) -> None:
    voided = hands.push(in_review(board))
    say(board, BUG, "/resume")

    loop = drive_again(board)

    assert (loop.stage, loop.candidate.head_sha) == (Stage.PREFLIGHT, voided.candidate.head_sha)
    assert loop.pull_request.number == voided.pull_request.number


def test_branch_that_was_deleted_stops_with_one_sentence(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    hands.call("DELETE", f"/repos/{SHOP}/git/refs/heads/{loop.workspace.branch}")
    number = loop.pull_request.number

    hands.deliver(BranchPushed, loop, branch=loop.workspace.branch, head_sha=NO_COMMIT, by="ana")
    after = hands.deliver(PullRequestClosed, loop, number=number, by="ana")

    assert after.stage is Stage.STOPPED
    assert sum("the branch was deleted on the code host by ana" in body for body in said(board, BUG)) == 1
    assert not any("was closed" in body for body in said(board, BUG))


# --- the pull request and the repository ------------------------------------------------------------------------------


def change_pull(hands: Hands, loop: Loop, **body: Any) -> None:
    hands.call("PATCH", f"/repos/{SHOP}/pulls/{loop.pull_request.number}", **body)


def retitle(hands: Hands, loop: Loop) -> None:
    change_pull(hands, loop, title="Ana's title")


def retarget(hands: Hands, loop: Loop) -> None:
    hands.branch("release", loop.workspace.base_sha)
    change_pull(hands, loop, base="release")


def lock(hands: Hands, loop: Loop) -> None:
    hands.call("PUT", f"/repos/{SHOP}/issues/{loop.pull_request.number}/lock")


def rename_base(hands: Hands, loop: Loop) -> None:
    hands.call("POST", f"/repos/{SHOP}/branches/main/rename", new_name="trunk")


def archive(hands: Hands, loop: Loop) -> None:
    hands.call("PATCH", f"/repos/{SHOP}", archived=True)


def rename(hands: Hands, loop: Loop) -> None:
    hands.call("PATCH", f"/repos/{SHOP}", name="ledger")


def transfer(hands: Hands, loop: Loop) -> None:
    hands.call("POST", f"/repos/{SHOP}/transfer", new_owner="beta")


def take_access_away(hands: Hands, loop: Loop) -> None:
    hands.call("DELETE", f"/repos/{SHOP}/collaborators/loopline-bot")


CHANGES: list[tuple[Callable[[Hands, Loop], None], type[Any], str]] = [
    (retitle, PullRequestChanged, "renamed the pull request to “Ana's title”"),
    (retarget, PullRequestChanged, "from `main` to `release`, so the verdict is void"),
    (lock, PullRequestChanged, "locked the conversation"),
    (rename_base, PullRequestChanged, "The base branch `main` is gone, and the pull request goes to `trunk`"),
    (archive, RepositoryChanged, "is archived and read-only"),
    (rename, RepositoryChanged, "is now `acme/ledger`"),
    (transfer, RepositoryChanged, "is now `beta/tally`"),
    (take_access_away, RepositoryChanged, "Loopline has no access"),
]


@pytest.mark.parametrize(("change", "kind", "sentence"), CHANGES, ids=[change.__name__ for change, _, _ in CHANGES])
def test_change_is_reported_once_by_webhook_and_sweep(
    board: Board, hands: Hands, change: Callable[[Hands, Loop], None], kind: type[Any], sentence: str
) -> None:
    loop = in_review(board)
    change(hands, loop)

    hands.deliver(kind, loop, number=loop.pull_request.number, by="ana")
    hands.deliver(kind, loop, number=loop.pull_request.number, by="ana")
    sweep()
    after = drive_again(board)

    assert after.stage is Stage.REVIEW
    assert sum(sentence in body for body in said(board, BUG)) == 1


@pytest.mark.parametrize(("change", "kind", "sentence"), CHANGES, ids=[change.__name__ for change, _, _ in CHANGES])
def test_change_whose_webhook_is_lost_is_found_by_the_sweep(
    board: Board, hands: Hands, change: Callable[[Hands, Loop], None], kind: type[Any], sentence: str
) -> None:
    loop = in_review(board)
    change(hands, loop)

    for _ in range(2):
        sweep()
        after = drive_again(board)

    assert after.stage is Stage.REVIEW
    assert sum(sentence in body for body in said(board, BUG)) == 1
