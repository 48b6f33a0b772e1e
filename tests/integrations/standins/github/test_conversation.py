from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.standins.github.world import SHOP, World

COMMENTS = f"{SHOP}/issues/1/comments"
PULL = f"{SHOP}/pulls/1"
REVIEWS = f"{PULL}/reviews"


def review(github: World, login: str = "ada", **body: Any) -> dict[str, Any]:
    answer = github.person(login).post(REVIEWS, json=body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def test_a_comment_is_listed_and_told(github: World) -> None:
    github.pull()
    github.person("eve").post(COMMENTS, json={"body": "Hello ✅"})
    (comment,) = github.bot().get(COMMENTS).json()
    assert (comment["body"], comment["user"]["login"]) == ("Hello ✅", "eve")
    told = github.last("issue_comment.created")
    assert told["issue"]["pull_request"]["url"] == f"{github.url}{PULL}"
    assert told["comment"]["id"] == comment["id"]


def test_a_comment_is_edited_by_its_author(github: World) -> None:
    github.pull()
    url = github.bot().post(COMMENTS, json={"body": "One"}).json()["url"]
    assert github.bot().patch(url, json={"body": "Two"}).json()["body"] == "Two"
    assert github.last("issue_comment.edited")["changes"] == {"body": {"from": "One"}}
    assert github.person("eve").patch(url, json={"body": "Mine"}).status_code == 403


@pytest.mark.parametrize(("path", "status"), [(COMMENTS, 422), (f"{SHOP}/issues/2/comments", 404)])
def test_an_empty_comment_and_one_on_nothing_are_refused(github: World, path: str, status: int) -> None:
    github.pull()
    assert github.person().post(path, json={"body": " "}).status_code == status


def test_the_bot_speaks_under_its_own_name(github: World) -> None:
    github.pull()
    user = github.bot().post(COMMENTS, json={"body": "Hi"}).json()["user"]
    assert (user["login"], user["type"]) == ("loopline[bot]", "Bot")


@pytest.mark.parametrize(
    ("event", "state"),
    [("APPROVE", "APPROVED"), ("REQUEST_CHANGES", "CHANGES_REQUESTED"), ("COMMENT", "COMMENTED")],
)
def test_a_review_is_upper_case_here_and_lower_case_in_the_webhook(github: World, event: str, state: str) -> None:
    head = github.pull()["head"]["sha"]
    said = review(github, event=event, body="Words")
    assert (said["state"], said["commit_id"]) == (state, head)
    told = github.last("pull_request_review.submitted")["review"]
    assert (told["state"], told["body"], told["user"]["login"]) == (state.lower(), "Words", "ada")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"event": "APPROVE"}, "Can not approve your own pull request"),
        ({"event": "REQUEST_CHANGES", "body": "No"}, "Can not request changes on your own pull request"),
    ],
)
def test_an_author_does_not_judge_the_own_work(github: World, body: dict[str, str], error: str) -> None:
    github.pull(by="bob")
    answer = github.person("bob").post(REVIEWS, json=body)
    assert (answer.status_code, answer.json()["errors"]) == (422, [error])


def test_an_author_may_comment_on_the_own_work(github: World) -> None:
    github.pull(by="bob")
    assert review(github, "bob", event="COMMENT", body="Note")["state"] == "COMMENTED"


@pytest.mark.parametrize("event", ["REQUEST_CHANGES", "COMMENT"])
def test_a_review_that_says_nothing_is_refused(github: World, event: str) -> None:
    github.pull()
    assert github.person().post(REVIEWS, json={"event": event}).status_code == 422


def test_words_on_a_line_have_the_hunk_and_are_told_one_by_one(github: World) -> None:
    github.pull()
    lines = [{"path": "calc.py", "line": 2, "body": "Plus?"}, {"path": "calc.py", "position": 2, "body": "Minus?"}]
    said = review(github, event="REQUEST_CHANGES", comments=lines)
    plus, minus = github.bot().get(f"{REVIEWS}/{said['id']}/comments").json()
    assert (plus["line"], plus["side"], plus["position"]) == (2, "RIGHT", 3)
    assert (minus["line"], minus["side"]) == (2, "LEFT")
    hunk = "@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b"
    assert plus["diff_hunk"] == hunk
    assert github.heard().count("pull_request_review_comment.created") == 2
    assert github.last("pull_request_review_comment.created")["comment"]["pull_request_review_id"] == said["id"]


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ({"path": "other.py", "line": 1}, "Path could not be resolved"),
        ({"path": "calc.py", "line": 99}, "Line could not be resolved"),
        ({"path": "calc.py"}, "Line could not be resolved"),
    ],
)
def test_words_beside_the_diff_are_refused_and_leave_nothing(github: World, place: dict[str, Any], error: str) -> None:
    github.pull()
    body = {"event": "COMMENT", "comments": [place | {"body": "?"}]}
    answer = github.person().post(REVIEWS, json=body)
    assert (answer.status_code, answer.json()["errors"]) == (422, [error])
    assert github.person().get(REVIEWS).json() == []


def test_a_review_without_an_event_waits_for_its_author(github: World) -> None:
    github.pull()
    said = review(github, body="Draft", comments=[{"path": "calc.py", "line": 2, "body": "?"}])
    assert (said["state"], "submitted_at" in said) == ("PENDING", False)
    assert github.person("bob").get(REVIEWS).json() == []
    assert github.person("bob").get(f"{PULL}/comments").json() == []
    assert github.person().post(REVIEWS, json={"body": "Second"}).status_code == 422
    done = github.person().post(f"{REVIEWS}/{said['id']}/events", json={"event": "APPROVE"}).json()
    assert (done["state"], done["body"]) == ("APPROVED", "Draft")
    assert len(github.person("bob").get(f"{PULL}/comments").json()) == 1


def test_a_dismissed_review_counts_no_more(github: World) -> None:
    github.pull()
    address = f"{REVIEWS}/{review(github, event='APPROVE')['id']}/dismissals"
    assert github.person("bob").put(address, json={"message": "Old"}).json()["state"] == "DISMISSED"
    assert github.last("pull_request_review.dismissed")["review"]["state"] == "dismissed"
    assert github.person("bob").put(address, json={"message": "Again"}).status_code == 422


def test_answers_stay_in_their_thread(github: World) -> None:
    sha = github.pull()["head"]["sha"]
    place = {"path": "calc.py", "line": 2, "body": "Why?", "commit_id": sha}
    first = github.person().post(f"{PULL}/comments", json=place).json()
    second = github.bot().post(f"{PULL}/comments/{first['id']}/replies", json={"body": "So."}).json()
    third = github.person().post(f"{PULL}/comments/{second['id']}/replies", json={"body": "Ah."}).json()
    assert [one.get("in_reply_to_id") for one in (first, second, third)] == [None, first["id"], first["id"]]
    assert [one["body"] for one in github.bot().get(f"{PULL}/comments").json()] == ["Why?", "So.", "Ah."]
