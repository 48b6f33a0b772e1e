"""Pull requests from opening to merge, with comments, reviews, statuses and check runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.standins.github.world import SHOP, World

PULL = f"{SHOP}/pulls/1"
REVIEWS = f"{PULL}/reviews"
MERGE = f"{PULL}/merge"
RUNS = f"{SHOP}/check-runs"

# --- opening and changing -------------------------------------------------------------------------------------------


def test_pull_request_is_opened_and_its_mergeability_comes_later(github: World) -> None:
    opened = github.pull()
    assert (opened["number"], opened["state"], opened["mergeable"]) == (1, "open", None)
    found = github.person().get(PULL).json()
    assert (found["mergeable"], found["mergeable_state"]) == (True, "clean")
    assert (found["commits"], found["additions"], found["deletions"], found["changed_files"]) == (1, 1, 1, 1)
    payload = github.last("pull_request.opened")
    assert (payload["number"], payload["sender"]["login"], payload["installation"]["id"]) == (1, "bob", 70)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"head": "none"}, "head", None),
        ({"base": "none"}, "base", None),
        ({"head": "stranger:fix"}, "head", None),
        ({"head": "main"}, None, "No commits between main and main"),
        ({"head": "acme:fix"}, None, "A pull request already exists for acme:fix."),
    ],
)
def test_invalid_pull_request_is_refused(github: World, body: dict[str, str], field: Any, message: Any) -> None:
    github.pull()
    answer = github.person().post(f"{SHOP}/pulls", json={"title": "T", "head": "fix", "base": "main"} | body)
    error = answer.json()["errors"][0]
    assert (answer.status_code, error.get("field"), error.get("message")) == (422, field, message)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [2]),
        ("?state=all", [2, 1]),
        ("?state=closed", [1]),
        ("?state=all&direction=asc", [1, 2]),
        ("?state=all&head=acme:fix", [1]),
        ("?state=all&head=other:fix", []),
        ("?state=all&head=fix", [2, 1]),  # without an owner GitHub ignores it
    ],
)
def test_list_is_filtered(github: World, query: str, numbers: list[int]) -> None:
    github.pull("fix")
    github.pull("second")
    github.person().patch(PULL, json={"state": "closed"})
    assert [one["number"] for one in github.person().get(f"{SHOP}/pulls{query}").json()] == numbers


def test_edit_announces_the_old_values_and_nothing_without_a_change(github: World) -> None:
    github.pull()
    github.person().patch(PULL, json={"title": "Fix add"})
    assert "pull_request.edited" not in github.heard()
    edited = github.person().patch(PULL, json={"title": "New", "body": "Better"}).json()
    assert (edited["title"], edited["body"]) == ("New", "Better")
    assert github.last("pull_request.edited")["changes"] == {"title": {"from": "Fix add"}, "body": {"from": "Why"}}


def test_pull_request_is_closed_and_reopened(github: World) -> None:
    github.pull()
    assert github.person().patch(PULL, json={"state": "closed"}).json()["state"] == "closed"
    assert github.last("pull_request.closed")["pull_request"]["merged"] is False
    assert github.person().patch(PULL, json={"state": "open"}).json()["closed_at"] is None
    assert github.heard()[-1] == "pull_request.reopened"


def test_pull_request_without_its_branch_stays_closed(github: World) -> None:
    github.pull()
    assert github.person("bob").delete(f"{SHOP}/git/refs/heads/fix").status_code == 204
    assert github.person().get(PULL).json()["state"] == "closed"
    answer = github.person().patch(PULL, json={"state": "open"})
    message = "state cannot be changed. The fix branch has been deleted."
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (422, message)
    for ref in ("fix", "main"):
        assert github.person().delete(f"{SHOP}/git/refs/heads/{ref}").status_code == 422


def test_push_moves_the_head_and_finds_conflicts(github: World) -> None:
    before = github.pull()["head"]["sha"]
    after = github.push("fix", "def add(a, b):\n    return b + a\n")
    assert github.person().get(PULL).json()["head"]["sha"] == after
    payload = github.last("pull_request.synchronize")
    assert (payload["before"], payload["after"]) == (before, after)
    assert after in github.git("ls-remote", github.remote(), "refs/pull/1/head").stdout
    github.push("main", "def add(a, b):\n    return sum((a, b))\n")
    found = github.person().get(PULL).json()
    assert (found["mergeable"], found["mergeable_state"]) == (False, "dirty")
    assert github.person().put(MERGE, json={}).status_code == 405


# --- comments and reviews -------------------------------------------------------------------------------------------


def test_comment_is_listed_and_announced(github: World) -> None:
    github.pull()
    for author in (github.person("eve"), github.bot()):
        author.post(f"{SHOP}/issues/1/comments", json={"body": "Hello ✅"})
    listed = github.bot().get(f"{SHOP}/issues/1/comments").json()
    assert [(one["body"], one["user"]["login"], one["user"]["type"]) for one in listed] == [
        ("Hello ✅", "eve", "User"),
        ("Hello ✅", "loopline[bot]", "Bot"),
    ]
    payload = github.last("issue_comment.created")
    assert (payload["issue"]["pull_request"]["url"], payload["comment"]) == (f"{github.url}{PULL}", listed[1])
    assert github.person().post(f"{SHOP}/issues/1/comments", json={"body": " "}).status_code == 422


@pytest.mark.parametrize(
    ("event", "state"),
    [("APPROVE", "APPROVED"), ("REQUEST_CHANGES", "CHANGES_REQUESTED"), ("COMMENT", "COMMENTED")],
)
def test_review_state_is_lower_case_in_the_webhook(github: World, event: str, state: str) -> None:
    head = github.pull()["head"]["sha"]
    review = github.person().post(REVIEWS, json={"event": event, "body": "Text"}).json()
    assert (review["state"], review["commit_id"]) == (state, head)
    payload = github.last("pull_request_review.submitted")["review"]
    assert (payload["state"], payload["body"], payload["user"]["login"]) == (state.lower(), "Text", "ada")


@pytest.mark.parametrize(
    ("login", "body", "error"),
    [
        ("bob", {"event": "APPROVE"}, "Can not approve your own pull request"),
        ("bob", {"event": "REQUEST_CHANGES", "body": "No"}, "Can not request changes on your own pull request"),
        ("ada", {"event": "REQUEST_CHANGES"}, "Review body can not be blank"),
        ("ada", {"event": "COMMENT", "body": " "}, "Review body can not be blank"),
        ("ada", {"comments": [{"path": "other.py", "line": 1, "body": "?"}]}, "Path could not be resolved"),
        ("ada", {"comments": [{"path": "calc.py", "line": 99, "body": "?"}]}, "Line could not be resolved"),
    ],
)
def test_invalid_review_is_refused(github: World, login: str, body: dict[str, Any], error: str) -> None:
    github.pull(by="bob")
    answer = github.person(login).post(REVIEWS, json=body)
    assert (answer.status_code, answer.json()["errors"]) == (422, [error])
    assert github.person().get(REVIEWS).json() == []


def test_comment_on_a_line_has_its_hunk(github: World) -> None:
    github.pull()
    line = {"path": "calc.py", "line": 2, "body": "Plus?"}
    review = github.person().post(REVIEWS, json={"event": "COMMENT", "comments": [line]}).json()
    [comment] = github.bot().get(f"{PULL}/comments").json()
    assert (comment["line"], comment["position"], comment["pull_request_review_id"]) == (2, 3, review["id"])
    assert comment["diff_hunk"] == "@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b"
    assert github.last("pull_request_review_comment.created")["comment"] == comment


def test_pending_review_is_visible_to_its_author_only(github: World) -> None:
    github.pull()
    comment = {"path": "calc.py", "line": 2, "body": "?"}
    review = github.person().post(REVIEWS, json={"body": "Draft", "comments": [comment]}).json()
    assert (review["state"], "submitted_at" in review) == ("PENDING", False)
    for login, count in (("ada", 1), ("bob", 0)):
        assert [len(github.person(login).get(path).json()) for path in (REVIEWS, f"{PULL}/comments")] == [count] * 2


# --- statuses and check runs ----------------------------------------------------------------------------------------


def test_status_is_listed_newest_first_and_announced(github: World) -> None:
    sha = github.pull()["head"]["sha"]
    for context, state in (("ci", "pending"), ("lint", "success"), ("ci", "failure")):
        github.person("bob").post(f"{SHOP}/statuses/{sha}", json={"state": state, "context": context})
    listed = github.bot().get(f"{SHOP}/commits/fix/statuses").json()
    assert [one["state"] for one in listed] == ["failure", "success", "pending"]
    payload = github.last("status")
    assert (payload["state"], payload["context"], payload["sha"]) == ("failure", "ci", sha)
    assert [one["name"] for one in payload["branches"]] == ["fix"]
    assert github.bot().get(PULL).json()["mergeable_state"] == "unstable"


@pytest.mark.parametrize(
    ("sha", "body"),
    [
        ("main", {"state": "fine"}),
        ("main", {"state": "success", "target_url": "javascript:x"}),
        ("none", {"state": "error"}),
    ],
)
def test_invalid_status_is_refused(github: World, sha: str, body: dict[str, str]) -> None:
    assert github.person().post(f"{SHOP}/statuses/{sha}", json=body).status_code == 422


def test_check_run_is_completed_and_its_suite_with_the_last_one(github: World) -> None:
    sha, bot = github.pull()["head"]["sha"], github.bot()
    first = bot.post(RUNS, json={"name": "one", "head_sha": sha, "external_id": "r1"}).json()
    assert (first["status"], first["app"]["slug"], first["pull_requests"][0]["number"]) == ("queued", "loopline", 1)
    bot.post(RUNS, json={"name": "two", "head_sha": sha, "status": "completed", "conclusion": "success"})
    assert "check_suite.completed" not in github.heard()
    report = {"conclusion": "failure", "output": {"title": "1 of 2", "summary": "s"}}
    done = bot.patch(first["url"], json=report).json()
    assert (done["status"], done["external_id"], done["output"]["title"]) == ("completed", "r1", "1 of 2")
    suite = github.last("check_suite.completed")["check_suite"]
    assert (suite["conclusion"], suite["head_sha"], suite["head_branch"]) == ("failure", sha, "fix")
    assert github.last("check_run.completed")["check_run"]["check_suite"]["id"] == suite["id"]
    assert bot.patch(first["url"], json={"status": "in_progress"}).json()["conclusion"] is None


def test_check_run_is_listed_by_name(github: World) -> None:
    sha, bot = github.push(), github.bot()
    for name in ("a", "b", "a"):
        bot.post(RUNS, json={"name": name, "head_sha": sha})
    for query, names in (("", "ab"), ("?filter=all", "aba"), ("?check_name=b", "b"), ("?per_page=1", "a")):
        assert [one["name"] for one in bot.get(f"{SHOP}/commits/{sha}/check-runs{query}").json()["check_runs"]] == [
            *names
        ]


@pytest.mark.parametrize("wrong", [{"status": "completed"}, {"conclusion": "fine"}, {"details_url": "javascript:x"}])
def test_invalid_check_run_is_refused(github: World, wrong: dict[str, str]) -> None:
    sha = github.push()
    assert github.bot().post(RUNS, json={"name": "loop", "head_sha": sha} | wrong).status_code == 422
    assert github.bot().get(f"{SHOP}/commits/{sha}/check-runs").json()["total_count"] == 0
    refused = github.person().post(RUNS, json={"name": "loop", "head_sha": sha})
    assert (refused.status_code, refused.json()["message"]) == (403, "You must authenticate via a GitHub App.")


# --- merging --------------------------------------------------------------------------------------------------------


def log(github: World, *arguments: str) -> str:
    github.git("fetch", "--quiet", github.remote(), "main")
    return github.git("log", *arguments, "FETCH_HEAD").stdout.strip()


def test_merge_is_a_merge_commit_and_announced(github: World) -> None:
    head = github.pull()["head"]["sha"]
    merged = github.person().put(MERGE, json={"sha": head}).json()
    assert log(github, "-1", "--format=%H %an %cn") == f"{merged['sha']} Ada GitHub"
    assert log(github, "-1", "--format=%P").split()[1] == head
    assert log(github, "-1", "--format=%B") == "Merge pull request #1 from acme/fix\n\nFix add"
    found = github.person().get(PULL).json()
    payload = github.last("pull_request.closed")["pull_request"]
    for one in (found, payload):
        assert (one["state"], one["merged"], one["merge_commit_sha"]) == ("closed", True, merged["sha"])
        assert (one["merged_by"]["login"], one["commits"]) == ("ada", 1)
    assert (github.last("push")["ref"], github.last("push")["after"]) == ("refs/heads/main", merged["sha"])
    assert github.person().put(MERGE, json={}).status_code == 405


def test_squash_is_one_commit_by_the_author_of_the_change(github: World) -> None:
    github.pull()
    github.push("fix", "# done\n")
    github.person("bob").put(MERGE, json={"merge_method": "squash", "commit_title": "Mine (#1)"})
    assert log(github, "--format=%an|%s") == "Ada|Mine (#1)\nacme|First commit"
    assert log(github, "-1", "--format=%b") == "* Change calc.py\n\n* Change calc.py"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"sha": "0" * 40}, 409, "Head branch was modified. Review and try the merge again."),
        ({"merge_method": "rebase"}, 405, "Rebase merges are not allowed on this repository."),
        ({"merge_method": "fast"}, 422, "Invalid request."),
    ],
)
def test_merge_that_is_impossible_is_refused(github: World, body: dict[str, str], status: int, message: str) -> None:
    github.pull()
    answer = github.person().put(MERGE, json=body)
    assert (answer.status_code, answer.json()["message"].startswith(message)) == (status, True)


def test_head_that_reaches_the_base_by_a_push_counts_as_merged(github: World) -> None:
    github.pull()
    github.git("checkout", "--quiet", "-B", "main", "fix")
    github.git("push", "--quiet", github.remote(), "main")
    assert github.person().get(PULL).json()["merged"]
