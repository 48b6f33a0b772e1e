from __future__ import annotations

import pytest

from tests.integrations.standins.github.world import SHOP, World

COMMENTS = f"{SHOP}/issues/1/comments"


def test_lists_come_in_pages(github: World) -> None:
    github.pull()
    for number in range(5):
        github.person().post(COMMENTS, json={"body": str(number)})
    answer = github.person().get(f"{COMMENTS}?per_page=2&page=2")
    assert [one["body"] for one in answer.json()] == ["2", "3"]
    pages = {rel: link["url"].partition("?")[2] for rel, link in answer.links.items()}
    assert pages == {
        "prev": "per_page=2&page=1",
        "first": "per_page=2&page=1",
        "next": "per_page=2&page=3",
        "last": "per_page=2&page=3",
    }
    last = github.person().get(answer.links["last"]["url"])
    assert ([one["body"] for one in last.json()], "next" in last.links) == (["4"], False)


@pytest.mark.parametrize("query", ["per_page=1000", "per_page=x", "page=0", "page=-1"])
def test_a_strange_page_is_answered(github: World, query: str) -> None:
    github.pull()
    assert len(github.person().get(f"{SHOP}/pulls?{query}").json()) == 1


def test_every_answer_has_the_headers_of_github(github: World) -> None:
    headers = github.person().get(SHOP, headers={"X-GitHub-Api-Version": "2022-11-28"}).headers
    assert headers["X-GitHub-Api-Version-Selected"] == "2022-11-28"
    assert len(headers["X-GitHub-Request-Id"]) == 32
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-resource"]) == ("5000", "core")
    assert headers["Content-Type"] == "application/json; charset=utf-8"


def test_the_rate_is_counted_per_caller_and_looking_is_free(github: World) -> None:
    ada = github.person("ada")
    used = [int(ada.get(path).headers["x-ratelimit-used"]) for path in (SHOP, "/rate_limit", SHOP)]
    assert used == [1, 1, 2]
    assert ada.get("/rate_limit").json()["rate"]["remaining"] == 4998
    assert github.person("bob").get("/rate_limit").json()["rate"]["used"] == 0


def test_what_did_not_change_is_304(github: World) -> None:
    tag = github.person().get(SHOP).headers["ETag"]
    assert github.person().get(SHOP, headers={"If-None-Match": tag}).status_code == 304
    github.pull()
    assert github.person().get(SHOP, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("body", "words"), [(b"{", "Problems parsing JSON"), (b"[]", "Body should be a JSON object"), (b"\xff", "Problems")]
)
def test_a_body_that_is_no_object_is_400(github: World, body: bytes, words: str) -> None:
    answer = github.person().post(f"{SHOP}/pulls", data=body)
    assert (answer.status_code, answer.json()["message"].startswith(words)) == (400, True)


def test_another_version_of_the_api_is_refused_by_name(github: World) -> None:
    answer = github.person().get(SHOP, headers={"X-GitHub-Api-Version": "2026-03-10"})
    assert (answer.status_code, "2026-03-10" in answer.json()["message"]) == (400, True)


def test_a_caller_without_a_name_is_refused(github: World) -> None:
    assert github.person().get(SHOP, headers={"User-Agent": ""}).status_code == 403


@pytest.mark.parametrize("path", ["/nothing", f"{SHOP}/pulls/x", f"{SHOP}/nothing", "/repos/acme/none"])
def test_what_is_not_there_is_404_in_json(github: World, path: str) -> None:
    assert github.person().get(path).json()["message"] == "Not Found"


def test_writing_without_a_token_is_401(github: World) -> None:
    answer = github.caller().post("/repos/acme/open/pulls", json={})
    assert (answer.status_code, answer.json()["message"]) == (401, "Requires authentication")
