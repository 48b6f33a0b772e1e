"""`.env` as the set-up writes it: readable by every command and by a shell, private, with all that was there."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest

from jobs.config.env_file import read_env_file
from service.init.settings_file import merge, quote, write_settings

TEAMS = json.dumps({"ENG": {"repository": "acme/shop", "columns": {"agent": "Robot #1"}}})


def test_settings_file_keeps_comments_order_and_other_lines() -> None:
    before, kept = "# Ours\nLINEAR_API_KEY=", "\n\nLOOPLINE_HOME=/srv  # there\n# LOOPLINE_TEAMS=\n"
    merged = merge(before + kept, {"LINEAR_API_KEY": "lin_api_x", "LOOPLINE_TEAMS": TEAMS})
    assert merged == f"{before}lin_api_x{kept}LOOPLINE_TEAMS='{TEAMS}'\n"


def test_settings_file_is_read_alike_by_loopline_and_a_shell(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    write_settings(file, {"LOOPLINE_TEAMS": TEAMS, "LINEAR_API_KEY": "lin_api_x"})
    assert read_env_file(file) == {"LOOPLINE_TEAMS": TEAMS, "LINEAR_API_KEY": "lin_api_x"}
    script = f'set -a; . {file}; set +a; printf %s "$LOOPLINE_TEAMS"'
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout == TEAMS
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and list(tmp_path.iterdir()) == [file]


def test_settings_file_that_others_can_read_becomes_private(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("LOOPLINE_HOME=/srv\n")
    file.chmod(0o644)
    write_settings(file, {"GITHUB_TOKEN": "ghp_hush"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and "LOOPLINE_HOME=/srv" in file.read_text()


@pytest.mark.parametrize("value", ["it's", "two\nlines"])
def test_settings_file_refuses_a_value_that_cannot_be_quoted(value: str) -> None:
    with pytest.raises(ValueError, match="set it by hand"):
        quote(value)
