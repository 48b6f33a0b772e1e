"""Every operation answers and every webhook says what GitHub's own descriptions say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.standins.github.operations import OPERATIONS
from tests.integrations.standins.github.description import RestAnswers, WebhookPayloads
from tests.integrations.standins.github.world import SHOP, Caller, World

PULL = f"{SHOP}/pulls/1"
LINE = {"path": "calc.py", "line": 2, "body": "Why?"}
OUTPUT = {"title": "2 of 2", "summary": "All met"}


def walk(github: World) -> Iterator[tuple[str, Caller, str, str, Any]]:
    """Operation, caller, method, path and body, in an order in which each one can succeed."""
    ada, bob, app, bot = github.person("ada"), github.person("bob"), github.app_caller(), github.bot()
    sha = github.push("fix")
    known: dict[str, Any] = {"sha": sha}
    repository = "/repos/{owner}/{repo}"
    pull, review = repository + "/pulls/{pull_number}", repository + "/pulls/{pull_number}/reviews/{review_id}"
    runs, commit = repository + "/check-runs", repository + "/commits/{ref}"

    def latest(path: str, who: Caller = bot) -> int:
        return int(who.get(path).json()[-1]["id"])

    yield "GET /user", ada, "GET", "/user", None
    yield "GET /rate_limit", ada, "GET", "/rate_limit", None
    yield f"GET {repository}", bot, "GET", SHOP, None
    yield f"GET {repository}/branches/{{branch}}", bot, "GET", f"{SHOP}/branches/main", None
    yield f"GET {repository}/git/ref/{{ref}}", bot, "GET", f"{SHOP}/git/ref/heads/main", None
    yield f"GET {repository}/git/refs/{{ref}}", bot, "GET", f"{SHOP}/git/refs/heads/main", None
    address = f"{SHOP}/collaborators/bob/permission"
    yield f"GET {repository}/collaborators/{{username}}/permission", bot, "GET", address, None
    hook = {"config": {"url": github.receiver.url, "content_type": "json", "secret": "s"}, "events": ["*"]}
    yield f"POST {repository}/hooks", ada, "POST", f"{SHOP}/hooks", hook
    yield f"GET {repository}/hooks", ada, "GET", f"{SHOP}/hooks", None
    opening = {"title": "Fix", "head": "fix", "base": "main", "body": "Why"}
    yield f"POST {repository}/pulls", bot, "POST", f"{SHOP}/pulls", opening
    yield f"GET {repository}/pulls", bot, "GET", f"{SHOP}/pulls", None
    yield f"GET {pull}", bot, "GET", PULL, None
    yield f"GET {pull}/files", bot, "GET", f"{PULL}/files", None
    yield f"GET {pull}/commits", bot, "GET", f"{PULL}/commits", None
    yield f"PATCH {pull}", bot, "PATCH", PULL, {"title": "Better", "body": "Because"}
    yield f"PATCH {pull}", bot, "PATCH", PULL, {"state": "closed"}
    yield f"PATCH {pull}", bot, "PATCH", PULL, {"state": "open"}
    comments = repository + "/issues/{issue_number}/comments"
    yield f"POST {comments}", bot, "POST", f"{SHOP}/issues/1/comments", {"body": "Hello"}
    yield f"GET {comments}", bot, "GET", f"{SHOP}/issues/1/comments", None
    comment = f"{SHOP}/issues/comments/{latest(f'{SHOP}/issues/1/comments')}"
    yield f"GET {repository}/issues/comments/{{comment_id}}", bot, "GET", comment, None
    yield f"PATCH {repository}/issues/comments/{{comment_id}}", bot, "PATCH", comment, {"body": "Bye"}
    status = {"state": "success", "context": "ci", "target_url": "http://d/"}
    yield f"POST {repository}/statuses/{{sha}}", bob, "POST", f"{SHOP}/statuses/{sha}", status
    yield f"GET {commit}/status", bot, "GET", f"{SHOP}/commits/{sha}/status", None
    yield f"GET {commit}/statuses", bot, "GET", f"{SHOP}/commits/{sha}/statuses", None
    yield f"POST {runs}", bot, "POST", f"{SHOP}/check-runs", {"name": "loop", "head_sha": sha}
    yield f"GET {commit}/check-runs", bot, "GET", f"{SHOP}/commits/{sha}/check-runs", None
    known["run"] = bot.get(f"{SHOP}/commits/{sha}/check-runs").json()["check_runs"][0]["id"]
    done = {"status": "completed", "conclusion": "success", "output": OUTPUT}
    yield f"PATCH {runs}/{{check_run_id}}", bot, "PATCH", f"{SHOP}/check-runs/{known['run']}", done
    yield f"GET {runs}/{{check_run_id}}", bot, "GET", f"{SHOP}/check-runs/{known['run']}", None
    changes = {"event": "REQUEST_CHANGES", "body": "No", "comments": [LINE]}
    yield f"POST {pull}/reviews", bob, "POST", f"{PULL}/reviews", changes
    yield f"GET {pull}/reviews", bot, "GET", f"{PULL}/reviews", None
    known["review"] = f"{PULL}/reviews/{latest(f'{PULL}/reviews')}"
    yield f"GET {review}", bot, "GET", known["review"], None
    yield f"GET {review}/comments", bot, "GET", known["review"] + "/comments", None
    yield f"PUT {review}/dismissals", ada, "PUT", known["review"] + "/dismissals", {"message": "Old"}
    yield f"GET {pull}/comments", bot, "GET", f"{PULL}/comments", None
    thread = latest(f"{PULL}/comments")
    yield f"POST {pull}/comments", bob, "POST", f"{PULL}/comments", {**LINE, "commit_id": sha}
    replies = f"{PULL}/comments/{thread}/replies"
    yield f"POST {pull}/comments/{{comment_id}}/replies", bot, "POST", replies, {"body": "Because"}
    yield f"POST {pull}/reviews", ada, "POST", f"{PULL}/reviews", {"body": "Wait"}
    pending = f"{PULL}/reviews/{latest(f'{PULL}/reviews', ada)}/events"
    yield f"POST {review}/events", ada, "POST", pending, {"event": "APPROVE"}
    yield f"PUT {pull}/merge", bot, "PUT", f"{PULL}/merge", {"sha": sha}
    yield f"GET {pull}/merge", bot, "GET", f"{PULL}/merge", None
    yield f"DELETE {repository}/git/refs/{{ref}}", bot, "DELETE", f"{SHOP}/git/refs/heads/fix", None
    assert github.app.hub.sender.settle()
    own = f"{SHOP}/hooks/{latest(f'{SHOP}/hooks', ada)}/deliveries"
    of_hook = repository + "/hooks/{hook_id}/deliveries"
    for name, who, path in ((of_hook, ada, own), ("/app/hook/deliveries", app, "/app/hook/deliveries")):
        one = f"{path}/{latest(path, who)}"
        yield f"GET {name}", who, "GET", path, None
        yield f"GET {name}/{{delivery_id}}", who, "GET", one, None
        yield f"POST {name}/{{delivery_id}}/attempts", who, "POST", f"{one}/attempts", None
    yield "GET /app", app, "GET", "/app", None
    yield f"GET {repository}/installation", app, "GET", f"{SHOP}/installation", None
    wanted = {"repositories": ["shop"], "permissions": {"contents": "read"}}
    tokens = "/app/installations/{installation_id}/access_tokens"
    yield f"POST {tokens}", app, "POST", "/app/installations/70/access_tokens", wanted
    yield "GET /installation/repositories", bot, "GET", "/installation/repositories", None
    yield "DELETE /installation/token", bot, "DELETE", "/installation/token", None


@pytest.mark.usefixtures("described_answers")
def test_every_operation_answers_as_github_describes(github: World) -> None:
    done = []
    for name, caller, method, path, body in walk(github):
        answer = caller.request(method, path, json=body)
        assert answer.ok, f"{name}: {answer.status_code} {answer.text}"
        done.append(name)
    assert set(done) == OPERATIONS.keys()


def test_every_webhook_says_what_github_describes(github: World, described_payloads: WebhookPayloads) -> None:
    for _, caller, method, path, body in walk(github):
        caller.request(method, path, json=body)
    github.heard()
    wrong = {one.name: list(described_payloads.complaints(one.event, one.body)) for one in github.receiver.heard}
    assert {name: complaints for name, complaints in wrong.items() if complaints} == {}
    assert wrong.keys() == {
        *("ping", "push", "status", "check_run.created", "check_run.completed", "check_suite.completed"),
        *(f"pull_request.{action}" for action in ("opened", "edited", "closed", "reopened")),
        *("issue_comment.created", "issue_comment.edited", "pull_request_review_comment.created"),
        *("pull_request_review.submitted", "pull_request_review.dismissed"),
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/repos/o/r/pulls/1", 200, {}),
        ("GET", "/repos/o/r/pulls/1", 201, {}),
        ("GET", "/repos/o/r/pullz", 200, {}),
        ("GET", "/repos/o/r/pulls", 200, [{"url": 1}]),
        ("GET", "/rate_limit", 200, {"rate": {}}),
        ("GET", "/repos/o/r/git/ref/heads/a/b", 200, {"ref": None}),
    ],
)
def test_the_check_itself_finds_mistakes(
    described_answers: RestAnswers, method: str, path: str, status: int, body: Any
) -> None:
    assert list(described_answers.complaints(method, path, status, body))
