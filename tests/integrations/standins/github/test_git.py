"""Git over HTTP."""

from __future__ import annotations

import os

import pytest

from tests.integrations.standins.github.world import SHOP, World


def exists(github: World, branch: str) -> bool:
    return github.person().get(f"{SHOP}/git/ref/heads/{branch}").status_code == 200


def test_push_is_announced(github: World) -> None:
    old = github.person().get(f"{SHOP}/git/ref/heads/main").json()["object"]["sha"]
    assert old == "0b6d6d1adae906bd628ee979bb61fe9c14cc7ca4"  # the same seed gives the same commit everywhere
    new = github.push("ada/fix")
    created = github.last("push")
    assert (created["ref"], created["before"], created["after"]) == ("refs/heads/ada/fix", "0" * 40, new)
    assert (created["created"], created["pusher"]["name"]) == (True, "ada")
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


def test_push_and_fetch_need_access(github: World) -> None:
    write, read = (github.bot(permissions={"contents": level}).token for level in ("write", "read"))
    github.git("push", "--quiet", github.remote(write), "HEAD:refs/heads/by-app")
    assert github.last("push")["sender"]["login"] == "loopline[bot]"
    for remote in (github.remote(read), github.remote(write, "acme/open"), *map(github.remote, ("ghp_eve", "ghp_zoe"))):
        assert github.git("push", remote, "HEAD:refs/heads/x", check=False).returncode
    for remote, seen in ((github.remote("ghp_eve"), True), (github.remote("ghp_mal"), False)):
        assert ("refs/heads/main" in github.git("ls-remote", remote, check=False).stdout) is seen
    assert github.git("ls-remote", f"{github.url}/acme/shop.git", check=False).returncode
    assert "refs/heads/main" in github.git("ls-remote", f"{github.url}/Acme/OPEN.git").stdout
    assert github.caller().get("/acme/open.git/info/refs").status_code == 403  # the protocol without git on the server


def test_protected_ref_and_stale_lease_are_refused(github: World) -> None:
    old = github.pull()["head"]["sha"]
    for refspec in (":refs/heads/main", "HEAD:refs/pull/1/head"):
        assert "remote rejected" in github.git("push", github.remote(), refspec, check=False).stderr
    github.push("fix", "# newer\n")
    lease = f"--force-with-lease=refs/heads/fix:{old}"
    assert "stale info" in github.git("push", "--porcelain", lease, github.remote(), "main:fix", check=False).stdout


@pytest.mark.parametrize(("kind", "done"), [("lost_reply", True), ("502", False)])
def test_push_with_a_fault_fails(github: World, kind: str, done: bool) -> None:
    github.fault(operation="POST /{owner}/{repo}.git/git-receive-pack", kind=kind)
    assert github.git("push", github.remote(), "HEAD:refs/heads/fix", check=False).returncode
    assert exists(github, "fix") is done
