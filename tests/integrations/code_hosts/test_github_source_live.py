from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.code_hosts.github.webhooks import GitHubWebhooks
from integrations.events import BranchPushed, Event, PullRequestMerged, ReviewSubmitted
from integrations.standins.github.server import Webhook
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.live_github import LiveGitHub, push

SECRET = "hook-secret"


@pytest.fixture
def live(tmp_path: Path, server: Answering) -> Iterator[LiveGitHub]:
    server.on("POST /hook", Answer(202))
    live = LiveGitHub(tmp_path, webhook=Webhook(f"{server.url}/hook", SECRET))
    yield live
    live.close()


def receive_events(live: LiveGitHub, server: Answering) -> list[Event]:
    """All events so far, verified and translated as by the web process and the dispatcher."""
    live.settle()
    github = GitHubWebhooks()
    deliveries = [github.verify(one.headers, one.raw, [SECRET], now=0.0) for one in server.asked]
    assert len({delivery.content_key for delivery in deliveries}) == len(deliveries)
    return [event for delivery in deliveries for event in github.translate(delivery)]


def test_github_webhooks_of_a_pull_request_are_translated(live: LiveGitHub, server: Answering) -> None:
    host, repository = live.as_person(), live.repositories[0]
    head = push(host, repository, "eng-1/fix", calc="def add(a, b):\n    return b + a\n")
    number = host.open_pull_request(repository, "eng-1/fix", "main", "Fix", "Why").number
    inline = [{"path": "calc.py", "line": 2, "body": "Why swap?"}]
    pulls = f"/repos/{repository}/pulls/{number}"
    live.ask("POST", f"{pulls}/reviews", {"event": "REQUEST_CHANGES", "body": "No", "comments": inline})
    live.ask("POST", f"/repos/{repository}/issues/{number}/comments", {"body": "Hello"})
    host.set_status(repository, head, "loopline", "success", "done", "")
    sha = host.merge(repository, number, head, "Fix")
    host.delete_branch(repository, "eng-1/fix")
    host.close()
    events = receive_events(live, server)
    kinds = [event.kind for event in events]
    first = ["BranchPushed", "ReviewSubmitted", "PullRequestCommented", "ChecksReported"]
    assert kinds[:4] == first
    assert sorted(kinds[4:]) == ["BranchPushed", "BranchPushed", "PullRequestMerged"]
    merged = next(event for event in events if isinstance(event, PullRequestMerged))
    assert (merged.number, merged.branch, merged.head_sha, merged.merge_sha) == (number, "eng-1/fix", head, sha)
    pushes = {(event.branch, event.head_sha) for event in events if isinstance(event, BranchPushed)}
    assert pushes == {("eng-1/fix", head), ("main", sha), ("eng-1/fix", "")}


def test_github_webhook_review_matches_the_review_that_is_read(live: LiveGitHub, server: Answering) -> None:
    host, repository = live.as_person(), live.repositories[0]
    push(host, repository, "eng-1/fix", calc="x = 1\n")
    number = host.open_pull_request(repository, "eng-1/fix", "main", "Fix", "Why").number
    inline = [{"path": "calc.py", "line": 1, "body": "What for?"}]
    wanted = {"event": "COMMENT", "body": "", "comments": inline}
    live.ask("POST", f"/repos/{repository}/pulls/{number}/reviews", wanted)
    (received,) = (event for event in receive_events(live, server) if isinstance(event, ReviewSubmitted))
    (read,) = host.reviews(repository, number)
    host.close()
    assert (received.review_id, received.state, received.head_sha) == (read.id, read.state, read.head_sha)
    assert read.comments == ("calc.py:1: What for?",)
