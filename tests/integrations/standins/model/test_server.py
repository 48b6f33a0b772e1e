"""The stand-in on the wire, judged by Anthropic's own SDK with strict validation."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from anthropic import Anthropic, APIStatusError, BadRequestError, RateLimitError

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


def test_a_whole_message_passes_strict_validation(client: Anthropic) -> None:
    message = client.messages.create(**ASKED)
    assert message.stop_reason == "tool_use"
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]


def test_a_stream_adds_up_to_the_whole_message(client: Anthropic) -> None:
    client.messages.create(**ASKED)  # from here on the prompt is in the cache
    whole = client.messages.create(**ASKED)
    with client.messages.stream(**ASKED) as stream:
        streamed = stream.get_final_message()
    assert streamed.to_dict() == whole.to_dict()


def test_the_events_come_in_anthropics_order(url: str) -> None:
    answer = requests.post(f"{url}/v1/messages", json={**ASKED, "stream": True}, headers=HEADERS, timeout=5)
    kinds = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    data = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in data] == kinds and kinds.count("content_block_delta") > 5


def test_tokens_are_counted(client: Anthropic) -> None:
    asked = {key: value for key, value in ASKED.items() if key != "max_tokens"}
    assert client.messages.count_tokens(**asked).input_tokens > 50


def test_models_are_listed(client: Anthropic) -> None:
    assert "claude-sonnet-5-5" in [model.id for model in client.models.list()]


@pytest.mark.parametrize("kind", ["refusal", "max_tokens", "pause_turn", "model_context_window_exceeded"])
def test_other_endings_pass_strict_validation(client: Anthropic, url: str, kind: str) -> None:
    misbehave(url, kind)
    with client.messages.stream(**ASKED) as stream:
        assert stream.get_final_message().stop_reason == kind


def test_a_small_max_tokens_cuts_the_reply(client: Anthropic) -> None:
    assert client.messages.create(**{**ASKED, "max_tokens": 5}).stop_reason == "max_tokens"


@pytest.mark.parametrize(("kind", "status"), [("529", 529), ("500", 500), ("429", 429)])
def test_errors_have_anthropics_shape(client: Anthropic, url: str, kind: str, status: int) -> None:
    misbehave(url, kind)
    with pytest.raises(APIStatusError) as caught:
        client.messages.create(**ASKED)
    assert caught.value.status_code == status and caught.value.type and caught.value.request_id


def test_a_rate_limit_says_how_long_to_wait(client: Anthropic, url: str) -> None:
    misbehave(url, "429", seconds=7)
    with pytest.raises(RateLimitError) as caught:
        client.messages.create(**ASKED)
    assert caught.value.response.headers["retry-after"] == "7"


def test_a_bad_request_is_named(client: Anthropic) -> None:
    with pytest.raises(BadRequestError) as caught:
        client.messages.create(**{**ASKED, "max_tokens": 0})
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
    assert requests.post(f"{url}/v1/messages", json=ASKED, headers=headers, timeout=5).status_code == status


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"'])
def test_what_is_not_an_object_is_a_bad_request(url: str, body: bytes) -> None:
    answer = requests.post(f"{url}/v1/messages", data=body, headers=HEADERS, timeout=5)
    assert answer.status_code == 400 and answer.json()["error"]["type"] == "invalid_request_error"


def test_an_unknown_fault_is_refused(url: str) -> None:
    answer = requests.post(f"{url}/_faults", json={"kind": "flood"}, timeout=5)
    assert answer.status_code == 400 and "529" in answer.json()["error"]


def test_the_log_says_what_was_asked_but_neither_key_nor_content(client: Anthropic, url: str, home: Path) -> None:
    client.messages.create(**ASKED)
    last = requests.get(f"{url}/_log", timeout=5).json()[-1]
    assert last["input"] == {"model": "claude-sonnet-5-5", "step": 0, "playbook": "bug", "fault": ""}
    assert last["result"]["usage"]["output_tokens"] > 0
    written = (home / "requests.jsonl").read_text()
    assert KEY not in written and "Ada paid" not in written and "module that divides" not in written


def test_the_module_starts_serves_and_ends_on_sigterm(tmp_path: Path) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "integrations.standins.model", "--port", str(port), "--home", str(tmp_path)]
    with subprocess.Popen([*command, "--latency", "0"]) as process:
        assert _answers(f"http://127.0.0.1:{port}/_log")
        process.terminate()
        assert process.wait(10) == 0


def _answers(url: str) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return requests.get(url, timeout=5).ok
        except requests.ConnectionError:
            time.sleep(0.05)
    return False
