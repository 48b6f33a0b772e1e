"""Reviews on the stand-ins, through gathering and performing: rounds, replies, suggestions, approvals, accounts."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from integrations.events import ReviewSubmitted, TimePassed
from integrations.git.line_edits import LineEdit
from integrations.results import Judgement, ThreadAnswer
from integrations.values import CommitSha, Person
from jobs.loop.state import Loop, Stage
from jobs.roles.briefs import build_maker_brief
from jobs.roles.review_comments import apply_suggestions
from jobs.runtime import keys
from tests.jobs.board import BEA, Board
from tests.jobs.entry.test_wrong_settings import configured
from tests.jobs.story import BUG, finish, hand_over, passed, said, say, verdict

FILE, LINE = "tally/shares.py", 1
REPOSITORY = "acme/tally"


def edited(board: Board, onto: str, text: str) -> CommitSha:
    """A candidate on `onto` whose file begins with this line."""
    mirror = board.world.mirror(REPOSITORY)
    mixed, _ = mirror.apply_edits(CommitSha(onto), [LineEdit(FILE, LINE, LINE, f"{text}\n")])
    return mirror.write_candidate(mixed, CommitSha(onto), "work", "Loopline", board.world.settings.commit_email, 1)


def checked(board: Board, loop: Loop) -> Loop:
    """Gate, judge and checker accept the candidate: it is published."""
    loop = finish(board, loop, evidence=passed(loop))
    loop = finish(board, loop, judgement=Judgement(done=True))
    return finish(board, loop, verdict=verdict(loop))


def in_review(board: Board) -> Loop:
    loop = hand_over(board, BUG)
    return checked(board, finish(board, loop, head_sha=edited(board, loop.workspace.base_sha, "# shares")))


def host(board: Board, method: str, path: str, token: str = "", **body: Any) -> Any:
    """A request of a person to the pull request; Ana without a token."""
    headers = {"Authorization": f"Bearer {token}"} if token else board.ana.github_headers
    url = f"{board.urls['pull_requests']}/repos/{REPOSITORY}/pulls/1{path}"
    answer = requests.request(method, url, json=body or None, headers=headers, timeout=20)
    assert answer.ok, answer.text
    return answer.json()


def review(board: Board, event: str, body: str = "", *lines: str, token: str = "") -> None:
    """A person submits a review with these comments on the changed line, and its webhook arrives."""
    comments = [{"path": FILE, "line": LINE, "body": line} for line in lines]
    given = host(board, "POST", "/reviews", token, event=event, body=body, comments=comments)
    loop = board.drive(BUG)
    assert loop
    state = {"APPROVE": "approved", "REQUEST_CHANGES": "changes_requested", "COMMENT": "commented"}[event]
    who = given["user"]["login"]
    submitted = ReviewSubmitted(
        event_id=f"review:{given['id']}:{state}", ticket_id=loop.ticket.id, at=time.time(), repository=REPOSITORY,
        number=1, head_sha=loop.pull_request.pushed_sha, review_id=str(given["id"]), state=state, body=body,
        author=Person(id=who, name=who),
    )  # fmt: skip
    board.world.store.deliver(submitted)
    board.drive(BUG)


def quiet(board: Board) -> Loop:
    """The deadline of the collected reviews passes."""
    loop = board.drive(BUG)
    assert loop and loop.review.due_at
    due = loop.review.due_at
    event = TimePassed(event_id=f"due:{due}", ticket_id=loop.ticket.id, at=due + 1, due=due)
    board.world.store.deliver(event)
    after = board.drive(BUG)
    assert after
    return finish(board, after) if after.stage is Stage.PREFLIGHT else after


def threads(board: Board) -> list[list[str]]:
    """The texts of each thread."""
    found: dict[int, list[str]] = {}
    for one in host(board, "GET", "/comments"):
        found.setdefault(one.get("in_reply_to_id") or one["id"], []).append(one["body"].split("\n\n<!--")[0])
    return list(found.values())


def is_resolved(board: Board) -> list[bool]:
    return [one.resolved for one in board.world.code_host.fetch_facts(REPOSITORY, 1).threads]


def test_small_remark_continues_from_the_accepted_work(board: Board) -> None:
    in_review(board)
    review(board, "REQUEST_CHANGES", "one small thing", "rename answer to reply")

    loop = quiet(board)

    spec = board.world.runs.spec(loop.run_id)
    assert loop.stage is Stage.MAKING and spec
    brief = build_maker_brief(spec)
    assert "## Accepted work" in brief and "T1 tally/shares.py:1\nana: rename answer to reply" in brief
    for word in ("rejected because", "None of the attempts", "different strategy", "## Attempts before this one"):
        assert word not in brief


def test_thread_gets_one_reply_and_is_resolved_after_the_push(board: Board) -> None:
    in_review(board)
    review(board, "COMMENT", "", "rename it")
    loop = quiet(board)
    [one] = loop.review.threads
    sha = edited(board, loop.pull_request.pushed_sha, "# reply")
    answers = (ThreadAnswer(thread=one.id, kind="done", note="Renamed."),)

    loop = finish(board, loop, head_sha=sha, answers=answers)
    assert threads(board) == [["rename it"]]
    loop = checked(board, loop)

    assert loop.stage is Stage.REVIEW
    assert threads(board) == [["rename it", f"Done in `{sha[:7]}`.\n\n> Renamed."]]
    assert is_resolved(board) == [True]


def test_disagreement_is_a_reply_without_a_commit_and_the_thread_stays_open(board: Board) -> None:
    before = in_review(board)
    review(board, "COMMENT", "", "why not a set?")
    loop = quiet(board)
    answers = (ThreadAnswer(thread=loop.review.threads[0].id, kind="disagree", note="The order counts."),)

    head = loop.pull_request.pushed_sha
    loop = finish(board, loop, outcome="no_change", head_sha=head, answers=answers)

    assert (loop.stage, loop.candidate.verdict) == (Stage.REVIEW, before.candidate.verdict)
    assert threads(board) == [["why not a set?", "Not changed. The agent disagrees:\n\n> The order counts."]]
    assert is_resolved(board) == [False]
    assert quiet_again(board).stage is Stage.REVIEW


def quiet_again(board: Board) -> Loop:
    """The webhook of Loopline's own reply arrives, and the deadline passes."""
    loop = board.drive(BUG)
    assert loop
    own = ReviewSubmitted(
        event_id="review:own:commented", ticket_id=loop.ticket.id, at=time.time(), repository=REPOSITORY, number=1,
        review_id="9", state="commented", author=Person(id="loopline-bot"),
    )  # fmt: skip
    board.world.store.deliver(own)
    return quiet(board)


def test_suggestion_is_applied_as_it_is(board: Board) -> None:
    in_review(board)
    review(board, "COMMENT", "", "```suggestion\n# better\n```")
    loop = quiet(board)
    spec = board.world.runs.spec(loop.run_id)
    assert spec and spec.only_threads

    applied = apply_suggestions(spec, board.world.mirror(REPOSITORY))

    assert [one.is_applied for one in applied.threads] == [True]
    assert (board.world.mirror(REPOSITORY).read(applied.start_sha, FILE) or "").startswith("# better\n")


def test_second_reviewer_who_asked_for_changes_is_named_and_a_dismissal_frees(board: Board) -> None:
    in_review(board)
    review(board, "REQUEST_CHANGES", "no", token=BEA)
    facts = board.world.code_host.fetch_facts(REPOSITORY, 1)
    assert [(one.author, one.state) for one in facts.reviews] == [("bea", "changes_requested")]

    say(board, BUG, "/approve\n/merge")

    loop = board.drive(BUG)
    assert loop and loop.stage is not Stage.DONE
    assert any("bea" in body and "changes" in body for body in said(board, BUG))


def test_approval_on_the_ticket_is_a_review_by_the_second_identity(board: Board) -> None:
    in_review(board)
    with configured(board, GITHUB_REVIEWER_TOKEN=BEA):
        say(board, BUG, "/approve")

    [given] = host(board, "GET", "/reviews")
    assert (given["user"]["login"], given["state"]) == ("bea", "APPROVED")
    assert "by Ana Flores on ENG-1." in given["body"]
    loop = board.drive(BUG)
    assert loop and loop.pull_request.approved_by == "Ana Flores"


def test_approval_without_a_second_identity_is_a_comment(board: Board) -> None:
    in_review(board)
    say(board, BUG, "/approve")

    assert host(board, "GET", "/reviews") == []
    pages = f"{board.urls['pull_requests']}/repos/{REPOSITORY}/issues/1/comments"
    [note] = requests.get(pages, headers=board.ana.github_headers, timeout=10).json()
    assert "by Ana Flores on ENG-1." in note["body"]


def test_account_is_found_by_its_address_and_gives_its_name(board: Board) -> None:
    in_review(board)
    say(board, BUG, "/approve")
    review(board, "APPROVE")

    loop = board.drive(BUG)
    assert loop and loop.pull_request.approved_by == "Ana Flores"


def test_link_survives_the_loss_of_redis(board: Board) -> None:
    hand_over(board, BUG)
    say(board, BUG, "/link bea")
    assert said(board, BUG)[-1].startswith("Ana Flores is `bea`")

    board.world.redis.delete(keys.PEOPLE)

    account = board.world.people.find_by_login("BEA")
    assert account and account.name == "Ana Flores"


@pytest.mark.parametrize("login", ["reader", "nobody"])
def test_link_needs_an_account_with_write_access(board: Board, login: str) -> None:
    hand_over(board, BUG)
    say(board, BUG, f"/link {login}")
    assert "no such account with write access" in said(board, BUG)[-1]


def test_account_belongs_to_one_person(board: Board) -> None:
    hand_over(board, BUG)
    say(board, BUG, "/link bea")
    board.write_as("lin_api_script", BUG, "/link bea")
    board.drive(BUG)
    assert "belongs to Ana Flores already" in said(board, BUG)[-1]
