"""Host tools whose calls are requests to a process with credentials. Used by `jobs.roles.host_tools`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from integrations.agent_events import PersonAsked, TicketProposed
from integrations.errors import NotAttempted
from integrations.ports.agent_runner import ToolResult, ToolSpec, Unanswered
from jobs.roles.fences import Fences, Source
from jobs.roles.submission import IsStopped, RequestTool, parse_form
from jobs.roles.tools import MAX_OUTPUT, shorten
from jobs.runtime import queues
from jobs.runtime.requests import Answer, Request, RequestKind, Requests

if TYPE_CHECKING:
    from jobs.roles.slice import Slice

FULL_SECONDS = 10.0
"""After which a run repeats an event for a full mailbox."""


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

    return RequestTool(ToolSpec(name, description, describe_parameters(form), repeats=True), ask)


def describe_parameters(form: type[BaseModel]) -> dict[str, Any]:
    """The form's JSON schema without titles, defaults and bounds: it is part of every prompt, and `parse_form` names
    each invalid argument."""
    schema = form.model_json_schema()
    kept = {name: _shorten_schema(one) for name, one in schema["properties"].items()}
    return {"type": "object", "properties": kept, "required": schema.get("required", [])}


def _shorten_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    short = {key: schema[key] for key in ("type", "description", "enum") if key in schema}
    return short | ({"items": _shorten_schema(schema["items"])} if "items" in schema else {})


def build_request(run: Slice, kind: str, arguments: Mapping[str, Any], call_id: str) -> Request:
    """The request of this tool call."""
    return Request(kind=kind, run_id=run.spec.run_id, call_id=call_id, arguments=dict(arguments))


def ask_person(
    run: Slice, request: Request, limits: RequestKind, question: str, choices: tuple[str, ...] = ()
) -> Answer:
    """The reply of a person to the question on the run's ticket.

    Raises `Unanswered` until there is one: the run waits without a slot; `NotAttempted` as `deliver_event`."""
    requests = Requests(run.world.redis)
    if answer := requests.ask_person(request, run.conversation.lease, limits):
        return answer
    event = PersonAsked(
        event_id=f"question:{request.id}",
        ticket_id=run.spec.ticket.id,
        at=time.time(),
        run_id=run.spec.run_id,
        generation=run.spec.generation,
        request_id=request.id,
        question=question,
        choices=choices,
    )
    deliver_event(run, event)
    requests.note_asked(request)
    raise Unanswered


def deliver_event(run: Slice, event: PersonAsked | TicketProposed) -> None:
    """Put the event into the mailbox of the run's ticket. Idempotent. Raises `NotAttempted` while the mailbox is full:
    the run backs off and repeats the call."""
    if not run.world.store.deliver(event) and not run.world.store.is_known(event):
        raise NotAttempted("too many events of the ticket wait for a decision", FULL_SECONDS)
    queues.wake_ticket(run.world.redis, event.ticket_id)


def fence_answer(run: Slice, answer: Answer, source: Source = "tool") -> ToolResult:
    """The answer as data for the model."""
    fences = Fences(run.spec.nonce, run.spec.run_id)
    return ToolResult(fences.enclose(source, shorten(answer.text, MAX_OUTPUT)), is_error=answer.is_error)
