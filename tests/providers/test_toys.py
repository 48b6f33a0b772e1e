"""Providers from outside of this repository: a toy tracker and toy runners take a ticket to a pull request."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

from integrations import registry
from integrations.errors import Rejected
from integrations.ports.agent_runner import Entry
from integrations.ports.provider import RunnerProvider, TrackerProvider
from integrations.standins.demo.stack import REPOSITORY, Stack
from integrations.standins.github import server as github
from integrations.standins.wire import serve
from jobs.advance_run import advance_run
from jobs.config.environment import Role, filter_environment, find_problems, parse_settings
from jobs.config.reference import render_env_example
from jobs.config.settings import Settings
from jobs.drive import drive
from jobs.effects import world as worlds
from jobs.effects.build import build_world
from jobs.effects.world import World
from jobs.inbox.dispatch import create_consumer_group, dispatch
from service.__main__ import main
from service.web.app import create_app
from tests.providers import install, installed
from tests.providers.jot.tracker import Jot, create
from tests.providers.jot.webhooks import signature
from tests.support.checkout import REPOSITORY as CHECKOUT

JOT = "tests.providers.jot.provider:JOT"
RUNNERS = ("tests.providers.scripted.provider:SCRIPTED", "tests.providers.scripted.provider:SHELL")
WORKFLOW = """\
---
loop:
  contract: auto
  roles: {maker: {runner: %s}}
---
Say hello.
"""
TICKET = "11111111-1111-4111-8111-111111111111"
DESCRIPTION = "## Done when\n\n- `grep -q Hello GREETING.md` passes\n"


class Office:
    """The processes of Loopline, in turn: web process, dispatcher, worker, agent."""

    def __init__(self, environ: dict[str, str], redis: Redis) -> None:
        self.redis = redis
        self.web = self._web(environ)
        self.worker, self.agent = (self._world(role, environ) for role in ("worker", "agent"))
        self.board = Jot(Path(environ["JOT_FILE"]), environ["JOT_TOKEN"])

    def _web(self, environ: dict[str, str]) -> FlaskClient:
        return create_app(parse_settings(filter_environment("web", environ))).test_client()

    def _world(self, role: Any, environ: dict[str, str]) -> World:
        world = build_world(parse_settings(filter_environment(role, environ)), self.redis, role)
        world.raise_faults = True
        return world

    def send(self, secret: str, **payload: Any) -> int:
        """Send a webhook; returns the status of the response."""
        body = json.dumps({"id": str(time.time_ns()), "ticket": TICKET, "at": time.time(), **payload}).encode()
        return self.web.post("/webhooks/jot", data=body, headers={"Jot-Signature": signature(body, secret)}).status_code

    def work(self) -> None:
        """Run the processes until the queues are empty."""
        dispatch(self.redis, "clock", 10)
        self._drive()
        for _ in range(20):
            for run_id in (waiting := self.worker.runs.list_unfinished()):
                worlds.install(self.agent)
                advance_run(run_id)
                self._drive()
            if not waiting:
                return
        raise AssertionError("the ticket comes to no end")

    def _drive(self) -> None:
        worlds.install(self.worker)
        drive(TICKET)

    def transcripts(self) -> dict[str, list[Entry]]:
        """The entries of every run, by its role."""
        runs = self.worker.runs
        return {i.rsplit("-")[-1]: [e for _, e in runs.transcript(i)] for i in runs.list_runs(TICKET)}


@pytest.fixture
def environ(tmp_path: Path, settings: Settings, request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Settings of a Loopline on Jot, the toy runners and GitHub, whose policy names the parametrised maker's runner."""
    stack, shop, file = Stack(tmp_path / "stack", 1), tmp_path / "shop", tmp_path / "board.json"
    create(file, "jot-token")
    shop.mkdir()
    (shop / "WORKFLOW.md").write_text(WORKFLOW % getattr(request, "param", "scripted"))
    seed: Any = stack.github_seed()
    seed["repositories"][0]["from_folder"] = str(shop)
    with serve(github.create_app(tmp_path / "github", seed)) as host, installed(tmp_path / "site", JOT, *RUNNERS):
        yield {
            "LOOPLINE_HOME": str(settings.home),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "LOOPLINE_TEAMS": json.dumps({"JOT": {"repository": REPOSITORY}}),
            "LOOPLINE_TRACKER": "jot",
            "LOOPLINE_RUNNER": "scripted",
            "LOOPLINE_MORE_RUNNERS": "shell",
            "JOT_FILE": str(file),
            "JOT_TOKEN": "jot-token",
            "JOT_WEBHOOK_SECRETS": "jot-signing-secret",
            "GITHUB_API_URL": host.url,
            "GITHUB_TOKEN": stack.tokens["github_bot"],
            "GITHUB_WEBHOOK_SECRETS": "github-secret",
        }


@pytest.mark.parametrize(
    ("environ", "model"), [("scripted", "script-1"), ("shell", "shell-1")], indirect=["environ"], ids=["tools", "shell"]
)
def test_toy_providers_drive_a_signed_webhook_to_a_pull_request(
    environ: dict[str, str], model: str, redis: Redis
) -> None:
    create_consumer_group(redis)
    office = Office(environ, redis)
    office.board.write(TICKET, "Greet people", DESCRIPTION)
    office.board.move(office.board.fetch(TICKET), "Agent")

    assert office.send("another secret", event="moved") == 401
    assert office.send("jot-signing-secret", event="moved") == 200
    assert office.web.post("/webhooks/linear").status_code == 404
    office.work()

    ticket = office.board.fetch(TICKET)
    host = office.worker.code_host
    (link,) = [one for one in office.board.attachments(TICKET) if "/pull/" in one.url]
    opened = host.fetch_pull_request(REPOSITORY, int(link.url.rpartition("/")[2]))
    assert (ticket.column, opened.state, opened.title) == ("In Review", "open", "JOT-1: Greet people")
    mirror = office.worker.mirror(REPOSITORY)
    assert (mirror.read(opened.head_sha, "GREETING.md") or "").strip() == f"Hello from {model}"
    assert office.transcripts().keys() == {"preflight", "scout", "maker", "gate", "judge", "checker"}


def test_toy_secrets_are_visible_to_the_processes_that_need_them(environ: dict[str, str]) -> None:
    def seen(role: Role) -> set[str]:
        return {name for name in filter_environment(role, environ) if name.startswith("JOT_")} - {"JOT_FILE"}

    assert (seen("web"), seen("worker"), seen("agent")) == ({"JOT_WEBHOOK_SECRETS"}, {"JOT_TOKEN"}, set())
    assert [find_problems(role, environ) for role in ("web", "worker", "agent", "clock", "up")] == [[]] * 5


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"JOT_TOKEN": ""}, "JOT_TOKEN is empty; tickets cannot be read without it."),
        ({"JOT_WEBHOOK_SECRETS": ""}, "JOT_WEBHOOK_SECRETS is empty; webhooks cannot be verified without it."),
        ({"JOT_TOKN": "x"}, "Unknown setting JOT_TOKN. Did you mean JOT_TOKEN?"),
        ({"LOOPLINE_TRACKER": "jto"}, "there is no tracker 'jto'; the known ones are: linear, jot."),
        ({"LOOPLINE_MORE_RUNNERS": "jot"}, "there is no runner 'jot'; the known ones are: anthropic, scripted, shell."),
    ],
)
def test_toy_settings_report_problems_in_one_sentence(
    environ: dict[str, str], changes: dict[str, str], sentence: str
) -> None:
    (problem,) = find_problems("up", environ | changes)
    assert problem.endswith(sentence)


def test_toy_settings_are_in_the_example(environ: dict[str, str]) -> None:
    assert "# --- jot (tracker) ---" in render_env_example() and "\n# JOT_FILE=\n" in render_env_example()


def test_runner_that_is_not_configured_is_refused_before_any_work(environ: dict[str, str], redis: Redis) -> None:
    world = build_world(parse_settings(environ), redis, "agent")
    assert world.runner("shell") is not world.runner()
    with pytest.raises(Rejected, match="anthropic"):
        world.runner("anthropic")


def test_provider_that_cannot_be_loaded_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with installed(tmp_path, "no.such.module:NONE"):
        (problem,) = find_problems("up", {})
    assert problem == "The provider none (no.such.module:NONE) cannot be loaded: No module named 'no'."


@pytest.mark.parametrize("code", ["x = (", "raise RuntimeError('a\\nb')", "1 / 0", "BROKEN = 3"])
def test_provider_with_broken_code_is_reported_in_one_sentence(
    tmp_path: Path, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_provider.py").write_text(f"{code}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with installed(tmp_path, "broken_provider:BROKEN"):
        (problem,) = find_problems("up", {})
        assert main(["settings"]) == 2
    assert problem.startswith("The provider broken (broken_provider:BROKEN) ")
    assert problem.isprintable()
    sys.modules.pop("broken_provider", None)


@pytest.mark.parametrize("value", [JOT, "integrations.trackers.linear.provider:LINEAR"])
def test_provider_names_are_unique(tmp_path: Path, value: str) -> None:
    with installed(tmp_path, JOT, value), pytest.raises(Rejected, match=r"two providers have the name (jot|linear)"):
        registry.find_provider(TrackerProvider, "linear")


def test_provider_of_an_installed_package_is_found(tmp_path: Path) -> None:
    install(tmp_path, *RUNNERS)
    code = "from integrations.registry import providers; print(*(provider.name for provider in providers()))"
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, env=environ, capture_output=True, text=True)
    assert ran.stdout.split() == ["linear", "github", "anthropic", "scripted", "shell"], ran.stderr


def test_provider_default_is_built_in(environ: dict[str, str]) -> None:
    assert (registry.default_name(TrackerProvider), registry.default_name(RunnerProvider)) == ("linear", "anthropic")
