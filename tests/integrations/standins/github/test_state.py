from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from pydantic import ValidationError

from integrations.standins.github.server import create_app
from tests.integrations.standins.github.world import SECRET, SHOP, World, seed


def test_a_restart_forgets_nothing(github: World) -> None:
    github.pull()
    bot = github.bot()
    token = str(bot.headers["Authorization"]).split()[1]
    bot.post(f"{SHOP}/issues/1/comments", json={"body": "Before"})
    github.person().post(f"{SHOP}/pulls/1/reviews", json={"event": "APPROVE"})
    github.heard()
    before = [github.person().get(f"{SHOP}/{path}").text for path in ("pulls", "pulls/1/reviews", "issues/1/comments")]
    old = github.url
    github.restart()
    after = [github.person().get(f"{SHOP}/{path}").text for path in ("pulls", "pulls/1/reviews", "issues/1/comments")]
    assert [text.replace(github.url, old) for text in after] == before
    assert github.caller(token).get(SHOP).status_code == 200
    assert len(github.app_caller().get("/app/hook/deliveries").json()) == 4


def test_ids_go_on_after_a_restart(github: World) -> None:
    first = github.pull("one")
    github.restart()
    second = github.pull("two")
    assert (second["number"], second["id"] > first["id"]) == (2, True)


def test_a_torn_last_line_costs_that_line_alone(github: World) -> None:
    github.pull()
    github.close()
    for name in ("records", "writes"):
        with (github.folder / "home" / f"{name}.jsonl").open("a") as lines:
            lines.write('{"kind": "Pull", "rec')
    github.start()
    assert github.person().get(f"{SHOP}/pulls/1").status_code == 200
    github.person().post(f"{SHOP}/issues/1/comments", json={"body": "After"})
    github.restart()
    assert github.person().get(f"{SHOP}/issues/1/comments").json()[0]["body"] == "After"
    assert len(github.caller().get("/_log").json()) == 3


def test_every_accepted_write_is_logged_and_no_other(github: World) -> None:
    github.pull(by="bob")
    github.person("bob").post(f"{SHOP}/pulls/1/reviews", json={"event": "APPROVE"})
    github.person("eve").put(f"{SHOP}/pulls/1/merge", json={})
    entries = github.caller().get("/_log").json()
    assert [(one["actor"], one["operation"]) for one in entries] == [
        ("ada", "POST /{owner}/{repo}.git/git-receive-pack"),
        ("bob", "POST /repos/{owner}/{repo}/pulls"),
    ]
    assert entries[1]["input"] == {"owner": "acme", "repo": "shop", "title": "Fix add", "head": "fix"} | {
        "base": "main",
        "body": "Why",
    }
    assert entries[1]["result"]["number"] == 1


def test_the_log_holds_no_token(github: World) -> None:
    token = str(github.bot().headers["Authorization"]).split()[1]
    log = (github.folder / "home" / "writes.jsonl").read_text()
    assert "/access_tokens" in log
    assert token not in log


@pytest.mark.parametrize("wrong", [{"people": []}, {"users": [{"name": "x"}]}, {"repositories": [{"name": "../x"}]}])
def test_a_wrong_seed_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        create_app(tmp_path, wrong)


def test_the_process_starts_serves_and_stops(tmp_path: Path, github_without_app: World) -> None:
    (tmp_path / "seed.json").write_text(json.dumps(seed(tmp_path, apps=False)))
    (tmp_path / "secret").write_text(SECRET + "\n")
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "integrations.standins.github",
        "--port",
        str(port),
        "--home",
        str(tmp_path / "own"),
    ]
    command += ["--seed", str(tmp_path / "seed.json"), "--webhook", github_without_app.receiver.url]
    command += ["--webhook-secret-file", str(tmp_path / "secret")]
    with subprocess.Popen(command, env={**os.environ, "GIT_DIR": "/nowhere"}) as process:
        try:
            assert wait_for(f"http://127.0.0.1:{port}/repos/acme/open")["full_name"] == "acme/open"
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, seconds: float = 20.0) -> dict[str, object]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found: dict[str, object] = requests.get(url, timeout=5).json()
            return found
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(f"nothing answers at {url}")
