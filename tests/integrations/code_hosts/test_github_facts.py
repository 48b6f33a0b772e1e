"""Facts of a pull request, by the adapter from the stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations.code_hosts.github.code_host import GitHub
from tests.integrations.code_hosts.live_github import LiveGitHub, push

BRANCH = "eng-1/fix"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGitHub]:
    rules = [
        {"type": "pull_request", "parameters": {"required_approving_review_count": 1}},
        {
            "type": "required_status_checks",
            "parameters": {
                "required_status_checks": [{"context": "build"}],
                "strict_required_status_checks_policy": False,
            },
        },
    ]
    live = LiveGitHub(tmp_path_factory.mktemp("live"), repositories=2, rules=rules)
    yield live
    live.close()


@pytest.mark.parametrize(("as_app", "index"), [(True, 0), (False, 1)], ids=["app", "person"])
def test_github_facts_follow_checks_reviews_and_threads(live: LiveGitHub, as_app: bool, index: int) -> None:
    repository = live.repositories[index]
    github: GitHub = live.as_app() if as_app else live.as_person()
    head = push(github, repository, BRANCH, calc="def add(a, b):\n    return b + a\n")
    pull = github.open_pull_request(repository, BRANCH, "main", "Fix", "Why")
    first = github.fetch_facts(repository, pull.number)
    assert (first.branch, first.head_sha, first.base, first.mergeable) == (BRANCH, head, "main", "yes")
    assert (first.review_decision, first.blocked, first.behind, first.checks) == ("review_required", True, False, ())
    github.set_status(repository, head, "loopline", "success", "All met", "http://d/")
    status = {"state": "failure", "context": "build", "description": "2 failed", "target_url": "http://ci/9"}
    live.ask("POST", f"/repos/{repository}/statuses/{head}", status)
    line = {"path": "calc.py", "line": 2, "body": "Why swap?"}
    reviews = f"/repos/{repository}/pulls/{pull.number}/reviews"
    live.ask("POST", reviews, {"event": "REQUEST_CHANGES", "body": "No", "comments": [line]})
    live.ask("POST", reviews, {"event": "APPROVE"}, login="eve")
    push(github, repository, "main", other="x = 1\n")
    facts = github.fetch_facts(repository, pull.number)
    own, build = facts.checks
    assert (own.name, own.conclusion, own.required) == ("loopline", "success", False)
    assert (build.name, build.conclusion, build.required, build.url) == ("build", "failure", True, "http://ci/9")
    assert facts.all_checks == "failure" and facts.behind and facts.base_sha != first.base_sha
    states = {one.author: (one.state, one.may_write, one.head_sha) for one in facts.reviews}
    assert states == {"ada": ("changes_requested", True, head), "eve": ("approved", False, head)}
    [thread] = facts.threads
    assert (thread.path, thread.line, thread.resolved, thread.outdated) == ("calc.py", 2, False, False)
    [comment] = thread.comments
    assert (comment.author, comment.body, comment.may_write, comment.is_own) == ("ada", "Why swap?", True, False)
    assert facts.review_decision == "changes_requested" and facts.cut == ()
    github.close()
