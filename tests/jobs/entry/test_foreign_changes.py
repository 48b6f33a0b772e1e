"""Changes of pull request and repository by other accounts: each has one effect and one sentence on the ticket, by
webhook and by sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from integrations.events import PullRequestChanged, PullRequestClosed, RepositoryChanged
from jobs.loop.state import Loop, Stage
from jobs.sweep import sweep
from tests.jobs.board import Board
from tests.jobs.hands import SHOP, Hands, drive_again, git_push
from tests.jobs.story import BUG, in_review, said, say


@pytest.fixture
def hands(board: Board) -> Hands:
    return Hands(board)


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


@pytest.mark.parametrize("changes", [(retitle, retarget, lock), (rename_base,), (rename,)])
def test_change_whose_webhook_is_lost_is_found_by_the_sweep(
    board: Board, hands: Hands, changes: tuple[Callable[[Hands, Loop], None], ...]
) -> None:
    loop = in_review(board)
    for change in changes:
        change(hands, loop)

    for _ in range(2):
        sweep()
        after = drive_again(board)

    assert after.stage is Stage.REVIEW
    sentences = [sentence for change, _, sentence in CHANGES if change in changes]
    assert [sum(sentence in body for body in said(board, BUG)) for sentence in sentences] == [1] * len(changes)


def test_work_continues_under_the_new_name_once_the_operator_has_set_it(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    rename(hands, loop)
    hands.deliver(RepositoryChanged, loop, by="ana")
    known = board.world.policy
    team = replace(known.teams["ENG"], repository="acme/ledger")
    board.world.policy = replace(known, teams={**known.teams, "ENG": team})

    say(board, BUG, "/changes once more")

    again = drive_again(board)
    assert (again.workspace.repository, again.stage) == ("acme/ledger", Stage.PREFLIGHT)
    assert (again.workspace.branch, again.pull_request.number) == (loop.workspace.branch, loop.pull_request.number)


def test_merge_elsewhere_after_a_close_is_a_merge(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    board.ana.close(loop.pull_request.number)
    git_push(board, f"{loop.candidate.head_sha}:refs/heads/main", loop.workspace.branch)

    after = hands.deliver(PullRequestClosed, loop, number=loop.pull_request.number, by="ana")

    assert after.stage is Stage.DONE
    assert sum(body.startswith("**Merged.**") for body in said(board, BUG)) == 1


def test_pull_request_whose_base_branch_was_deleted_keeps_its_branch(board: Board, hands: Hands) -> None:
    loop = in_review(board)
    retarget(hands, loop)
    hands.deliver(PullRequestChanged, loop, number=loop.pull_request.number, by="ana")
    hands.call("DELETE", f"/repos/{SHOP}/git/refs/heads/release")

    after = hands.deliver(PullRequestClosed, loop, number=loop.pull_request.number, by="ana")

    assert (after.stage, hands.head(loop.workspace.branch)) == (Stage.STOPPED, loop.candidate.head_sha)
    assert "its base branch `release` was deleted" in after.reason
