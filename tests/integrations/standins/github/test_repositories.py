from __future__ import annotations

import pytest

from tests.integrations.standins.github.world import SHOP, World


def test_a_repository_says_where_to_clone_it_and_what_the_caller_may_do(github: World) -> None:
    shop = github.person("bob").get(SHOP).json()
    assert shop["clone_url"] == f"{github.url}/acme/shop.git"
    assert (shop["default_branch"], shop["private"]) == ("main", True)
    assert (shop["permissions"]["push"], shop["permissions"]["admin"]) == (True, False)


@pytest.mark.parametrize("token", ["", "ghp_mal"])
def test_a_private_repository_does_not_exist_for_strangers(github: World, token: str) -> None:
    answer = github.caller(token).get(SHOP)
    assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")


def test_a_public_repository_is_there_for_everyone(github: World) -> None:
    assert github.caller().get("/repos/acme/open").json()["permissions"]["pull"]


def test_the_seed_gives_the_same_first_commit_everywhere(github: World) -> None:
    shop = github.person().get(f"{SHOP}/branches/main").json()["commit"]
    other = github.person().get("/repos/acme/open/branches/main").json()["commit"]
    assert shop["sha"] == other["sha"] == "0b6d6d1adae906bd628ee979bb61fe9c14cc7ca4"


def test_a_branch_that_is_not_there_is_404(github: World) -> None:
    answer = github.person().get(f"{SHOP}/branches/none")
    assert (answer.status_code, answer.json()["message"]) == (404, "Branch not found")


def test_a_branch_with_slashes_is_one_branch(github: World) -> None:
    sha = github.push("ada/eng-1/fix")
    assert github.person().get(f"{SHOP}/branches/ada/eng-1/fix").json()["commit"]["sha"] == sha
    for address in ("ref", "refs"):
        assert github.person().get(f"{SHOP}/git/{address}/heads/ada/eng-1/fix").json()["object"]["sha"] == sha


def test_a_deleted_branch_is_gone_once(github: World) -> None:
    github.push("fix")
    address = f"{SHOP}/git/refs/heads/fix"
    assert github.person("bob").delete(address).status_code == 204
    again = github.person("bob").delete(address)
    assert (again.status_code, again.json()["message"]) == (422, "Reference does not exist")
    assert github.last("push")["deleted"]


def test_a_branch_is_not_deleted_by_a_reader_nor_the_default_branch_by_anyone(github: World) -> None:
    github.push("fix")
    assert github.person("eve").delete(f"{SHOP}/git/refs/heads/fix").status_code == 403
    assert github.person("ada").delete(f"{SHOP}/git/refs/heads/main").status_code == 422


@pytest.mark.parametrize(
    ("login", "permission"), [("ada", "admin"), ("bob", "write"), ("eve", "read"), ("mal", "none")]
)
def test_the_permission_of_a_person_is_looked_up(github: World, login: str, permission: str) -> None:
    answer = github.bot().get(f"{SHOP}/collaborators/{login}/permission").json()
    assert (answer["permission"], answer["user"]["login"]) == (permission, login)


def test_nobody_has_no_permission(github: World) -> None:
    assert github.bot().get(f"{SHOP}/collaborators/nobody/permission").status_code == 404
    assert github.person("eve").get(f"{SHOP}/collaborators/ada/permission").status_code == 403
