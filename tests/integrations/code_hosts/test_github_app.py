from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import jwt
import pytest

from integrations.code_hosts.github.api import Grant
from integrations.code_hosts.github.app import AppCredentials, InstallationTokens, PersonalToken
from integrations.code_hosts.github.code_host import GitHub
from integrations.errors import Forbidden, NotFound, Unauthorized, Unavailable
from integrations.ports.code_host import GitCredentials
from tests.integrations.code_hosts.answering import Answer, Answering
from tests.integrations.code_hosts.canned import REPOSITORY

NOW = 1_767_225_600.0
READ = Grant("o/r", (("contents", "read"),))
WRITE = Grant("o/r", (("contents", "write"),))
NOT_GRANTED = {"message": "The permissions requested are not granted to this installation."}
MINT = "POST /app/installations/7/access_tokens"


def token_answer(token: str, seconds: float = 3_600.0) -> Answer:
    return Answer(201, {"token": token, "expires_at": datetime.fromtimestamp(NOW + seconds, UTC).isoformat()})


@pytest.fixture
def clock() -> list[float]:
    """The time; a test sets its only element."""
    return [NOW]


@pytest.fixture
def tokens(server: Answering, private_key: str, clock: list[float]) -> Iterator[InstallationTokens]:
    tokens = InstallationTokens(server.url, AppCredentials("42", private_key, 7), lambda: clock[0])
    yield tokens
    tokens.close()


def test_github_app_signs_a_short_jwt_and_requests_minimal_permissions(
    server: Answering, tokens: InstallationTokens
) -> None:
    server.on(MINT, token_answer("ghs_one"))
    assert tokens.token(READ) == "ghs_one"
    asked = server.asked[0]
    claims = jwt.decode(asked.headers["authorization"].removeprefix("Bearer "), options={"verify_signature": False})
    assert claims == {"iat": NOW - 60, "exp": NOW + 540, "iss": "42"}
    assert asked.body == {"repositories": ["r"], "permissions": {"contents": "read"}}


def test_github_app_caches_tokens_per_purpose_and_repository(server: Answering, tokens: InstallationTokens) -> None:
    server.on(MINT, token_answer("one"), token_answer("two"), token_answer("three"))
    other = Grant("o/other", READ.permissions)
    assert [tokens.token(grant) for grant in (READ, WRITE, other, READ, WRITE, other)] == ["one", "two", "three"] * 2


def test_github_app_renews_a_token_ten_minutes_before_expiry(
    server: Answering, tokens: InstallationTokens, clock: list[float]
) -> None:
    server.on(MINT, token_answer("one"), token_answer("two", 7_200))
    seen = []
    for clock[0] in (NOW, NOW + 2_999, NOW + 3_001):
        seen.append(tokens.token(READ))
    assert seen == ["one", "one", "two"]


def test_github_app_creates_one_token_for_many_threads(server: Answering, tokens: InstallationTokens) -> None:
    server.on(MINT, token_answer("one"), token_answer("two"))
    together = threading.Barrier(8)

    def take(_: int) -> str:
        together.wait()
        return tokens.token(READ)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(take, range(8))) == {"one"}


def test_github_app_looks_up_the_installation_once_per_repository(server: Answering, private_key: str) -> None:
    server.on("GET /repos/o/r/installation", Answer(body={"id": 7}))
    server.on(MINT, token_answer("one"))
    tokens = InstallationTokens(server.url, AppCredentials("42", private_key), lambda: NOW)
    assert {tokens.token(READ), tokens.token(WRITE)} == {"one"}
    tokens.close()
    assert server.count("GET /repos/o/r/installation") == 1


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (Answer(404, {"message": "Not Found"}), Forbidden, "App 42 is not installed on o/r"),
        (Answer(401, {"message": "A JSON web token could not be decoded"}), Unauthorized, "GITHUB_APP_ID and"),
        (Answer(403, {"message": "This installation has been suspended"}), Forbidden, "suspended"),
        (Answer(422, NOT_GRANTED), Forbidden, "the App needs contents: read on o/r"),
        (Answer(502), Unavailable, "502"),
        (Answer(201, {"token": "t"}), Unavailable, "expires_at"),
    ],
)  # fmt: skip
def test_github_app_token_error_is_classified(
    server: Answering, tokens: InstallationTokens, answer: Answer, error: type[Exception], text: str
) -> None:
    server.on(MINT, answer)
    with pytest.raises(error, match=text):
        tokens.token(READ)
    assert server.count(MINT) == 1


def test_github_app_missing_installation_is_forbidden_not_not_found(server: Answering, private_key: str) -> None:
    github = GitHub(server.url, app=AppCredentials("42", private_key), backoff=0.0)
    for ask in (github.branch_head, github.may_steer):
        with pytest.raises(Forbidden) as caught:
            ask("o/r", "main")
        assert not isinstance(caught.value, NotFound)
    github.close()


def test_github_app_replaces_a_refused_token_once(server: Answering, private_key: str) -> None:
    github = GitHub(server.url, app=AppCredentials("42", private_key, 7), backoff=0.0)
    server.on(MINT, token_answer("one", 1e9), token_answer("two", 1e9))
    refused = Answer(401, {"message": "Bad credentials"})
    made = Answer(201, {"id": 1, "body": "x"})
    server.on("GET /repos/o/r/issues/1/comments", Answer(body=[]))
    server.on("POST /repos/o/r/issues/1/comments", refused, made)
    github.comment("o/r", 1, "Hello", "m1")
    server.on("POST /repos/o/r/issues/1/comments", refused)
    with pytest.raises(Unauthorized):
        github.comment("o/r", 1, "Hello", "m2")
    github.close()
    assert server.count("POST /repos/o/r/issues/1/comments") == 4


@pytest.mark.parametrize(
    "key", ["", "nonsense", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"]
)
def test_github_app_invalid_private_key_is_named_and_not_shown(server: Answering, key: str) -> None:
    tokens = InstallationTokens(server.url, AppCredentials("42", key, 7))
    with pytest.raises(Unauthorized, match="GITHUB_APP_PRIVATE_KEY_FILE") as caught:
        tokens.token(READ)
    assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "two words", "line\n", "umläut"])
def test_github_token_invalid_in_a_header_is_rejected_at_once(token: str) -> None:
    with pytest.raises(Unauthorized, match="GITHUB_TOKEN"):
        PersonalToken(token)


def test_github_needs_exactly_one_credential(private_key: str) -> None:
    for given in ({}, {"token": "t", "app": AppCredentials("42", private_key)}):
        with pytest.raises(Unauthorized, match="GITHUB_TOKEN and GITHUB_APP_ID"):
            GitHub("http://127.0.0.1:1", **given)


def test_github_app_git_credentials_are_limited_to_contents(server: Answering, private_key: str) -> None:
    long = "ghs_42_" + ".".join(["x" * 170] * 3)
    server.on(MINT, token_answer(long, 1e9))
    github = GitHub(server.url, app=AppCredentials("42", private_key, 7))
    assert github.git_credentials("o/r") == GitCredentials("x-access-token", long)
    github.close()
    assert server.asked[0].body["permissions"] == {"contents": "write"}


def test_github_secrets_are_in_no_repr(server: Answering, private_key: str) -> None:
    app = AppCredentials("42", private_key, 7)
    server.on(MINT, token_answer("ghs_hidden", 1e9))
    github = GitHub(server.url, app=app)
    credentials = github.git_credentials("o/r")
    github.close()
    shown = f"{app!r} {github!r} {credentials!r} {vars(github)!r} {PersonalToken('pat_hidden')!r}"
    assert "hidden" not in shown
    assert "PRIVATE KEY-----" not in shown


NO_RIGHTS = {"admin": False, "push": False, "pull": False}
"""GitHub shows these to an App, whatever was granted."""


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        ({"contents": "write", "pull_requests": "write", "checks": "write"}, []),
        ({"contents": "read", "pull_requests": "write", "checks": "admin"}, ["contents: write"]),
        ({"contents": "write", "metadata": "read"}, ["pull_requests: write", "checks: write"]),
    ],
)
def test_github_app_finds_the_permissions_that_its_installation_lacks(
    server: Answering, private_key: str, granted: dict[str, str], missing: list[str]
) -> None:
    server.on("GET /repos/o/r", Answer(body={**REPOSITORY, "permissions": NO_RIGHTS}))
    server.on("GET /repos/o/r/installation", Answer(body={"id": 7, "permissions": granted}))
    server.on(MINT, token_answer("one", 1e9))
    github = GitHub(server.url, app=AppCredentials("42", private_key), backoff=0.0)
    assert github.find_missing_permissions(github.repository("o/r")) == missing
    github.close()


def test_github_app_without_the_repository_is_forbidden(server: Answering, tokens: InstallationTokens) -> None:
    lacks = "There is at least one repository that does not exist or is not accessible to the parent installation."
    server.on(MINT, Answer(422, {"message": lacks}))
    with pytest.raises(Forbidden, match="App 42 is not installed on o/r: add the repository"):
        tokens.token(READ)
