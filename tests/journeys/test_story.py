from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from integrations.standins.demo.person import Ana
from integrations.standins.demo.stack import ROOT, Stack

from .conftest import free_ports

pytestmark = pytest.mark.timeout(300)
COMMAND = [sys.executable, "-m", "integrations.standins.demo"]


def until(what: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true answer of `what`; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := what():
            return answer
        time.sleep(0.3)
    raise AssertionError(f"nothing came of it within {seconds:.0f} s")


def ends(ticket: dict[str, Any]) -> tuple[Any, ...]:
    return ticket["column"], ticket["merged"], ticket["verdict"]


def test_story_reaches_its_ends_and_leaves_no_process(tmp_path: Path) -> None:
    home = tmp_path / "demo"
    options = ["--once", "--home", str(home), "--port-base", str(free_ports())]
    done = subprocess.run([*COMMAND, *options], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["ok"] is True
    bug, feature, vague = summary["tickets"]
    assert [ends(t) for t in (bug, feature)] == [("Done", True, "done")] * 2
    assert ends(vague) == ("Needs Human", False, "asked")
    assert vague["model_calls"] > 0, "a planner has proposed acceptance criteria"
    assert bug["criteria"]
    first, second = summary["mornings"]
    assert (first["found"], first["duplicates"], first["filed"], first["accepted"], first["rejected"]) == (
        3,
        1,
        2,
        1,
        1,
    )
    assert (second["found"], second["filed"], second["rejected"]) == (1, 0, 1), "what was rejected does not come back"
    assert str(home) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_demo_keeps_a_folder_that_it_did_not_create(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()

    done = subprocess.run([*COMMAND, "--clean", "--home", str(tmp_path / "mine")], cwd=ROOT, check=False)

    assert done.returncode == 2
    assert (tmp_path / "mine" / "precious").exists()


def test_board_in_a_browser_starts_the_work_shows_it_and_takes_requests_for_changes(
    stack: Stack, ana: Ana, browser: Browser
) -> None:
    page = browser.new_page()
    page.goto(stack.urls["board"])
    page.get_by_test_id("card-ENG-1").drag_to(page.get_by_test_id("column-Agent"))
    expect(page.get_by_test_id("column-In Review").get_by_test_id("card-ENG-1")).to_be_visible(timeout=120_000)

    page.get_by_test_id("card-ENG-1").click()

    comments = page.get_by_test_id("comment")
    expect(comments.filter(has_text="Verdict: done")).to_be_visible(timeout=20_000)
    expect(comments.filter(has_text="Ready for review")).to_be_visible(timeout=20_000)
    expect(page.get_by_test_id("attachment").filter(has_text="ENG-1")).to_have_count(1)

    (before,) = ana.pull_requests().values()
    ana.say("ENG-1", "/changes please name the remainder in the docstring")
    until(lambda: any("revision 1" in c["body"] for c in ana.board()["ENG-1"]["comments"]))
    until(lambda: ana.board()["ENG-1"]["column"] in {"In Review", "Needs Human"}, 120)

    (after,) = ana.pull_requests().values()
    assert after["number"] == before["number"]


def test_stop_stops_the_agent_within_seconds_and_keeps_the_worktree(stack: Stack, ana: Ana) -> None:
    ana.drag("ENG-2", "Agent")
    runs = stack.home / "service" / "runs" / "ENG-2"
    until(lambda: list(runs.glob("*-maker")))
    asked = time.monotonic()
    ana.say("ENG-2", "/stop")

    until(lambda: any("**Stopped:**" in c["body"] for c in ana.board()["ENG-2"]["comments"]), 20)

    assert time.monotonic() - asked < 10
    assert list(runs.glob("*-maker"))
