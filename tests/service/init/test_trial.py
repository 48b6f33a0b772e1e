"""The proposed checks are tried on the default branch, in the sandbox, before their pull request is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from jobs.config.settings import Settings
from jobs.loop.policy import RepositoryPolicy, inspect_policy
from service.init.proposal import Proposal, explain, render
from service.init.trial import try_policy
from tests.jobs.board import Board, open_board

NAME = "acme/tally"
PASSES, FAILS = "test -f README.md", "echo 'error: 3 files are not formatted' && exit 1"


@pytest.fixture
def board(tmp_path: Path, redis: Redis, settings: Settings) -> Iterator[Board]:
    with open_board(tmp_path, redis, settings) as board:
        board.environ |= dict.fromkeys(("LINEAR_WEBHOOK_SECRETS", "GITHUB_WEBHOOK_SECRETS"), "x" * 16)
        board.environ |= {"ANTHROPIC_API_KEY": "key-of-the-model"}
        yield board


def policy(*setup: str, **checks: str) -> RepositoryPolicy:
    found = inspect_policy(render(Proposal(setup=list(setup), checks=checks))).policy
    assert found
    return found


def test_trial_separates_the_checks_that_pass_from_those_that_fail(board: Board) -> None:
    shown: list[str] = []
    found = try_policy(board.environ, NAME, policy(tests=PASSES, lint=FAILS, tool="no-such-tool ."), shown.append)

    assert (found.passed, found.problem) == (["tests"], "")
    assert found.failed["lint"] == "error: 3 files are not formatted"
    assert "no-such-tool: command not found" in found.failed["tool"]
    assert found.place.startswith("main (")
    assert shown[0] == f"✓ tests: {PASSES}" and "lint fails and is left out" in shown[1]


@pytest.mark.parametrize(
    ("repository", "setup", "problem"),
    [
        (NAME, "echo before; no-such-tool --install", "no-such-tool"),
        ("acme/lost", "true", "acme/lost"),
    ],
    ids=["setup", "repository"],
)
def test_trial_that_cannot_begin_names_the_problem(board: Board, repository: str, setup: str, problem: str) -> None:
    found = try_policy(board.environ, repository, policy(setup, tests=PASSES), lambda _: None)

    assert problem in found.problem and not found.passed and not found.failed


def test_trial_ends_after_its_time(board: Board) -> None:
    found = try_policy(board.environ, NAME, policy(slow="sleep 60"), lambda _: None, seconds=1.0)

    assert "slow" in found.failed and "not ended within" in found.failed["slow"]


def test_explanation_lists_what_was_left_out() -> None:
    proposal = Proposal(checks={"tests": "pytest -q", "lint": "ruff check ."})
    text = explain(proposal, "main (abc)", {"lint": "error: `x` is\nunused"})

    assert "Left out, because they fail on main (abc):\n\n- `ruff check .`: `error: 'x' is unused`\n" in text
    assert "were run on main (abc) and passed" in explain(proposal, "main (abc)", {})
    assert "The checks were not tried: `no network`" in explain(proposal, problem="no network")
