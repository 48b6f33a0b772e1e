"""The tools of MCP servers for an agent: those that the run's policy permits, as requests to the connectors process.

Used by `jobs.roles.slice`. The descriptions are the accepted ones, so that a server cannot change the prompt of a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from integrations.connectors.tools import (
    describe_tool,
    find_duplicates,
    find_tool_problem,
    show_parameters,
    show_tool_name,
)
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.values import clean_value
from jobs.loop.connector_policy import Access, find_access
from jobs.messages.escalations import LONGEST_QUESTION
from jobs.roles.requests import ask_person, build_request, fence_answer
from jobs.roles.submission import IsStopped, RequestTool
from jobs.runtime import queues
from jobs.runtime.heartbeats import list_live_roles
from jobs.runtime.requests import CONTINUE, UNCERTAIN, Answer, Request, RequestKind, Requests
from jobs.store.connector_permissions import CHOICES, build_permission_request, is_yes
from jobs.store.connectors import Connector, ConnectorStore

if TYPE_CHECKING:  # `jobs.roles.slice` imports this module
    from jobs.roles.slice import Slice

KIND = "connector"
MOST_CALLS = 200
"""Calls of one run."""
MOST_QUESTIONS = 10
"""Questions of one run about its calls."""
OVERHEAD_SECONDS = 110.0
"""Start of a server, handshake and list of tools, beside the call itself."""
MOST_OFFERED = 64
"""Tools of one run: each one costs a part of every prompt."""


def build_connector_tools(run: Slice) -> tuple[RequestTool, ...]:
    """The tools in a fixed order, for the prompt cache."""
    policies = run.spec.policy.loop.connectors
    if not policies:
        return ()
    known = ConnectorStore(run.world.redis).read_all()
    found = (tool for name in sorted(policies) if name in known for tool in _build_tools(run, known[name]))
    return tuple(tool for tool, _ in zip(found, range(MOST_OFFERED), strict=False))


def _build_tools(run: Slice, connector: Connector) -> Iterator[RequestTool]:
    spec, unusable, states = run.spec, find_duplicates(connector.pinned), connector.states()
    for tool in connector.pinned:
        access = find_access(
            spec.policy.loop.connectors, connector.name, connector.server, tool, spec.role, spec.workspace.repository
        )
        is_usable = tool.name not in unusable and not find_tool_problem(connector.name, tool)
        if is_usable and not access.refusal and states[tool.name] == "accepted":
            shown = ToolSpec(
                show_tool_name(connector.name, tool.name),
                describe_tool(connector.name, tool) + _describe_access(access),
                show_parameters(tool),
                repeats=True,
            )
            yield RequestTool(shown, _Caller(run, connector, tool.name, access))


def read_tool(run: Slice, name: str, arguments: Mapping[str, str], call_id: str) -> Answer:
    """The answer of a read-only tool for a source of the kind `tool` of an automation: text from outside, not fenced.

    `name` is the tool's name for a model, as mcp__docs__search; the run's policy has to permit it for its role.
    `call_id` is unique in the run. Raises as `Requests.ask`."""
    for connector in ConnectorStore(run.world.redis).read_all().values():
        for tool in connector.pinned:
            if show_tool_name(connector.name, tool.name) == name:
                spec = run.spec
                access = find_access(
                    spec.policy.loop.connectors, connector.name, connector.server, tool, spec.role,
                    spec.workspace.repository,
                )  # fmt: skip
                if access.refusal or access.writes:
                    return Answer(text=f"{name}: {access.refusal or 'it is not read-only'}.", is_error=True)
                typed = {key: _parse_argument(text, tool.parameters, key) for key, text in arguments.items()}
                return _Caller(run, connector, tool.name, access).call(typed, run.stopped, call_id)
    return Answer(text=f"There is no tool {name}: see loopline connectors list.", is_error=True)


def _parse_argument(text: str, schema: Mapping[str, Any], name: str) -> str | int | float | bool:
    """The text as the type that the tool's schema has for the argument; the server refuses a wrong one."""
    known = schema.get("properties", {}).get(name)
    try:
        match known.get("type") if isinstance(known, dict) else None:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text]
    except (ValueError, KeyError):
        pass
    return text


def _describe_access(access: Access) -> str:
    return " It changes something, and a person has to allow each call on the ticket." if access.asks else ""


class _Caller:
    """Calls one tool by the connectors process."""

    def __init__(self, run: Slice, connector: Connector, tool: str, access: Access) -> None:
        self._run, self._connector, self._tool, self._access = run, connector, tool, access

    def __call__(self, arguments: Mapping[str, Any], stopped: IsStopped, call_id: str) -> ToolResult:
        if self._access.asks:
            answer = self._ask_person(build_permission_request(self._build_request(arguments, call_id)))
            if not is_yes(answer):
                reply = answer if answer.is_error else replace(answer, text=f"The call was not made.\n{answer.text}")
                return fence_answer(self._run, reply, "guidance")
        return fence_answer(self._run, self.call(arguments, stopped, call_id))

    def call(self, arguments: Mapping[str, Any], stopped: IsStopped, call_id: str) -> Answer:
        """The answer, not fenced. Raises as `Requests.ask`."""
        run, name = self._run, self._connector.name
        if queues.CONNECTORS not in list_live_roles(run.world.redis):
            text = f"The connector {name} is not available now: the connectors process does not run."
            return Answer(text=f"{text} {CONTINUE}", is_error=True)
        request = self._build_request(arguments, call_id)
        seconds = self._connector.server.seconds + OVERHEAD_SECONDS
        advice = UNCERTAIN if self._access.writes else CONTINUE
        limits = RequestKind(job=queues.CALL_CONNECTOR, seconds=seconds, most=MOST_CALLS, advice=advice)
        return Requests(run.world.redis).ask(request, run.conversation.lease, stopped, limits)

    def _build_request(self, arguments: Mapping[str, Any], call_id: str) -> Request:
        given = {"server": self._connector.name, "tool": self._tool, "arguments": clean_value(arguments)}
        return build_request(self._run, KIND, given, call_id)

    def _ask_person(self, asked: Request) -> Answer:
        """The reply on the ticket. Raises as `ask_person`."""
        arguments = json.dumps(asked.arguments["arguments"], ensure_ascii=False)
        question = (
            f"May the agent call the tool {self._tool} of the connector {self._connector.name}? It changes something "
            f"there. Its arguments: {arguments}"
        )
        if len(question) > LONGEST_QUESTION:
            text = f"A person has to read the arguments: shorten them by {len(question) - LONGEST_QUESTION} characters."
            return Answer(text=text, is_error=True)
        return ask_person(self._run, asked, RequestKind(most=MOST_QUESTIONS), question, CHOICES)
