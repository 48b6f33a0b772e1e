from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.integrations.standins.github.world import SHOP, World

COMMENT = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
COMMENTS = f"{SHOP}/issues/1/comments"


def ask(github: World, **fault: Any) -> None:
    assert github.caller().post("/_faults", json=fault).status_code == 201


def comments(github: World) -> list[str]:
    return [one["body"] for one in github.person().get(COMMENTS).json()]


def test_a_lost_reply_was_done(github: World) -> None:
    github.pull()
    ask(github, operation=COMMENT, kind="lost_reply")
    with pytest.raises(requests.ConnectionError):
        github.person().post(COMMENTS, json={"body": "Hi"})
    assert comments(github) == ["Hi"]


def test_a_502_was_not_done_and_passes(github: World) -> None:
    github.pull()
    ask(github, operation=COMMENT, kind="502", times=2)
    answers = [github.person().post(COMMENTS, json={"body": "Hi"}).status_code for _ in range(3)]
    assert answers == [502, 502, 201]
    assert comments(github) == ["Hi"]


def test_a_timeout_is_done_and_slow(github: World) -> None:
    github.pull()
    ask(github, operation=COMMENT, kind="timeout", seconds=0.5)
    with pytest.raises(requests.Timeout):
        github.person().post(COMMENTS, json={"body": "Hi"}, timeout=0.1)
    assert comments(github) == ["Hi"]


def test_the_primary_limit_says_when_it_ends(github: World) -> None:
    ask(github, operation="*", kind="rate_limit", seconds=30)
    answer = github.person().get(SHOP)
    assert answer.status_code == 403
    assert answer.json()["message"].startswith("API rate limit exceeded")
    assert answer.headers["x-ratelimit-remaining"] == "0"
    assert int(answer.headers["x-ratelimit-reset"]) == pytest.approx(time.time() + 30, abs=3)


def test_the_secondary_limit_says_how_long_to_wait(github: World) -> None:
    ask(github, operation="*", kind="secondary_limit", seconds=7)
    answer = github.person().get(SHOP)
    assert (answer.status_code, answer.headers["Retry-After"]) == (403, "7")
    assert answer.json()["message"].startswith("You have exceeded a secondary rate limit")


def test_a_fault_hits_its_operation_alone(github: World) -> None:
    ask(github, operation=COMMENT, kind="502")
    assert github.person().get(SHOP).status_code == 200
    assert github.caller().get("/_faults").json() == [{"operation": COMMENT, "kind": "502", "times": 1, "seconds": 0.0}]
    github.caller().delete("/_faults")
    assert github.caller().get("/_faults").json() == []


@pytest.mark.parametrize("fault", [{}, {"kind": "fire"}, {"kind": "502", "times": "many"}])
def test_an_unknown_fault_is_refused(github: World, fault: dict[str, str]) -> None:
    assert github.caller().post("/_faults", json=fault).status_code == 422


@pytest.mark.parametrize("operation", ["push", "*", "POST /{owner}/{repo}.git/git-receive-pack"])
def test_a_dropped_webhook_can_be_had_again(github: World, operation: str) -> None:
    ask(github, operation=operation, kind="webhook_drop")
    github.push()
    assert github.heard() == []
    app = github.app_caller()
    (item,) = app.get("/app/hook/deliveries").json()
    app.post(f"/app/hook/deliveries/{item['id']}/attempts")
    assert github.heard() == ["push"]


def test_a_doubled_webhook_is_the_same_twice(github: World) -> None:
    ask(github, operation="push", kind="webhook_duplicate")
    github.push()
    assert github.heard() == ["push", "push"]
    first, second = github.receiver.heard
    assert (first.raw, first.headers["X-GitHub-Delivery"]) == (second.raw, second.headers["X-GitHub-Delivery"])


def test_a_delayed_webhook_is_overtaken(github: World) -> None:
    ask(github, operation="pull_request.opened", kind="webhook_delay", seconds=0.5)
    github.pull()
    github.person().post(COMMENTS, json={"body": "Hi"})
    assert github.heard() == ["push", "issue_comment.created", "pull_request.opened"]


def test_a_push_whose_answer_is_lost_was_taken(github: World) -> None:
    github.git("checkout", "--quiet", "-b", "fix")
    (github.work / "new.txt").write_text("new\n")
    github.git("add", ".")
    github.git("commit", "--quiet", "-m", "New")
    ask(github, operation="POST /{owner}/{repo}.git/git-receive-pack", kind="lost_reply")
    assert github.git("push", github.remote(), "fix", check=False).returncode
    assert github.person().get(f"{SHOP}/branches/fix").status_code == 200
    assert not github.git("push", "--porcelain", github.remote(), "fix").returncode
