from __future__ import annotations

import re
import time
from typing import Any

import jwt
import pytest

from tests.integrations.standins.github.world import SHOP, World

TOKENS = "/app/installations/70/access_tokens"


@pytest.mark.parametrize("scheme", ["token", "Bearer", "bearer"])
def test_a_personal_token_is_its_person(github: World, scheme: str) -> None:
    answer = github.caller().get("/user", headers={"Authorization": f"{scheme} ghp_ada"})
    assert (answer.json()["login"], answer.json()["email"]) == ("ada", "ada@example.com")


@pytest.mark.parametrize("header", ["token ghp_nobody", "Basic ghp_ada", "Bearer", "Bearer ghs_7_a.b.c", "Bearer ghs_"])
def test_a_wrong_token_is_401(github: World, header: str) -> None:
    answer = github.caller().get("/user", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


def test_nobody_is_not_a_user(github: World) -> None:
    answer = github.caller().get("/user")
    assert (answer.status_code, answer.json()["message"]) == (401, "Requires authentication")
    assert github.bot().get("/user").status_code == 403


@pytest.mark.parametrize("issuer", ["7", "Iv23li00000000000007"])
def test_an_app_signs_in_by_id_or_client_id(github: World, issuer: str) -> None:
    assert github.caller(github.jwt(iss=issuer)).get("/app").json()["slug"] == "loopline"


@pytest.mark.parametrize(
    ("claims", "status", "words"),
    [
        ({"iss": "8"}, 404, "Integration not found"),
        ({"exp": -60}, 401, "must be a numeric value representing the future time"),
        ({"exp": 3600}, 401, "is too far in the future"),
        ({"iat": 300}, 401, "could not be decoded"),
    ],
)
def test_a_wrong_claim_is_refused(github: World, claims: dict[str, Any], status: int, words: str) -> None:
    # Seconds from now: the tests are collected long before this one runs.
    given = {name: int(time.time()) + value if name != "iss" else value for name, value in claims.items()}
    answer = github.caller(github.jwt(**given)).get("/app")
    assert answer.status_code == status
    assert words in answer.json()["message"]


@pytest.mark.parametrize("forged", [jwt.encode({"iss": "7", "exp": 9e9}, "k" * 32, "HS256"), "a.b.c"])
def test_a_forged_json_web_token_is_401(github: World, forged: str) -> None:
    answer = github.caller(forged).get("/app")
    assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_the_installation_leads_to_a_token_of_the_new_form(github: World) -> None:
    app = github.app_caller()
    installation = app.get(f"{SHOP}/installation").json()
    made = app.post(installation["access_tokens_url"]).json()
    assert re.fullmatch(r"ghs_7_[A-Za-z0-9._-]{200,}", made["token"])
    assert made["permissions"]["contents"] == "write"
    seconds = time.mktime(time.strptime(made["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert seconds == pytest.approx(3600, abs=10)


def test_an_app_is_not_installed_everywhere(github: World) -> None:
    assert github.app_caller().get("/repos/acme/open/installation").status_code == 404
    assert github.app_caller().post("/app/installations/71/access_tokens").status_code == 404


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"permissions": {"administration": "write"}}, "The permissions requested are not granted"),
        ({"permissions": {"contents": "all"}}, "The permissions requested are not granted"),
        ({"repositories": ["shop", "open"]}, "There is at least one repository that does not exist"),
    ],
)
def test_a_token_is_never_more_than_the_installation(github: World, wanted: dict[str, Any], words: str) -> None:
    answer = github.app_caller().post(TOKENS, json=wanted)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(words)


def test_a_narrow_token_is_narrow(github: World) -> None:
    bot = github.bot(repositories=["shop"], permissions={"pull_requests": "read"})
    assert bot.get(f"{SHOP}/pulls").status_code == 200
    refused = bot.post(f"{SHOP}/pulls", json={"title": "T", "head": "fix", "base": "main"})
    assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "pull_requests=write"


def test_a_token_sees_only_its_repositories(github: World) -> None:
    seen = github.bot().get("/installation/repositories").json()["repositories"]
    assert [one["full_name"] for one in seen] == ["acme/shop"]
    assert github.bot().get("/repos/acme/empty").status_code == 404


def test_a_token_that_was_given_back_is_worth_nothing(github: World) -> None:
    bot = github.bot()
    assert bot.delete("/installation/token").status_code == 204
    assert bot.get(SHOP).status_code == 401


@pytest.mark.parametrize("path", ["/app", f"{SHOP}/installation", "/app/hook/deliveries"])
def test_only_the_app_itself_may_ask_about_it(github: World, path: str) -> None:
    for caller in (github.person(), github.bot(), github.caller()):
        assert caller.get(path).status_code == 401


def test_the_app_itself_may_not_ask_about_repositories(github: World) -> None:
    assert github.app_caller().get(SHOP).status_code == 403
