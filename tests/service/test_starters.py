"""The automations that Loopline ships: each can be used, its sources can be read, and a command copies its file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from redis import Redis

from integrations.automation_events import SourcesRead
from integrations.standins.demo.stack import REPOSITORY, TEAM
from jobs.config.settings import Settings
from jobs.effects.automations.context import AutomationContext
from jobs.effects.automations.perform import perform_automation
from jobs.loop.automation import Automation
from jobs.loop.automation_commands import ReadSources
from jobs.loop.automation_file import FOLDER, read_files
from jobs.loop.automation_state import AutomationState
from jobs.runtime.lease import hold
from jobs.store.source_items import SourceItems
from service.starters import add_starter, describe_starters, list_starters
from tests.jobs.board import open_board
from tests.support.checkout import REPOSITORY as REPOSITORY_FOLDER

DAY = 86_400.0
NAMES = ("ci-triage", "dependency-updates", "docs-drift", "flaky-tests", "stale-pull-requests")
FOUND = {
    "ci-triage": {"check", "commit"},
    "dependency-updates": {"advisory"},
    "docs-drift": {"commit"},
    "flaky-tests": {"flaky"},
    "stale-pull-requests": set[str](),
}
"""The kinds of items in a repository with a flaky job that fails now and an advisory, whose pull request is new."""


def read(name: str) -> Automation:
    declared = read_files({f"{FOLDER}/{name}.md": list_starters()[name]}, "acme/tally at main", time.time())
    assert declared.problems == ()
    return declared.automations[0]


def test_starters_are_the_documented_ones_with_a_description() -> None:
    assert tuple(list_starters()) == NAMES
    assert all(len(line) < 120 for line in describe_starters())
    out, err = io.StringIO(), io.StringIO()
    assert add_starter("", Path("/"), out, err) == 0
    assert out.getvalue().splitlines() == describe_starters() and err.getvalue() == ""


@pytest.mark.parametrize("name", NAMES)
def test_starter_can_be_used_and_is_careful(name: str) -> None:
    automation = read(name)
    assert automation.schedule and automation.sources and len(automation.prompt) > 300
    assert (automation.start.policy, automation.into.column) == ("never", "triage")
    assert automation.limits.findings <= 3 and automation.limits.day_usd <= 3


def test_starter_reads_its_sources(tmp_path: Path, redis: Redis, settings: Settings) -> None:
    with open_board(tmp_path, redis, settings) as board:
        url = board.urls["pull_requests"]
        red = {"name": "build", "conclusions": ["failure", "success", "failure"], "log": "E   assert 1 == 2"}
        for _ in range(3):
            script = {"repository": REPOSITORY, "checks": [red], "apply": "main"}
            requests.post(f"{url}/_ci", json=script, timeout=10).raise_for_status()
        alerts = [{"advisory": "GHSA-1", "package": "tar"}]
        requests.post(f"{url}/_sources", json={"repository": REPOSITORY, "alerts": alerts}, timeout=10)
        state = AutomationState(repository=REPOSITORY, team=TEAM, base_branch="main")
        for name in NAMES:
            command = ReadSources(run=name, repository=REPOSITORY, base_branch="main", automation=read(name), since=0.0)
            with hold(redis, state.id) as lease:
                assert lease
                (event,) = perform_automation(command, AutomationContext(name, state, board.world, lease))
            assert isinstance(event, SourcesRead)
            assert (event.problems, event.complete, name) == ((), True, name)
            assert {item.kind for item in SourceItems(redis).read(name)} == FOUND[name]


def test_starter_command_lists_links_to_missing_files(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("[ok](docs/a.md#part) [web](https://acme.test/x) [gone](docs/gone.md)\n")
    (tmp_path / "docs" / "a.md").write_text("\n[up](../README.md), [top](#a) and ![no](img/x.png)\n")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "x.md").write_text("[gone](y.md)\n")
    [source] = [one for one in read("docs-drift").sources if one.kind == "command"]

    def run() -> str:
        done = subprocess.run(["sh", "-c", source.run], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    assert run() == ("README.md:1 links the missing file docs/gone.md\ndocs/a.md:2 links the missing file img/x.png\n")
    (tmp_path / "docs" / "gone.md").touch()
    (tmp_path / "docs" / "img").mkdir()
    (tmp_path / "docs" / "img" / "x.png").touch()
    assert run() == ""


def test_starter_is_copied_into_the_checkout_and_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    out, err = io.StringIO(), io.StringIO()

    assert add_starter("ci-triage", tmp_path / "src", out, err) == 0
    path = tmp_path / FOLDER / "ci-triage.md"
    assert path.read_text() == list_starters()["ci-triage"]
    assert f"Wrote {FOLDER}/ci-triage.md." in out.getvalue()

    path.write_text("changed")
    assert add_starter("ci-triage", tmp_path, out, err) == 2
    assert path.read_text() == "changed"
    assert f"{path} exists and is not changed" in err.getvalue()


def test_starter_that_is_unknown_or_without_a_checkout_names_the_fix(tmp_path: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    assert add_starter("../ci-triage", tmp_path, out, err) == 1
    assert all(name in err.getvalue() for name in NAMES)
    if not any((place / ".git").exists() for place in tmp_path.parents):
        assert add_starter("ci-triage", tmp_path, out, err) == 2
        assert "is in no checkout of a repository: change into one" in err.getvalue()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".loopline").touch()
    assert add_starter("ci-triage", tmp_path, out, err) == 2
    assert "cannot be written" in err.getvalue()


def test_starter_command_needs_no_settings(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    command = [sys.executable, "-m", "service", "automations", "add", "docs-drift"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY_FOLDER)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / FOLDER / "docs-drift.md").is_file()
