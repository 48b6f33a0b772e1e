from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from integrations.errors import Conflict, NotFound, Rejected
from tests.integrations.code_hosts.recording import BRANCH, CASSETTES, MODE, As, Stage, stage

Stages = Callable[[str, As], AbstractContextManager[Stage]]


@pytest.fixture
def play(tmp_path: Path, private_key: str) -> Iterator[Stages]:
    yield lambda cassette, sign_in: stage(cassette, sign_in, tmp_path, private_key)


def test_cassette_of_a_pull_request_from_opening_to_merge(play: Stages) -> None:
    with play("pull_request", "person") as at:
        github, repository = at.github, at.repository
        head = github.branch_head(repository, BRANCH)
        opened = github.open_pull_request(repository, BRANCH, "main", "ENG-1: Swap", "Why")
        assert (opened.state, opened.branch, opened.head_sha) == ("open", BRANCH, head)
        assert github.open_pull_request(repository, BRANCH, "main", "Again", "").number == opened.number
        github.update_pull_request(repository, opened.number, "ENG-1: Swap operands", "Because")
        for _ in range(2):
            github.comment(repository, opened.number, "Hello", "m1")
            github.set_status(repository, opened.head_sha, "loopline", "success", "4 of 4", "")
        at.review(opened.number)
        (review,) = github.reviews(repository, opened.number)
        assert (review.state, review.comments) == ("commented", ("calc.py:2: Why swap?",))
        sha = github.merge(repository, opened.number, opened.head_sha, "ENG-1: Swap operands (#1)")
        assert github.merge(repository, opened.number, opened.head_sha, "ENG-1: Swap operands (#1)") in (sha, "")
        merged = github.fetch_pull_request(repository, opened.number)
        assert (merged.merged, merged.title, merged.body) == (True, "ENG-1: Swap operands", "Because")
        github.delete_branch(repository, BRANCH)
        assert github.branch_head(repository, BRANCH) is None


def test_cassette_of_an_app_with_a_check_run_from_pending_to_success(play: Stages) -> None:
    with play("check_run", "app") as at:
        sha = at.github.branch_head(at.repository, "main")
        assert sha is not None
        for state in ("pending", "success", "success"):
            at.github.set_status(at.repository, sha, "loopline", state, "4 of 4", "")  # type: ignore[arg-type]


def test_cassette_of_refusals(play: Stages) -> None:
    with play("refusals", "person") as at:
        github, repository = at.github, at.repository
        with pytest.raises(NotFound):
            github.repository(f"{repository}-that-is-not-there")
        with pytest.raises(Rejected, match="No commits between"):
            github.open_pull_request(repository, "main", "main", "Nothing", "")
        opened = github.open_pull_request(repository, BRANCH, "main", "ENG-1: Swap", "Why")
        with pytest.raises(Conflict, match="Head branch was modified"):
            github.merge(repository, opened.number, "0" * 40, "ENG-1: Swap")
        assert github.may_steer(repository, "a-login-that-nobody-has-taken") is False


@pytest.mark.skipif(bool(MODE), reason="cassettes are being recorded")
@pytest.mark.parametrize("cassette", sorted(CASSETTES.glob("*.yaml")), ids=lambda path: path.stem)
def test_cassettes_have_no_secret_and_no_local_address(cassette: Path) -> None:
    text = cassette.read_text()
    assert (
        re.findall(r"(?i)authorization|bearer|eyJ[\w-]+\.|gh[ps]_(?!taken_out)\w+|github_pat_|pat-|127\.0\.0\.1", text)
        == []
    )
