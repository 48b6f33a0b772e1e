from __future__ import annotations

import os

import pytest

from tests.integrations.standins.github.world import SHOP, World

ZEROS = "0" * 40


def test_a_push_is_told(github: World) -> None:
    old = github.person().get(f"{SHOP}/branches/main").json()["commit"]["sha"]
    new = github.push("fix")
    created = github.last("push")
    assert (created["ref"], created["before"], created["after"]) == ("refs/heads/fix", ZEROS, new)
    assert (created["created"], created["pusher"]["name"], created["head_commit"]["id"]) == (True, "ada", new)
    assert [one["id"] for one in created["commits"]] == [new]
    github.git("push", "--quiet", "--force", github.remote(), f"{old}:fix")
    assert github.last("push")["forced"]


def test_whoever_pushed_reads_the_new_state_at_once(github: World) -> None:
    github.pull()
    for number in range(3):
        sha = github.push("fix", f"{number}\n")
        assert github.person().get(f"{SHOP}/pulls/1").json()["head"]["sha"] == sha


def test_a_large_push_and_clone_go_through(github: World) -> None:
    sha = github.push("big", os.urandom(3 << 20).hex(), "big.txt")
    github.git("clone", "--quiet", "--branch", "big", github.remote(), "again")
    assert github.git("-C", "again", "rev-parse", "HEAD").stdout.strip() == sha


def test_a_partial_fetch_of_one_commit_works(github: World) -> None:
    sha = github.push("fix")
    github.git("init", "--quiet", "one")
    github.git("-C", "one", "fetch", "--quiet", "--depth=1", "--filter=blob:none", github.remote(), sha)


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("ghp_eve", "Permission to acme/shop.git denied to eve."),
        ("ghp_mal", "not found"),
        ("ghp_nobody", "Authentication failed"),
    ],
)
def test_only_writers_push(github: World, token: str, words: str) -> None:
    refused = github.git("push", github.remote(token), "HEAD:refs/heads/fix", check=False)
    assert refused.returncode
    assert words in refused.stderr or "403" in refused.stderr
    assert github.person().get(f"{SHOP}/branches/fix").status_code == 404


def test_a_reader_fetches_and_a_stranger_does_not(github: World) -> None:
    assert "refs/heads/main" in github.git("ls-remote", github.remote("ghp_eve")).stdout
    assert github.git("ls-remote", github.remote("ghp_mal"), check=False).returncode
    assert github.git("ls-remote", f"{github.url}/acme/shop.git", check=False).returncode
    assert "refs/heads/main" in github.git("ls-remote", f"{github.url}/acme/open.git").stdout


def test_an_installation_token_pushes_to_its_repository_alone(github: World) -> None:
    token = str(github.bot(permissions={"contents": "write"}).headers["Authorization"]).split()[1]
    github.git("push", "--quiet", github.remote(token), "HEAD:refs/heads/by-app")
    assert github.last("push")["sender"]["login"] == "loopline[bot]"
    assert github.git("push", github.remote(token, "acme/open"), "HEAD:refs/heads/x", check=False).returncode
    reading = str(github.bot(permissions={"contents": "read"}).headers["Authorization"]).split()[1]
    assert github.git("push", github.remote(reading), "HEAD:refs/heads/x", check=False).returncode


def test_an_app_without_workflows_does_not_push_workflows(github: World) -> None:
    github.git("checkout", "--quiet", "-b", "ci")
    (github.work / ".github" / "workflows").mkdir(parents=True)
    (github.work / ".github" / "workflows" / "ci.yml").write_text("on: push\n")
    github.git("add", ".")
    github.git("commit", "--quiet", "-m", "CI")
    token = str(github.bot().headers["Authorization"]).split()[1]
    refused = github.git("push", github.remote(token), "ci", check=False)
    assert "workflow `.github/workflows/ci.yml` without `workflows` permission" in refused.stderr
    assert not github.git("push", github.remote(), "ci").returncode


@pytest.mark.parametrize("refspec", [":refs/heads/main", "HEAD:refs/pull/1/head"])
def test_what_nobody_may_push(github: World, refspec: str) -> None:
    github.pull()
    assert "remote rejected" in github.git("push", github.remote(), refspec, check=False).stderr


def test_a_lease_on_an_old_head_is_refused(github: World) -> None:
    old = github.push("fix")
    github.push("fix", "# newer\n")
    lease = f"--force-with-lease=refs/heads/fix:{old}"
    refused = github.git("push", "--porcelain", lease, github.remote(), "main:fix", check=False)
    assert "stale info" in refused.stdout


def test_an_empty_repository_takes_its_first_push(github: World) -> None:
    github.app.hub.seed.users[0].permissions["acme/empty"] = "write"
    github.git("push", "--quiet", github.remote(repository="acme/empty"), "HEAD:refs/heads/main")
    assert github.person().get("/repos/acme/empty/branches/main").status_code == 200


def test_the_dumb_protocol_is_refused(github: World) -> None:
    assert github.caller().get("/acme/open.git/info/refs").status_code == 403
