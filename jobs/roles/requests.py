"""Host tools whose calls are requests to a process with credentials. Used by `jobs.roles.host_tools`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from integrations.ports.agent_runner import ToolResult, ToolSpec
from jobs.roles.fences import Fences, Source
from jobs.roles.submission import IsStopped, RequestTool, parse_form
from jobs.roles.tools import MAX_OUTPUT, shorten
from jobs.runtime.requests import Answer, Request, RequestKind, Requests

if TYPE_CHECKING:
    from jobs.roles.slice import Slice


def build_request_tool(
    run: Slice,
    name: str,
    description: str,
    form: type[BaseModel],
    kind: RequestKind | None = None,
    source: Source = "tool",
) -> RequestTool:
    """The tool `name`, whose valid arguments become a request of the kind with the same name.

    Answers are fenced as data of `source`. `kind` is that of `KINDS` if it is not given."""

    def ask(arguments: Mapping[str, Any], stopped: IsStopped, call_id: str) -> ToolResult:
        given = parse_form(form, arguments)
        if isinstance(given, ToolResult):
            return given
        request = build_request(run, name, given.model_dump(mode="json"), call_id)
        answer = Requests(run.world.redis).ask(request, run.conversation.lease, stopped, kind)
        return fence_answer(run, answer, source)

    return RequestTool(ToolSpec(name, description, form.model_json_schema(), repeats=True), ask)


def build_request(run: Slice, kind: str, arguments: Mapping[str, Any], call_id: str) -> Request:
    """The request of this tool call."""
    return Request(kind=kind, run_id=run.spec.run_id, call_id=call_id, arguments=dict(arguments))


def fence_answer(run: Slice, answer: Answer, source: Source = "tool") -> ToolResult:
    """The answer as data for the model."""
    fences = Fences(run.spec.nonce, run.spec.run_id)
    return ToolResult(fences.enclose(source, shorten(answer.text, MAX_OUTPUT)), is_error=answer.is_error)
