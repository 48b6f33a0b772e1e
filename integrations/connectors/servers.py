"""The operator's file of MCP servers (LOOPLINE_CONNECTORS): strictly parsed, one sentence for each problem. Pure.

A server is a command that runs in the sandbox and speaks over its standard streams, or the URL of an endpoint that
speaks streamable HTTP. The file holds no secret: it names entries of LOOPLINE_CONNECTOR_SECRETS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, model_validator

from integrations.egress.hosts import parse_pattern
from integrations.explain import CONTROLS, classify, explain, show_name
from integrations.settings import is_loopback, split_url
from integrations.values import value

LARGEST_FILE = 1_000_000
"""Bytes: a thousand times the usual size."""
MOST_SERVERS = 50
LONGEST_NAME = 30
_SERVER = re.compile(rf"[a-z](?:-?[a-z0-9]){{0,{LONGEST_NAME - 1}}}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
_VARIABLE = re.compile(r"(?!(?:LD_|LOOPLINE_))[A-Za-z_][A-Za-z0-9_]{0,99}")
_REPOSITORY = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)
_EXAMPLE = 'write JSON like {"docs": {"url": "https://mcp.acme.test/mcp", "token": "DOCS_TOKEN"}}'


class UnusableServers(Exception):
    """The file cannot be used; `sentences` name each place and its fix."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


def _check_text(text: str) -> str:
    if CONTROLS.search(text) or not text:
        raise ValueError(f"it is {classify(text)}; write one line")
    return text


def _check_url(text: str) -> str:
    url = split_url(text, ("https", "http"), "https://mcp.acme.test/mcp")
    if "@" in url.netloc or "?" in text or "#" in text:
        raise ValueError("it is a URL with credentials, a query or a fragment; remove them and name a secret in token")
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise ValueError("it is a URL with http:// to another host, which would expose tokens; write https://")
    return text


def _check_host(text: str) -> str:
    if not text or parse_pattern(text) != text:
        raise ValueError(f"it is {classify(text)} that is not a host; write api.acme.test or *.acme.test in lower case")
    return text


def _check_secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise ValueError("it is not the name of a secret; write a key of LOOPLINE_CONNECTOR_SECRETS, as DOCS_TOKEN")
    return text


def _check_variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise ValueError(
            "it is not the name of a variable that a server can get; write letters, digits and underscores"
        )
    return text


def _check_path(text: str) -> str:
    if not text.startswith("/") or ".." in text.split("/"):
        raise ValueError("it is not an absolute path; write one without dots")
    return _check_text(text)


def _check_repository(text: str) -> str:
    if not _REPOSITORY.fullmatch(text):
        raise ValueError("it is not a repository; write owner/name, such as acme/shop")
    return text


Text = Annotated[str, Field(max_length=4_096), AfterValidator(_check_text)]
HttpsUrl = Annotated[str, Field(max_length=2_000), AfterValidator(_check_url)]
SecretName = Annotated[str, AfterValidator(_check_secret)]
VariableName = Annotated[str, AfterValidator(_check_variable)]
ToolNames = Annotated[tuple[Text, ...], Field(max_length=500)]


@value
class OAuthClient:
    """Client credentials (RFC 6749, 4.4) for a server, whose authorization server is `issuer`: its metadata is read
    from the well-known address, and no other one gets the secret."""

    issuer: HttpsUrl
    client_id: Text
    secret: SecretName
    scope: str = Field(default="", max_length=1_000, pattern=r"^[!-~ ]*$")


@value
class McpServer:
    """One MCP server. Either `command` or `url` is set."""

    command: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    """Program and arguments, run in the sandbox with an empty folder as its work tree."""
    read_only: Annotated[tuple[Annotated[str, AfterValidator(_check_path)], ...], Field(max_length=50)] = ()
    """Files and folders of the host that the command can read, at their own path."""
    network: Annotated[tuple[Annotated[str, AfterValidator(_check_host)], ...], Field(max_length=50)] = ()
    """Hosts that the command can connect to; empty means that it is offline."""
    variables: Annotated[dict[VariableName, Text], Field(max_length=100)] = Field(default_factory=dict)
    secrets: Annotated[dict[VariableName, SecretName], Field(max_length=50)] = Field(default_factory=dict)
    """Variables of the command that have a secret as their value."""
    url: HttpsUrl | None = None
    """Endpoint of a server that speaks streamable HTTP."""
    token: SecretName | None = None
    """The secret that is sent as bearer token."""
    oauth: OAuthClient | None = None
    repositories: Annotated[tuple[Annotated[str, AfterValidator(_check_repository)], ...], Field(max_length=500)] = ()
    """Repositories whose WORKFLOW.md can use the server; empty means all."""
    trust_annotations: bool = False
    """Whether a tool that the server itself marks with readOnlyHint counts as read-only."""
    read_only_tools: ToolNames = ()
    """Tools that count as read-only without such a mark."""
    writes: bool = False
    """Whether WORKFLOW.md can offer tools that are not read-only."""
    seconds: float = Field(default=60.0, ge=1, le=600)
    """Time limit of one call."""
    usd_per_call: float = Field(default=0.0, ge=0, le=100)
    """Price of one call in US dollars, charged to the budget of run, ticket and day."""

    @model_validator(mode="after")
    def _check_kind(self) -> McpServer:
        if bool(self.command) == bool(self.url):
            raise ValueError("it needs either a command or a url; write one of them")
        of_command = {"read_only": self.read_only, "network": self.network, "variables": self.variables,
                      "secrets": self.secrets}  # fmt: skip
        of_url = {"token": self.token, "oauth": self.oauth}
        if wrong := [name for name, given in (of_url if self.command else of_command).items() if given]:
            other = "url" if self.command else "command"
            raise ValueError(f"{wrong[0]} belongs to a server with a {other}; remove it")
        if self.token and self.oauth:
            raise ValueError("it has both token and oauth; remove one of them")
        if both := next((name for name in self.secrets if name in self.variables), ""):
            raise ValueError(f"the variable {both} is also a secret; remove one of them")
        return self

    def list_secrets(self) -> tuple[str, ...]:
        """The names of its secrets."""
        own = (self.token, self.oauth.secret if self.oauth else None, *self.secrets.values())
        return tuple(name for name in own if name)

    def is_for(self, repository: str) -> bool:
        """Whether the operator offers the server to this repository."""
        return not self.repositories or repository.lower() in {one.lower() for one in self.repositories}


Servers = Mapping[str, McpServer]
NO_SERVERS: Servers = MappingProxyType({})
_ADAPTER = TypeAdapter(McpServer)


class _DuplicateKey(ValueError):
    """A key that occurs twice in one object; JSON itself permits it."""


def read_servers(path: Path) -> Servers:
    """The servers in the file by name. Raises `UnusableServers`."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise UnusableServers(
            f"LOOPLINE_CONNECTORS is the path of a file that cannot be read ({error.strerror}); correct the path."
        ) from None
    if len(content) > LARGEST_FILE:
        raise UnusableServers(
            f"LOOPLINE_CONNECTORS is the path of a file of more than {LARGEST_FILE} bytes; shorten it."
        )
    try:
        return parse_servers(content.decode())
    except UnicodeDecodeError:
        raise UnusableServers(f"The file of LOOPLINE_CONNECTORS is not a text in UTF-8; {_EXAMPLE}.") from None


def parse_servers(text: str) -> Servers:
    """The servers of the file's text. Raises `UnusableServers` with a sentence for each problem."""
    try:
        given = json.loads(text, object_pairs_hook=_parse_object)
    except _DuplicateKey as error:
        raise UnusableServers(f"The file of LOOPLINE_CONNECTORS {error}.") from None
    except (ValueError, RecursionError) as error:
        place = f"line {error.lineno}: " if isinstance(error, json.JSONDecodeError) else ""
        raise UnusableServers(f"The file of LOOPLINE_CONNECTORS, {place}it is not JSON; {_EXAMPLE}.") from None
    if not isinstance(given, dict):
        raise UnusableServers(f"The file of LOOPLINE_CONNECTORS is {classify(given)}; {_EXAMPLE}.")
    if len(given) > MOST_SERVERS:
        raise UnusableServers(f"The file of LOOPLINE_CONNECTORS has {len(given)} servers; keep at most {MOST_SERVERS}.")
    found: dict[str, McpServer] = {}
    problems = []
    for name, fields in given.items():
        place = f"The file of LOOPLINE_CONNECTORS, server {show_name(name)}"
        if not _SERVER.fullmatch(name):
            problems.append(
                f"{place}: it is not a name; write up to {LONGEST_NAME} lower-case letters, digits and hyphens."
            )
            continue
        try:
            found[name] = _ADAPTER.validate_json(json.dumps(fields), strict=True)
        except ValidationError as error:
            problems += [f"{place}{one}." for one in _list_problems(error)]
    if problems:
        raise UnusableServers(*problems)
    return found


def _parse_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = [name for name, _ in pairs]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise _DuplicateKey(f"has the key {show_name(duplicate)!r} twice in one object; remove one of them")
    return dict(pairs)


def _list_problems(error: ValidationError) -> Iterator[str]:
    """Place and explanation of each problem, without values: a secret can be in the wrong place."""
    for one in error.errors(include_url=False):
        path = ".".join(show_name(str(part)) for part in one["loc"] if part != "[key]")
        yield f"{f', {path}' if path else ''}: {explain(one)}"


def find_missing_secrets(servers: Servers, names: frozenset[str]) -> Iterator[str]:
    """Yield one sentence for each secret that a server names and the operator does not offer."""
    for server, declared in servers.items():
        for name in declared.list_secrets():
            if name not in names:
                yield (
                    f"The file of LOOPLINE_CONNECTORS, server {server}, names the secret {name}, which "
                    "LOOPLINE_CONNECTOR_SECRETS does not have; add it."
                )
