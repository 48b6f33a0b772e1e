"""Loopline's command line as a process, and settings that are enough for it."""

from __future__ import annotations

import subprocess
import sys

from tests.support.checkout import REPOSITORY

ENOUGH = {
    "LOOPLINE_TEAMS": '{"ENG": {"repository": "acme/shop"}}',
    "LINEAR_API_KEY": "lin_api_hush",
    "LINEAR_WEBHOOK_SECRETS": "lin_wh_hush_hush",
    "LINEAR_API_URL": "http://127.0.0.1:9/graphql",
    "GITHUB_TOKEN": "ghp_hush",
    "GITHUB_WEBHOOK_SECRETS": "gh_wh_hush_hush",
    "GITHUB_API_URL": "http://127.0.0.1:9",
    "ANTHROPIC_API_KEY": "sk-ant-hush",
    "PATH": "/usr/bin:/bin",
}


def loopline(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, env=environ, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
