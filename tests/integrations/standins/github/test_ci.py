"""The scripted CI: checks at a push, logs on another host, further attempts, and Octokit as their client."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integrations.standins.github.world import SHOP, World
from tests.support import npm

RED: dict[str, Any] = {"name": "build", "conclusions": ["failure", "success"], "log": "AssertionError: 1 != 2"}
SCAN: dict[str, Any] = {"name": "scan", "kind": "check_run", "conclusions": ["failure", "success"]}


def conclusions(github: World, sha: str) -> dict[str, str | None]:
    found = github.bot().get(f"{SHOP}/commits/{sha}/check-runs").json()["check_runs"]
    return {one["name"]: one["conclusion"] for one in found}


def test_ci_runs_at_each_push(github: World) -> None:
    github.script_ci([RED, {"name": "deploy", "branch": "main"}])

    assert conclusions(github, github.push("fix")) == {"build": "failure"}
    names = github.heard()
    assert names.index("check_run.created") < names.index("check_run.completed") < names.index("workflow_run.completed")


@pytest.mark.parametrize(("content", "conclusion"), [("broken = 1\n", "failure"), ("fine = 1\n", "success")])
def test_ci_result_depends_on_a_file_of_the_tree(github: World, content: str, conclusion: str) -> None:
    red = {"name": "build", "file": "calc.py", "contains": "broken", "conclusions": ["failure"]}
    github.script_ci([red, {"name": "build"}])

    assert conclusions(github, github.push("fix", content)) == {"build": conclusion}


def test_ci_check_that_is_pending_ends_with_the_next_script(github: World) -> None:
    github.script_ci([{"name": "build", "conclusions": ["pending"]}])
    sha = github.push("fix")
    assert conclusions(github, sha) == {"build": None}

    github.script_ci([{"name": "build"}], apply="fix")

    assert conclusions(github, sha) == {"build": "success"}


def test_log_is_on_another_host_that_refuses_the_credentials(github: World) -> None:
    github.script_ci([RED])
    sha, bot = github.push("fix"), github.bot()
    job = bot.get(f"{SHOP}/commits/{sha}/check-runs").json()["check_runs"][0]["id"]

    answer = bot.get(f"{SHOP}/actions/jobs/{job}/logs", allow_redirects=False)

    place = answer.headers["Location"]
    assert not place.startswith(github.url)
    refused = requests.get(place, headers={"Authorization": f"Bearer {bot.token}"}, timeout=10)
    assert refused.status_code == 400
    assert "AssertionError" in requests.get(place, timeout=10).text


def test_rerun_needs_the_permission_to_write_actions(github: World) -> None:
    github.script_ci([RED])
    sha = github.push("fix")
    reader = github.bot(permissions={"actions": "read", "checks": "read"})
    job = reader.get(f"{SHOP}/commits/{sha}/check-runs").json()["check_runs"][0]["id"]

    answer = reader.post(f"{SHOP}/actions/jobs/{job}/rerun")

    assert (answer.status_code, answer.headers["X-Accepted-GitHub-Permissions"]) == (403, "actions=write")


def test_page_of_a_pull_request_links_the_log(github: World) -> None:
    github.script_ci([RED])
    github.pull("fix")

    page = requests.get(f"{github.url}/acme/shop/pull/1", timeout=10).text

    (link,) = [part.split('"')[1] for part in page.split("<a ") if ">Log<" in part.split("</a>")[0] + "<"]
    assert "AssertionError" in requests.get(github.url + link, timeout=10).text


def test_octokit_reads_failures_and_starts_them_again(github: World, tmp_path: Path) -> None:
    note = {"path": "calc.py", "message": "wrong sign", "line": 2}
    github.script_ci([{**RED, "annotations": [note]}, SCAN, {"name": "deploy", "kind": "status"}])
    sha = github.push("fix")
    (tmp_path / "node_modules").symlink_to(npm.modules())
    shutil.copy(Path(__file__).with_name("octokit_ci.mjs"), tmp_path)

    command = [str(npm.NODE), str(tmp_path / "octokit_ci.mjs"), github.url, sha]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "before": ["failure", "failure", "success"],
        "runs": [["CI", "failure"]],
        "steps": [
            "Set up job: success",
            "Run actions/checkout@v4: success",
            "Run tests: failure",
            "Complete job: success",
        ],
        "log": True,
        "other": True,
        "notes": ["calc.py:2 wrong sign"],
        "again": ["success", "success", True],
        "attempts": [[1, "failure"], [2, "success"], [3, "success"]],
        "refused": 422,
    }
