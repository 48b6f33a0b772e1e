"""Starts the stand-ins and the real service, as an operator does, as processes of their own, and stops them."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import requests

REPOSITORY = "acme/tally"
TEAM = "ENG"
HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DEMO_REPOSITORY = HERE.parent / "demo_repository"
DEMO_TICKETS = HERE.parent / "demo_tickets.json"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
COLUMNS = ("Backlog", "Agent", "In Progress", "Needs Human", "In Review", "Done", "Canceled")
COLUMN_TYPES = ("backlog", "unstarted", "started", "started", "started", "completed", "canceled")


@dataclass(frozen=True)
class Project:
    """A team of the board, its repository with the files of `folder`, and the file of its first tickets. `triage`: the
    team uses triage."""

    team: str
    name: str
    repository: str
    folder: Path
    tickets: Path
    triage: bool = False

    @property
    def settings(self) -> dict[str, object]:
        """The team's entry in LOOPLINE_TEAMS."""
        columns = {"columns": {"triage": "Triage"}} if self.triage else {}
        return {"repository": self.repository, **columns}

    @property
    def states(self) -> list[dict[str, object]]:
        """The team's workflow states."""
        triage = [("Triage", "triage")] if self.triage else []
        columns = (*triage, *zip(COLUMNS, COLUMN_TYPES, strict=True))
        return [{"name": name, "type": kind, "color": "#5e6ad2"} for name, kind in columns]


TALLY = Project(TEAM, "Engineering", REPOSITORY, DEMO_REPOSITORY, DEMO_TICKETS)


@dataclass
class Stack:
    """All processes of one demo. Ports count up from `port_base`; everything is written below `home`."""

    home: Path
    port_base: int
    latency: float = 0.25
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further settings of the service."""
    board_options: Sequence[str] = ()
    """Further arguments of the board's stand-in."""
    projects: Sequence[Project] = (TALLY,)

    def __post_init__(self) -> None:
        names = ("board", "pull_requests", "dashboard", "model", "web")
        self.urls = {name: f"http://127.0.0.1:{self.port_base + n}" for n, name in enumerate(names)}
        self._processes: list[tuple[str, subprocess.Popen[bytes]]] = []
        self.home.mkdir(parents=True, exist_ok=True)
        self.tokens = remembered(self.home / "tokens.json")

    def __enter__(self) -> Stack:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start everything and return when webhooks are accepted. Raises `RuntimeError` and names what failed."""
        self._check_ports()
        secret = ("--webhook-secret-file", self._secret("linear"))
        self._standin("linear", "board", self.linear_seed(), *secret, *self.board_options)
        self._standin("github", "pull_requests", self.github_seed(), "--webhook-secret-file", self._secret("github"))
        if not os.environ.get("ANTHROPIC_API_KEY"):
            self._standin("model", "model", None, "--latency", str(self.latency))
        self._spawn("service", [sys.executable, "-m", "service", "up", "--env-file", os.devnull], self.settings())
        self._await("service", f"{self.urls['web']}/readyz")

    def close(self) -> None:
        """Stop the service first, then the stand-ins."""
        for _, process in reversed(self._processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def settings(self) -> dict[str, str]:
        """The service's environment: an operator's settings, with the addresses of the stand-ins."""
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        key = os.environ.get("ANTHROPIC_API_KEY", "")
        return {
            **inherited,
            "LOOPLINE_HOME": str(self.home / "service"),
            "LOOPLINE_WEB_BIND": self.urls["web"].removeprefix("http://"),
            "LOOPLINE_DASHBOARD_BIND": self.urls["dashboard"].removeprefix("http://"),
            "LOOPLINE_DASHBOARD_PASSWORD": self.tokens["dashboard"],
            "LOOPLINE_TEAMS": json.dumps({p.team: p.settings for p in self.projects}),
            "LINEAR_API_URL": f"{self.urls['board']}/graphql",
            "LINEAR_UPLOADS_URL": f"{self.urls['board']}/uploads",
            "LINEAR_API_KEY": self.tokens["linear_app"],
            "LINEAR_WEBHOOK_SECRETS": self.tokens["linear_webhook"],
            "GITHUB_API_URL": self.urls["pull_requests"],
            "GITHUB_TOKEN": self.tokens["github_bot"],
            "GITHUB_WEBHOOK_SECRETS": self.tokens["github_webhook"],
            "LOOPLINE_REVIEW_QUIET_SECONDS": "2",
            "ANTHROPIC_API_KEY": key or "key-of-the-stand-in",
            "ANTHROPIC_BASE_URL": os.environ.get("ANTHROPIC_BASE_URL", "") if key else self.urls["model"],
            **self.extra,
        }

    def linear_seed(self) -> dict[str, object]:
        """The board at the start: two people, seven columns per team, the projects' tickets in the backlog."""
        return {
            "organization": {"name": "Acme", "urlKey": "acme"},
            "users": [
                {"name": "Ana Flores", "email": "ana@acme.test", "admin": True, "token": self.tokens["linear_ana"]},
                {"name": "Loopline", "email": "loopline@acme.test", "app": True, "token": self.tokens["linear_app"]},
            ],
            "teams": [{"key": p.team, "name": p.name, "states": p.states} for p in self.projects],
            "issues": [
                {"team": p.team, "state": "Backlog", **ticket}
                for p in self.projects
                for ticket in json.loads(p.tickets.read_text(encoding="utf-8"))
            ],
        }

    def github_seed(self) -> dict[str, object]:
        """The code host at the start: two people and the repositories with files."""
        people = [("ana", "Ana Flores", "github_ana", "admin"), ("loopline-bot", "Loopline", "github_bot", "write")]
        users = [
            {"login": login, "name": name, "email": f"{login}@acme.test", "token": self.tokens[token]}
            | {"permissions": {p.repository: role for p in self.projects}}
            for login, name, token, role in people
        ]
        repositories = [{"name": p.repository, "from_folder": str(p.folder)} for p in self.projects]
        return {"users": users, "repositories": repositories}

    def _check_ports(self) -> None:
        """Raise `RuntimeError` for a port that another program, or another demo, listens on."""
        for url in self.urls.values():
            port = int(url.rsplit(":", 1)[1])
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise RuntimeError(
                        f"port {port} is not available ({error.strerror}): name another --port-base"
                    ) from None

    def _standin(self, module: str, name: str, seed: dict[str, object] | None, *more: str) -> None:
        home = self.home / module
        home.mkdir(parents=True, exist_ok=True)
        args = [sys.executable, "-m", f"integrations.standins.{module}", "--home", str(home), *more]
        args += ["--port", self.urls[name].rsplit(":", 1)[1]]
        if seed is not None:
            file = self.home / f"{module}.seed.json"
            file.write_text(json.dumps(seed, indent=1), encoding="utf-8")
            args += ["--seed", str(file), "--webhook", f"{self.urls['web']}/webhooks/{module}"]
        self._spawn(module, args, dict(os.environ))
        self._await(module, f"{self.urls[name]}/_log")

    def _secret(self, source: str) -> str:
        file = self.home / f"{source}.webhook-secret"
        file.touch(mode=0o600)
        file.write_text(self.tokens[f"{source}_webhook"], encoding="utf-8")
        return str(file)

    def _spawn(self, name: str, args: list[str], environment: dict[str, str]) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                args, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._processes.append((name, process))

    def _await(self, name: str, url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (code := self._exit_code(name)) is not None:
                raise RuntimeError(f"{name} ended with code {code}; see {self.home / name}.log")
            try:
                if requests.get(url, timeout=2).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{name} did not answer at {url} within {START_SECONDS:.0f} s; see {self.home / name}.log")

    def _exit_code(self, name: str) -> int | None:
        return next(process for known, process in self._processes if known == name).poll()


def remembered(file: Path) -> dict[str, str]:
    """Tokens drawn at the first start, so that a second start of the same home knows them."""
    if not file.exists():
        prefixes = {"linear_ana": "lin_api_", "linear_app": "lin_api_", "linear_webhook": "lin_wh_"}
        prefixes |= {"github_ana": "ghp_", "github_bot": "ghp_", "github_webhook": "", "dashboard": ""}
        file.touch(mode=0o600)
        file.write_text(json.dumps({name: prefix + secrets.token_hex(20) for name, prefix in prefixes.items()}))
    tokens: dict[str, str] = json.loads(file.read_text())
    return tokens
