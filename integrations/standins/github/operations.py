"""The table of operations, and the only way to perform one. Routes register here; `rest` and `pages` perform.

An operation's name is its method and path as in GitHub's OpenAPI document: 'POST /repos/{owner}/{repo}/pulls'. Every
accepted write is logged here, so nothing else changes a record for a caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from integrations.standins.github.auth import Actor
from integrations.standins.github.hub import Hub, Repository
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.pushes import Aftermath
from integrations.standins.github.records import Pull
from integrations.standins.github.seed import ROLES, Role
from integrations.standins.github.shapes.view import View
from integrations.standins.github.waiting import settle

READING = ("GET", "HEAD")


class Input(BaseModel):
    """The body of a request. GitHub ignores some unknown keys; here each is an error, to detect mistakes."""

    model_config = ConfigDict(extra="forbid", strict=True)


Body = TypeVar("Body", bound=Input)


@dataclass(frozen=True)
class Reply:
    """The answer of an operation. The edge cuts a list into pages unless it is `paginated` already."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    paginated: bool = False


@dataclass(frozen=True)
class Request:
    """The request of a caller, independent of HTTP."""

    params: Mapping[str, str]
    input: Mapping[str, Any]
    query: Mapping[str, str]
    base: str


@dataclass(frozen=True)
class Call:
    """One operation being performed."""

    hub: Hub
    actor: Actor
    operation: Operation
    request: Request

    @property
    def view(self) -> View:
        return View(self.hub, self.request.base)

    @property
    def repository(self) -> Repository:
        """The repository in the path. Raises a 404 `Problem`, also when it is hidden from the caller."""
        repository = self.hub.repository(f"{self.request.params['owner']}/{self.request.params['repo']}")
        if self.actor.role(repository.name, repository.private) == "none":
            raise not_found()
        return repository

    @property
    def pull(self) -> Pull:
        """The pull request in the path. Raises a 404 `Problem`."""
        params = self.request.params
        number = params.get("pull_number") or params["issue_number"]
        return self.hub.pull(self.repository, int(number))

    def number(self, name: str) -> int:
        """The number called `name` in the path."""
        return int(self.request.params[name])

    def read(self, model: type[Body]) -> Body:
        """The request's body. Raises a 422 `Problem` with GitHub's message."""
        try:
            return model.model_validate(dict(self.request.input))
        except ValidationError as error:
            raise Problem(422, "Invalid request.\n\n" + "\n".join(map(_complaint, error.errors()))) from None

    @property
    def aftermath(self) -> Aftermath:
        """The webhooks and changes that follow from this operation."""
        return Aftermath(self.view, self.repository, self.actor.login, (self.operation.name,))


def _complaint(error: Mapping[str, Any]) -> str:
    where = "/".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f'"{where}" wasn\'t supplied.'
    if error["type"] == "extra_forbidden":
        return f'"{where}" is not a permitted key.'
    return f"For 'properties/{where}', {error['msg']}."


Handler = Callable[[Call], Reply]


@dataclass(frozen=True)
class Operation:
    """One row of the table. `needs` is the permission of an App, `role` that of a person."""

    method: str
    path: str
    needs: str
    role: Role
    handler: Handler

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


OPERATIONS: dict[str, Operation] = {}


def operation(method: str, path: str, needs: str = "", role: Role = "none") -> Callable[[Handler], Handler]:
    """Register a handler in the table."""

    def register(handler: Handler) -> Handler:
        row = Operation(method, path, needs, role, handler)
        OPERATIONS[row.name] = row
        return handler

    return register


def perform(hub: Hub, actor: Actor, name: str, request: Request) -> Reply:
    """Perform the operation as `actor`; one at a time. Raises `Problem`, and then nothing has changed."""
    row = OPERATIONS[name]
    call = Call(hub, actor, row, request)
    with hub.lock:
        _check(call)
        reply = row.handler(call)
        if row.method not in READING:
            hub.log.append(actor.login, name, {**request.params, **request.input}, _result(reply.body))
            settle(call.view)
    return reply


def _check(call: Call) -> None:
    """Raise 401, 403 or 404 when the caller lacks permission."""
    actor, row = call.actor, call.operation
    if "{repo}" not in row.path or row.path.endswith("/installation"):
        return
    if actor.kind == "app":
        raise Problem(403, "Resource not accessible by integration")
    repository = call.repository
    if actor.kind == "anonymous" and row.method not in READING:
        raise Problem(401, "Requires authentication")
    if row.needs and not actor.may(row.needs):
        accepted = row.needs.replace(":", "=")
        headers = {"X-Accepted-GitHub-Permissions": accepted}
        raise Problem(403, "Resource not accessible by integration", headers=headers)
    if actor.kind == "user" and ROLES.index(actor.role(repository.name, repository.private)) < ROLES.index(row.role):
        raise Problem(403, f"Must have {'admin' if row.role == 'admin' else 'push'} access to Repository.")


def _result(body: Any) -> Any:
    """The short form of an answer for the log: plain values without addresses and tokens."""
    if not isinstance(body, dict):
        return None
    return {
        key: value
        for key, value in body.items()
        if not isinstance(value, dict | list) and not key.endswith("url") and key != "token"
    }
