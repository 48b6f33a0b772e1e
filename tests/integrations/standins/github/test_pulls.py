"""Pull requests, as far as the contract test of code hosts does not cover them."""

from __future__ import annotations

import os

import pytest

from tests.integrations.standins.github.world import SHOP, World

PULL = f"{SHOP}/pulls/1"
REVIEWS = f"{PULL}/reviews"
MERGE = f"{PULL}/merge"


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [2]),
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


def test_pull_request_is_edited_closed_and_reopened(github: World) -> None:
    assert github.pull()["mergeable"] is None
    found = github.person().get(PULL).json()
    assert found["mergeable_state"] == "clean"
    assert [found[name] for name in ("commits", "additions", "changed_files")] == [1, 1, 1]
    github.person().patch(PULL, json={"title": "New"})
    assert github.last("pull_request.edited")["changes"] == {"title": {"from": "Fix add"}}
    github.person().patch(PULL, json={"state": "closed"})
    assert github.last("pull_request.closed")["pull_request"]["merged"] is False
    assert github.person().patch(PULL, json={"state": "open"}).json()["closed_at"] is None
    assert github.heard()[-1] == "pull_request.reopened"
    github.person().delete(f"{SHOP}/git/refs/heads/fix")
    answer = github.person().patch(PULL, json={"state": "open"})
    message = "state cannot be changed. The fix branch has been deleted."
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (422, message)


def test_push_moves_the_head_and_finds_conflicts(github: World) -> None:
    before = github.pull()["head"]["sha"]
    after = github.push("fix", "def add(a, b):\n    return b + a\n")
    payload = github.last("pull_request.synchronize")
    assert (payload["before"], payload["after"], payload["pull_request"]["head"]["sha"]) == (before, after, after)
    assert after in github.git("ls-remote", github.remote(), "refs/pull/1/head").stdout
    github.push("main", "def add(a, b):\n    return sum((a, b))\n")
    assert github.person().get(PULL).json()["mergeable_state"] == "dirty"


def test_review_is_lower_case_in_the_webhook_and_its_line_has_a_hunk(github: World) -> None:
    github.pull()
    line = {"path": "calc.py", "line": 2, "body": "Plus?"}
    body = {"event": "REQUEST_CHANGES", "comments": [line]}
    review = github.person().post(REVIEWS, json=body).json()
    payload = github.last("pull_request_review.submitted")["review"]
    assert (review["state"], payload["state"]) == ("CHANGES_REQUESTED", "changes_requested")
    assert payload["id"] == review["id"]
    [comment] = github.bot().get(f"{PULL}/comments").json()
    assert (comment["line"], comment["position"], comment["pull_request_review_id"]) == (2, 3, review["id"])
    assert comment["diff_hunk"] == "@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n+    return a + b"
    assert github.last("pull_request_review_comment.created")["comment"] == comment


def test_thread_moves_with_its_line_until_that_changes(github: World) -> None:
    github.pull()
    line = {"path": "calc.py", "line": 2, "body": "Plus?"}
    github.person().post(REVIEWS, json={"event": "COMMENT", "comments": [line]})
    [first] = github.bot().get(f"{PULL}/comments").json()
    reply = github.bot().post(f"{PULL}/comments/{first['id']}/replies", json={"body": "Yes"}).json()
    assert (reply["in_reply_to_id"], reply["pull_request_review_id"] != first["pull_request_review_id"]) == (
        first["id"], True,
    )  # fmt: skip
    github.push("fix", "# sums\ndef add(a, b):\n    return a + b\n")
    assert [one["line"] for one in github.bot().get(f"{PULL}/comments").json()] == [3, 3]
    github.push("fix", "# sums\ndef add(a, b):\n    return sum((a, b))\n")
    [one, _] = github.bot().get(f"{PULL}/comments").json()
    assert ("line" in one, "position" in one, one["original_line"]) == (False, False, 2)


def test_pending_review_is_visible_to_its_author_only(github: World) -> None:
    github.pull()
    comment = {"path": "calc.py", "line": 2, "body": "?"}
    assert "submitted_at" not in github.person().post(REVIEWS, json={"body": "Draft", "comments": [comment]}).json()
    for login, count in (("ada", 1), ("bob", 0)):
        assert [len(github.person(login).get(path).json()) for path in (REVIEWS, f"{PULL}/comments")] == [count] * 2


def test_review_is_dismissed_once(github: World) -> None:
    github.pull()
    address = f"{REVIEWS}/{github.person().post(REVIEWS, json={'event': 'APPROVE'}).json()['id']}/dismissals"
    assert github.person("bob").put(address, json={"message": "Old"}).json()["state"] == "DISMISSED"
    assert github.last("pull_request_review.dismissed")["review"]["state"] == "dismissed"
    assert github.person("bob").put(address, json={"message": "Again"}).status_code == 422


def test_check_run_is_updated_and_listed_by_name(github: World) -> None:
    sha, bot = github.push(), github.bot()
    runs = f"{SHOP}/commits/{sha}/check-runs"
    first, *_ = (bot.post(f"{SHOP}/check-runs", json={"name": name, "head_sha": sha}).json() for name in "aba")
    done = bot.patch(first["url"], json={"conclusion": "failure"}).json()
    assert (first["status"], done["status"], bool(done["completed_at"])) == ("queued", "completed", True)
    assert bot.patch(first["url"], json={"status": "in_progress"}).json()["conclusion"] is None
    for query, names in (("", "ab"), ("?filter=all", "aba"), ("?check_name=b", "b"), ("?per_page=1", "a")):
        assert [one["name"] for one in bot.get(f"{runs}{query}").json()["check_runs"]] == [*names]


def log(github: World, *arguments: str) -> str:
    github.git("fetch", "--quiet", github.remote(), "main")
    return github.git("log", *arguments, "FETCH_HEAD").stdout.strip()


def test_merge_is_a_merge_commit(github: World) -> None:
    head = github.pull()["head"]["sha"]
    merged = github.person().put(MERGE, json={"sha": head}).json()
    assert log(github, "-1", "--format=%H %an %cn") == f"{merged['sha']} Ada GitHub"
    assert log(github, "-1", "--format=%P").split()[1] == head
    assert log(github, "-1", "--format=%B") == "Merge pull request #1 from acme/fix\n\nFix add"
    for one in (github.person().get(PULL).json(), github.last("pull_request.closed")["pull_request"]):
        assert (one["merged"], one["merge_commit_sha"], one["merged_by"]["login"]) == (True, merged["sha"], "ada")
    assert github.last("push")["after"] == merged["sha"]


def test_squash_is_one_commit_by_the_author_of_the_change(github: World) -> None:
    github.pull()
    github.push("fix", "# done\n")
    github.person("bob").put(MERGE, json={"merge_method": "squash", "commit_title": "Mine (#1)"})
    assert log(github, "--format=%an|%s") == "Ada|Mine (#1)\nacme|First commit"
    assert log(github, "-1", "--format=%b") == "* Change calc.py\n\n* Change calc.py"


def test_head_that_reaches_the_base_by_a_push_counts_as_merged(github: World) -> None:
    github.pull()
    github.git("checkout", "--quiet", "-B", "main", "fix")
    github.git("push", "--quiet", github.remote(), "main")
    assert github.person().get(PULL).json()["merged"]


def exists(github: World, branch: str) -> bool:
    return github.person().get(f"{SHOP}/git/ref/heads/{branch}").status_code == 200


def test_push_is_announced(github: World) -> None:
    old = github.person().get(f"{SHOP}/git/ref/heads/main").json()["object"]["sha"]
    assert old == "0b6d6d1adae906bd628ee979bb61fe9c14cc7ca4"  # the same seed gives the same commit everywhere
    new = github.push("ada/fix")
    created = github.last("push")
    assert (created["ref"], created["before"], created["after"]) == ("refs/heads/ada/fix", "0" * 40, new)
    assert (created["created"], created["pusher"]["name"]) == (True, "ada")
    github.git("push", "--quiet", "--force", github.remote(), f"{old}:ada/fix")
    assert github.last("push")["forced"]
    github.git("push", "--quiet", github.remote(), ":ada/fix")
    assert github.last("push")["deleted"] and not exists(github, "ada/fix")


def test_large_push_clone_and_partial_fetch_succeed(github: World) -> None:
    sha = github.push("big", os.urandom(3 << 20).hex(), "big.txt")
    github.git("clone", "--quiet", "--branch", "big", github.remote(), "again")
    assert github.git("-C", "again", "rev-parse", "HEAD").stdout.strip() == sha
    github.git("init", "--quiet", "one")
    github.git("-C", "one", "fetch", "--quiet", "--depth=1", "--filter=blob:none", github.remote(), sha)


def test_push_and_fetch_need_access(github: World) -> None:
    write, read = (github.bot(permissions={"contents": level}).token for level in ("write", "read"))
    github.git("push", "--quiet", github.remote(write), "HEAD:refs/heads/by-app")
    assert github.last("push")["sender"]["login"] == "loopline[bot]"
    for remote in (github.remote(read), github.remote(write, "acme/open"), *map(github.remote, ("ghp_eve", "ghp_zoe"))):
        assert github.git("push", remote, "HEAD:refs/heads/x", check=False).returncode
    for remote, seen in ((github.remote("ghp_eve"), True), (github.remote("ghp_mal"), False)):
        assert ("refs/heads/main" in github.git("ls-remote", remote, check=False).stdout) is seen
    assert github.git("ls-remote", f"{github.url}/acme/shop.git", check=False).returncode
    assert "refs/heads/main" in github.git("ls-remote", f"{github.url}/Acme/OPEN.git").stdout
    assert github.caller().get("/acme/open.git/info/refs").status_code == 403  # the protocol without git on the server


def test_protected_ref_and_stale_lease_are_refused(github: World) -> None:
    old = github.pull()["head"]["sha"]
    for refspec in (":refs/heads/main", "HEAD:refs/pull/1/head"):
        assert "remote rejected" in github.git("push", github.remote(), refspec, check=False).stderr
    github.push("fix", "# newer\n")
    lease = f"--force-with-lease=refs/heads/fix:{old}"
    assert "stale info" in github.git("push", "--porcelain", lease, github.remote(), "main:fix", check=False).stdout


@pytest.mark.parametrize(("kind", "done"), [("lost_reply", True), ("502", False)])
def test_push_with_a_fault_fails(github: World, kind: str, done: bool) -> None:
    github.fault(operation="POST /{owner}/{repo}.git/git-receive-pack", kind=kind)
    assert github.git("push", github.remote(), "HEAD:refs/heads/fix", check=False).returncode
    assert exists(github, "fix") is done
