"""Credentials, permissions, and the HTTP edge of the API."""

from __future__ import annotations

import re
import time
from typing import Any

import jwt
import pytest

from tests.integrations.standins.github.world import SHOP, World

TOKENS = "/app/installations/70/access_tokens"
INSTALLATION = f"{SHOP}/installation"
COMMENTS = f"{SHOP}/issues/1/comments"

# --- people ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["token", "Bearer", "bearer"])
def test_personal_token_is_its_person(github: World, scheme: str) -> None:
    answer = github.caller().get(SHOP, headers={"Authorization": f"{scheme} ghp_bob"}).json()
    assert answer["clone_url"] == f"{github.url}/acme/shop.git"
    assert (answer["permissions"]["push"], answer["permissions"]["admin"]) == (True, False)


@pytest.mark.parametrize("header", ["token ghp_nobody", "Basic ghp_ada", "Bearer", "Bearer ghs_7_a.b.c", "Bearer ghs_"])
def test_invalid_token_is_401(github: World, header: str) -> None:
    answer = github.caller().get(SHOP, headers={"Authorization": header})
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


@pytest.mark.parametrize("token", ["", "ghp_mal"])
def test_private_repository_is_hidden_and_a_public_one_is_not(github: World, token: str) -> None:
    answer = github.caller(token).get(SHOP)
    assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")
    assert github.caller(token).get("/repos/ACME/Open").json()["full_name"] == "acme/open"


def test_write_without_a_token_is_401(github: World) -> None:
    answer = github.caller().post("/repos/acme/open/pulls", json={})
    assert (answer.status_code, answer.json()["message"]) == (401, "Requires authentication")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "pulls", {"title": "T", "head": "fix", "base": "main"}),
        ("PATCH", "pulls/1", {"title": "Mine"}),
        ("PUT", "pulls/1/merge", {}),
        ("POST", "statuses/main", {"state": "success"}),
        ("DELETE", "git/refs/heads/fix", None),
        ("GET", "collaborators/ada/permission", None),
        ("GET", "hooks", None),
    ],
)
def test_reader_may_not_write(github: World, method: str, path: str, body: Any) -> None:
    github.pull()
    assert github.person("eve").request(method, f"{SHOP}/{path}", json=body).status_code == 403


@pytest.mark.parametrize(
    ("login", "permission"), [("ada", "admin"), ("bob", "write"), ("eve", "read"), ("mal", "none"), ("zoe", None)]
)
def test_permission_of_a_person_is_looked_up(github: World, login: str, permission: str | None) -> None:
    answer = github.bot().get(f"{SHOP}/collaborators/{login}/permission")
    assert (answer.status_code, answer.json().get("permission")) == (200 if permission else 404, permission)


# --- Apps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "status", "message"),
    [
        ({"iss": "8"}, 404, "Integration not found"),
        ({"exp": -60}, 401, "must be a numeric value representing the future time"),
        ({"exp": 3600}, 401, "is too far in the future"),
        ({"iat": 300}, 401, "could not be decoded"),
    ],
)
def test_app_with_a_wrong_claim_is_refused(github: World, claims: dict[str, Any], status: int, message: str) -> None:
    # Seconds from now: the parameters are made long before the test runs.
    given = {name: int(time.time()) + value if name != "iss" else value for name, value in claims.items()}
    answer = github.caller(github.jwt(**given)).get(INSTALLATION)
    assert answer.status_code == status
    assert message in answer.json()["message"]


@pytest.mark.parametrize("forged", [jwt.encode({"iss": "7", "exp": 9e9}, "k" * 32, "HS256"), "a.b.c"])
def test_app_with_a_forged_token_is_401(github: World, forged: str) -> None:
    answer = github.caller(forged).get(INSTALLATION)
    assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_installation_token_has_the_new_form(github: World) -> None:
    app = github.app_caller()
    made = app.post(app.get(INSTALLATION).json()["access_tokens_url"]).json()
    assert re.fullmatch(r"ghs_7_[A-Za-z0-9._-]{200,}", made["token"])
    assert made["permissions"]["contents"] == "write"
    seconds = time.mktime(time.strptime(made["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert seconds == pytest.approx(3600, abs=10)


def test_app_is_not_installed_everywhere(github: World) -> None:
    assert github.app_caller().get("/repos/acme/open/installation").status_code == 404
    assert github.app_caller().post("/app/installations/71/access_tokens").status_code == 404
    assert github.app_caller().get(SHOP).status_code == 403


@pytest.mark.parametrize("path", [INSTALLATION, "/app/hook/deliveries"])
def test_resource_of_the_app_needs_the_app(github: World, path: str) -> None:
    for caller in (github.person(), github.bot(), github.caller()):
        assert caller.get(path).status_code == 401


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"permissions": {"administration": "write"}}, "The permissions requested are not granted"),
        ({"permissions": {"contents": "all"}}, "The permissions requested are not granted"),
        ({"repositories": ["shop", "open"]}, "There is at least one repository that does not exist"),
    ],
)
def test_token_beyond_the_installation_is_refused(github: World, wanted: dict[str, Any], message: str) -> None:
    answer = github.app_caller().post(TOKENS, json=wanted)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(message)


def test_narrow_token_is_narrow(github: World) -> None:
    bot = github.bot(repositories=["shop"], permissions={"pull_requests": "read"})
    assert bot.get(f"{SHOP}/pulls").status_code == 200
    refused = bot.post(f"{SHOP}/pulls", json={"title": "T", "head": "fix", "base": "main"})
    assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "pull_requests=write"


# --- the HTTP edge --------------------------------------------------------------------------------------------------


def test_list_comes_in_pages(github: World) -> None:
    github.pull()
    for number in range(5):
        github.person().post(COMMENTS, json={"body": str(number)})
    answer = github.person().get(f"{COMMENTS}?per_page=2&page=2")
    assert [one["body"] for one in answer.json()] == ["2", "3"]
    pages = {rel: link["url"].rpartition("=")[2] for rel, link in answer.links.items()}
    assert pages == {"prev": "1", "first": "1", "next": "3", "last": "3"}
    last = github.person().get(answer.links["last"]["url"])
    assert ([one["body"] for one in last.json()], "next" in last.links) == (["4"], False)


@pytest.mark.parametrize("query", ["per_page=1000", "per_page=x", "page=0", "page=-1"])
def test_invalid_page_is_answered(github: World, query: str) -> None:
    github.pull()
    assert len(github.person().get(f"{SHOP}/pulls?{query}").json()) == 1


def test_answer_has_githubs_headers_and_counts_against_the_rate(github: World) -> None:
    ada = github.person("ada")
    answers = [ada.get(path) for path in (SHOP, "/rate_limit", SHOP)]
    assert [int(answer.headers["x-ratelimit-used"]) for answer in answers] == [1, 1, 2]
    assert ada.get("/rate_limit").json()["rate"]["remaining"] == 4998
    assert github.person("bob").get("/rate_limit").json()["rate"]["used"] == 0
    headers = answers[0].headers
    assert headers["X-GitHub-Api-Version-Selected"] == "2022-11-28"
    assert (len(headers["X-GitHub-Request-Id"]), headers["x-ratelimit-resource"]) == (32, "core")


@pytest.mark.parametrize(
    ("headers", "body", "status", "message"),
    [
        ({}, b"{", 400, "Problems parsing JSON"),
        ({}, b"[]", 400, "Body should be a JSON object"),
        ({}, b"\xff", 400, "Problems parsing JSON"),
        ({"X-GitHub-Api-Version": "2026-03-10"}, b"", 400, "The API version 2026-03-10"),
        ({"User-Agent": ""}, b"", 403, "Request forbidden"),
        ({}, b"{}", 422, 'Invalid request.\n\n"title" wasn\'t supplied.'),
        ({}, b'{"titel": "T"}', 422, "Invalid request."),
    ],
)
def test_invalid_request_is_refused(
    github: World, headers: dict[str, str], body: bytes, status: int, message: str
) -> None:
    answer = github.person().post(f"{SHOP}/pulls", data=body, headers=headers)
    assert (answer.status_code, answer.json()["message"].startswith(message)) == (status, True)


@pytest.mark.parametrize("path", ["/nothing", f"{SHOP}/pulls/x", f"{SHOP}/pulls/9", "/repos/acme/none"])
def test_unknown_path_is_404_in_json(github: World, path: str) -> None:
    assert github.person().get(path).json()["message"] == "Not Found"


# --- faults ---------------------------------------------------------------------------------------------------------


def test_502_is_not_executed_and_a_lost_reply_is(github: World) -> None:
    github.pull()
    operation = "POST /repos/{owner}/{repo}/issues/{issue_number}/comments"
    github.fault(operation=operation, kind="502")
    github.fault(operation=operation, kind="lost_reply")
    assert github.person().post(COMMENTS, json={"body": "Hi"}).status_code == 502
    assert github.person().get(COMMENTS).json() == []
    with pytest.raises(OSError):
        github.person().post(COMMENTS, json={"body": "Hi"})
    assert [one["body"] for one in github.person().get(COMMENTS).json()] == ["Hi"]


def test_rate_limit_has_its_end_in_the_headers(github: World) -> None:
    github.fault(operation="*", kind="rate_limit", seconds=30)
    answer = github.person().get(SHOP)
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (403, "0")
    assert answer.json()["message"].startswith("API rate limit exceeded")
    assert int(answer.headers["x-ratelimit-reset"]) == pytest.approx(time.time() + 30, abs=3)
