"""Linear with the identity of an OAuth app, on local Linears: renewal, rotation, revocation, several workspaces."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask, request

from integrations.errors import Forbidden, NotConnected, NotFound, Rejected, Unauthorized, Unavailable
from integrations.standins.wire import serve
from integrations.token_store import LocalTokens
from integrations.trackers.linear.credentials import OWN_WORKSPACE, AppCredential
from integrations.trackers.linear.oauth import TOKENS, TokenEndpoint, Tokens, build_authorize_url
from integrations.trackers.linear.workspaces import LinearWorkspaces, connect_workspace
from integrations.values import TicketId
from tests.integrations.standins.linear.oauth_apps import APP_USER, CALLBACK, Installed, build_seed, running

VERIFIER = "v" * 48
CHALLENGE = create_s256_code_challenge(VERIFIER)


@pytest.fixture
def store() -> LocalTokens:
    return LocalTokens()


@pytest.fixture
def linear(tmp_path: Path) -> Iterator[Installed]:
    with running(tmp_path / "acme", build_seed("Acme", "ENG", "OPS")) as installed:
        yield installed


@contextmanager
def opened(linear: Installed, store: LocalTokens) -> Iterator[LinearWorkspaces]:
    tracker = LinearWorkspaces(linear.graphql, linear.endpoint, store)
    try:
        yield tracker
    finally:
        tracker.close()


def install(linear: Installed, store: LocalTokens) -> str:
    """Connect the workspace; returns the name under which its tokens are stored."""
    before = set(store.names("linear/"))
    target = linear.consent(code_challenge=CHALLENGE).headers["Location"]
    code = parse_qs(urlsplit(target).query)["code"][0]
    connect_workspace(linear.graphql, linear.endpoint, store, code, CALLBACK, VERIFIER)
    [name] = set(store.names("linear/")) - before
    return name


@contextmanager
def behind_one_address(*workspaces: Installed) -> Iterator[Installed]:
    """As at Linear, a token belongs to one workspace, and all have the same endpoints."""
    front = Flask("linear")

    @front.post("/graphql")
    @front.post("/oauth/token")
    def forward() -> tuple[bytes, int, dict[str, str]]:
        for one in workspaces:
            headers = {name: request.headers.get(name, "") for name in ("Authorization", "Content-Type")}
            answer = requests.post(one.url + request.path, request.get_data(), headers=headers, timeout=10)
            if answer.ok:
                break
        return answer.content, answer.status_code, {"Content-Type": "application/json"}

    with serve(front) as served:
        graphql = f"{served.url}/graphql"
        yield Installed(served.url, TokenEndpoint(graphql, "app-1", "app-secret-1"))


def stored(store: LocalTokens, name: str) -> Tokens:
    return TOKENS.validate_json(store.read(name))


def age(store: LocalTokens, name: str, **changes: object) -> None:
    """Let the stored token be old."""
    store.write(name, json.dumps({**json.loads(store.read(name)), "issued_at": 0.0, **changes}))


def test_app_without_an_installation_mints_a_token_once_for_all_trackers(linear: Installed, store: LocalTokens) -> None:
    with opened(linear, store) as one, opened(linear, store) as two:
        assert one.viewer().name == two.viewer().name == "Loopline"
        first = store.read(OWN_WORKSPACE)
        one.check_columns("ENG", ["Agent", "Done"])
    assert store.read(OWN_WORKSPACE) == first
    assert stored(store, OWN_WORKSPACE).expires_at - time.time() > 29 * 86_400


def test_app_without_client_credentials_and_installation_is_not_connected(tmp_path: Path, store: LocalTokens) -> None:
    with running(tmp_path, build_seed("Acme", "ENG", client_credentials=False)) as linear, opened(linear, store) as app:
        with pytest.raises(
            NotConnected, match=r"switch on client credentials.*or connect a workspace at /oauth/linear"
        ):
            app.viewer()
        install(linear, store)
        assert app.viewer().name == "Loopline"


def test_app_with_a_wrong_secret_is_named_without_the_secret(linear: Installed, store: LocalTokens) -> None:
    wrong = TokenEndpoint(linear.graphql, "app-1", "not-the-secret")
    with pytest.raises(Unauthorized, match="refuses LINEAR_CLIENT_ID and LINEAR_CLIENT_SECRET") as raised:
        AppCredential(wrong, store).authorization()
    assert "not-the-secret" not in str(raised.value) and not isinstance(raised.value, NotConnected)


@pytest.mark.parametrize("kind", ["minted", "installed"])
def test_app_token_is_renewed_once_when_linear_refuses_it(linear: Installed, store: LocalTokens, kind: str) -> None:
    name = install(linear, store) if kind == "installed" else OWN_WORKSPACE
    with opened(linear, store) as app:
        app.check_columns("ENG", [])
        before = stored(store, name)
        linear.control(expire=True)
        age(store, name)
        ticket = app.fetch(TicketId("ENG-1"))
        app.comment(ticket.id, "Hello", "7f4c1c52-3c0e-4a6e-9d3a-0e9c1f2a3b4c")
        after = stored(store, name)
    assert before.access_token != after.access_token
    assert (before.refresh_token == after.refresh_token) is (kind == "minted")
    assert after.workspace == ("Acme" if kind == "installed" else "")


def test_app_token_is_renewed_ahead_of_its_end(linear: Installed, store: LocalTokens) -> None:
    name = install(linear, store)
    age(store, name, expires_at=time.time() + 3_600)  # 90 % of its life are over
    before = stored(store, name).access_token
    with opened(linear, store) as app:
        assert app.viewer().name == "Loopline"
    assert stored(store, name).access_token != before


def test_app_token_stays_in_use_while_the_renewal_ahead_fails(linear: Installed, store: LocalTokens) -> None:
    name = install(linear, store)
    age(store, name, expires_at=time.time() + 3_600)
    linear.fail("oauth.token", "500", times=9)
    with opened(linear, store) as app:
        assert app.viewer().name == "Loopline"
    age(store, name, expires_at=1.0)
    with opened(linear, store) as app, pytest.raises(Unavailable, match="token endpoint"):
        app.viewer()


def test_app_token_survives_a_refresh_whose_response_was_lost(linear: Installed, store: LocalTokens) -> None:
    name = install(linear, store)
    age(store, name, expires_at=1.0)
    linear.fail("refresh_token", "lost_reply")
    with opened(linear, store) as app:
        with pytest.raises(Unavailable, match="check the network"):
            app.viewer()
        assert app.viewer().name == "Loopline"


def test_app_token_is_refreshed_by_one_of_many_at_once(linear: Installed, store: LocalTokens) -> None:
    """Eight clients notice the end together; each further refresh with the used token would end the installation."""
    name = install(linear, store)
    first = stored(store, name)
    linear.control(end_replays=True)
    age(store, name, expires_at=1.0)
    together = threading.Barrier(8)

    def ask(_: int) -> str:
        credential = AppCredential(linear.endpoint, store, name)
        together.wait()
        return credential.authorization()

    with ThreadPoolExecutor(8) as pool:
        [header] = set(pool.map(ask, range(8)))
    assert header == f"Bearer {stored(store, name).access_token}" != f"Bearer {first.access_token}"


def test_app_token_of_another_process_counts_after_a_refused_refresh(linear: Installed, store: LocalTokens) -> None:
    """The lock expired during a slow refresh: the pair that the other process has stored is used, without an alarm."""
    name = install(linear, store)
    newer = linear.endpoint.refresh(stored(store, name).refresh_token)
    linear.control(end_replays=True)
    age(store, name, expires_at=1.0)

    class Overtaken(TokenEndpoint):
        def refresh(self, refresh_token: str) -> Tokens:
            store.write(name, TOKENS.dump_json(newer).decode())
            return super().refresh(refresh_token)

    credential = AppCredential(Overtaken(linear.graphql, "app-1", "app-secret-1"), store, name)
    assert credential.authorization() == f"Bearer {newer.access_token}"


def test_app_that_was_revoked_is_reported_with_the_workspace_and_the_fix(linear: Installed, store: LocalTokens) -> None:
    name = install(linear, store)
    with opened(linear, store) as app:
        app.viewer()
        linear.control(revoke="app-1")
        age(store, name)
        with pytest.raises(
            NotConnected, match=r"workspace Acme has revoked.*connect a workspace at /oauth/linear/inst"
        ):
            app.check_columns("ENG", [])
        install_again = linear.consent(code_challenge=CHALLENGE).headers["Location"]
        code = parse_qs(urlsplit(install_again).query)["code"][0]
        assert connect_workspace(linear.graphql, linear.endpoint, store, code, CALLBACK, VERIFIER) == "Acme"
        app.check_columns("ENG", [])


def test_app_token_that_is_refused_right_after_its_issue_is_not_renewed_again(
    linear: Installed, store: LocalTokens
) -> None:
    with opened(linear, store) as app:
        app.viewer()
        linear.control(expire=True)
        before = store.read(OWN_WORKSPACE)
        with pytest.raises(Unauthorized, match="LINEAR_CLIENT_ID and LINEAR_CLIENT_SECRET"):
            app.check_columns("ENG", [])
    assert store.read(OWN_WORKSPACE) == before


def test_tokens_of_another_app_are_not_used(linear: Installed, store: LocalTokens) -> None:
    name = install(linear, store)
    age(store, name, client_id="app-0")
    with opened(linear, store) as app:
        assert app.viewer().name == "Loopline"
    assert stored(store, OWN_WORKSPACE).client_id == "app-1"


def test_scope_that_is_missing_is_forbidden_with_its_name(linear: Installed, store: LocalTokens) -> None:
    target = linear.consent(scope="read", code_challenge=CHALLENGE).headers["Location"]
    code = parse_qs(urlsplit(target).query)["code"][0]
    connect_workspace(linear.graphql, linear.endpoint, store, code, CALLBACK, VERIFIER)
    with opened(linear, store) as app:
        ticket = app.fetch(TicketId("ENG-1"))
        with pytest.raises(Forbidden, match=r"Invalid scope.*give Loopline's account there the scope write") as raised:
            app.move(ticket, "Done")
    assert (raised.value.permission, raised.value.kind) == ("write", "credentials")


def test_teams_of_several_workspaces_are_served_with_their_own_tokens(tmp_path: Path, store: LocalTokens) -> None:
    with (
        running(tmp_path / "acme", build_seed("Acme", "ENG")) as acme,
        running(tmp_path / "beta", build_seed("Beta", "SUP")) as beta,
        behind_one_address(acme, beta) as both,
        opened(both, store) as app,
    ):
        first, _ = install(acme, store), install(beta, store)
        app.check_columns("ENG", ["Agent"])
        app.check_columns("SUP", ["Agent"])
        for key in ("ENG", "SUP"):
            [ticket] = app.in_columns(key, ["Agent"])
            app.move(ticket, "Done")
            app.comment(ticket.id, "Hello", "7f4c1c52-3c0e-4a6e-9d3a-0e9c1f2a3b4c")
            [comment] = app.comments(ticket.id)
            assert comment.author.is_us and app.fetch(ticket.id).column == "Done"
        with pytest.raises(Rejected, match="'OPS' not found"):
            app.check_columns("OPS", [])
        with pytest.raises(NotFound):
            app.fetch(TicketId("9f4c1c52-3c0e-4a6e-9d3a-0e9c1f2a3b4c"))
        acme.control(revoke="app-1")
        age(store, first)
        app.check_columns("SUP", ["Agent"])
        with pytest.raises(NotConnected, match="Acme"):
            app.check_columns("ENG", ["Agent"])


def test_authorize_page_is_asked_for_the_scopes_of_an_agent() -> None:
    url = urlsplit(build_authorize_url("https://api.linear.app/graphql", "app-1", CALLBACK, "s", "c"))
    query = {name: value for name, [value] in parse_qs(url.query).items()}
    assert (url.scheme, url.netloc, url.path) == ("https", "linear.app", "/oauth/authorize")
    assert (query["actor"], query["scope"]) == ("app", "read,write,app:assignable,app:mentionable")
    assert (query["state"], query["code_challenge_method"]) == ("s", "S256")


@pytest.mark.parametrize(("kind", "error"), [("500", Unavailable), ("ratelimited", Unavailable)])
def test_token_endpoint_that_fails_is_retried_later(linear: Installed, kind: str, error: type[Exception]) -> None:
    linear.fail("oauth.token", kind)
    with pytest.raises(error):
        linear.endpoint.mint()
    assert linear.endpoint.mint().access_token


def test_token_is_in_no_representation(linear: Installed) -> None:
    tokens = linear.endpoint.mint()
    assert tokens.access_token not in repr(tokens) and APP_USER not in repr(tokens)
