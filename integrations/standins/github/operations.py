"""The table of what the API can do, and the one way to do it. Routes register here; `rest` and `pages` perform.

An operation's name is its method and path as in GitHub's OpenAPI document: 'POST /repos/{owner}/{repo}/pulls'.
Every accepted write is logged here, so nothing else may change a record on someone's behalf.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from integrations.standins.github.auth import Actor
from integrations.standins.github.hub import Hub, Repository
from integrations.standins.github.problems import Problem, not_found
from integrations.standins.github.records import Pull
from integrations.standins.github.seed import ROLES, Role
from integrations.standins.github.shapes.view import View
from integrations.standins.github.webhooks import Webhooks

READING = ("GET", "HEAD")


class Input(BaseModel):
    """The body of a request. GitHub ignores some unknown keys; here each is an error, since it is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True)


Body = TypeVar("Body", bound=Input)


@dataclass(frozen=True)
class Reply:
    """What an operation answers. A list is cut into pages by the edge unless it is `paginated` already; `text` goes
    out as it is, with the content type `media`."""

    body: Any = None
    status: int = 200
    text: str | None = None
    media: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    paginated: bool = False


@dataclass(frozen=True)
class Request:
    """What the caller said, free of HTTP."""

    params: Mapping[str, str]
    input: Mapping[str, Any]
    query: Mapping[str, str]
    base: str
    accept: str = ""


@dataclass(frozen=True)
class Call:
    """One operation under way."""

    hub: Hub
    actor: Actor
    operation: Operation
    request: Request

    @property
    def view(self) -> View:
        return View(self.hub, self.request.base)

    @property
    def repository(self) -> Repository:
        """The repository in the path. Raises a 404 `Problem`, also when the caller may not see it."""
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
        """The request's body. Raises a 422 `Problem` in GitHub's words."""
        try:
            return model.model_validate(dict(self.request.input))
        except ValidationError as error:
            raise Problem(422, "Invalid request.\n\n" + "\n".join(map(_complaint, error.errors()))) from None

    def emit(self, event: str, action: str | None = None, **parts: Any) -> None:
        """Send a webhook about the repository in the path."""
        causes = (self.operation.name,)
        Webhooks(self.hub).emit(self.view, self.repository, self.actor.login, event, action, parts, causes)


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
    """One row of the table. `needs` is an App's permission, `role` what a person has to be; '' and 'none' for none."""

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
    """Do the operation as `actor`; one at a time. Raises `Problem`, and then nothing has changed."""
    row = OPERATIONS[name]
    call = Call(hub, actor, row, request)
    with hub.lock:
        _check(call)
        reply = row.handler(call)
        if row.method not in READING:
            hub.log.append(actor.login, name, _unsecret({**request.params, **request.input}), _result(reply.body))
    return reply


def _check(call: Call) -> None:
    """Raise 401, 403 or 404 when the caller may not."""
    actor, row = call.actor, call.operation
    if "{repo}" not in row.path or row.path.endswith("/installation"):
        return
    if actor.kind == "app":
        raise Problem(403, "Resource not accessible by integration")
    repository = call.repository
    if actor.kind == "nobody" and row.method not in READING:
        raise Problem(401, "Requires authentication")
    if row.needs and not actor.may(row.needs):
        accepted = row.needs.replace(":", "=")
        raise Problem(
            403, "Resource not accessible by integration", headers={"X-Accepted-GitHub-Permissions": accepted}
        )
    if actor.kind == "user" and ROLES.index(actor.role(repository.name, repository.private)) < ROLES.index(row.role):
        raise Problem(403, f"Must have {'admin' if row.role == 'admin' else 'push'} access to Repository.")


def _unsecret(value: Any) -> Any:
    """The input without a webhook's secret."""
    if isinstance(value, dict):
        return {key: _unsecret(inner) for key, inner in value.items() if key != "secret"}
    return value


def _result(body: Any) -> Any:
    """The short form of an answer for the log: its own plain values, no addresses, no tokens."""
    if not isinstance(body, dict):
        return None
    return {
        key: value
        for key, value in body.items()
        if not isinstance(value, dict | list) and not key.endswith("url") and key != "token"
    }
