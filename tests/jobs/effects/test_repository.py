"""Preparing a ticket's workspace when its repository holds a defective object, has moved or is damaged on this host."""

from __future__ import annotations

from pathlib import Path

import pytest

from integrations.errors import NotFound
from integrations.values import NO_COMMIT
from jobs.effects.gather import read_base
from jobs.loop.state import Stage
from tests.integrations.git.hosting import git, sha_of, write_object, write_tree
from tests.jobs.board import Board
from tests.jobs.story import BUG, FEATURE, hand_over, in_review, said, say


@pytest.fixture
def upstream(board: Board, tmp_path: Path) -> Path:
    """The bare repository of the stand-in."""
    return next(folder.parent for folder in (tmp_path / "github").rglob("HEAD") if "tally" in str(folder))


def poison(upstream: Path, branch: str) -> str:
    """Put a commit whose tree has a `.git` folder on the branch; returns the old head of main."""
    base, inner = sha_of(upstream, "rev-parse", "main"), sha_of(upstream, "rev-parse", "main^{tree}")
    tree = write_tree(upstream, ("40000", b".git", inner))
    raw = f"tree {tree}\nparent {base}\nauthor A <a@b.c> 1 +0000\ncommitter A <a@b.c> 1 +0000\n\nx\n"
    sha = write_object(upstream, "commit", raw.encode())
    path = upstream / "refs" / "heads" / branch
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{sha}\n")
    return base


@pytest.mark.parametrize("branch", ["other", "loopline/eng-99", "z/deep/name"])
def test_base_is_read_while_another_branch_is_defective(board: Board, upstream: Path, branch: str) -> None:
    head = poison(upstream, branch)
    base = read_base("acme/tally", "loopline/eng-1", board.world)
    assert (base.branch, base.sha, base.branch_sha) == ("main", head, NO_COMMIT)


def test_ticket_with_a_defective_base_escalates_with_the_fix_and_continues_after_it(
    board: Board, upstream: Path
) -> None:
    good = poison(upstream, "main")
    loop = hand_over(board, BUG)
    assert loop.stage is Stage.NEEDS_HUMAN
    sentence = next(body for body in said(board, BUG) if "hasDotgit" in body)
    assert "the branch main" in sentence and "of acme/tally" in sentence and "rewrite the branch" in sentence
    git(upstream, "update-ref", "refs/heads/main", good)
    assert hand_over(board, FEATURE).stage is Stage.MAKING
    say(board, BUG, "/retry")
    after = board.drive(BUG)
    assert after and after.stage is Stage.PREFLIGHT


def test_ticket_whose_own_branch_is_defective_does_not_concern_another(board: Board, upstream: Path) -> None:
    loop = hand_over(board, BUG)
    poison(upstream, loop.workspace.branch or "loopline/eng-1")
    assert hand_over(board, FEATURE).stage is Stage.MAKING


def test_base_of_a_renamed_default_branch_is_not_found_or_new(board: Board, upstream: Path) -> None:
    git(upstream, "update-ref", "refs/heads/trunk", "main")
    git(upstream, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(NotFound, match="no branch main in acme/tally"):
        read_base("acme/tally", "", board.world)


def test_branch_of_a_merged_ticket_is_forgotten(board: Board) -> None:
    loop = in_review(board)
    mirror = board.world.mirror("acme/tally")
    read_base("acme/tally", loop.workspace.branch, board.world)
    assert mirror.head(loop.workspace.branch) == loop.candidate.head_sha
    for command in ("/approve", "/merge"):
        say(board, BUG, command)
    assert board.drive(BUG)
    with pytest.raises(NotFound):
        mirror.head(loop.workspace.branch)


@pytest.mark.parametrize("name", ["HEAD", "packed-refs", "objects"])
def test_ticket_in_review_survives_a_damaged_mirror(board: Board, name: str) -> None:
    loop = in_review(board)
    mirror = board.world.settings.home / "repos" / "acme__tally.git"
    (mirror / name).rename(mirror / f"{name}.lost")
    base = read_base("acme/tally", loop.workspace.branch, board.world)
    assert base.branch_sha == loop.candidate.head_sha
