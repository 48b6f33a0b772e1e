"""OAuth of the local Linear, as documented: grants, rotation, expiry, scopes, revocation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integrations.standins.linear.oauth_apps import CALLBACK, Installed, build_seed, running

MUTATION = 'mutation { issueDelete(id: "ENG-1") { success } }'


@pytest.fixture
def linear(tmp_path: Path) -> Iterator[Installed]:
    with running(tmp_path, build_seed("Acme", "ENG", "OPS")) as installed:
        yield installed


def install(linear: Installed, scope: str = "read,write") -> dict[str, str]:
    target = urlsplit(linear.consent(scope=scope).headers["Location"])
    code = parse_qs(target.query)["code"][0]
    answer = linear.request(grant_type="authorization_code", code=code, redirect_uri=CALLBACK)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_oauth_installation_issues_tokens_for_the_app_for_a_day(linear: Installed) -> None:
    tokens = install(linear)
    assert int(tokens["expires_in"]) == 86_399
    assert linear.query(tokens["access_token"]).json()["data"]["viewer"]["name"] == "Loopline"


def test_oauth_refresh_rotates_and_replays_for_thirty_minutes(linear: Installed) -> None:
    first = install(linear)["refresh_token"]
    second = linear.request(grant_type="refresh_token", refresh_token=first).json()
    assert linear.request(grant_type="refresh_token", refresh_token=first).json() == second
    linear.control(end_replays=True)
    late = linear.request(grant_type="refresh_token", refresh_token=first)
    assert (late.status_code, late.json()["error"]) == (400, "invalid_grant")
    assert linear.request(grant_type="refresh_token", refresh_token=second["refresh_token"]).ok


def test_oauth_client_credentials_last_thirty_days_and_other_scopes_revoke_them(linear: Installed) -> None:
    one, two = (linear.request(grant_type="client_credentials", scope="read,write").json() for _ in range(2))
    assert one["expires_in"] == 2_591_999 and "refresh_token" not in one
    assert linear.query(one["access_token"]).ok and linear.query(two["access_token"]).ok
    other = linear.request(grant_type="client_credentials", scope="read").json()
    assert linear.query(one["access_token"]).status_code == 401
    missing = linear.query(other["access_token"], MUTATION)
    assert missing.status_code == 400 and "Invalid scope: `write` required" in missing.text


def test_oauth_tokens_end_by_expiry_and_by_revocation(linear: Installed) -> None:
    tokens = install(linear)
    linear.control(expire=True)
    assert linear.query(tokens["access_token"]).status_code == 401
    renewed = linear.request(grant_type="refresh_token", refresh_token=tokens["refresh_token"]).json()
    linear.control(revoke="app-1")
    assert linear.query(renewed["access_token"]).status_code == 401
    refused = linear.request(grant_type="refresh_token", refresh_token=renewed["refresh_token"])
    assert refused.json()["error"] == "invalid_grant"


def test_oauth_hidden_team_looks_deleted_to_the_app_only(linear: Installed) -> None:
    token = install(linear)["access_token"]
    linear.control(hide="ENG", **{"from": "app-1"})
    teams = linear.query(token, "{ teams { nodes { key } } }").json()["data"]["teams"]["nodes"]
    assert teams == [{"key": "OPS"}]
    assert "Entity not found" in linear.query(token, '{ issue(id: "ENG-1") { id } }').text
    linear.control(show="ENG", to="app-1")
    assert linear.query(token, '{ issue(id: "ENG-1") { id } }').json()["data"]["issue"]["id"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong", "grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "authorization_code", "code": "x", "redirect_uri": CALLBACK}, 400, "invalid_grant"),
        ({"grant_type": "client_credentials", "scope": "read,everything"}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_oauth_refusal_is_one_of_the_standard_errors(
    linear: Installed, form: dict[str, str], status: int, error: str
) -> None:
    answer = linear.request(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_oauth_consent_can_be_refused_and_redirects_to_known_addresses_only(linear: Installed) -> None:
    refused = urlsplit(linear.consent(decision="cancel").headers["Location"])
    assert parse_qs(refused.query) == {"error": ["access_denied"], "state": ["s"]}
    with pytest.raises(AssertionError, match="redirect_uri"):
        linear.consent(redirect_uri="https://evil.example/")
