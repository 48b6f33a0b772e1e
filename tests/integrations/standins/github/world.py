"""A served stand-in with people, an App and a repository, and clients that check every answer against GitHub's own
description where it can be had."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import requests

from integrations.standins.github.server import GitHub, Webhook, create_app, serve
from integrations.standins.wire import Served
from tests.integrations.standins.github.description import RestAnswers

SHOP = "/repos/acme/shop"
SECRET = "It's a Secret to Everybody"
PEOPLE = {"ada": "admin", "bob": "write", "eve": "read", "mal": "none"}


def seed(folder: Path, apps: bool = True) -> dict[str, Any]:
    """acme/shop with one file, acme/empty, acme/open for everyone; Ada, Bob, Eve and Mal; the App 'loopline'."""
    (folder / "files").mkdir(exist_ok=True)
    (folder / "files" / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    app = {
        "id": 7,
        "slug": "loopline",
        "public_key_file": str(folder / "app.pub"),
        "installations": [{"id": 70, "account": "acme", "repositories": ["acme/shop"]}],
    }
    users = [
        {"login": login, "name": login.title(), "email": f"{login}@example.com", "token": f"ghp_{login}"}
        | {"permissions": {"acme/shop": role}}
        for login, role in PEOPLE.items()
    ]
    repositories = [
        {"name": "acme/shop", "from_folder": "files"},
        {"name": "acme/empty"},
        {"name": "acme/open", "private": False, "from_folder": "files"},
    ]
    return {"users": users, "apps": [app] if apps else [], "repositories": repositories}


class Caller(requests.Session):
    """A client of the API. Every answer is checked against GitHub's description."""

    def __init__(self, url: str, answers: RestAnswers, token: str = "") -> None:
        super().__init__()
        self.trust_env = False
        self.url = url
        self._answers = answers
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **more: Any) -> requests.Response:
        address = str(url) if str(url).startswith("http") else self.url + str(url)
        answer = super().request(method, address, *args, **more)
        path = address.removeprefix(self.url)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        if is_json and not path.startswith("/_"):
            complaints = list(self._answers.complaints(str(method), path, answer.status_code, answer.json()))
            assert not complaints, f"{method!s} {path}: {complaints}"
        return answer


@dataclass
class Heard:
    """A webhook as it arrived."""

    headers: Mapping[str, str]
    raw: bytes

    @property
    def event(self) -> str:
        return self.headers["X-GitHub-Event"]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def name(self) -> str:
        action = self.body.get("action")
        return f"{self.event}.{action}" if action else self.event


class Receiver:
    """Hears webhooks. `answer` is the status that it gives."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answer = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append(Heard(dict(self.headers), body))
                self.send_response(receiver.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/github"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.heard]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class World:
    """The stand-in and everyone around it."""

    folder: Path
    private_key: str
    answers: RestAnswers
    receiver: Receiver
    apps: bool = True
    app: GitHub = field(init=False)
    served: Served = field(init=False)
    callers: list[Caller] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        document = seed(self.folder, self.apps)
        webhook = Webhook(self.receiver.url, SECRET)
        self.app = create_app(self.folder / "home", document, webhook=webhook, beside=self.folder)
        self.served = serve(self.app)

    def restart(self) -> None:
        self.close()
        self.start()

    def close(self) -> None:
        while self.callers:
            self.callers.pop().close()
        self.served.close()

    @property
    def url(self) -> str:
        return self.served.url

    def caller(self, token: str = "") -> Caller:
        """A client with this token."""
        self.callers.append(Caller(self.url, self.answers, token))
        return self.callers[-1]

    def person(self, login: str = "ada") -> Caller:
        return self.caller(f"ghp_{login}")

    def jwt(self, **claims: Any) -> str:
        """A JSON web token as the App signs it, with `claims` on top."""
        now = int(time.time())
        return jwt.encode({"iat": now - 60, "exp": now + 540, "iss": "7"} | claims, self.private_key, "RS256")

    def app_caller(self) -> Caller:
        """A client that is the App itself."""
        return self.caller(self.jwt())

    def bot(self, **wanted: Any) -> Caller:
        """A client with an installation token."""
        answer = self.app_caller().post("/app/installations/70/access_tokens", json=wanted)
        return self.caller(answer.json()["token"])

    def heard(self) -> list[str]:
        """The names of all webhooks so far, when all are out."""
        assert self.app.hub.sender.settle()
        return self.receiver.names

    def last(self, name: str) -> Any:
        """The payload of the last webhook called so."""
        self.heard()
        return [one for one in self.receiver.heard if one.name == name][-1].body

    # --- git ---

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git in the clone."""
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        env = {
            "PATH": "/usr/bin:/bin",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "HOME": "/nowhere",
        }
        command = ["git", *identity, *arguments]
        return subprocess.run(command, cwd=self.work, env=env, check=check, capture_output=True, text=True)

    @property
    def work(self) -> Path:
        """The clone, made when first asked for."""
        work = self.folder / "work"
        if not work.exists():
            work.mkdir()
            self.git("clone", "--quiet", self.remote(), ".")
        return work

    def remote(self, token: str = "ghp_ada", repository: str = "acme/shop") -> str:
        """The address to clone from, with credentials."""
        return f"{self.url.replace('://', f'://x-access-token:{token}@')}/{repository}.git"

    def push(
        self, branch: str = "fix", content: str = "def add(a, b):\n    return a + b\n", file: str = "calc.py"
    ) -> str:
        """Commit `content` on the branch, push it, and return the sha."""
        if self.git("rev-parse", "--verify", "--quiet", branch, check=False).returncode:
            self.git("checkout", "--quiet", "-b", branch, "origin/main")
        self.git("checkout", "--quiet", branch)
        (self.work / file).write_text(content)
        self.git("add", file)
        self.git("commit", "--quiet", "-m", f"Change {file}")
        self.git("push", "--quiet", self.remote(), branch)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def pull(self, branch: str = "fix", by: str = "bob", **more: Any) -> dict[str, Any]:
        """Push a change to the branch and open a pull request from it."""
        self.push(branch)
        body = {"title": "Fix add", "head": branch, "base": "main", "body": "Why"} | more
        answer = self.person(by).post(f"{SHOP}/pulls", json=body)
        assert answer.status_code == 201, answer.text
        opened: dict[str, Any] = answer.json()
        return opened
