from __future__ import annotations

from typing import Any

import pytest

from tests.integrations.standins.github.world import SHOP, World

PULL = f"{SHOP}/pulls/1"


def test_a_pull_request_is_opened_and_its_mergeability_comes_later(github: World) -> None:
    opened = github.pull()
    assert (opened["number"], opened["state"], opened["mergeable"]) == (1, "open", None)
    found = github.person().get(PULL).json()
    assert (found["mergeable"], found["mergeable_state"]) == (True, "clean")
    assert (found["commits"], found["additions"], found["deletions"], found["changed_files"]) == (1, 1, 1, 1)


def test_opening_is_told(github: World) -> None:
    opened = github.pull()
    told = github.last("pull_request.opened")
    assert (told["number"], told["sender"]["login"], told["installation"]["id"]) == (1, "bob", 70)
    assert told["pull_request"]["head"]["sha"] == opened["head"]["sha"]


def test_a_second_one_from_the_same_branch_is_refused(github: World) -> None:
    github.pull()
    answer = github.person().post(f"{SHOP}/pulls", json={"title": "Again", "head": "acme:fix", "base": "main"})
    assert answer.status_code == 422
    error = {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for acme:fix."}
    assert (answer.json()["message"], answer.json()["errors"]) == ("Validation Failed", [error])


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"head": "none"}, "head", None),
        ({"base": "none"}, "base", None),
        ({"head": "stranger:fix"}, "head", None),
        ({"head": "main"}, None, "No commits between main and main"),
    ],
)
def test_a_pull_request_that_cannot_be_is_refused(
    github: World, body: dict[str, str], field: str | None, message: str | None
) -> None:
    github.push("fix")
    answer = github.person().post(f"{SHOP}/pulls", json={"title": "T", "head": "fix", "base": "main"} | body)
    error = answer.json()["errors"][0]
    assert (answer.status_code, error.get("field"), error.get("message")) == (422, field, message)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"head": "fix", "base": "main"}, '"title" wasn\'t supplied.'),
        ({"title": "T", "head": "fix", "base": "main", "titel": "T"}, '"titel" is not a permitted key.'),
        ({"title": 1, "head": "fix", "base": "main"}, "For 'properties/title'"),
    ],
)
def test_a_body_that_github_does_not_describe_is_refused(github: World, body: dict[str, Any], words: str) -> None:
    answer = github.person().post(f"{SHOP}/pulls", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["message"]


def test_a_reader_cannot_open_one(github: World) -> None:
    github.push("fix")
    answer = github.person("eve").post(f"{SHOP}/pulls", json={"title": "T", "head": "fix", "base": "main"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [2]),
        ("?state=all", [2, 1]),
        ("?state=closed", [1]),
        ("?state=all&head=acme:fix", [1]),
        ("?state=all&head=other:fix", []),
        ("?state=all&head=fix", [2, 1]),  # without an owner GitHub does not look at it
        ("?state=all&base=main&direction=asc", [1, 2]),
        ("?state=all&base=other", []),
    ],
)
def test_a_list_is_filtered(github: World, query: str, numbers: list[int]) -> None:
    github.pull("fix")
    github.pull("second")
    github.person().patch(PULL, json={"state": "closed"})
    assert [one["number"] for one in github.person().get(f"{SHOP}/pulls{query}").json()] == numbers


def test_an_edit_tells_what_was_before(github: World) -> None:
    github.pull()
    edited = github.person().patch(PULL, json={"title": "New", "body": "Better"}).json()
    assert (edited["title"], edited["body"]) == ("New", "Better")
    assert github.last("pull_request.edited")["changes"] == {"title": {"from": "Fix add"}, "body": {"from": "Why"}}


def test_an_edit_that_changes_nothing_is_not_told(github: World) -> None:
    github.pull()
    github.person().patch(PULL, json={"title": "Fix add"})
    assert "pull_request.edited" not in github.heard()


def test_a_stranger_to_the_pull_request_cannot_edit_it(github: World) -> None:
    github.pull()
    assert github.person("eve").patch(PULL, json={"title": "Mine"}).status_code == 403


def test_a_closed_one_is_reopened(github: World) -> None:
    github.pull()
    assert github.person().patch(PULL, json={"state": "closed"}).json()["state"] == "closed"
    told = github.last("pull_request.closed")["pull_request"]
    assert (told["merged"], told["closed_at"] is None) == (False, False)
    assert github.person().patch(PULL, json={"state": "open"}).json()["closed_at"] is None
    assert github.heard()[-1] == "pull_request.reopened"


def test_one_whose_branch_is_gone_closes_and_stays_closed(github: World) -> None:
    github.pull()
    github.person().delete(f"{SHOP}/git/refs/heads/fix")
    assert github.person().get(PULL).json()["state"] == "closed"
    answer = github.person().patch(PULL, json={"state": "open"})
    words = "state cannot be changed. The fix branch has been deleted."
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (422, words)


def test_a_push_moves_the_head(github: World) -> None:
    before = github.pull()["head"]["sha"]
    after = github.push("fix", "def add(a, b):\n    return b + a\n")
    assert github.person().get(PULL).json()["head"]["sha"] == after
    told = github.last("pull_request.synchronize")
    assert (told["before"], told["after"]) == (before, after)
    assert after in github.git("ls-remote", github.remote(), "refs/pull/1/head").stdout


def test_a_conflict_is_found_by_git(github: World) -> None:
    github.pull()
    github.push("main", "def add(a, b):\n    return sum((a, b))\n")
    found = github.person().get(PULL).json()
    assert (found["mergeable"], found["mergeable_state"]) == (False, "dirty")


def test_a_head_that_reaches_the_base_by_a_push_counts_as_merged(github: World) -> None:
    github.pull()
    github.git("checkout", "--quiet", "-B", "main", "fix")
    github.git("push", "--quiet", github.remote(), "main")
    assert github.person().get(PULL).json()["merged"]


def test_the_files_are_those_of_the_branch_alone(github: World) -> None:
    github.pull()
    github.push("main", "other\n", file="other.txt")
    (file,) = github.person().get(f"{PULL}/files").json()
    assert (file["filename"], file["status"], file["changes"]) == ("calc.py", "modified", 2)
    assert file["patch"].splitlines()[-2:] == ["-    return a - b", "+    return a + b"]


def test_the_commits_are_listed_oldest_first(github: World) -> None:
    first = github.pull()["head"]["sha"]
    second = github.push("fix", "# end\n")
    assert [one["sha"] for one in github.person().get(f"{PULL}/commits").json()] == [first, second]


@pytest.mark.parametrize(
    ("media", "start"), [("application/vnd.github.diff", "diff --git"), ("application/vnd.github.v3.patch", "From ")]
)
def test_the_accept_header_asks_for_text(github: World, media: str, start: str) -> None:
    github.pull()
    answer = github.person().get(PULL, headers={"Accept": media})
    assert answer.text.startswith(start)
    assert "+    return a + b" in answer.text


def test_a_number_that_is_not_there_is_404(github: World) -> None:
    assert github.person().get(f"{SHOP}/pulls/9").status_code == 404


def test_an_edit_that_is_refused_changes_nothing(github: World) -> None:
    github.pull()
    answer = github.person().patch(PULL, json={"title": "New", "base": "none"})
    assert (answer.status_code, github.person().get(PULL).json()["title"]) == (422, "Fix add")


def test_the_base_can_be_another_branch(github: World) -> None:
    github.pull("fix")
    github.push("release", "v2\n", "version")
    assert github.person().patch(PULL, json={"base": "release"}).json()["base"]["ref"] == "release"
    assert github.last("pull_request.edited")["changes"]["base"]["ref"] == {"from": "main"}
    assert [one["filename"] for one in github.person().get(f"{PULL}/files").json()] == ["calc.py"]


def test_names_of_repositories_have_no_case(github: World) -> None:
    assert github.person().get("/repos/ACME/Shop").json()["full_name"] == "acme/shop"
    assert github.git("ls-remote", github.remote(repository="Acme/SHOP")).stdout
