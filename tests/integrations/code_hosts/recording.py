"""Replays cassettes, or records them again: `LOOPLINE_RECORD=stand-in` or `LOOPLINE_RECORD=github` (see ORIGIN.md)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import requests
import vcr
from vcr.request import Request

from integrations.code_hosts.github.app import AppCredentials
from integrations.code_hosts.github.code_host import GitHub
from tests.integrations.code_hosts.live_github import LiveGitHub, push

CASSETTES = Path(__file__).parent / "cassettes"
MODE = os.environ.get("LOOPLINE_RECORD", "")
API = "https://api.github.com"
REPOSITORY = "octo/calc"
BRANCH = "eng-1/recorded"
# Not recorded: requests of other people, and headers without meaning.
OTHERS = "X-Other-Person"
_REQUEST_HEADERS = {"accept", "x-github-api-version"}
_RESPONSE_HEADERS = {"content-type", "link"}

As = Literal["person", "app"]


@dataclass
class Stage:
    """The adapter with a cassette. While recording, `repository` is the name of the real one."""

    github: GitHub
    repository: str = REPOSITORY
    others: requests.Session | None = None
    url: str = API
    clean_up: list[Callable[[], object]] = field(default_factory=list)

    def review(self, number: int) -> None:
        """Write a review with one inline comment as another person; does nothing during a replay."""
        if self.others is not None:
            inline = [{"path": "calc.py", "line": 2, "body": "Why swap?"}]
            wanted = {"event": "COMMENT", "body": "One question", "comments": inline}
            where = f"{self.url}/repos/{self.repository}/pulls/{number}/reviews"
            self.others.post(where, json=wanted, timeout=20).raise_for_status()


@contextmanager
def stage(cassette: str, sign_in: As, home: Path, private_key: str) -> Iterator[Stage]:
    """Play `cassettes/<cassette>.yaml` to the end, or record it."""
    stage = {"": _open_replay, "stand-in": _open_stand_in, "github": _open_real}[MODE](sign_in, home, private_key)
    if MODE:
        (CASSETTES / f"{cassette}.yaml").unlink(missing_ok=True)
    recorder = vcr.VCR(
        record_mode="once" if MODE else "none",
        match_on=["method", "scheme", "host", "path", "query", "body"],
        before_record_request=lambda request: _request(request, stage),
        before_record_response=lambda response: _response(response, stage),
        decode_compressed_response=True,
    )
    with recorder.use_cassette(str(CASSETTES / f"{cassette}.yaml")) as tape:
        yield stage
    stage.github.close()
    for end in stage.clean_up:
        end()
    assert MODE or tape.all_played


def _open_replay(sign_in: As, home: Path, private_key: str) -> Stage:
    return Stage(_adapter(API, sign_in, "played", AppCredentials("42", private_key)))


def _open_stand_in(sign_in: As, home: Path, private_key: str) -> Stage:
    live = LiveGitHub(home)
    person = live.as_person()
    _push(person, live.repositories[0])
    others = _others("pat-ada")
    github = live.as_app() if sign_in == "app" else live.as_person()
    return Stage(github, live.repositories[0], others, live.url, [person.close, others.close, live.close])


def _open_real(sign_in: As, home: Path, private_key: str) -> Stage:
    """A scratch repository, with calc.py on its main branch as in `LiveGitHub`."""
    app = None
    if sign_in == "app":
        key = Path(os.environ["GITHUB_APP_PRIVATE_KEY_FILE"]).read_text()
        app = AppCredentials(os.environ["GITHUB_APP_ID"], key)
    token, repository = os.environ["GITHUB_TOKEN"], os.environ["LOOPLINE_RECORD_REPOSITORY"]
    person, others = GitHub(API, token=token), _others(token)
    _push(person, repository)
    return Stage(_adapter(API, sign_in, token, app), repository, others, API, [person.close, others.close])


def _push(person: GitHub, repository: str) -> None:
    """Push one commit to `BRANCH` with another adapter, so that the recorded one has no token yet."""
    push(person, repository, BRANCH, calc="def add(a, b):\n    return b + a\n")


def _adapter(url: str, sign_in: As, token: str, app: AppCredentials | None) -> GitHub:
    return GitHub(url, app=app, backoff=0.0) if sign_in == "app" else GitHub(url, token=token, backoff=0.0)


def _others(token: str) -> requests.Session:
    session = requests.Session()
    session.headers.update({OTHERS: "yes", "Authorization": f"Bearer {token}"})
    return session


def _request(request: Request, stage: Stage) -> Request | None:
    if OTHERS in request.headers:
        return None
    request.uri = _scrub(request.uri, stage)
    if request.body:
        request.body = _scrub(request.body.decode(), stage).encode()
    request.headers = {name: value for name, value in request.headers.items() if name.lower() in _REQUEST_HEADERS}
    return request


def _response(response: dict[str, Any], stage: Stage) -> dict[str, Any]:
    body = _scrub(response["body"]["string"].decode(), stage)
    body = re.sub(r'"token": ?"[^"]*"', '"token": "ghs_taken_out"', body)
    body = re.sub(r'"expires_at": ?"[^"]*"', '"expires_at": "2999-01-01T00:00:00Z"', body)
    headers = {name: value for name, value in response["headers"].items() if name.lower() in _RESPONSE_HEADERS}
    headers = {name: [_scrub(one, stage) for one in values] for name, values in headers.items()}
    return {**response, "body": {"string": body.encode()}, "headers": headers}


def _scrub(text: str, stage: Stage) -> str:
    owner, name = stage.repository.split("/")
    text = text.replace(stage.url, API).replace(stage.repository, REPOSITORY)
    text = re.sub(rf"\b{re.escape(owner)}(:|%3A)", rf"{REPOSITORY.split('/')[0]}\1", text)
    return text.replace(f'"{name}"', f'"{REPOSITORY.split("/")[1]}"')
