"""Security of the dashboard: host names, cross-site requests, framing, untrusted markup, read-only routes."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from integrations.results import (
    CriterionResult,
    Evidence,
    Finding,
    Judgement,
    Plan,
    Proposal,
    ProposedCriterion,
    Question,
    Tampering,
    Verdict,
)
from jobs.config.settings import Settings
from jobs.loop.comments import Guidance
from jobs.loop.state import ClosedAttempt, Contract, Criterion, Stage
from service.dashboard.app import allowed_hosts, create_app
from tests.service.dashboard.conftest import PASSWORD
from tests.service.dashboard.markup import PAYLOADS
from tests.service.dashboard.story import Story, a_loop

FOREIGN = re.compile(r"(?:src|href)=\"https?:|<style|<script(?! type=\"module\" src=\"/static/)| on\w+=")
DANGER = re.compile(r"<(?:script|img|svg|iframe|b|a)\b[^>]*(?:alert|onerror|onload|srcdoc)|<script>", re.IGNORECASE)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_untrusted_markup_is_escaped(client: FlaskClient, story: Story, payload: str) -> None:
    full = a_loop(
        title=payload,
        reason=payload,
        stage=Stage.ASKING,
        proposal=Proposal(
            criteria=(ProposedCriterion(text=payload, command=payload), ProposedCriterion(text="x", evidence=payload)),
            questions=(Question(text=payload, options=(payload,)),),
            summary=payload,
        ),
        plan=Plan(summary=payload, steps=(payload,), paths=(payload,), commands=(payload,)),
        attempts=(ClosedAttempt(number=1, approach=payload, summary=payload, tried=(payload,), rejected=payload),),
        tampering=(Tampering(kind="ci", path=payload, line=1, text=payload),),
        judgement=Judgement(done=False, missing=(payload,), reason=payload),
        tried=(payload,),
        guidance=(Guidance(author=payload, text=payload),),
        contract=Contract(criteria=(Criterion(id="c1", text=payload, command=payload),)),
        evidence=(Evidence(name="c1", command=payload, exit_code=1, output=payload),),
        verdict=Verdict(
            head_sha="a" * 40,
            summary=payload,
            results=(CriterionResult(criterion="c1", result="fail", evidence=payload),),
            findings=(Finding(text=payload),),
        ),
        url=f"javascript:alert(1)//{payload}",
        number=1,
    )
    story.remember(full)
    for path in ("/", "/tickets/ENG-12"):
        page = client.get(path).text
        assert not DANGER.search(page) and "javascript:alert(1)//" not in page


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8701", 200),
        ("LOCALHOST:8701", 200),
        ("[::1]:8701", 200),
        ("loops.acme.example", 200),
        ("10.1.2.3:8701", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost@evil.example", 403),
        ("[::1", 403),
        ("evil.example@localhost", 403),
        ("localhost/x", 403),
        ("localhost#", 403),
        ("localhost:8701:1", 403),
        ("127.0.0.1:evil", 403),
    ],
)
def test_host_names_other_than_the_allowed_are_rejected(settings: Settings, host: str, status: int) -> None:
    mine = Settings(
        home=settings.home,
        redis_url=settings.redis_url,
        dashboard_bind="10.1.2.3:8701",
        dashboard_url="https://loops.acme.example/",
    )
    answer = create_app(mine, PASSWORD).test_client().get("/healthz", headers={"Host": host})
    assert answer.status_code in ({403, 400} if status == 403 else {status})


def test_host_names_allowed_by_default_are_loopback(settings: Settings) -> None:
    assert allowed_hosts(settings) == {"localhost", "127.0.0.1", "::1"}


def test_host_name_is_checked_for_static_files(client: FlaskClient) -> None:
    assert client.get("/static/dashboard.css", headers={"Host": "evil.example"}).status_code == 403


@pytest.mark.parametrize(("mode", "status"), [("navigate", 200), ("cors", 403), ("no-cors", 403)])
def test_cross_site_requests_can_only_navigate(client: FlaskClient, story: Story, mode: str, status: int) -> None:
    asked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
    assert client.get("/", headers=asked).status_code == status


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/static/refresh.js", "/api/nowhere"])
def test_security_headers_are_set_on_every_response(client: FlaskClient, story: Story, path: str) -> None:
    with client.get(path) as answer:
        headers = answer.headers
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and "Set-Cookie" not in headers


def test_routes_are_read_only_except_those_of_the_session_and_the_start_of_automations(settings: Settings) -> None:
    app: Flask = create_app(settings, PASSWORD)
    writes = {rule.rule for rule in app.url_map.iter_rules() if set(rule.methods or ()) - {"GET", "HEAD", "OPTIONS"}}
    assert writes == {"/automations/run", "/login", "/logout"}


def test_templates_use_no_safe_filter_and_no_external_resource() -> None:
    app = create_app(Settings(), PASSWORD)
    for name in app.jinja_env.list_templates():
        source = app.jinja_env.loader.get_source(app.jinja_env, name)[0] if app.jinja_env.loader else ""
        assert source and "safe" not in re.findall(r"\|\s*(\w+)", source)
        assert not FOREIGN.search(source)
