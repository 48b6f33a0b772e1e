"""Signing in to the dashboard: by its password, by a bearer token, and at an OpenID Connect provider."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect

from integrations.errors import Rejected
from jobs.config.settings import Settings
from service.dashboard.app import create_app
from service.dashboard.login import FAILURES_PER_ADDRESS
from service.dashboard.oidc import may_enter
from service.dashboard.password import FILE, read_password
from tests.service.dashboard.conftest import PASSWORD
from tests.service.dashboard.identity_provider import IdentityProvider
from tests.service.dashboard.story import Story, a_loop
from tests.support.checkout import REPOSITORY

PAGES = ("/", "/tickets/ENG-12", "/tickets/ENG-12?run=x&a=b", "/nowhere")
CALLS = ("/api/loops", "/api/tickets/ENG-12", "/api/runs/x/events", "/api/runs/x/entries", "/api/nowhere")


@pytest.fixture
def visitor(settings: Settings, story: Story) -> FlaskClient:
    """A client without the password."""
    story.remember(a_loop())
    return create_app(settings, PASSWORD).test_client()


def token(client: FlaskClient) -> str:
    found = re.search(r'name="token" value="([\w-]+)"', client.get("/login").text)
    assert found
    return found[1]


def sign_in(client: FlaskClient, password: str = PASSWORD, **fields: str) -> tuple[int, str]:
    answer = client.post("/login", data={"token": token(client), "password": password, **fields})
    return answer.status_code, answer.headers.get("Location", "")


@pytest.mark.parametrize("path", PAGES)
def test_pages_lead_to_the_sign_in_and_back(visitor: FlaskClient, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 302 and "Loopline" not in answer.text
    page = visitor.get(answer.headers["Location"])
    following = re.search(r'name="next" value="([^"]*)"', page.text)
    assert following and following[1].replace("&amp;", "&") == path
    assert sign_in(visitor, next=path) == (302, path)
    assert visitor.get(path).status_code in {200, 404}


@pytest.mark.parametrize("path", CALLS)
def test_api_refuses_requests_without_session_or_password(visitor: FlaskClient, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {PASSWORD}"}, {"Cookie": "x=y"}):
        answer = visitor.get(path, headers=headers)
        assert answer.status_code == 401 and list(answer.json or {}) == ["error"]
    assert visitor.get(path, headers={"Authorization": f"Bearer {PASSWORD}"}).status_code in {200, 404}


def test_health_and_static_files_need_no_session(visitor: FlaskClient) -> None:
    assert visitor.get("/healthz").status_code == 200
    with visitor.get("/static/dashboard.css") as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\r\nSet-Cookie: a=b", "//",
     "x", "/" + "a" * 600, "http:evil.example"],
)  # fmt: skip
def test_sign_in_leads_only_to_pages_of_the_dashboard(visitor: FlaskClient, path: str) -> None:
    assert sign_in(visitor, next=path) == (302, "/")


def test_session_cookie_is_hidden_from_scripts_and_other_sites(settings: Settings, story: Story) -> None:
    for url, secure in (("http://127.0.0.1:8701", False), ("https://loops.acme.example", True)):
        client = create_app(settings.model_copy(update={"dashboard_url": url}), PASSWORD).test_client()
        cookie = client.get("/login").headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and ("Secure" in cookie) == secure


def test_form_without_the_token_of_its_session_is_refused(visitor: FlaskClient, settings: Settings) -> None:
    other = token(create_app(settings, PASSWORD).test_client())
    for wrong in ("", "x", other):
        assert visitor.post("/login", data={"token": wrong, "password": PASSWORD}).status_code == 403
    assert sign_in(visitor)[0] == 302
    for wrong in ("", "x", other):
        assert visitor.post("/logout", data={"token": wrong}).status_code == 403
    assert visitor.get("/").status_code == 200


def test_sign_out_and_a_changed_password_end_the_session(visitor: FlaskClient, settings: Settings) -> None:
    sign_in(visitor)
    cookie = visitor.get_cookie("loopline_session")
    assert cookie
    changed = create_app(settings, "another-password").test_client()
    changed.set_cookie("loopline_session", cookie.value)
    assert changed.get("/").status_code == 302
    form = re.search(r'name="token" value="([\w-]+)"', visitor.get("/").text)
    assert form and visitor.post("/logout", data={"token": form[1]}).status_code == 302
    assert visitor.get("/").status_code == 302


def test_session_ends_after_its_hours(visitor: FlaskClient) -> None:
    sign_in(visitor)
    with visitor.session_transaction() as session:
        session["until"] -= 13 * 3600
    assert visitor.get("/").status_code == 302


@pytest.mark.parametrize("kind", ["form", "bearer"])
def test_wrong_passwords_are_limited_per_minute(visitor: FlaskClient, kind: str) -> None:
    def attempt(password: str) -> int:
        if kind == "form":
            return sign_in(visitor, password)[0]
        return visitor.get("/api/loops", headers={"Authorization": f"Bearer {password}"}).status_code

    codes = [attempt(f"wrong-{number}") for number in range(FAILURES_PER_ADDRESS + 1)]
    assert set(codes[:-1]) <= {401, 403} and codes[-1] == 429
    assert attempt(PASSWORD) == 429  # a guess that is right is no sign either
    elsewhere = visitor.get(
        "/api/loops", headers={"Authorization": f"Bearer {PASSWORD}"}, environ_base={"REMOTE_ADDR": "10.0.0.9"}
    )
    assert elsewhere.status_code == 200


@pytest.mark.parametrize("given", ["", "é" * 10, "\x00", "a" * 9_000])
def test_odd_passwords_are_wrong_and_no_error(visitor: FlaskClient, given: str) -> None:
    assert sign_in(visitor, given)[0] == 403


def test_password_is_generated_once_for_its_owner_alone(tmp_path: Path) -> None:
    settings, found = Settings(home=tmp_path / "home"), []
    threads = [threading.Thread(target=lambda: found.append(read_password(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1 and len(found[0]) >= 20
    assert stat.S_IMODE((tmp_path / "home" / FILE).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "home").iterdir()] == [FILE]


@pytest.mark.parametrize(
    "spoil", [lambda file: file.mkdir(), lambda file: file.touch(), lambda file: file.write_bytes(b"\xff" * 20)]
)
def test_password_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path / FILE)
    with pytest.raises(Rejected, match=FILE):
        read_password(Settings(home=tmp_path))


def test_login_command_prints_a_link_that_signs_in_a_browser(
    tmp_path: Path, browser: Browser, address: str, story: Story
) -> None:
    environ = {
        "LOOPLINE_HOME": str(tmp_path),
        "LOOPLINE_DASHBOARD_PASSWORD": PASSWORD,
        "LOOPLINE_DASHBOARD_URL": address,
    }
    command = [sys.executable, "-m", "service", "login"]
    link = subprocess.run(
        command, env=environ, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert link == f"{address}/login#{PASSWORD}"
    story.remember(a_loop())
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/login")
        page.goto(link)
        expect(page.get_by_test_id("loop-row")).to_be_visible()
        assert PASSWORD not in page.url
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_test_id("login")).to_be_visible()
        page.get_by_label("Password").fill("a wrong one")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_test_id("notice")).to_contain_text("not the password")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_test_id("loop-row")).to_be_visible()


@pytest.mark.parametrize(
    ("email", "may"),
    [("ana@acme.example", True), ("ANA@ACME.EXAMPLE", True), ("bo@other.example", True), ("bo@acme.example", False),
     ("ana@acme.example.evil", False), ("x@sub.other.example", False), ("@other.example@evil.example", False),
     ("", False)],
)  # fmt: skip
def test_only_listed_addresses_and_domains_may_enter(email: str, may: bool) -> None:
    assert may_enter(email, ("ana@acme.example", "@other.example")) == may


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with IdentityProvider() as running:
        yield running


@pytest.fixture
def employee(settings: Settings, provider: IdentityProvider, story: Story) -> FlaskClient:
    mine = Settings(
        home=settings.home, redis_url=settings.redis_url, oidc_issuer=provider.url, oidc_client_id="loopline",
        oidc_client_secret="a-client-secret", oidc_users="@acme.example",
    )  # fmt: skip
    return create_app(mine, PASSWORD).test_client()


def follow(client: FlaskClient, provider: IdentityProvider) -> int:
    """Sign in at the provider as a browser does; returns the status of the callback."""
    start = client.get("/login/start?next=/tickets/ENG-12")
    assert start.status_code == 302
    return client.get(provider.authorize(start.headers["Location"])).status_code


def test_oidc_signs_in_people_of_the_list(employee: FlaskClient, provider: IdentityProvider, story: Story) -> None:
    story.remember(a_loop())
    assert "Sign in with 127.0.0.1" in employee.get("/login").text
    assert follow(employee, provider) == 302
    assert "ana@acme.example" in employee.get("/").text


@pytest.mark.parametrize(
    "fault",
    ["email_verified", "no email", "other domain", "nonce", "audience", "issuer", "expired", "signature", "alg none",
     "state", "code", "no id token"],
)  # fmt: skip
def test_oidc_refuses_everything_that_does_not_prove_the_person(
    employee: FlaskClient, provider: IdentityProvider, fault: str
) -> None:
    provider.fault = fault
    assert follow(employee, provider) in {403, 502}
    assert employee.get("/").status_code == 302


def test_oidc_replaces_the_password_for_people_but_not_for_the_api(employee: FlaskClient) -> None:
    assert employee.post("/login", data={"password": PASSWORD}).status_code == 405
    assert employee.get("/api/loops", headers={"Authorization": f"Bearer {PASSWORD}"}).status_code == 200


def test_oidc_provider_that_is_away_is_one_sentence_with_the_setting(settings: Settings) -> None:
    mine = Settings(
        home=settings.home, redis_url=settings.redis_url, oidc_issuer="http://127.0.0.1:9", oidc_client_id="loopline",
        oidc_client_secret="a-client-secret", oidc_users="@acme.example",
    )  # fmt: skip
    answer = create_app(mine, PASSWORD).test_client().get("/login/start")
    assert answer.status_code == 502 and "LOOPLINE_OIDC_ISSUER" in answer.text
