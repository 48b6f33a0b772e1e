"""Git over HTTP."""

from __future__ import annotations

import os

import pytest

from tests.integrations.standins.github.world import SHOP, World

PUSH = "POST /{owner}/{repo}.git/git-receive-pack"


def exists(github: World, branch: str) -> bool:
    return github.person().get(f"{SHOP}/git/ref/heads/{branch}").status_code == 200


def test_push_is_announced(github: World) -> None:
    old = github.person().get(f"{SHOP}/git/ref/heads/main").json()["object"]["sha"]
    assert old == "0b6d6d1adae906bd628ee979bb61fe9c14cc7ca4"  # the same seed gives the same commit everywhere
    new = github.push("ada/fix")
    created = github.last("push")
    assert (created["ref"], created["before"], created["after"]) == ("refs/heads/ada/fix", "0" * 40, new)
    assert (created["created"], created["pusher"]["name"], created["head_commit"]["id"]) == (True, "ada", new)
    assert [one["id"] for one in created["commits"]] == [new]
    github.git("push", "--quiet", "--force", github.remote(), f"{old}:ada/fix")
    assert github.last("push")["forced"]
    github.git("push", "--quiet", github.remote(), ":ada/fix")
    assert github.last("push")["deleted"] and not exists(github, "ada/fix")


def test_large_push_clone_and_partial_fetch_succeed(github: World) -> None:
    sha = github.push("big", os.urandom(3 << 20).hex(), "big.txt")
    github.git("clone", "--quiet", "--branch", "big", github.remote(), "again")
    assert github.git("-C", "again", "rev-parse", "HEAD").stdout.strip() == sha
    github.git("init", "--quiet", "one")
    github.git("-C", "one", "fetch", "--quiet", "--depth=1", "--filter=blob:none", github.remote(), sha)


@pytest.mark.parametrize("token", ["ghp_eve", "ghp_mal", "ghp_nobody"])
def test_push_needs_write_access(github: World, token: str) -> None:
    assert github.git("push", github.remote(token), "HEAD:refs/heads/fix", check=False).returncode
    assert not exists(github, "fix")


@pytest.mark.parametrize(("credentials", "seen"), [("ghp_eve", True), ("ghp_mal", False), ("", False)])
def test_fetch_needs_read_access(github: World, credentials: str, seen: bool) -> None:
    address = github.remote(credentials) if credentials else f"{github.url}/acme/shop.git"
    assert ("refs/heads/main" in github.git("ls-remote", address, check=False).stdout) is seen
    assert "refs/heads/main" in github.git("ls-remote", f"{github.url}/Acme/OPEN.git").stdout


def test_installation_token_pushes_to_its_repository_only(github: World) -> None:
    write, read = (
        str(github.bot(permissions={"contents": level}).headers["Authorization"]).split()[1]
        for level in ("write", "read")
    )
    github.git("push", "--quiet", github.remote(write), "HEAD:refs/heads/by-app")
    assert github.last("push")["sender"]["login"] == "loopline[bot]"
    for remote in (github.remote(write, "acme/open"), github.remote(read)):
        assert github.git("push", remote, "HEAD:refs/heads/x", check=False).returncode


@pytest.mark.parametrize("refspec", [":refs/heads/main", "HEAD:refs/pull/1/head"])
def test_protected_ref_cannot_be_pushed(github: World, refspec: str) -> None:
    github.pull()
    assert "remote rejected" in github.git("push", github.remote(), refspec, check=False).stderr


def test_push_with_a_stale_lease_is_refused(github: World) -> None:
    old = github.push("fix")
    github.push("fix", "# newer\n")
    lease = f"--force-with-lease=refs/heads/fix:{old}"
    refused = github.git("push", "--porcelain", lease, github.remote(), "main:fix", check=False)
    assert "stale info" in refused.stdout


@pytest.mark.parametrize(("kind", "done"), [("lost_reply", True), ("502", False)])
def test_push_with_a_fault_fails(github: World, kind: str, done: bool) -> None:
    github.fault(operation=PUSH, kind=kind)
    assert github.git("push", github.remote(), "HEAD:refs/heads/fix", check=False).returncode
    assert exists(github, "fix") is done


def test_dumb_protocol_is_refused(github: World) -> None:
    assert github.caller().get("/acme/open.git/info/refs").status_code == 403
