"""Deliveries of webhooks: signature, headers, records, redelivery and faults."""

from __future__ import annotations

import re

import pytest

from integrations.standins.github.webhooks import signature
from tests.integrations.standins.github.world import SECRET, World

DELIVERIES = "/app/hook/deliveries"
OPEN = "/repos/acme/open"


@pytest.mark.parametrize(
    ("secret", "body", "expected"),
    [
        (SECRET, "Hello, World!", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        ("mysecret", '{"foo":"bar"}', "4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"),
        ("mysecret", '{"body":"héllo ✅"}', "1ec1f75fea4dec26d855253e1681605d103c72e19712deecc27b7315694aefbe"),
    ],
    ids=["docs.github.com", "octokit/webhooks-methods", "utf-8"],
)
def test_signature_is_the_documented_one(secret: str, body: str, expected: str) -> None:
    assert signature(secret, body.encode()) == f"sha256={expected}"


def test_delivery_has_githubs_headers(github: World) -> None:
    github.push()
    github.heard()
    heard = github.receiver.all[-1]
    assert heard.headers["x-hub-signature-256"] == signature(SECRET, heard.raw)
    assert heard.headers["x-github-hook-installation-target-type"] == "integration"
    assert heard.headers["x-github-hook-installation-target-id"] == "7"
    assert heard.headers["x-github-hook-id"].isdigit()
    assert re.fullmatch(r"[0-9a-f-]{36}", heard.headers["x-github-delivery"])
    assert heard.headers["user-agent"].startswith("GitHub-Hookshot/")
    assert heard.headers["content-type"] == "application/json"


def test_repository_without_an_app_has_its_own_hook(github: World) -> None:
    ada = github.person()
    sha = ada.get(f"{OPEN}/git/ref/heads/main").json()["object"]["sha"]
    ada.post(f"{OPEN}/statuses/{sha}", json={"state": "success"})
    assert github.heard() == ["status"]
    heard = github.receiver.all[-1]
    assert heard.headers["x-github-hook-installation-target-type"] == "repository"
    assert "installation" not in heard.body
    [hook] = ada.get(f"{OPEN}/hooks").json()
    assert hook["config"]["url"] == github.receiver.url and SECRET not in str(hook)
    [item] = ada.get(f"{OPEN}/hooks/{hook['id']}/deliveries").json()
    ada.post(f"{OPEN}/hooks/{hook['id']}/deliveries/{item['id']}/attempts")
    assert github.heard() == ["status", "status"]
    assert ada.get(f"{OPEN}/hooks/1/deliveries").status_code == 404


@pytest.mark.parametrize("answer", [503, 0])
def test_failed_delivery_is_recorded_and_not_retried(github: World, answer: int) -> None:
    github.receiver.answer = answer
    if not answer:
        github.receiver.close()
    github.push()
    assert len(github.heard()) == (1 if answer else 0)
    [item] = github.app_caller().get(DELIVERIES).json()
    status = (f"Invalid HTTP Response: {answer}", answer) if answer else ("failed to connect to host", 502)
    assert (item["status"], item["status_code"], item["redelivery"]) == (*status, False)


def test_redelivery_has_the_same_guid_and_bytes_and_a_new_id(github: World) -> None:
    github.receiver.answer = 500
    github.push()
    github.heard()
    github.receiver.answer = 200
    app = github.app_caller()
    [failed] = app.get(DELIVERIES).json()
    assert app.post(f"{DELIVERIES}/{failed['id']}/attempts").status_code == 202
    github.heard()
    first, second = github.receiver.all
    assert (first.raw, first.headers["x-github-delivery"]) == (second.raw, second.headers["x-github-delivery"])
    newest = app.get(DELIVERIES).json()[0]
    assert (newest["guid"], newest["redelivery"], newest["status"]) == (failed["guid"], True, "OK")
    assert newest["id"] != failed["id"]
    assert app.post(f"{DELIVERIES}/999999/attempts").status_code == 404


def test_deliveries_are_read_by_cursor(github: World) -> None:
    for number in range(3):
        github.push("fix", f"{number}\n")
    github.heard()
    app, url, seen = github.app_caller(), f"{DELIVERIES}?per_page=2", []
    while url:
        page = app.get(url)
        seen += [one["id"] for one in page.json()]
        url = page.links.get("next", {}).get("url", "")
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 3


@pytest.mark.parametrize("operation", ["push", "*", "POST /{owner}/{repo}.git/git-receive-pack"])
def test_dropped_webhook_can_be_redelivered(github: World, operation: str) -> None:
    github.fault(operation=operation, kind="webhook_drop")
    github.push()
    assert github.heard() == []
    app = github.app_caller()
    [item] = app.get(DELIVERIES).json()
    app.post(f"{DELIVERIES}/{item['id']}/attempts")
    assert github.heard() == ["push"]


def test_duplicate_webhook_is_the_same_twice(github: World) -> None:
    github.fault(operation="push", kind="webhook_duplicate")
    github.push()
    assert github.heard() == ["push", "push"]
    first, second = github.receiver.all
    assert (first.raw, first.headers["x-github-delivery"]) == (second.raw, second.headers["x-github-delivery"])


def test_delayed_webhook_is_overtaken(github: World) -> None:
    github.fault(operation="pull_request.opened", kind="webhook_delay", seconds=0.5)
    github.pull()
    github.person().post("/repos/acme/shop/issues/1/comments", json={"body": "Hi"})
    assert github.heard() == ["push", "issue_comment.created", "pull_request.opened"]
