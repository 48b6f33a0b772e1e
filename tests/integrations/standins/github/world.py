"""A served stand-in with people, an App and repositories, and clients that check every answer."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import requests
from werkzeug.exceptions import HTTPException

from integrations.standins.github.bare import ENVIRONMENT, GIT
from integrations.standins.github.server import GitHub, Webhook, create_app, serve
from integrations.standins.wire import Served
from tests.integrations.standins.github.description import RestAnswers
from tests.integrations.standins.receiver import Delivery, Receiver

SHOP = "/repos/acme/shop"
SECRET = "It's a Secret to Everybody"
PEOPLE = {"ada": "admin", "bob": "write", "eve": "read", "mal": "none"}


def seed(folder: Path, of_shop: Mapping[str, Any]) -> dict[str, Any]:
    """acme/shop with one file, public acme/open without the App; Ada, Bob, Eve and Mal; the App 'loopline'. `of_shop`
    are further keys of acme/shop, as its rules."""
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
        | {"permissions": {"acme/shop": role, "acme/open": role}}
        for login, role in PEOPLE.items()
    ]
    repositories = [
        {"name": "acme/shop", "from_folder": "files", "teams": ["web"], **of_shop},
        {"name": "acme/open", "private": False, "from_folder": "files"},
    ]
    return {"users": users, "apps": [app], "repositories": repositories}


class Caller(requests.Session):
    """A client of the API. Every answer is checked."""

    def __init__(self, world: World, token: str = "") -> None:
        super().__init__()
        self.trust_env = False
        self._world, self.token = world, token
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **more: Any) -> requests.Response:
        base = self._world.url
        address = str(url) if str(url).startswith("http") else base + str(url)
        answer = super().request(method, address, *args, **more)
        if operation := self._world.operation(str(method), address.removeprefix(base)):
            body = answer.json() if answer.content else None
            complaints = list(self._world.answers.complaints(operation, answer.status_code, body))
            assert not complaints, f"{operation}: {complaints}"
        return answer


def name_of(delivery: Delivery) -> str:
    """The event and its action, as 'pull_request.opened'."""
    event, action = delivery.headers["x-github-event"], delivery.body.get("action")
    return f"{event}.{action}" if action else event


@dataclass
class World:
    """The stand-in, its clients and a clone."""

    folder: Path
    private_key: str
    answers: RestAnswers
    receiver: Receiver
    of_shop: Mapping[str, Any] = field(default_factory=dict)
    app: GitHub = field(init=False)
    served: Served = field(init=False)
    callers: list[Caller] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        document = seed(self.folder, self.of_shop)
        webhook = Webhook(self.receiver.url, SECRET)
        self.app = create_app(self.folder / "home", document, webhook=webhook, beside=self.folder)
        self.served = serve(self.app)

    def close(self) -> None:
        while self.callers:
            self.callers.pop().close()
        self.served.close()

    @property
    def url(self) -> str:
        return self.served.url

    def caller(self, token: str = "") -> Caller:
        """A client with this token."""
        self.callers.append(Caller(self, token))
        return self.callers[-1]

    def operation(self, method: str, path: str) -> str:
        """The operation behind an address, '' for one that is not of the API."""
        try:
            endpoint, _ = self.app.url_map.bind("").match(path.partition("?")[0], method)
        except HTTPException:
            return ""
        return endpoint.removeprefix("rest.") if endpoint.startswith("rest.") else ""

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
        """The names of all webhooks so far, after all are sent."""
        assert self.app.hub.sender.settle()
        return [name_of(one) for one in self.receiver.all]

    def last(self, name: str) -> Any:
        """The payload of the last webhook of this name."""
        self.heard()
        return [one for one in self.receiver.all if name_of(one) == name][-1].body

    def rules(self, **changed: Any) -> None:
        """Replace keys of acme/shop by a new start, as its rules or merge methods."""
        self.close()
        self.of_shop = {**self.of_shop, **changed}
        self.start()

    def fault(self, **fault: Any) -> None:
        requests.post(f"{self.url}/_faults", json=fault, timeout=10).raise_for_status()

    def script_ci(self, checks: list[dict[str, Any]], apply: str = "", repository: str = "acme/shop") -> None:
        """Set the CI of a repository, and run it on a branch."""
        script = {"repository": repository, "checks": checks, "apply": apply}
        requests.post(f"{self.url}/_ci", json=script, timeout=10).raise_for_status()

    def add_sources(self) -> None:
        """An issue, a release and an alert of acme/shop."""
        alert = {"advisory": "GHSA-rf4j-j272-fj86", "package": "left-pad"}
        found = {"issues": [{"title": "It fails", "labels": ["bug"]}], "releases": [{"tag": "v1"}], "alerts": [alert]}
        requests.post(f"{self.url}/_sources", json={"repository": "acme/shop", **found}, timeout=10).raise_for_status()

    def manifest_code(self, **changed: Any) -> str:
        """The code to which the form of a new App leads; empty if it is refused."""
        manifest = {
            "name": "Looper",
            "url": "https://loop.example.com",
            "hook_attributes": {"url": "https://loop.example.com/webhooks/github"},
            "redirect_url": "http://127.0.0.1:9/created",
            "default_permissions": {"contents": "write", "statuses": "read"},
            "default_events": ["push", "status"],
        }
        form = {"manifest": json.dumps(manifest | changed)}
        path = f"{self.url}/settings/apps/new?state=s"
        answer = requests.post(path, data=form, allow_redirects=False, timeout=10)
        return parse_qs(urlsplit(answer.headers.get("Location", "")).query).get("code", [""])[0]

    # --- git ---

    def git(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run git in the clone."""
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
        command = [GIT, *identity, *arguments]
        return subprocess.run(command, cwd=self.work, env=ENVIRONMENT, check=check, capture_output=True, text=True)

    @property
    def work(self) -> Path:
        """The clone, created on first use."""
        work = self.folder / "work"
        if not work.exists():
            work.mkdir()
            self.git("clone", "--quiet", self.remote(), ".")
        return work

    def remote(self, token: str = "ghp_ada", repository: str = "acme/shop") -> str:
        """The address of the git repository, with credentials."""
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
