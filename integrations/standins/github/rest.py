"""The HTTP edge of the API: credentials, versions, faults, pages, headers. The rules are in `routes`."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

import integrations.standins.github.routes  # noqa: F401 - fills the table of operations
from integrations.standins.github.auth import ANONYMOUS, Actor
from integrations.standins.github.hub import Hub
from integrations.standins.github.operations import OPERATIONS, Operation, Reply, Request, perform
from integrations.standins.github.problems import Problem
from integrations.standins.wire import Fault, drop_connection

API_VERSION = "2022-11-28"
# Faults that replace the execution of an operation, and those of its answer.
BEFORE, AFTER = ("502", "rate_limit"), ("lost_reply",)
NO_USER_AGENT = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"
# The parts of a path that are numbers, and those that may contain slashes.
NUMBERS = (
    *("pull_number", "issue_number", "review_id", "hook_id", "delivery_id", "installation_id"),
    *("check_run_id", "check_suite_id", "run_id", "job_id", "workflow_id"),
)
PATHS = ("ref", "path", "branch")


def blueprint(hub: Hub) -> Blueprint:
    """One Flask rule for each operation in the table."""
    rest = Blueprint("rest", __name__)
    for row in OPERATIONS.values():
        rest.add_url_rule(_rule(row.path), endpoint=row.name, methods=[row.method], view_func=_view(hub, row))
    return rest


def _rule(path: str) -> str:
    def converter(part: re.Match[str]) -> str:
        kind = "int:" if part[1] in NUMBERS else "path:" if part[1] in PATHS else ""
        return f"<{kind}{part[1]}>"

    return re.sub(r"{(\w+)}", converter, path)


def _view(hub: Hub, row: Operation) -> Callable[..., Response]:
    def view(**params: object) -> Response:
        return _answer(hub, row, {name: str(value) for name, value in params.items()})

    return view


def _answer(hub: Hub, row: Operation, params: Mapping[str, str]) -> Response:
    actor = ANONYMOUS
    try:
        actor = hub.gate.from_header(request.headers.get("Authorization"))
        check_headers()
        if fault := hub.faults.take([row.name], BEFORE):
            raise find_refusal(fault)
        response = _response(perform(hub, actor, row.name, Request(params, _input(row), request.args, base_url())))
        if hub.faults.take([row.name], AFTER):
            drop_connection(request.environ)
    except Problem as problem:
        response = problem_response(problem)
    return with_headers(response, hub, actor, "rate" if row.path == "/rate_limit" else "core")


def base_url() -> str:
    """The address under which the caller reaches this server."""
    return request.host_url.rstrip("/")


def problem_response(problem: Problem) -> Response:
    """An error in GitHub's format."""
    return _json(problem.body, problem.status, problem.headers)


def find_refusal(fault: Fault) -> Problem:
    """The answer in place of an operation with a fault."""
    if fault.kind == "502":
        return Problem(502, "Server Error")
    reset = int(time.time()) + (int(fault.seconds) or 60)
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
    return Problem(403, "API rate limit exceeded for user ID 1.", headers=headers)


def check_headers() -> None:
    """Raise `Problem` without a user agent, or for another version of the API."""
    if not request.headers.get("User-Agent"):
        raise Problem(403, NO_USER_AGENT)
    version = request.headers.get("X-GitHub-Api-Version", API_VERSION)
    if version != API_VERSION:
        raise Problem(400, f"The API version {version} is not offered by this stand-in; use {API_VERSION}.")


def _input(row: Operation) -> dict[str, Any]:
    if row.method == "GET" or not (raw := request.get_data(cache=False)):
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise Problem(400, "Problems parsing JSON") from None
    if not isinstance(body, dict):
        raise Problem(400, "Body should be a JSON object")
    return body


def _response(reply: Reply) -> Response:
    if reply.status in (204, 302):
        return Response(status=reply.status, headers=dict(reply.headers))
    body, headers = (reply.body, reply.headers) if reply.paginated else _page(reply.body)
    return _json(body, reply.status, headers)


def _json(body: Any, status: int, headers: Mapping[str, str]) -> Response:
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status, dict(headers), content_type="application/json; charset=utf-8")


def _page(body: Any) -> tuple[Any, Mapping[str, str]]:
    """One page of a list, or of the list inside a counted answer, and the Link header to the next one."""
    if isinstance(body, dict) and "total_count" in body:
        name = next(key for key, value in body.items() if isinstance(value, list))
        cut, headers = _cut(body[name])
        return {**body, name: cut}, headers
    return _cut(body) if isinstance(body, list) else (body, {})


def _cut(items: list[Any]) -> tuple[list[Any], Mapping[str, str]]:
    size = min(max(request.args.get("per_page", 30, int), 1), 100)
    page = max(request.args.get("page", 1, int), 1)
    rest = items[(page - 1) * size :]
    query = urlencode({**request.args.to_dict(), "per_page": size, "page": page + 1})
    link = {"Link": f'<{base_url()}{request.path}?{query}>; rel="next"'} if len(rest) > size else {}
    return rest[:size], link


def with_headers(response: Response, hub: Hub, actor: Actor, resource: str) -> Response:
    """Add GitHub's headers; 'rate', the rate limit itself, is not counted."""
    if resource != "rate":
        hub.count(actor.key)
    for name, value in hub.rate(actor.key).items():
        response.headers.setdefault(f"x-ratelimit-{name}", str(value))
    response.headers["x-ratelimit-resource"] = "graphql" if resource == "graphql" else "core"
    response.headers["X-GitHub-Request-Id"] = uuid.uuid4().hex.upper()
    response.headers["X-GitHub-Api-Version-Selected"] = API_VERSION
    return response
