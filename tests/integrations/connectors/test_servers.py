"""The operator's file, and tools: pure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.servers import LARGEST_FILE, UnusableServers, parse_servers, read_servers
from integrations.connectors.tools import (
    build_tool,
    compare_tools,
    describe_tool,
    find_duplicates,
    find_tool_problem,
    show_parameters,
    show_tool_name,
)

URL = {"url": "https://mcp.acme.test/mcp"}
COMMAND = {"command": ["/srv/mcp/server"]}
OBJECT = {"type": "object", "properties": {"q": {"type": "string"}}}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "is a list of 0"),
        ({"Docs": URL}, "server Docs: it is not a name"),
        ({"mcpServers": {}}, "server mcpServers: it is not a name"),
        ({"docs": {}}, "server docs: it needs either a command or a url"),
        ({"docs": URL | COMMAND}, "server docs: it needs either a command or a url"),
        ({"docs": URL | {"tokn": "X"}}, "server docs, tokn: it is an unknown key"),
        ({"docs": URL | {"token": "lin_api_secret"}}, "server docs, token: it is not the name of a secret"),
        ({"docs": {"url": "http://mcp.acme.test"}}, "url: it is a URL with http:// to another host"),
        ({"docs": {"url": "https://ana:pw@mcp.acme.test"}}, "url: it is a URL with credentials"),
        ({"docs": {"url": "ftp://mcp.acme.test"}}, "url: it is a text that is not a URL with https:// or http://"),
        ({"docs": URL | {"network": ["a.test"]}}, "server docs: network belongs to a server with a command"),
        ({"docs": COMMAND | {"token": "TOKEN"}}, "server docs: token belongs to a server with a url"),
        ({"docs": COMMAND | {"network": ["https://a.test"]}}, "network.0: it is a text that is not a host"),
        (
            {"docs": COMMAND | {"variables": {"LD_PRELOAD": "x"}}},
            "it is not the name of a variable that a server can get",
        ),
        ({"docs": COMMAND | {"read_only": ["data"]}}, "read_only.0: it is not an absolute path"),
        ({"docs": URL | {"seconds": 0}}, "seconds: it is a number below 1.0; write 1.0 or more"),
        ({"docs": URL | {"seconds": "60"}}, "seconds: it is a text; write a number"),
        ({"docs": URL | {"writes": "yes"}}, "writes: it is a text; write true or false"),
        ({"docs": URL | {"repositories": ["shop"]}}, "repositories.0: it is not a repository"),
        ({"docs": URL | {"oauth": {"issuer": "https://a.test", "client_id": "x"}}}, "oauth.secret: it is missing"),
    ],
)
def test_declaration_problem_is_one_sentence_without_values(given: Any, sentence: str) -> None:
    with pytest.raises(UnusableServers) as caught:
        parse_servers(json.dumps(given))
    (found,) = caught.value.sentences
    assert sentence in found and found.startswith("The file of LOOPLINE_CONNECTORS") and found.endswith(".")
    assert "lin_api_secret" not in found and "ana:pw" not in found


def test_file_that_is_no_json_is_one_sentence(tmp_path: Path) -> None:
    for text, sentence in (
        ('{"docs": \n', "line 2: it is not JSON"),
        ('{"a": {}, "a": {}}', "has the key 'a' twice"),
        ("[" * 100_000, "it is not JSON"),
        (" " * (LARGEST_FILE + 1), "of more than 1000000 bytes"),
    ):
        (tmp_path / "file").write_text(text)
        with pytest.raises(UnusableServers, match=sentence):
            read_servers(tmp_path / "file")
    with pytest.raises(UnusableServers, match="cannot be read"):
        read_servers(tmp_path / "missing")


def test_tool_that_differs_in_any_part_is_changed() -> None:
    first = build_tool("search", "Search.", OBJECT, {"readOnlyHint": True})
    for other in (
        build_tool("search", "Search!", OBJECT, {"readOnlyHint": True}),
        build_tool("search", "Search.", {"type": "object"}, {"readOnlyHint": True}),
        build_tool("search", "Search.", OBJECT, {"readOnlyHint": True, "openWorldHint": True}),
    ):
        assert compare_tools([first], [other]) == {"search": "changed"}
    added = build_tool("send", "", OBJECT, {})
    assert compare_tools([first], [first, added]) == {"search": "accepted", "send": "new"}
    assert compare_tools([first, added], [first]) == {"search": "accepted", "send": "gone"}
    assert first.read_only and not build_tool("x", "", {}, {"readOnlyHint": True, "destructiveHint": True}).read_only


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (OBJECT, ""),
        ({}, "not that of one object"),
        ({"type": "array"}, "not that of one object"),
        (OBJECT | {"anyOf": []}, "not that of one object"),
        (OBJECT | {"properties": {"a": {"type": "object", "properties": {"b": {"type": "text"}}}}}, "not valid"),
        ({"type": "object", "properties": {"a b": {}}}, "unusable name"),
        ({"type": "object", "properties": {"a": "text"}}, "not valid"),
        ({"type": "object", "properties": {"a": {"items": {"$ref": "https://evil.test/x"}}}}, "another document"),
        ({"type": "object", "description": "x" * 40_000}, "or has more than"),
    ],
)
def test_tool_whose_schema_would_fail_a_model_call_is_not_offered(schema: dict[str, Any], problem: str) -> None:
    assert problem in find_tool_problem("docs", build_tool("search", "", schema, {}))
    assert bool(problem) == bool(find_tool_problem("docs", build_tool("search", "", schema, {})))


def test_tool_names_are_safe_and_unique() -> None:
    assert show_tool_name("docs", "a.b/c") == "mcp__docs__a_b_c"
    tools = [build_tool(name, "", OBJECT, {}) for name in ("a.b", "a/b", "c")]
    assert find_duplicates(tools) == {"a/b"}
    assert find_tool_problem("docs", build_tool("x" * 200, "", OBJECT, {}))


def test_description_for_a_model_shows_hidden_characters() -> None:
    shown = describe_tool("docs", build_tool("x", "Read\u200b." + "y" * 9_000, OBJECT, {}))
    assert "Read⟨U+200B⟩." in shown and len(shown) < 4_200
    schema = {"properties": {"description": {"type": "string", "description": "a\u200b", "enum": ["b\u200b"]}}}
    (argument,) = show_parameters(build_tool("x", "", OBJECT | schema, {}))["properties"].values()
    assert (argument["description"], argument["enum"]) == ("a⟨U+200B⟩", ["b\u200b"])
