"""Going live from an empty folder with `loopline init`, then the first ticket, against stand-ins as new workspaces."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.standins.demo.stack import DEMO_REPOSITORY, DEMO_TICKETS
from integrations.standins.github import server as github
from integrations.standins.linear import server as linear
from integrations.standins.model import server as model
from integrations.standins.wire import serve
from jobs.config.env_file import read_env_file
from tests.service.conftest import free_port, until
from tests.support.checkout import REPOSITORY

KEY, TOKEN = "lin_api_of_the_admin", "ghp_of_the_admin"
STATES = (("Backlog", "backlog"), ("Todo", "unstarted"), ("In Progress", "started"), ("Done", "completed"))


@dataclass
class World:
    """New workspaces, and the folder in which Loopline is set up."""

    folder: Path
    board: linear.LinearApp
    host: github.GitHub
    urls: Mapping[str, str]
    ports: tuple[int, int]

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def environ(self) -> dict[str, str]:
        """Only what stands for the internet: the addresses of the providers."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "PYTHONPATH": str(REPOSITORY),
            "LINEAR_API_URL": f"{self.urls['linear']}/graphql",
            "GITHUB_API_URL": self.urls["github"],
            "ANTHROPIC_BASE_URL": self.urls["model"],
            "LOOPLINE_WEB_BIND": f"127.0.0.1:{self.ports[0]}",
            "LOOPLINE_DASHBOARD_BIND": f"127.0.0.1:{self.ports[1]}",
        }

    def loopline(self, *arguments: str, answers: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ | more,
            input=answers,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def settings(self) -> dict[str, str]:
        return read_env_file(self.folder / ".env")

    def pull_requests(self, token: str = TOKEN) -> Any:
        where = f"{self.urls['github']}/repos/acme/tally/pulls"
        return requests.get(where, headers={"Authorization": f"Bearer {token}"}, timeout=10).json()


@contextmanager
def new_world(folder: Path, *, admin: bool = True) -> Iterator[World]:
    shop = folder / "shop"
    shutil.copytree(DEMO_REPOSITORY, shop)
    (shop / "WORKFLOW.md").unlink()
    (folder / "here").mkdir()
    team = {"key": "ENG", "name": "Engineering", "states": [{"name": name, "type": kind} for name, kind in STATES]}
    board = {
        "users": [
            {"name": "Ana Flores", "email": "ana@acme.test", "admin": True, "token": "lin_api_ana"},
            {"name": "Loop", "email": "loop@acme.test", "app": not admin, "admin": admin, "token": KEY},
        ],
        "teams": [team, {**team, "key": "OPS", "name": "Operations"}],
        "issues": [{"team": "ENG", "state": "Todo", **json.loads(DEMO_TICKETS.read_text())[0]}],
    }
    people = [("loop", TOKEN), ("ana", "ghp_ana_ana")]
    users = [
        {
            "login": login,
            "email": f"{login}@acme.test",
            "token": token,
            "permissions": {"acme/tally": "admin", "acme/x": "admin"},
        }
        for login, token in people
    ]
    host = {"users": users, "repositories": [{"name": "acme/tally", "from_folder": str(shop)}, {"name": "acme/x"}]}
    board_app, host_app = linear.create_app(folder / "linear", board), github.create_app(folder / "github", host)
    with (
        closing(serve(board_app)) as tracker,
        closing(serve(host_app)) as code_host,
        closing(serve(model.create_app(folder / "model"))) as mind,
    ):
        urls = {"linear": tracker.url, "github": code_host.url, "model": mind.url}
        yield World(folder / "here", board_app, host_app, urls, (free_port(), free_port()))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with new_world(tmp_path) as made:
        yield made


@pytest.mark.long
@pytest.mark.timeout(500)
def test_init_sets_everything_up_with_eight_answers(world: World) -> None:
    answers = [world.public_url, KEY, "1", "y", TOKEN, "acme/tally", "y", "sk-ant-of-the-team"]
    ended = world.loopline("init", answers="\n".join(answers) + "\n")
    assert ended.returncode == 1, ended.stdout + ended.stderr  # until the pull request is merged
    assert "✓ Linear, webhook: ENG is sent to" in ended.stdout and "✓ webhook" in ended.stdout
    (problem,) = [line for line in ended.stdout.splitlines() if line.startswith("✗")]
    assert problem.startswith("✗ WORKFLOW.md of acme/tally: there is none on the default branch")
    settings = world.settings()
    assert stat.S_IMODE((world.folder / ".env").stat().st_mode) == 0o600
    assert json.loads(settings["LOOPLINE_TEAMS"]) == {"ENG": {"repository": "acme/tally"}}
    assert settings["LINEAR_API_KEY"] == KEY and settings["GITHUB_TOKEN"] == TOKEN
    (hook,) = world.board.store.rows("Webhook")
    assert (hook["url"], hook["secret"]) == (f"{world.public_url}/webhooks/linear", settings["LINEAR_WEBHOOK_SECRETS"])
    columns = [row["name"] for row in world.board.store.rows("WorkflowState")]
    assert {"Agent", "In Review", "Needs Human"} <= set(columns) and len(columns) == 11
    (pull,) = world.pull_requests()
    assert pull["title"] == "Add WORKFLOW.md for Loopline" and "Python" in pull["body"]
    assert (
        "✓ tests: python3 -m unittest -q" in ended.stdout
        and "The setup and the checks were run on main (" in pull["body"]
    )

    merge = f"{world.urls['github']}/repos/acme/tally/pulls/1/merge"
    requests.put(merge, json={}, headers={"Authorization": "Bearer ghp_ana_ana"}, timeout=10).raise_for_status()
    again = world.loopline("init", answers="")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "\nNo problems found." in again.stdout and len(world.board.store.rows("Webhook")) == 1
    assert world.settings() == settings
    bring_a_ticket_to_review(world)


def bring_a_ticket_to_review(world: World) -> None:
    """Start the service in the folder, drag the card, and wait for the pull request."""
    command = [sys.executable, "-m", "service", "up"]
    with (world.folder / "up.log").open("wb") as log:
        service = subprocess.Popen(command, cwd=world.folder, env=world.environ, stdout=log, stderr=log)
    try:
        until(lambda: is_ready(world), 200)
        (agent,) = [
            row["id"]
            for row in world.board.store.rows("WorkflowState")
            if row["name"] == "Agent" and world.board.store.get("Team", row["teamId"])["key"] == "ENG"  # type: ignore[index]
        ]
        move = {"query": 'mutation($s: String!) { issueUpdate(id: "ENG-1", input: {stateId: $s}) { success } }'}
        answer = requests.post(
            f"{world.urls['linear']}/graphql",
            json={**move, "variables": {"s": agent}},
            headers={"Authorization": "lin_api_ana"},
            timeout=10,
        )
        assert answer.json()["data"]["issueUpdate"]["success"], answer.text
        until(lambda: [pull for pull in world.pull_requests() if pull["title"].startswith("ENG-1")], 200)
        found = world.loopline("doctor", "--json")
        texts = {one["subject"]: one["text"] for one in json.loads(found.stdout)["findings"]}
        assert re.match(r"[1-9]\d* in the last hour", texts["Deliveries of linear"])
        assert re.match(r"[1-9]\d* in the last hour", texts["Deliveries of github"])
    finally:
        service.terminate()
        service.wait(40)


def is_ready(world: World) -> bool:
    try:
        return requests.get(f"{world.public_url}/readyz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def test_init_with_yes_takes_options_and_environment(world: World) -> None:
    (world.folder / ".env").write_text("# Ours\nLOOPLINE_MAX_COST_USD=2\nLINEAR_API_KEY=\n")
    options = ["--yes", "--public-url", world.public_url, "--team", "OPS", "--repository", "acme/tally"]
    credentials = {"LINEAR_API_KEY": KEY, "GITHUB_TOKEN": TOKEN, "ANTHROPIC_API_KEY": "sk-ant-of-the-team"}
    ended = world.loopline("init", *options, **credentials)
    assert "✓ Linear, webhook: OPS" in ended.stdout, ended.stdout + ended.stderr
    text = (world.folder / ".env").read_text()
    assert text.startswith(f"# Ours\nLOOPLINE_MAX_COST_USD=2\nLINEAR_API_KEY={KEY}\n")
    assert 'LOOPLINE_TEAMS=\'{"OPS": {"repository": "acme/tally"}}\'' in text


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], "Give --public-url https://<your host>."),
        (["--public-url", "loop.acme.test"], "--public-url cannot be used: it is no address; write https://"),
        (["--public-url", "http://loop.acme.test"], "it is an address without TLS"),
        (
            ["--public-url", "https://127.0.0.1:9"],
            "LINEAR_API_KEY, LINEAR_ACCESS_TOKEN and LINEAR_CLIENT_ID are all empty",
        ),
    ],
)
def test_init_with_yes_names_what_is_missing(world: World, options: list[str], found: str) -> None:
    ended = world.loopline("init", "--yes", *options)
    assert ended.returncode == 1 and found in ended.stderr and "Traceback" not in ended.stderr
    assert ended.stderr.endswith("A further loopline init continues here.\n")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("LOOPLINE_TEAMS={ENG:{repository:acme/shop}}", "LOOPLINE_TEAMS cannot be used; correct it or remove it"),
        ("LINEAR_API_KEY=<lin_api_x>", "LINEAR_API_KEY cannot be used; run loopline doctor, and correct it"),
        ("no setting", "has no NAME=value in line 1"),
    ],
)
def test_init_names_a_line_of_the_file_that_cannot_be_used(world: World, line: str, found: str) -> None:
    (world.folder / ".env").write_text(f"{line}\n")
    credentials = {} if "API_KEY" in line else {"LINEAR_API_KEY": KEY}
    ended = world.loopline("init", "--yes", "--public-url", world.public_url, **credentials)
    assert ended.returncode in (1, 2) and found in ended.stderr and "Traceback" not in ended.stderr


def test_init_continues_after_an_interrupt_without_asking_again(world: World) -> None:
    first = world.loopline("init", answers=f"{world.public_url}\nlin_api_wrong\nnonsense\n{KEY}\n")
    assert "Linear refused the credential" in first.stdout and "it is no key of Linear" in first.stdout
    assert first.returncode == 1 and "The input ended before the set-up did" in first.stderr
    assert world.settings()["LINEAR_API_KEY"] == KEY
    second = world.loopline("init", answers=f"{world.public_url}\n2\n")
    assert "Linear API key" not in second.stdout and "Create in the team OPS" in second.stdout


def test_init_without_admin_rights_names_the_page(tmp_path: Path) -> None:
    with new_world(tmp_path, admin=False) as world:
        ended = world.loopline("init", answers=f"{world.public_url}\n{KEY}\n1\ny\n")
    assert ended.returncode == 1
    assert "You don't have permission to edit the workflow of this team" in ended.stderr
    assert "Do it by hand in Linear, Settings → Teams" in ended.stderr


def test_init_changes_nothing_with_its_option(world: World) -> None:
    options = ["--no-changes", "--yes", "--public-url", world.public_url, "--team", "ENG", "--repository", "acme/tally"]
    credentials = {"LINEAR_API_KEY": KEY, "GITHUB_TOKEN": TOKEN, "ANTHROPIC_API_KEY": "sk-ant-of-the-team"}
    ended = world.loopline("init", *options, **credentials)
    assert "! left to you: Create in the team ENG: the column Agent" in ended.stdout
    assert not world.board.store.rows("Webhook") and not world.pull_requests()


def test_init_creates_an_app_by_manifest(world: World) -> None:
    command = [sys.executable, "-m", "service", "init", "--team", "ENG", "--public-url", world.public_url]
    environ = world.environ | {"LINEAR_API_KEY": KEY, "ANTHROPIC_API_KEY": "sk-ant-of-the-team"}
    process = subprocess.Popen(
        command,
        cwd=world.folder,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(90, process.kill)
    watchdog.start()
    assert process.stdin and process.stdout
    process.stdin.write("y\napp\n")
    process.stdin.flush()
    shown = ""
    while not (found := re.search(r"Open (http://127\.0\.0\.1:\d+) in", shown)):
        shown += process.stdout.readline()
    page = requests.get(found[1], timeout=10).text
    action, manifest = re.findall(r'(?:action|value)="([^"]*)"', page)
    form = {"manifest": manifest.replace("&quot;", '"')}
    assert requests.post(action.replace("&amp;", "&"), data=form, timeout=10).ok
    until(lambda: world.host.hub.seed.apps)  # the code is exchanged after the browser has its answer
    (app,) = world.host.hub.seed.apps
    requests.post(f"{world.urls['github']}/apps/{app.slug}/installations/new", timeout=10).raise_for_status()
    rest, _ = process.communicate("\n1\ny\n")
    watchdog.cancel()
    assert "✓ github: signed in as the App loopline-" in rest, shown + rest
    assert "✓ GitHub, acme/tally: the App has all permissions" in rest
    key = world.folder / "github-app.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and world.settings()["GITHUB_APP_PRIVATE_KEY_FILE"] == str(key)
    assert world.settings()["GITHUB_WEBHOOK_SECRETS"] == app.webhook_secret
