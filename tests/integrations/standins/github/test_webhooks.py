from __future__ import annotations

import hashlib
import hmac
import json
import re

import pytest

from integrations.standins.github.webhooks import Webhooks, signature
from tests.integrations.standins.github.world import SECRET, SHOP, World

DELIVERIES = "/app/hook/deliveries"


@pytest.mark.parametrize(
    ("secret", "body", "expected"),
    [
        (SECRET, "Hello, World!", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
        ("mysecret", '{"foo":"bar"}', "4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"),
        ("mysecret", '{"body":"héllo ✅"}', "1ec1f75fea4dec26d855253e1681605d103c72e19712deecc27b7315694aefbe"),
    ],
    ids=["docs.github.com", "octokit/webhooks-methods", "utf-8"],
)
def test_the_signature_is_the_documented_one(secret: str, body: str, expected: str) -> None:
    assert signature(secret, body.encode()) == f"sha256={expected}"


def test_a_delivery_has_the_headers_of_github(github: World) -> None:
    github.push()
    github.heard()
    heard = github.receiver.heard[-1]
    assert heard.headers["X-Hub-Signature-256"] == signature(SECRET, heard.raw)
    assert heard.headers["X-GitHub-Hook-Installation-Target-Type"] == "integration"
    assert heard.headers["X-GitHub-Hook-Installation-Target-ID"] == "7"
    assert heard.headers["X-GitHub-Hook-ID"].isdigit()
    assert re.fullmatch(r"[0-9a-f-]{36}", heard.headers["X-GitHub-Delivery"])
    assert heard.headers["User-Agent"].startswith("GitHub-Hookshot/")
    assert heard.headers["Content-Type"] == "application/json"


def test_a_repository_without_an_app_has_a_hook_of_its_own(github_without_app: World) -> None:
    github_without_app.push()
    github_without_app.heard()
    heard = github_without_app.receiver.heard[-1]
    assert heard.headers["X-GitHub-Hook-Installation-Target-Type"] == "repository"
    assert "installation" not in heard.body


def test_the_first_delivery_is_a_ping_and_comes_once(github: World) -> None:
    for _ in range(2):
        Webhooks(github.app.hub).ping_command_line()
        pings = (
            [one.body["hook"]["type"] for one in github.receiver.heard if one.event == "ping"] if github.heard() else []
        )
    assert sorted(pings) == ["App", "Repository", "Repository"]


def test_a_hook_made_over_the_api_hears_what_it_wants_with_its_own_secret(github: World) -> None:
    config = {"url": github.receiver.url, "content_type": "json", "secret": "other"}
    hook = github.person().post(f"{SHOP}/hooks", json={"config": config, "events": ["issue_comment"]}).json()
    assert hook["config"]["secret"] == "********"
    github.pull()
    github.person().post(f"{SHOP}/issues/1/comments", json={"body": "Hi"})
    github.heard()
    own = [one for one in github.receiver.heard if one.headers["X-GitHub-Hook-ID"] == str(hook["id"])]
    assert [one.event for one in own] == ["ping", "issue_comment"]
    expected = "sha256=" + hmac.new(b"other", own[-1].raw, hashlib.sha256).hexdigest()
    assert own[-1].headers["X-Hub-Signature-256"] == expected
    assert "other" not in json.dumps(github.caller().get("/_log").json())


def test_one_event_has_one_guid_for_all_who_hear_it(github: World) -> None:
    config = {"url": github.receiver.url, "content_type": "json"}
    github.person().post(f"{SHOP}/hooks", json={"config": config})
    github.push()
    github.heard()
    pushes = [one for one in github.receiver.heard if one.event == "push"]
    assert len(pushes) == 2
    assert len({one.headers["X-GitHub-Delivery"] for one in pushes}) == 1
    assert "X-Hub-Signature-256" not in pushes[1].headers


@pytest.mark.parametrize(
    "body",
    [
        {"config": {"url": "ftp://x", "content_type": "json"}},
        {"config": {"url": "http://x", "content_type": "form"}},
        {},
    ],
)
def test_a_wrong_hook_is_refused(github: World, body: dict[str, object]) -> None:
    assert github.person().post(f"{SHOP}/hooks", json=body).status_code == 422
    assert github.person("bob").post(f"{SHOP}/hooks", json=body).status_code == 403


def test_a_failed_delivery_is_not_sent_again_by_itself(github: World) -> None:
    github.receiver.answer = 503
    github.push()
    assert github.heard() == ["push"]
    (item,) = github.app_caller().get(DELIVERIES).json()
    assert (item["status"], item["status_code"], item["redelivery"]) == ("Invalid HTTP Response: 503", 503, False)


def test_a_redelivery_has_the_same_guid_and_bytes_and_a_new_id(github: World) -> None:
    github.receiver.answer = 500
    github.push()
    github.heard()
    github.receiver.answer = 200
    app = github.app_caller()
    (failed,) = app.get(f"{DELIVERIES}?status=failure").json()
    assert app.post(f"{DELIVERIES}/{failed['id']}/attempts").status_code == 202
    github.heard()
    first, second = github.receiver.heard
    assert (first.raw, first.headers["X-GitHub-Delivery"]) == (second.raw, second.headers["X-GitHub-Delivery"])
    newest = app.get(DELIVERIES).json()[0]
    assert (newest["guid"], newest["redelivery"], newest["status"]) == (failed["guid"], True, "OK")
    assert newest["id"] != failed["id"]


def test_a_delivery_shows_what_was_sent(github: World) -> None:
    github.push()
    github.heard()
    app = github.app_caller()
    shown = app.get(f"{DELIVERIES}/{app.get(DELIVERIES).json()[0]['id']}").json()
    assert shown["request"]["payload"] == github.receiver.heard[-1].body
    assert shown["request"]["headers"]["X-GitHub-Event"] == "push"
    assert app.get(f"{DELIVERIES}/999999").status_code == 404


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


def test_a_receiver_that_is_away_is_recorded(github: World) -> None:
    github.receiver.close()
    github.push()
    assert github.app.hub.sender.settle()
    (item,) = github.app_caller().get(DELIVERIES).json()
    assert (item["status"], item["status_code"]) == ("failed to connect to host", 502)
