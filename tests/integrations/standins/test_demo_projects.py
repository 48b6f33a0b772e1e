"""The projects of `infra/demo --projects`: the command itself installs from real registries and takes a minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from integrations.environments.inputs import choose_inputs
from integrations.standins.demo.projects import PROJECTS
from integrations.standins.demo.stack import ROOT, Project
from integrations.standins.model.playbooks.projects import FIXES
from jobs.loop.policy import read_policy


def read_titles(project: Project) -> list[str]:
    return [ticket["title"] for ticket in json.loads(project.tickets.read_text())]


def test_project_tickets_have_a_fix_that_applies_after_those_before_it() -> None:
    titles = [title for project in PROJECTS for title in read_titles(project)]
    assert titles == [fix.title for fix in FIXES]
    for project in PROJECTS:
        texts: dict[str, str] = {}
        for fix in (fix for fix in FIXES if fix.title in read_titles(project)):
            text = texts.get(fix.path) or (project.folder / fix.path).read_text()
            assert text.count(fix.old) == 1, fix.title
            texts[fix.path] = text.replace(fix.old, fix.new)


@pytest.mark.parametrize(
    ("project", "inputs"), [(PROJECTS[0], ["package-lock.json"]), (PROJECTS[1], ["requirements.txt"])]
)
def test_project_policy_installs_from_the_registries_by_its_lock_file(project: Project, inputs: list[str]) -> None:
    policy = read_policy((project.folder / "WORKFLOW.md").read_text(), "WORKFLOW.md")
    paths = [str(path.relative_to(project.folder)) for path in project.folder.rglob("*") if path.is_file()]

    assert policy.loop.environment.network == ("registries",) and policy.setup_commands()
    assert choose_inputs(paths, policy.loop.environment.inputs) == inputs
    assert not any("resolved" in path.read_text() for path in project.folder.glob("package-lock.json"))


def test_demo_of_projects_names_the_tools_that_are_missing(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "integrations.standins.demo",
        "--projects",
        "--once",
        "--home",
        str(tmp_path / "h"),
    ]
    environment = {**os.environ, "PATH": str(tmp_path)}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2 and not (tmp_path / "h").exists()
    assert done.stderr.startswith("The demo of projects needs npm") and "apt-get install npm" in done.stderr
