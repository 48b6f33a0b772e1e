from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from integrations.connectors.client import Connectors
from integrations.connectors.results import ToolAnswer
from integrations.connectors.servers import McpServer, OAuthClient
from integrations.connectors.stdio import Host
from tests.integrations.connectors.http_server import (
    CLIENT,
    CLIENT_SECRET,
    SEEN,
    TOKEN,
    build_docs,
    build_inside,
    build_liar,
    build_pointer,
    serve,
)

SECRETS = {"DOCS_TOKEN": TOKEN, "WRONG": "another-token", "CLIENT_SECRET": CLIENT_SECRET}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made
    SEEN.clear()


def connect(stack: ExitStack, host: Host, server: McpServer) -> Connectors:
    made = Connectors({"docs": server}, SECRETS, host)
    stack.callback(made.close)
    return made


def test_http_server_gets_the_token_and_answers(stack: ExitStack, host: Host) -> None:
    address = stack.enter_context(serve(build_docs(lambda given: given == TOKEN)))
    connectors = connect(stack, host, McpServer(url=f"{address}/mcp", token="DOCS_TOKEN"))
    listed = connectors.list_tools("docs")
    assert [(tool.name, tool.description, tool.read_only) for tool in listed.tools] == [
        ("search", "Search the documentation.", True)
    ]
    answer = connectors.call("docs", "search", {"query": TOKEN}, run="r", pinned=listed.tools)
    assert answer == ToolAnswer("found [secret]")
    assert set(SEEN) == {TOKEN}


def test_http_server_that_refuses_the_token_is_explained_without_it(stack: ExitStack, host: Host) -> None:
    address = stack.enter_context(serve(build_docs(lambda given: given == TOKEN)))
    problem = connect(stack, host, McpServer(url=f"{address}/mcp", token="WRONG")).list_tools("docs").problem
    assert problem == "its endpoint answered with HTTP 401: check its token or OAuth client"


def test_oauth_client_gets_a_token_from_its_issuer_alone(stack: ExitStack, host: Host) -> None:
    address = stack.enter_context(serve(build_docs(lambda given: given == "issued-access-token")))
    client = OAuthClient(issuer=address, client_id=CLIENT, secret="CLIENT_SECRET", scope="docs")
    connectors = connect(stack, host, McpServer(url=f"{address}/mcp", oauth=client))
    listed = connectors.list_tools("docs")
    assert (listed.problem, [tool.name for tool in listed.tools]) == ("", ["search"])
    basic = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
    assert f"Basic {basic}" in SEEN
    SEEN.clear()
    other = OAuthClient(issuer="https://auth.acme.test", client_id=CLIENT, secret="CLIENT_SECRET")
    refused = connect(stack, host, McpServer(url=f"{address}/mcp", oauth=other)).list_tools("docs")
    assert refused.problem != ""
    assert not [one for one in SEEN if "Basic" in one]


def test_oauth_metadata_is_read_from_no_address_that_the_server_chooses(stack: ExitStack, host: Host) -> None:
    seen: list[str] = []
    inside = stack.enter_context(serve(build_inside(seen)))
    address = stack.enter_context(serve(build_pointer(inside)))
    client = OAuthClient(issuer=address, client_id=CLIENT, secret="CLIENT_SECRET")
    listed = connect(stack, host, McpServer(url=f"{address}/mcp", oauth=client)).list_tools("docs")
    assert "No authorization server metadata" in listed.problem and seen == []


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("html", "it answered: Unexpected content type: text/html; charset=utf-8"),
        ("redirect", "its endpoint answered with HTTP 307"),
        ("bomb", "DecodingError: the response is compressed although that was not accepted"),
        ("big", "it sent more than 8 MB for one call"),
        ("endless", "it sent more than 2000 messages for one call"),
        ("error", "its endpoint answered with HTTP 500"),
        ("forbidden", "its endpoint answered with HTTP 403: check the permissions of its token"),
    ],
)
def test_http_server_that_lies_costs_a_sentence(stack: ExitStack, host: Host, mode: str, sentence: str) -> None:
    address = stack.enter_context(serve(build_liar(mode)))
    listed = connect(stack, host, McpServer(url=f"{address}/mcp", token="DOCS_TOKEN")).list_tools("docs")
    assert listed.problem == sentence


def test_http_server_that_is_not_there_is_explained(stack: ExitStack, host: Host) -> None:
    listed = connect(stack, host, McpServer(url="http://127.0.0.1:9/mcp")).list_tools("docs")
    assert listed.problem == "it cannot be reached (ConnectError)"
