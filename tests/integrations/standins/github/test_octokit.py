"""GitHub's own JavaScript client, unchanged, against the stand-in."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from integrations.standins.github.webhooks import signature
from tests.integrations.standins.github.world import SECRET, World
from tests.support import npm


def test_octokit_finds_opens_reviews_checks_and_merges(github: World, tmp_path: Path) -> None:
    sha = github.push("fix")
    github.heard()
    vectors = [
        {"secret": SECRET, "raw": one.raw.decode(), "signature": one.headers["X-Hub-Signature-256"]}
        for one in github.receiver.heard
    ]
    vectors.append({"secret": SECRET, "raw": "tampered", "signature": signature(SECRET, b"true")})
    (tmp_path / "node_modules").symlink_to(npm.modules())
    shutil.copy(Path(__file__).with_name("octokit.mjs"), tmp_path)
    (tmp_path / "key.pem").write_text(github.private_key)
    command = [str(npm.NODE), str(tmp_path / "octokit.mjs"), github.url, str(tmp_path / "key.pem"), sha]
    done = subprocess.run(command, input=json.dumps(vectors), capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    saw = json.loads(done.stdout)
    events = saw.pop("events")
    assert saw == {
        "found": [0, 1],
        "check": ["in_progress", "success", "loopline"],
        "said": ["1", "2", "3"],
        "reviews": ["CHANGES_REQUESTED", "APPROVED"],
        "errors": [422, 409],
        "merged": True,
        "verified": [True, False],
    }
    assert {"push", "pull_request", "check_run", "check_suite", "pull_request_review"} <= set(events)
