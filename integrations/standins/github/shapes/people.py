"""Shapes of people, bots and owners."""

from __future__ import annotations

from typing import Any

from integrations.standins.github.records import Pull
from integrations.standins.github.seed import FIRST_COMMIT, ROLES, Role
from integrations.standins.github.shapes.view import View, node_id

# GitHub's `permission` knows four words, `role_name` all of them.
PERMISSION_OF_ROLE = {"maintain": "write", "triage": "read"}


def user(view: View, login: str, kind: str = "") -> dict[str, Any]:
    """`simple-user`; `kind` is User, Bot or Organization and found out when empty."""
    id = view.hub.account_id(login)
    url = f"{view.base}/users/{login}"
    return {
        "login": login,
        "id": id,
        "node_id": node_id("U", id),
        "avatar_url": f"{view.base}/avatars/u/{id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{view.base}/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": kind or _kind(view, login),
        "site_admin": False,
    }


def _kind(view: View, login: str) -> str:
    if view.hub.user(login):
        return "User"
    return "Bot" if login.endswith("[bot]") else "Organization"


def organization(view: View, login: str) -> dict[str, Any]:
    """`organization-simple-webhooks`."""
    url = f"{view.base}/orgs/{login}"
    id = view.hub.account_id(login)
    return {
        "login": login,
        "id": id,
        "node_id": node_id("O", id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{view.base}/avatars/u/{id}",
        "description": "",
    }


def full_user(view: View, login: str) -> dict[str, Any]:
    """`public-user`, which `GET /user` gives to a token without the `user` scope."""
    seeded = view.hub.user(login)
    return {
        **user(view, login),
        "user_view_type": "public",
        "name": (seeded.name if seeded else "") or None,
        "company": None,
        "blog": "",
        "location": None,
        "email": (seeded.email if seeded else "") or None,
        "hireable": None,
        "bio": None,
        "twitter_username": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": FIRST_COMMIT,
        "updated_at": FIRST_COMMIT,
    }


def collaborator_permission(view: View, login: str, role: Role) -> dict[str, Any]:
    """`repository-collaborator-permission`."""
    permissions = {
        word: ROLES.index(role) >= ROLES.index(least)
        for word, least in (
            *(("pull", "read"), ("triage", "triage"), ("push", "write")),
            *(("maintain", "maintain"), ("admin", "admin")),
        )
    }
    return {
        "permission": PERMISSION_OF_ROLE.get(role, role),
        "role_name": role,
        "user": {**user(view, login), "permissions": permissions, "role_name": role},
    }


def association(view: View, pull: Pull, login: str) -> str:
    """`author_association`: what the author of something is to the repository."""
    if login == pull.repository.split("/")[0]:
        return "OWNER"
    seeded = view.hub.user(login)
    if seeded and seeded.permissions.get(pull.repository, "none") != "none":
        return "MEMBER"
    return "CONTRIBUTOR" if view.hub.app_of_bot(login) else "NONE"
