from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest

from integrations.code_hosts.github.webhooks import GitHubWebhooks
from integrations.errors import BadSignature, Malformed, UnsupportedContentType
from integrations.ports.source import Delivery, Source

GITHUB: Source = GitHubWebhooks()
SECRET = "gh-test-secret"
PING = b'{"zen":"Keep it logically awesome.","hook_id":1}'


def signed(body: bytes, secret: str = SECRET, **headers: str) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"content-type": "application/json", "x-github-event": "ping"}
    return {**kind, "x-hub-signature-256": f"sha256={digest}", **given}


def verify(body: bytes, headers: dict[str, str], *secrets: str) -> Delivery:
    return GITHUB.verify(headers, body, secrets or (SECRET,), now=1_767_225_600.0)


# The first is in GitHub's documentation, the second in the tests of @octokit/webhooks-methods, the others are computed.
@pytest.mark.parametrize(
    ("secret", "body", "digest"),
    [
        (
            "It's a Secret to Everybody",
            b"Hello, World!",
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        ("mysecret", b'{"foo":"bar"}', "4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"),
        (
            "mysecret",
            '{"body":"héllo ✅"}'.encode(),
            "1ec1f75fea4dec26d855253e1681605d103c72e19712deecc27b7315694aefbe",
        ),
        (SECRET, b"", "e0fa18340344cf21f3bb0ee4f70091cfdb515f6d645259237a23941d1cd3383b"),
        (SECRET, PING, "3e20f493d5667e4ac71dcac33cf793105fbb07387091995517deafdc04efe473"),
        (SECRET, '{"t":"日本語🎉"}'.encode(), "f640ecd10d9ae7fe4227e93485103f05a82371017d8d074128ef438f016f32aa"),
        (SECRET, b'{"a":1}\n', "3bb8f09dc937974632ec81da55f875d65e5908805fe499fc1ed4864addab6638"),
        (SECRET, b'{"a":1}', "a9d4930bbb4339455ba4c0ad69a2852f7fdc9beaa09d8bb775a045d170390537"),
    ],
)
def test_github_webhook_accepts_known_signatures_of_the_exact_body(secret: str, body: bytes, digest: str) -> None:
    headers = {"content-type": "application/json", "x-github-event": "ping", "x-hub-signature-256": f"sha256={digest}"}
    with suppress(Malformed):  # some of the bodies are not JSON
        assert verify(body, headers, secret).body == body
    with pytest.raises(BadSignature):
        verify(body + b" ", headers, secret)


GOOD = signed(PING)["x-hub-signature-256"]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        GOOD.removeprefix("sha256="),
        f"sha1={'0' * 40}",
        f"{GOOD},{GOOD}",
        f"{GOOD} ",
        GOOD.upper(),
        GOOD[:-1],
        f"sha256={'é' * 64}",
        f"sha256={'٣' * 64}",
        f"sha256={'0' * 64}",
    ],
)
def test_github_webhook_rejects_anything_but_one_valid_signature(signature: str) -> None:
    with pytest.raises(BadSignature):
        verify(PING, {**signed(PING), "x-hub-signature-256": signature})


def test_github_webhook_without_a_signature_is_rejected() -> None:
    with pytest.raises(BadSignature):
        verify(PING, {"content-type": "application/json"})


def test_github_webhook_accepts_both_secrets_during_a_rotation() -> None:
    for secret in ("old", "new"):
        assert verify(PING, signed(PING, secret), "new", "old").source == "github"


@pytest.mark.parametrize("secrets", [(), ("",), ("", "other")])
def test_github_webhook_is_rejected_without_a_secret(secrets: tuple[str, ...]) -> None:
    with pytest.raises(BadSignature):
        GITHUB.verify(signed(PING, ""), PING, secrets, now=0.0)


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_github_webhook_needs_content_type_json(media_type: str) -> None:
    with pytest.raises(UnsupportedContentType, match="set the content type of the webhook to application/json"):
        verify(PING, signed(PING, content_type=media_type))


def test_github_webhook_content_type_can_have_a_charset() -> None:
    assert verify(PING, signed(PING, content_type="Application/JSON; charset=utf-8")).body == PING


def test_github_webhook_has_a_guid_and_a_content_key_of_its_body() -> None:
    first = verify(PING, signed(PING, x_github_delivery="72d3162e-cc78-11e3-81ab-4c9367dc0958", x_github_event="ping"))
    again = verify(PING, signed(PING, x_github_delivery="another", x_github_event="ping"))
    assert (first.delivery_id, first.event) == ("72d3162e-cc78-11e3-81ab-4c9367dc0958", "ping")
    assert first.content_key == again.content_key == f"sha256:{hashlib.sha256(PING).hexdigest()}"
    assert not first.stale


@pytest.mark.parametrize("guid", ["", "a,b", "x" * 65, "new\nline", "é"])
def test_github_webhook_with_an_invalid_guid_uses_the_digest(guid: str) -> None:
    delivery = verify(PING, signed(PING, x_github_delivery=guid))
    assert delivery.delivery_id == delivery.content_key


def test_github_webhooks_are_not_retried_by_github() -> None:
    assert GITHUB.retries_on_503 is False


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"[" * 100_000, b'{"a":NaN}', b"\xef\xbb\xbf{}", b'{"a":"\xff"}']
)
def test_github_webhook_that_is_not_a_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match=r"GitHub's body (is|holds)"):
        GITHUB.translate(Delivery("github", "guid-1", "key", body, "push"))


@pytest.mark.parametrize("event", ["", "pull_request_target", "Push", "x" * 5_000])
def test_github_webhook_with_an_unknown_event_is_malformed(event: str) -> None:
    with pytest.raises(Malformed, match=r"guid-1.*not a known event") as caught:
        GITHUB.translate(Delivery("github", "guid-1", "key", PING, event))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("event", "body", "reason"),
    [
        ("", b"{}", "no valid X-GitHub-Event header"),
        ("push,push", b"{}", "no valid X-GitHub-Event header"),
        ("é" * 9, b"{}", "no valid X-GitHub-Event header"),
        ("x" * 81, b"{}", "no valid X-GitHub-Event header"),
        ("pull_request", b"{}", "pull_request event has no `action`"),
        ("issue_comment", b'{"action":5}', "issue_comment event has no `action`"),
        ("push", b"payload=%7B%7D", "not JSON"),
        ("status", b"[]", "not an object"),
    ],
)
def test_github_webhook_with_missing_fields_is_malformed(event: str, body: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        verify(body, signed(body, x_github_event=event))


@pytest.mark.parametrize("event", ["ping", "star", "an_event_of_tomorrow", "push"])
def test_github_webhook_of_any_event_without_actions_is_accepted(event: str) -> None:
    assert verify(PING, signed(PING, x_github_event=event)).event == event


def test_github_webhook_event_header_must_match_the_body() -> None:
    comment = Delivery("github", "guid-1", "key", b'{"issue":{},"comment":{},"action":"created"}', "push")
    for event in ("push", "pull_request", "ping", "star"):
        with pytest.raises(Malformed, match="the signed body is issue_comment"):
            GITHUB.translate(replace(comment, event=event))


def test_github_webhook_module_imports_no_http_client_or_token_code() -> None:
    code = "import sys, integrations.code_hosts.github.webhooks; print({'requests', 'jwt', 'flask'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
