from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.code_hosts.github.events import TRANSLATORS
from integrations.code_hosts.github.webhooks import GitHubWebhooks
from integrations.errors import BadSignature, Malformed
from integrations.events import EVENT
from integrations.ports.source import Delivery

GITHUB = GitHubWebhooks()
SECRET = "gh-test-secret"
BODIES = [
    (path.name.partition(".")[0], path.read_text())
    for path in sorted((Path(__file__).parents[2] / "payloads" / "github").glob("*.json"))
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["2019-05-15T15:20:41Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def read(headers: dict[str, str], body: bytes) -> None:
    """Verify and translate as the web process and the dispatcher do; all events can be stored."""
    try:
        for event in GITHUB.translate(GITHUB.verify(headers, body, [SECRET], now=0.0)):
            assert EVENT.decode(EVENT.encode(event)) == event
    except (BadSignature, Malformed) as error:
        assert len(str(error)) < 2_000


@given(
    st.dictionaries(st.sampled_from(["x-hub-signature-256", "content-type", "x-github-event"]), st.text()), st.binary()
)
def test_github_webhook_handles_any_unsigned_bytes(headers: dict[str, str], body: bytes) -> None:
    read(headers, body)


@given(
    st.sampled_from(sorted(TRANSLATORS)), st.binary() | JSON.map(lambda value: json.dumps(value).encode()), st.text()
)
def test_github_webhook_handles_any_signed_body(event: str, body: bytes, guid: str) -> None:
    signature = f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"
    headers = {"content-type": "application/json", "x-hub-signature-256": signature, "x-github-event": event}
    read({**headers, "x-github-delivery": guid}, body)


def places(body: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@settings(max_examples=300)
@given(st.data())
def test_github_webhook_handles_a_body_with_one_part_replaced(data: st.DataObject) -> None:
    event, text = data.draw(st.sampled_from(BODIES))
    body = json.loads(text)
    *way, last = data.draw(st.sampled_from(places(body)[1:]))
    at = body
    for key in way:
        at = at[key]
    at[last] = data.draw(JSON)
    try:
        for made in GITHUB.translate(Delivery("github", "guid", "key", json.dumps(body).encode(), event)):
            assert EVENT.decode(EVENT.encode(made)) == made
    except Malformed:
        pass
