"""`loopline workflow check` and `loopline workflow schema`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.loopline import loopline
from tests.support.checkout import REPOSITORY

PATH = {"PATH": "/usr/bin:/bin"}
WRONG = (
    "---\nserver: {port: 1}\nloop:\n  checks:\n    - {name: t, run: make, minuts: 3}\n  atempts: 3\n---\nBe brief.\n"
)


def test_workflow_check_names_file_line_and_nearest_key(tmp_path: Path) -> None:
    file = tmp_path / "WORKFLOW.md"
    file.write_text(WRONG)
    ended = loopline("service", "workflow", "check", str(file), **PATH)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.splitlines() == [
        f"{file}:5: error: loop.checks.0.minuts: it is an unknown key; the nearest one is minutes.",
        f"{file}:6: error: loop.atempts: it is an unknown key; the nearest one is attempts.",
    ]


def test_workflow_check_of_a_usable_file_prints_its_warnings(tmp_path: Path) -> None:
    file = tmp_path / "WORKFLOW.md"
    file.write_text(WRONG.replace("minuts", "minutes").replace("atempts", "attempts") + "{{ issue.mood }}\n")
    ended = loopline("service", "workflow", "check", str(tmp_path), **PATH)
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        f"{tmp_path}:2: warning: server: it has no meaning here and is ignored.",
        f"{tmp_path}:9: warning: The variable issue.mood is unknown, so it stays as written.",
        f"{tmp_path} can be used; checks: 1, warnings: 2.",
    ]


@pytest.mark.parametrize(
    ("content", "code", "printed"),
    [
        (b"---\nloop: [\n---\n", 1, "standard input:3: error: the line is not YAML"),
        (b"---\nloop:\n", 1, "standard input:1: error: the line begins front matter that has no end; add a line ---."),
        (b"---\nok: 1\n---\n\xff", 1, "standard input:4: error: the file is not UTF-8 text; save it as UTF-8."),
        (b"", 0, "standard input can be used; checks: 0, warnings: 0.\nWithout loop.checks, each ticket waits"),
        (b"---\n---\n" + b"x" * 70_000, 1, "standard input:1: error: the text below the front matter: "),
    ],
)
def test_workflow_check_reads_standard_input(content: bytes, code: int, printed: str) -> None:
    command = [sys.executable, "-m", "service", "workflow", "check", "-"]
    ended = subprocess.run(command, input=content, cwd=REPOSITORY, env=PATH, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (code, b"")
    assert ended.stdout.decode().startswith(printed)


def test_workflow_check_without_a_file_is_one_sentence() -> None:
    ended = loopline("service", "workflow", "check", "/nowhere/WORKFLOW.md", **PATH)
    assert ended.returncode == 2
    assert ended.stderr == "/nowhere/WORKFLOW.md cannot be read (No such file or directory); name a WORKFLOW.md.\n"


def test_workflow_schema_is_json() -> None:
    ended = loopline("service", "workflow", "schema", **PATH)
    assert json.loads(ended.stdout)["properties"]["loop"] and not ended.stderr
