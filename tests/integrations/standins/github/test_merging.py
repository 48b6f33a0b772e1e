"""Rules of a branch on merges, auto-merge and the merge queue: enforced as GitHub does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integrations.standins.github.conftest import REQUIRED
from tests.integrations.standins.github.description import WebhookPayloads
from tests.integrations.standins.github.world import SHOP, World, name_of

PULL = f"{SHOP}/pulls/1"
REVIEWS = f"{PULL}/reviews"
MERGE = f"{PULL}/merge"
VIOLATIONS = "Repository rule violations found\n\n{}\n\n"
ONE_REVIEW = "At least 1 approving review is required by reviewers with write access."
STATE = """query { repository(owner: "acme", name: "shop") { pullRequest(number: 1) {
    id state mergeStateStatus isInMergeQueue isMergeQueueEnabled autoMergeRequest { mergeMethod }
    mergeQueueEntry { position state headCommit { oid } } } } }"""


def graphql(github: World, query: str, login: str = "bob", **variables: Any) -> Any:
    return github.person(login).post("/graphql", json={"query": query, "variables": variables}).json()


def state(github: World) -> Any:
    return graphql(github, STATE)["data"]["repository"]["pullRequest"]


def mutate(github: World, field: str, **more: Any) -> Any:
    """The first error of the mutation on the pull request, None if it succeeded."""
    kind = field[0].upper() + field[1:]
    key = "id" if field == "dequeuePullRequest" else "pullRequestId"
    query = f"mutation M($input: {kind}Input!) {{ {field}(input: $input) {{ clientMutationId }} }}"
    return graphql(github, query, input={key: state(github)["id"], **more}).get("errors", [None])[0]


def report(github: World, sha: str, result: str, context: str = "build") -> None:
    answer = github.person().post(f"{SHOP}/statuses/{sha}", json={"state": result, "context": context})
    assert answer.status_code == 201


def approve(github: World, login: str = "ada") -> None:
    assert github.person(login).post(REVIEWS, json={"event": "APPROVE"}).status_code == 200


def refuse(github: World, **body: Any) -> tuple[int, str]:
    answer = github.person().put(MERGE, json=body)
    return answer.status_code, answer.json().get("message", "")


RULED: dict[str, tuple[dict[str, Any], Callable[[World], object], str]] = {
    "approvals": (
        {"rules": [{"type": "pull_request", "parameters": {"required_approving_review_count": 2}}]},
        approve,
        VIOLATIONS.format("At least 2 approving reviews are required by reviewers with write access."),
    ),
    "changes requested": (
        {"protection": {"required_approving_review_count": 1}},
        lambda github: [
            approve(github),
            github.person("ada").post(REVIEWS, json={"event": "REQUEST_CHANGES", "body": "No"}),
        ],
        ONE_REVIEW + "\n\nChanges were requested by reviewers with write access.",
    ),
    "stale approval": (
        {"protection": {"required_approving_review_count": 1, "dismiss_stale_reviews": True}},
        lambda github: [approve(github), github.push("fix", "# more\n")],
        ONE_REVIEW,
    ),
    "approval of the last pusher": (
        {"protection": {"require_last_push_approval": True}},
        lambda github: [github.push("fix", "# more\n"), approve(github)],
        "New changes require approval from someone other than ada.",
    ),
    "check not reported": (
        {"rules": [{"type": "required_status_checks", "parameters": REQUIRED}]},
        lambda github: None,
        VIOLATIONS.format('Required status check "build" is expected.'),
    ),
    "check failed": (
        {"protection": {"contexts": ["build"]}},
        lambda github: report(github, github.git("rev-parse", "fix").stdout.strip(), "failure"),
        'Required status check "build" is failing.',
    ),
    "behind": (
        {"protection": {"contexts": ["build"], "strict": True}},
        lambda github: [
            report(github, github.git("rev-parse", "fix").stdout.strip(), "success"),
            github.push("main", "x = 1\n", "other.py"),
        ],
        "The head branch is not up to date with the base branch.",
    ),
    "conversation": (
        {"protection": {"required_conversation_resolution": True}},
        lambda github: github.person("ada").post(
            REVIEWS, json={"event": "COMMENT", "comments": [{"path": "calc.py", "line": 2, "body": "?"}]}
        ),
        "A conversation must be resolved before this pull request can be merged.",
    ),
    "linear history": (
        {"rules": [{"type": "required_linear_history"}]},
        lambda github: None,
        "Merge commits are not allowed on this repository.",
    ),
    "method of a rule": (
        {"rules": [{"type": "pull_request", "parameters": {"allowed_merge_methods": ["rebase"]}}]},
        lambda github: None,
        "Merge commits are not allowed on this repository.",
    ),
    "merge queue": (
        {"rules": [{"type": "merge_queue", "parameters": {"merge_method": "SQUASH"}}]},
        lambda github: None,
        VIOLATIONS.format("Changes must be made through the merge queue"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("shop", "act", "message"), RULED.values(), ids=RULED)
def test_merge_against_a_rule_is_refused_with_its_message(
    github: World, shop: dict[str, Any], act: Callable[[World], object], message: str
) -> None:
    github.rules(**shop)
    github.pull()
    act(github)
    assert refuse(github) == (405, message)


def test_merge_that_meets_all_rules_succeeds(ruled: World) -> None:
    sha = ruled.pull()["head"]["sha"]
    assert (refuse(ruled, sha="0" * 40)[0], state(ruled)["mergeStateStatus"]) == (409, "BLOCKED")
    approve(ruled)
    report(ruled, sha, "success")
    report(ruled, sha, "failure", "lint")
    assert state(ruled)["mergeStateStatus"] == "UNSTABLE"
    assert refuse(ruled, sha=sha, merge_method="squash", commit_message="Why\n\nReviewed-by: Ada")[0] == 200
    assert ruled.person().get(f"{SHOP}/rules/branches/main").json()[0]["type"] == "pull_request"


def test_rebase_writes_the_commits_again(github: World) -> None:
    sha = github.pull()["head"]["sha"]
    merged = github.person().put(MERGE, json={"merge_method": "rebase"}).json()["sha"]
    github.git("fetch", "--quiet", github.remote(), "main")
    assert github.git("log", "-1", "--format=%an %cn %s", "FETCH_HEAD").stdout.strip() == "Ada GitHub Change calc.py"
    assert merged != sha


def test_auto_merge_waits_for_its_requirements(ruled: World, described_payloads: WebhookPayloads) -> None:
    sha = ruled.pull()["head"]["sha"]
    assert mutate(ruled, "enablePullRequestAutoMerge", mergeMethod="SQUASH", commitHeadline="One (#1)") is None
    assert state(ruled)["autoMergeRequest"] == {"mergeMethod": "SQUASH"}
    approve(ruled)
    assert state(ruled)["state"] == "OPEN"
    report(ruled, sha, "success")
    assert state(ruled)["state"] == "MERGED"
    ruled.git("fetch", "--quiet", ruled.remote(), "main")
    assert ruled.git("log", "-1", "--format=%s", "FETCH_HEAD").stdout.strip() == "One (#1)"
    assert ruled.last("pull_request.closed")["pull_request"]["merged_by"]["login"] == "bob"
    check_payloads(ruled, described_payloads)


@pytest.mark.parametrize(
    ("shop", "text"),
    [
        ({"allow_auto_merge": False}, "Auto merge is not allowed for this repository"),
        ({"rules": []}, "Protected branch rules not configured for this branch"),
        ({"merge_methods": ["squash"]}, "Merge merges are not allowed"),
    ],
)
def test_auto_merge_is_refused_with_a_reason(ruled: World, shop: dict[str, Any], text: str) -> None:
    ruled.rules(**shop)
    ruled.pull()
    error = mutate(ruled, "enablePullRequestAutoMerge")
    assert error["type"] == "UNPROCESSABLE" and text in error["message"]
    assert mutate(ruled, "disablePullRequestAutoMerge")["type"] == "UNPROCESSABLE"


@pytest.fixture
def queued(ruled: World) -> World:
    """A pull request in the merge queue of main, where the check 'build' is required."""
    queue = {"type": "merge_queue", "parameters": {"merge_method": "SQUASH"}}
    ruled.rules(rules=[queue, {"type": "required_status_checks", "parameters": REQUIRED}])
    sha = ruled.pull()["head"]["sha"]
    assert "is expected" in mutate(ruled, "enqueuePullRequest")["message"]
    report(ruled, sha, "success")
    assert mutate(ruled, "enqueuePullRequest", expectedHeadOid=sha) is None
    return ruled


def group(github: World) -> str:
    return str(state(github)["mergeQueueEntry"]["headCommit"]["oid"])


def test_merge_queue_merges_what_passes_on_its_branch(queued: World, described_payloads: WebhookPayloads) -> None:
    requested = queued.last("merge_group.checks_requested")["merge_group"]
    assert requested["head_sha"] == group(queued)
    assert requested["head_ref"].startswith("refs/heads/gh-readonly-queue/main/pr-1-")
    assert state(queued)["mergeQueueEntry"]["position"] == 1 and refuse(queued)[0] == 405
    assert mutate(queued, "enqueuePullRequest")["message"] == "Pull request is already in the queue"
    report(queued, group(queued), "success")
    assert (state(queued)["state"], state(queued)["isInMergeQueue"]) == ("MERGED", False)
    assert queued.last("pull_request.dequeued")["reason"] == "MERGE"
    main = queued.person().get(f"{SHOP}/git/ref/heads/main").json()["object"]["sha"]
    assert main == requested["head_sha"]
    check_payloads(queued, described_payloads)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda github: report(github, group(github), "failure"), "CI_FAILURE"),
        (lambda github: github.push("fix", "# newer\n"), "UNKNOWN_REMOVAL_REASON"),
        (lambda github: github.push("main", "def add(a, b):\n    return 0\n"), "MERGE_CONFLICT"),
    ],
    ids=["check failed", "newer commit", "conflict"],
)
def test_merge_queue_removes_what_cannot_be_merged(
    queued: World, act: Callable[[World], object], reason: str, described_payloads: WebhookPayloads
) -> None:
    act(queued)
    assert queued.last("pull_request.dequeued")["reason"] == reason
    assert (state(queued)["state"], state(queued)["isInMergeQueue"]) == ("OPEN", False)
    assert mutate(queued, "dequeuePullRequest")["message"] == "Pull request is not in the queue"
    check_payloads(queued, described_payloads)


def test_page_shows_what_a_merge_waits_for(queued: World) -> None:
    page = queued.caller().get("/acme/shop/pull/1").text
    assert "In the merge queue since" in page
    report(queued, queued.person().get(PULL).json()["head"]["sha"], "failure")
    assert "Required status check &#34;build&#34; is failing." in queued.caller().get("/acme/shop/pull/1").text


def test_merge_queue_builds_its_branch_again_when_the_base_moves(queued: World) -> None:
    before = group(queued)
    queued.push("main", "x = 1\n", "other.py")
    assert group(queued) != before


def test_auto_merge_enqueues_where_there_is_a_queue(queued: World) -> None:
    mutate(queued, "dequeuePullRequest")
    sha = queued.person().get(PULL).json()["head"]["sha"]
    report(queued, sha, "pending")
    assert mutate(queued, "enablePullRequestAutoMerge") is None
    report(queued, sha, "success")
    assert state(queued)["isInMergeQueue"]


def check_payloads(github: World, described: WebhookPayloads) -> None:
    """Every webhook so far is as GitHub describes it."""
    github.heard()
    wrong = {
        name_of(one): list(described.complaints(one.headers["x-github-event"], one.body)) for one in github.receiver.all
    }
    assert {name: complaints for name, complaints in wrong.items() if complaints} == {}
