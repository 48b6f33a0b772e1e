"""GitHub's own JavaScript client, unchanged, against the stand-in."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from integrations.standins.github.webhooks import signature
from tests.integrations.standins.github.world import SECRET, World

PACKAGES = ("octokit@5.0.5", "@octokit/webhooks-methods@6.0.0")
CACHE = Path(tempfile.gettempdir()) / f"loopline-npm-{os.getuid()}"


@pytest.fixture(scope="session")
def modules() -> Path:
    """A `node_modules` with Octokit, installed once a machine."""
    npm, folder = shutil.which("npm"), CACHE / "octokit-5.0.5"
    CACHE.mkdir(mode=0o700, exist_ok=True)
    with (CACHE / "octokit.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if npm is not None and not (folder / "installed").exists():
            folder.mkdir(exist_ok=True)
            command = [npm, "install", "--silent", "--no-package-lock", "--no-save", "--prefix", str(folder), *PACKAGES]
            if not subprocess.run(command, capture_output=True).returncode:
                (folder / "installed").touch()
    if not (folder / "installed").exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("npm cannot install Octokit")
    return folder / "node_modules"


def test_octokit_opens_reviews_checks_and_merges(github: World, modules: Path, tmp_path: Path) -> None:
    sha = github.push("fix")
    github.heard()
    vectors = [
        {"secret": SECRET, "raw": one.raw.decode(), "signature": one.headers["x-hub-signature-256"]}
        for one in github.receiver.all
    ]
    vectors.append({"secret": SECRET, "raw": "tampered", "signature": signature(SECRET, b"true")})
    (tmp_path / "node_modules").symlink_to(modules)
    shutil.copy(Path(__file__).with_name("octokit.mjs"), tmp_path)
    (tmp_path / "key.pem").write_text(github.private_key)
    command = ["node", str(tmp_path / "octokit.mjs"), github.url, str(tmp_path / "key.pem"), sha]
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
    assert {"push", "pull_request", "pull_request_review"} <= set(events)
