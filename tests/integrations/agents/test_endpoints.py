"""A model server that is not one: TLS, host names, keys that no header can carry."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from integrations.agents.anthropic.check import find_problems
from integrations.agents.anthropic.runner import AnthropicApi
from integrations.errors import Misconfigured, Unauthorized, Unavailable
from integrations.ports.agent_runner import AgentOutcome
from integrations.standins.model.server import create_app
from integrations.standins.wire import serve
from tests.integrations.agents.conftest import Model
from tests.integrations.agents.doubles import FunctionToolbox, ListConversation, task
from tests.integrations.endless import http, serve_raw
from tests.support.tls import untrusted_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Gateway(NamedTuple):
    """A server's URL, and the paths of its requests."""

    url: str
    calls: list[str]


def advance(url: str, key: str = "key") -> AgentOutcome | None:
    runner, conversation = AnthropicApi(key, url), ListConversation()
    try:
        ended = runner.advance(task(), conversation, FunctionToolbox(), lambda: False, time.monotonic() + 20)
        assert conversation.total.cost_usd == 0
        return ended
    finally:
        runner.close()


@pytest.fixture(scope="module")
def untrusted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with untrusted_server(tmp_path_factory.mktemp("tls")) as url:
        yield url


def test_certificate_that_is_not_trusted_is_a_matter_of_settings(untrusted: str) -> None:
    ended = advance(untrusted)
    assert ended and ended.kind == "infrastructure"
    assert "certificate" in ended.summary and "ANTHROPIC_BASE_URL" in ended.summary


def test_server_without_tls_is_a_matter_of_settings(model: Model) -> None:
    ended = advance(model.url.replace("http:", "https:"))
    assert ended and ended.kind == "infrastructure" and "TLS" in ended.summary


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1"),
        ("HTTPS_PROXY", "ftp://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://127.0.0.1:port"),
        ("NO_PROXY", "[::1,http://["),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_FILE", "/etc/hostname"),
    ],
)
def test_host_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=name) as raised:
        advance("https://model.invalid")
    assert raised.value.kind == "infrastructure" and value not in str(raised.value)
    (problem,) = find_problems("key", "https://model.invalid", {"LOOPLINE_MAKER_MODEL": "m"}, thorough=False)
    assert name in problem


DELTA = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
REPLY: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 500, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "done"}},
    {"type": "content_block_stop", "index": 0},
    DELTA,
    {"type": "message_stop"},
]
STREAM = b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in REPLY)


@pytest.mark.parametrize("rest", [b"data: [DONE]\n\n", b"data: {}\n\n", STREAM, b"event: error\ndata: x\n\n"])
def test_reply_that_is_complete_is_used_whatever_follows(rest: bytes) -> None:
    response = http(STREAM + rest, "Content-Type: text/event-stream")
    with serve_raw(lambda client, request: client.sendall(response)) as url:
        runner, conversation = AnthropicApi("sk-ant-test", url), ListConversation()
        ended = runner.advance(task(), conversation, FunctionToolbox(), lambda: False, time.monotonic() + 20)
        runner.close()
    assert ended == AgentOutcome("done", "done") and conversation.total.model_calls == 1


def test_key_that_a_gateway_repeats_is_not_shown() -> None:
    body = json.dumps({"error": {"type": "authentication_error", "message": "invalid key sk-do-not-show"}}).encode()
    response = http(body, "Content-Type: application/json", status="401 Unauthorized")
    with serve_raw(lambda client, request: client.sendall(response)) as url:
        with pytest.raises(Unauthorized) as raised:
            advance(url, "sk-do-not-show")
        problems = find_problems("sk-do-not-show", url, {"LOOPLINE_MAKER_MODEL": "m"}, thorough=False)
    assert "sk-do-not-show" not in f"{raised.value} {problems}"


def test_url_of_another_scheme_is_a_matter_of_settings() -> None:
    ended = advance("ftp://127.0.0.1")
    assert ended and ended.kind == "infrastructure" and "ANTHROPIC_BASE_URL" in ended.summary


@pytest.mark.parametrize("key", ["key\nbreak", "key\0"])
def test_key_that_no_header_can_carry_is_a_matter_of_credentials(model: Model, key: str) -> None:
    ended = advance(model.url, key)
    assert ended and ended.kind == "credentials" and "ANTHROPIC_API_KEY" in ended.summary
    assert key not in ended.summary


def test_path_without_the_api_is_a_matter_of_settings(model: Model) -> None:
    ended = advance(f"{model.url}/nothing/here")
    assert ended and ended.kind == "infrastructure" and "404" in ended.summary


def test_host_name_without_an_address_is_unavailable_and_named() -> None:
    with pytest.raises(Unavailable, match=r"host name .* ANTHROPIC_BASE_URL"):
        advance("https://model.invalid")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """The stand-in without the counting of tokens."""
    inner = create_app(tmp_path)
    calls: list[str] = []

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        calls.append(environ["PATH_INFO"])
        if environ["PATH_INFO"].endswith("count_tokens"):
            start("404 Not Found", [("Content-Type", "application/json")])
            return [b'{"detail": "Not Found"}']
        return inner(environ, start)

    with serve(app) as served:
        yield Gateway(served.url, calls)


def test_gateway_that_cannot_count_tokens_is_checked_by_a_call_of_one_token(gateway: Gateway) -> None:
    models = {"LOOPLINE_MAKER_MODEL": "claude-sonnet-5-5", "LOOPLINE_SCOUT_MODEL": "gpt-17"}
    (problem,) = find_problems("key", gateway.url, models, thorough=True)
    assert problem.startswith("LOOPLINE_SCOUT_MODEL (gpt-17): ")
    assert gateway.calls.count("/v1/messages") == 2


def test_gateway_that_cannot_count_tokens_is_not_paid_at_the_start(gateway: Gateway) -> None:
    assert find_problems("key", gateway.url, {"LOOPLINE_MAKER_MODEL": "gpt-17"}, thorough=False) == []
    assert "/v1/messages" not in gateway.calls
