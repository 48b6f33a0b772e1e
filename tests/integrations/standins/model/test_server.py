"""The stand-in on the wire, read by Anthropic's own SDK with strict validation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from anthropic import Anthropic, APIStatusError, BadRequestError, NotFoundError

from integrations.standins.model import poison
from integrations.standins.model.server import create_app
from integrations.standins.wire import serve
from tests.integrations.standins.model.demo import BUG, maker_brief

KEY = "sk-ant-secret-of-a-test"
HEADERS = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
ASKED: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 4000,
    "system": [{"type": "text", "text": "You are the maker. Work.", "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": maker_brief(BUG)}],
    "tools": [{"type": "bash_20250124", "name": "bash"}],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with serve(create_app(home)) as served:
        yield served.url


@pytest.fixture
def client(url: str) -> Iterator[Anthropic]:
    with Anthropic(api_key=KEY, base_url=url, max_retries=0, _strict_response_validation=True) as client:
        yield client


def misbehave(url: str, kind: str, **more: Any) -> None:
    assert requests.post(f"{url}/_faults", json={"kind": kind, **more}, timeout=5).ok


def ask(client: Anthropic, **changes: Any) -> Any:
    """The final message of a stream."""
    with client.messages.stream(**ASKED | changes) as stream:
        return stream.get_final_message()


def test_message_passes_strict_validation(client: Anthropic) -> None:
    message = ask(client)
    assert message.stop_reason == "tool_use"
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]


def test_repeated_request_has_the_same_reply_from_the_cache(client: Anthropic) -> None:
    first, second = ask(client).to_dict(), ask(client).to_dict()
    usages = [message.pop("usage") for message in (first, second)]
    assert first == second and usages[1]["cache_read_input_tokens"] > 0


def test_events_come_in_anthropics_order(url: str) -> None:
    answer = requests.post(f"{url}/v1/messages", json=ASKED | {"stream": True}, headers=HEADERS, timeout=5)
    kinds = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    data = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in data] == kinds and kinds.count("content_block_delta") > 5


@pytest.mark.parametrize("kind", ["refusal", "max_tokens", "pause_turn", "model_context_window_exceeded"])
def test_stop_reason_of_a_fault_passes_strict_validation(client: Anthropic, url: str, kind: str) -> None:
    misbehave(url, kind)
    assert ask(client).stop_reason == kind


def test_small_max_tokens_cuts_the_reply(client: Anthropic) -> None:
    assert ask(client, max_tokens=5).stop_reason == "max_tokens"


@pytest.mark.parametrize(("kind", "status"), [("529", 529), ("500", 500), ("429", 429)])
def test_error_has_anthropics_format(client: Anthropic, url: str, kind: str, status: int) -> None:
    misbehave(url, kind, seconds=7)
    with pytest.raises(APIStatusError) as caught:
        ask(client)
    assert caught.value.status_code == status and caught.value.type and caught.value.request_id
    assert caught.value.response.headers.get("retry-after") == ("7" if kind == "429" else None)


def test_invalid_request_is_named(client: Anthropic) -> None:
    with pytest.raises(BadRequestError) as caught:
        ask(client, max_tokens=0)
    assert caught.value.type == "invalid_request_error" and "max_tokens" in (caught.value.api_message or "")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"anthropic-version": "2023-06-01"}, 401),
        ({"x-api-key": KEY}, 400),
        ({"x-api-key": KEY, "anthropic-version": "2026-10-21"}, 200),
        ({"authorization": f"Bearer {KEY}", "anthropic-version": "2026-10-21"}, 200),
    ],
)
def test_key_and_version_are_required(url: str, headers: dict[str, str], status: int) -> None:
    body = ASKED | {"stream": True}
    assert requests.post(f"{url}/v1/messages", json=body, headers=headers, timeout=5).status_code == status


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"'])
def test_body_that_is_no_object_is_a_bad_request(url: str, body: bytes) -> None:
    answer = requests.post(f"{url}/v1/messages", data=body, headers=HEADERS, timeout=5)
    assert answer.status_code == 400 and answer.json()["error"]["type"] == "invalid_request_error"


def test_log_has_neither_key_nor_content(client: Anthropic, url: str, home: Path) -> None:
    ask(client)
    last = requests.get(f"{url}/_log", timeout=5).json()[-1]
    assert last["input"] == {"model": "claude-sonnet-5-5", "step": 0, "playbook": "bug", "fault": ""}
    assert last["result"]["usage"]["output_tokens"] > 0
    written = (home / "requests.jsonl").read_text()
    assert KEY not in written and "Ada paid" not in written and "module that divides" not in written


def test_counting_of_tokens_is_free_and_as_large_as_the_prompt(client: Anthropic, url: str) -> None:
    before = len(requests.get(f"{url}/_log", timeout=5).json())
    asked = {key: value for key, value in ASKED.items() if key != "max_tokens"}
    counted = client.messages.count_tokens(**asked).input_tokens
    assert len(requests.get(f"{url}/_log", timeout=5).json()) == before
    usage = ask(client).usage
    total = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    assert counted == total


def test_model_that_is_unknown_is_not_found(client: Anthropic) -> None:
    with pytest.raises(NotFoundError, match="model: gpt-17"):
        ask(client, model="gpt-17")


def test_fault_of_the_counting_leaves_messages_alone_and_the_reverse(client: Anthropic, url: str) -> None:
    asked = {key: value for key, value in ASKED.items() if key != "max_tokens"}
    misbehave(url, "529", operation="count_tokens")
    assert ask(client).stop_reason == "tool_use"
    with pytest.raises(APIStatusError):
        client.messages.count_tokens(**asked)
    misbehave(url, "529")
    assert client.messages.count_tokens(**asked).input_tokens
    with pytest.raises(APIStatusError):
        ask(client)


@pytest.mark.parametrize("operation", ["maker", "bug", BUG["title"]])
def test_fault_can_name_a_role_a_playbook_or_a_ticket(client: Anthropic, url: str, operation: str) -> None:
    misbehave(url, "529", operation=operation)
    other = [{"type": "text", "text": "You are the judge."}]
    assert ask(client, system=other, messages=[{"role": "user", "content": "Ticket ENG-9: Other"}]).id
    with pytest.raises(APIStatusError):
        ask(client)


def test_poisoned_replies_end_as_they_begin(url: str) -> None:
    """Each kind on the wire is a response with status 200 or 301 and a body."""
    for kind in poison.KINDS:
        misbehave(url, kind)
        answer = requests.post(
            f"{url}/v1/messages", json={**ASKED, "stream": True}, headers=HEADERS, timeout=20, allow_redirects=False
        )
        assert answer.status_code == (301 if kind == "redirect" else 200) and answer.content, kind
