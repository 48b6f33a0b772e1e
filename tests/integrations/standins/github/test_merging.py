from __future__ import annotations

import pytest

from tests.integrations.standins.github.world import SHOP, World

MERGE = f"{SHOP}/pulls/1/merge"


def log(github: World, *arguments: str) -> str:
    github.git("fetch", "--quiet", github.remote(), "main")
    return github.git("log", *arguments, "FETCH_HEAD").stdout.strip()


def test_a_merge_is_a_real_merge_commit(github: World) -> None:
    head = github.pull()["head"]["sha"]
    merged = github.person().put(MERGE, json={"sha": head}).json()
    assert (merged["merged"], merged["message"]) == (True, "Pull Request successfully merged")
    assert log(github, "-1", "--format=%H %an %cn") == f"{merged['sha']} Ada GitHub"
    assert log(github, "-1", "--format=%P").split()[1] == head
    assert log(github, "-1", "--format=%B") == "Merge pull request #1 from acme/fix\n\nFix add"


def test_a_squash_is_one_commit_by_the_author_of_the_change(github: World) -> None:
    github.pull()
    github.push("fix", "# done\n")
    github.person("bob").put(MERGE, json={"merge_method": "squash"})
    assert log(github, "--format=%an|%s") == "Ada|Fix add (#1)\nacme|First commit"
    assert log(github, "-1", "--format=%b") == "* Change calc.py\n\n* Change calc.py"


def test_the_callers_words_are_the_commits(github: World) -> None:
    github.pull()
    github.person().put(MERGE, json={"commit_title": "Mine", "commit_message": ""})
    assert log(github, "-1", "--format=%B") == "Mine"


def test_a_merged_one_says_so_everywhere(github: World) -> None:
    github.pull()
    assert github.person().get(MERGE).status_code == 404
    sha = github.person().put(MERGE, json={}).json()["sha"]
    found = github.person().get(f"{SHOP}/pulls/1").json()
    assert (found["state"], found["merged"], found["merge_commit_sha"]) == ("closed", True, sha)
    assert (found["merged_by"]["login"], found["commits"]) == ("ada", 1)
    assert github.person().get(MERGE).status_code == 204


def test_a_merge_is_told_as_closed_and_as_a_push(github: World) -> None:
    github.pull()
    sha = github.person().put(MERGE, json={}).json()["sha"]
    told = github.last("pull_request.closed")["pull_request"]
    assert (told["merged"], told["merge_commit_sha"], told["merged_by"]["login"]) == (True, sha, "ada")
    assert (github.last("push")["ref"], github.last("push")["after"]) == ("refs/heads/main", sha)


def test_a_head_that_moved_is_409(github: World) -> None:
    old = github.pull()["head"]["sha"]
    github.push("fix", "# more\n")
    answer = github.person().put(MERGE, json={"sha": old})
    words = "Head branch was modified. Review and try the merge again."
    assert (answer.status_code, answer.json()["message"]) == (409, words)


def test_a_conflict_is_405(github: World) -> None:
    github.pull()
    github.push("main", "def add(a, b):\n    return sum((a, b))\n")
    answer = github.person().put(MERGE, json={})
    assert (answer.status_code, answer.json()["message"]) == (405, "Pull Request is not mergeable")


def test_what_is_merged_is_not_merged_again(github: World) -> None:
    github.pull()
    github.person().put(MERGE, json={})
    assert github.person().put(MERGE, json={}).status_code == 405


def test_a_draft_is_405(github: World) -> None:
    github.pull(draft=True)
    answer = github.person().put(MERGE, json={})
    assert (answer.status_code, answer.json()["message"]) == (405, "Pull Request is still a draft")


@pytest.mark.parametrize(("method", "status"), [("rebase", 405), ("fast", 422)])
def test_other_ways_to_merge_are_refused(github: World, method: str, status: int) -> None:
    github.pull()
    assert github.person().put(MERGE, json={"merge_method": method}).status_code == status


def test_a_reader_cannot_merge_nor_a_token_without_contents(github: World) -> None:
    github.pull()
    assert github.person("eve").put(MERGE, json={}).status_code == 403
    assert github.bot(permissions={"pull_requests": "write"}).put(MERGE, json={}).status_code == 403
    assert not github.person().get(f"{SHOP}/pulls/1").json()["merged"]
