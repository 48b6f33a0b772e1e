"""Credentials, permissions, refusals, and the HTTP edge of the API."""

from __future__ import annotations

import re
import time
from typing import Any

import jwt
import pytest

from tests.integrations.standins.github.world import SHOP, World

INSTALLATION = f"{SHOP}/installation"
TOKENS = "/app/installations/70/access_tokens"
COMMENTS = f"{SHOP}/issues/1/comments"
OPENING = {"title": "T", "head": "fix", "base": "main"}
LINE = {"path": "calc.py", "line": 2, "body": "?"}
RUN = {"name": "loop", "head_sha": "main"}
FORGED = jwt.encode({"iss": "7", "exp": 9e9}, "k" * 32, "HS256")
FORBIDDEN = "Must have push access to Repository."
# token, method, path below acme/shop, body, status, message
REFUSALS: list[tuple[str, str, str, Any, int, str]] = [
    ("", "GET", "", None, 404, "Not Found"),
    ("ghp_mal", "GET", "", None, 404, "Not Found"),
    ("ghp_zoe", "GET", "", None, 401, "Bad credentials"),
    ("ghs_7_a.b.c", "GET", "", None, 401, "Bad credentials"),
    ("", "POST", "/../open/pulls", {}, 401, "Requires authentication"),
    ("ghp_eve", "POST", "/pulls", OPENING, 403, FORBIDDEN),
    ("ghp_eve", "PATCH", "/pulls/1", {"title": "Mine"}, 403, FORBIDDEN),
    ("ghp_eve", "PUT", "/pulls/1/merge", {}, 403, FORBIDDEN),
    ("ghp_eve", "POST", "/statuses/main", {"state": "success"}, 403, FORBIDDEN),
    ("ghp_eve", "DELETE", "/git/refs/heads/fix", None, 403, FORBIDDEN),
    ("ghp_eve", "GET", "/collaborators/ada/permission", None, 403, FORBIDDEN),
    ("ghp_bob", "GET", "/hooks", None, 403, "Must have admin access to Repository."),
    ("ghp_ada", "GET", "/collaborators/zoe/permission", None, 404, "zoe is not a user"),
    ("ghp_ada", "GET", "/pulls/9", None, 404, "Not Found"),
    ("ghp_ada", "GET", "/pulls/x", None, 404, "Not Found"),
    ("ghp_ada", "GET", "/installation", None, 401, "A JSON web token could not be decoded"),
    (FORGED, "GET", "/installation", None, 401, "A JSON web token could not be decoded"),
    ("a.b.c", "GET", "/installation", None, 401, "A JSON web token could not be decoded"),
    ("ghp_ada", "GET", "/git/ref/heads/none", None, 404, "Not Found"),
    ("ghp_ada", "DELETE", "/git/refs/heads/none", None, 422, "Reference does not exist"),
    ("ghp_ada", "DELETE", "/git/refs/heads/main", None, 422, "Cannot delete the default branch"),
    ("ghp_ada", "POST", "/pulls", {}, 422, 'Invalid request.\n\n"title" wasn\'t supplied.'),
    ("ghp_ada", "POST", "/pulls", OPENING | {"titel": "T"}, 422, 'Invalid request.\n\n"titel" is not a permitted key.'),
    ("ghp_ada", "POST", "/pulls", OPENING | {"head": "none"}, 422, "Validation Failed"),
    ("ghp_ada", "POST", "/pulls", OPENING | {"head": "zoe:fix"}, 422, "Validation Failed"),
    ("ghp_ada", "POST", "/pulls", OPENING | {"head": "main"}, 422, "No commits between main and main"),
    ("ghp_ada", "POST", "/pulls", OPENING, 422, "A pull request already exists for acme:fix."),
    ("ghp_ada", "POST", "/issues/1/comments", {"body": " "}, 422, "Validation Failed"),
    ("ghp_bob", "POST", "/pulls/1/reviews", {"event": "APPROVE"}, 422, "Can not approve your own pull request"),
    ("ghp_ada", "POST", "/pulls/1/reviews", {"event": "COMMENT"}, 422, "Review body can not be blank"),
    ("ghp_ada", "POST", "/pulls/1/reviews", {"comments": [LINE | {"path": "x"}]}, 422, "Path could not be resolved"),
    ("ghp_ada", "POST", "/pulls/1/reviews", {"comments": [LINE | {"line": 9}]}, 422, "Line could not be resolved"),
    ("ghp_ada", "POST", "/statuses/none", {"state": "error"}, 422, "No commit found for SHA: none"),
    ("ghp_ada", "POST", "/statuses/main", {"state": "fine"}, 422, "Invalid request."),
    ("ghp_ada", "POST", "/statuses/main", {"state": "error", "target_url": "javascript:x"}, 422, "target_url must use"),
    ("ghp_ada", "POST", "/check-runs", RUN, 403, "You must authenticate via a GitHub App."),
    ("bot", "POST", "/check-runs", RUN | {"status": "completed"}, 422, "Invalid request.\n\nNo subschema"),
    ("bot", "POST", "/check-runs", RUN | {"details_url": "javascript:x"}, 422, "details_url must use"),
    ("ghp_ada", "PUT", "/pulls/1/merge", {"sha": "0" * 40}, 409, "Head branch was modified."),
    ("ghp_ada", "PUT", "/pulls/1/merge", {"merge_method": "fast"}, 422, "Invalid request.\n\nfast is not a member"),
    ("app", "GET", "", None, 403, "Resource not accessible by integration"),
    ("app", "GET", "/../open/installation", None, 404, "Not Found"),
    ("app", "POST", "/../../.." + TOKENS, {"permissions": {"x": "write"}}, 422, "The permissions requested are not"),
    ("app", "POST", "/../../.." + TOKENS, {"repositories": ["open"]}, 422, "There is at least one repository that"),
]


def test_refused_request_has_githubs_message_and_changes_nothing(github: World) -> None:
    github.pull(by="bob")
    callers = {"bot": github.bot(), "app": github.app_caller()}
    before, wrong = github.caller().get("/_log").json(), []
    for token, method, path, body, status, message in REFUSALS:
        answer = (callers.get(token) or github.caller(token)).request(method, SHOP + path, json=body)
        said = answer.json()
        errors = [one if isinstance(one, str) else one.get("message", "") for one in said.get("errors", ())]
        shown = " ".join(filter(None, errors)) or said["message"]
        if (answer.status_code, shown[: len(message)]) != (status, message):
            wrong.append((method, path, body, answer.status_code, shown))
    assert wrong == []
    assert github.caller().get("/_log").json() == before


@pytest.mark.parametrize("scheme", ["token", "Bearer", "bearer"])
def test_personal_token_is_its_person(github: World, scheme: str) -> None:
    answer = github.caller().get(SHOP, headers={"Authorization": f"{scheme} ghp_bob"}).json()
    assert answer["clone_url"] == f"{github.url}/acme/shop.git"
    assert (answer["permissions"]["push"], answer["permissions"]["admin"]) == (True, False)
    assert github.caller().get("/repos/ACME/Open").json()["full_name"] == "acme/open"


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


def test_installation_token_has_the_new_form_and_can_be_narrow(github: World) -> None:
    made = github.app_caller().post(TOKENS, json={"permissions": {"pull_requests": "read"}}).json()
    assert re.fullmatch(r"ghs_7_[A-Za-z0-9._-]{200,}", made["token"])
    seconds = time.mktime(time.strptime(made["expires_at"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert seconds == pytest.approx(3600, abs=10)
    bot = github.caller(made["token"])
    assert bot.get(f"{SHOP}/pulls").status_code == 200
    refused = bot.post(f"{SHOP}/pulls", json=OPENING)
    assert refused.headers["X-Accepted-GitHub-Permissions"] == "pull_requests=write"


# --- the HTTP edge --------------------------------------------------------------------------------------------------


def test_list_comes_in_pages(github: World) -> None:
    github.pull()
    for number in range(5):
        github.person().post(COMMENTS, json={"body": str(number)})
    url, seen = f"{COMMENTS}?per_page=2", []
    while url:
        answer = github.person().get(url)
        seen.append([one["body"] for one in answer.json()])
        url = answer.links.get("next", {}).get("url", "")
    assert seen == [["0", "1"], ["2", "3"], ["4"]]
    for query in ("per_page=1000", "per_page=x", "page=0", "page=-1"):
        assert len(github.person().get(f"{COMMENTS}?{query}").json()) == 5


def test_answer_has_githubs_headers_and_counts_against_the_rate(github: World) -> None:
    ada = github.person("ada")
    answers = [ada.get(path) for path in (SHOP, "/rate_limit", SHOP)]
    assert [int(answer.headers["x-ratelimit-used"]) for answer in answers] == [1, 1, 2]
    assert ada.get("/rate_limit").json()["rate"]["remaining"] == 4998
    assert github.person("bob").get("/rate_limit").json()["rate"]["used"] == 0
    assert answers[0].headers["X-GitHub-Api-Version-Selected"] == "2022-11-28"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"{", 400),
        ({}, b"[]", 400),
        ({"X-GitHub-Api-Version": "2026-03-10"}, b"", 400),
        ({"User-Agent": ""}, b"", 403),
    ],
)
def test_malformed_request_is_refused(github: World, headers: dict[str, str], body: bytes, status: int) -> None:
    assert github.person().post(f"{SHOP}/pulls", data=body, headers=headers).status_code == status


def test_fault_hits_its_operation(github: World) -> None:
    github.pull()
    for kind in ("502", "lost_reply"):
        github.fault(operation="POST /repos/{owner}/{repo}/issues/{issue_number}/comments", kind=kind)
    assert github.person().post(COMMENTS, json={"body": "Hi"}).status_code == 502
    assert github.person().get(COMMENTS).json() == []
    with pytest.raises(OSError):
        github.person().post(COMMENTS, json={"body": "Hi"})
    assert [one["body"] for one in github.person().get(COMMENTS).json()] == ["Hi"]
    github.fault(operation="*", kind="rate_limit", seconds=30)
    limited = github.person().get(SHOP)
    assert (limited.status_code, limited.headers["x-ratelimit-remaining"]) == (403, "0")
    assert int(limited.headers["x-ratelimit-reset"]) == pytest.approx(time.time() + 30, abs=3)
