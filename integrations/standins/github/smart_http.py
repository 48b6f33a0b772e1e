"""Git over HTTP: `git http-backend` on the bare repositories, behind the same credentials as the API."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, request

from integrations.standins.github.auth import ANONYMOUS, Actor
from integrations.standins.github.bare import ENVIRONMENT, GIT, REPORT
from integrations.standins.github.hub import Hub, Repository
from integrations.standins.github.problems import Problem
from integrations.standins.github.pushes import Aftermath, Update
from integrations.standins.github.rest import AFTER, BEFORE, base_url
from integrations.standins.github.seed import ROLES
from integrations.standins.github.shapes.view import View
from integrations.standins.github.waiting import settle
from integrations.standins.wire import drop_connection

PUSH = "git-receive-pack"
FETCH = "git-upload-pack"


@dataclass(frozen=True)
class Exchange:
    """One request of a git client. `name` is its operation in faults and in the log."""

    hub: Hub
    repository: Repository
    actor: Actor
    path: str

    @property
    def name(self) -> str:
        return f"{request.method} /{{owner}}/{{repo}}.git/{self.path}"


def blueprint(hub: Hub) -> Blueprint:
    """The routes of the smart protocol."""
    git = Blueprint("git", __name__)

    @git.get("/<owner>/<repo>.git/info/refs")
    def info_refs(owner: str, repo: str) -> Response:
        return _answer(hub, f"{owner}/{repo}", request.args.get("service", ""), "info/refs")

    @git.post(f"/<owner>/<repo>.git/<any('{FETCH}','{PUSH}'):service>")
    def service(owner: str, repo: str, service: str) -> Response:
        return _answer(hub, f"{owner}/{repo}", service, service)

    return git


def _answer(hub: Hub, name: str, service: str, path: str) -> Response:
    try:
        if service not in (FETCH, PUSH):
            raise Problem(403, "Please upgrade your git client.")
        actor = read_actor(hub)
        exchange = Exchange(hub, find_repository(hub, actor, name, service), actor, path)
        if hub.faults.take([exchange.name], BEFORE):
            raise Problem(502, "Server Error")
    except Problem as problem:
        return Response(f"{problem}\n", problem.status, problem.headers, content_type="text/plain; charset=utf-8")
    response = _push(exchange) if path == PUSH else _run(exchange, {})
    if hub.faults.take([exchange.name], AFTER):
        drop_connection(request.environ)
    return response


def read_actor(hub: Hub) -> Actor:
    """The password is the token; the user name is ignored."""
    basic = request.authorization
    if basic is None:
        return ANONYMOUS
    try:
        return hub.gate.from_token(basic.password or basic.username or "")
    except Problem:
        raise _unauthenticated("Invalid username or token.") from None


def _unauthenticated(message: str) -> Problem:
    return Problem(401, message, headers={"WWW-Authenticate": 'Basic realm="GitHub"'})


def find_repository(hub: Hub, actor: Actor, name: str, service: str) -> Repository:
    """The repository, if the actor has permission. Raises `Problem` with GitHub's message."""
    known = hub.find(name)
    role = actor.role(known.name, known.private) if known else "none"
    if actor is ANONYMOUS and (role == "none" or service == PUSH):
        raise _unauthenticated("Authentication required.")
    if known is None or role == "none":
        raise Problem(404, "Repository not found.")
    level = "write" if service == PUSH else "read"
    if ROLES.index(role) < ROLES.index(level) or not actor.may(f"contents:{level}"):
        raise Problem(403, f"Permission to {name}.git denied to {actor.login}.")
    return known


def _push(exchange: Exchange) -> Response:
    hub, login = exchange.hub, exchange.actor.login
    with tempfile.NamedTemporaryFile(dir=hub.home) as report:
        response = _run(exchange, {REPORT: report.name})
        lines = [line.split(" ", 2) for line in Path(report.name).read_text().splitlines()]
    updates = [Update(ref, old, new) for old, new, ref in lines]
    if updates:
        moved = [{"ref": one.ref, "old": one.old, "new": one.new} for one in updates]
        with hub.lock:
            hub.log.append(login, exchange.name, {"repository": exchange.repository.name}, moved)
            view = View(hub, base_url())
            Aftermath(view, exchange.repository, login, (exchange.name,)).of(updates)
            settle(view)
    return response


def _run(exchange: Exchange, more: Mapping[str, str]) -> Response:
    """The answer of `git http-backend`, a CGI program. The body goes to a file: git reads all of it first."""
    env = {
        **ENVIRONMENT,
        "GIT_PROJECT_ROOT": str(exchange.hub.git_root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{exchange.repository.name}.git/{exchange.path}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string.decode(),
        "CONTENT_TYPE": request.content_type or "",
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": exchange.actor.login,
        "REMOTE_ADDR": request.remote_addr or "",
        **more,
    }
    with tempfile.TemporaryFile() as body:
        shutil.copyfileobj(request.stream, body)
        body.seek(0)
        done = subprocess.run([GIT, "http-backend"], env=env, stdin=body, capture_output=True)
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
    return Response(content, int(headers.pop("Status", "200").split()[0]), headers)
