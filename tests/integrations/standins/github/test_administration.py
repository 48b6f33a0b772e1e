"""Renames, transfers, archives, locks and removed access, by GitHub's own client and over git."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.integrations.standins.github.world import SHOP, World
from tests.support import npm


def test_administration_by_octokit(github: World, tmp_path: Path) -> None:
    github.push("late", file="late.py")
    sha = github.git("rev-parse", "origin/main").stdout.strip()
    (tmp_path / "node_modules").symlink_to(npm.modules())
    script = shutil.copy(Path(__file__).with_name("administration.mjs"), tmp_path)
    done = subprocess.run(
        [str(npm.NODE), str(script), github.url, sha], capture_output=True, text=True, timeout=100, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "bases": ["main", "release", "stable"],
        "lock": [True, "resolved"],
        "branch": "stable",
        "archived": 403,
        "elsewhere": "beta/store",
        "closed": "closed",
    }


def test_renamed_repository_is_read_under_both_names_and_written_under_the_new_one(github: World) -> None:
    ada, bot = github.person(), github.bot()
    ada.patch(SHOP, json={"name": "store"})

    assert ada.get(SHOP).json()["full_name"] == "acme/store"
    assert bot.get(SHOP).json()["full_name"] == "acme/store"
    assert ada.patch(SHOP, json={"archived": True}, allow_redirects=False).status_code == 307
    assert github.git("ls-remote", github.remote(repository="acme/store")).stdout


def test_rename_survives_a_restart(github: World) -> None:
    github.person().patch(SHOP, json={"name": "store"})
    github.close()
    github.start()

    assert github.person().get("/repos/acme/store").status_code == 200


def test_archived_repository_refuses_pushes(github: World) -> None:
    github.git("checkout", "--quiet", "-b", "late", "origin/main")
    github.person().patch(SHOP, json={"archived": True})

    pushed = github.git("push", github.remote(), "late", check=False)

    assert pushed.returncode and "archived so it is read-only" in pushed.stderr


def test_removed_collaborator_sees_nothing(github: World) -> None:
    github.person().delete(f"{SHOP}/collaborators/bob")

    assert github.person("bob").get(SHOP).status_code == 404


def test_deleted_base_branch_closes_the_pull_request(github: World) -> None:
    ada = github.person()
    github.pull("fix")
    sha = ada.get(f"{SHOP}/git/ref/heads/main").json()["object"]["sha"]
    ada.post(f"{SHOP}/git/refs", json={"ref": "refs/heads/release", "sha": sha})
    ada.patch(f"{SHOP}/pulls/1", json={"base": "release"})
    ada.delete(f"{SHOP}/git/refs/heads/release")

    assert ada.get(f"{SHOP}/pulls/1").json()["state"] == "closed"
