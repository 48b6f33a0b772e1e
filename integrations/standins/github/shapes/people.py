"""Shapes of people, bots, owners, and the Apps that act for them."""

from __future__ import annotations

import zlib
from typing import Any

from integrations.standins.github.records import Pull
from integrations.standins.github.seed import FIRST_COMMIT, App, Installation, Role
from integrations.standins.github.shapes.view import View, links, node_id

DATES = dict.fromkeys(("created_at", "updated_at"), FIRST_COMMIT)


# The links of a person, as in `repositories.LINKS`.
USER_LINKS = """
    followers:/followers subscriptions:/subscriptions repos:/repos received_events:/received_events
    organizations:/orgs following:/following{/other_user} gists:/gists{/gist_id} starred:/starred{/owner}{/repo}
    events:/events{/privacy}
"""


def account_id(login: str) -> int:
    """The id of a person, a bot or an owner."""
    return zlib.crc32(login.encode())


def user(view: View, login: str) -> dict[str, Any]:
    """`simple-user`; `type` is User, Bot or Organization."""
    id, url = account_id(login), f"{view.base}/users/{login}"
    kind = "User" if view.hub.user(login) else "Bot" if login.endswith("[bot]") else "Organization"
    return {
        "login": login,
        "id": id,
        "node_id": node_id("U", id),
        "avatar_url": f"{view.base}/avatars/u/{id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{view.base}/{login}",
        **links(url, USER_LINKS),
        "type": kind,
        "site_admin": False,
    }


def permissions_of(role: Role) -> dict[str, bool]:
    """`permissions` of a person with this role."""
    writes, administers = role in ("write", "admin"), role == "admin"
    more = {**dict.fromkeys(("triage", "push"), writes), **dict.fromkeys(("maintain", "admin"), administers)}
    return {"pull": role != "none", **more}


def collaborator_permission(view: View, login: str, role: Role) -> dict[str, Any]:
    """`repository-collaborator-permission`."""
    shown = {**user(view, login), "permissions": permissions_of(role), "role_name": role}
    return {"permission": role, "role_name": role, "user": shown}


def association(view: View, pull: Pull, login: str) -> str:
    """`author_association`: the relation of an author to the repository."""
    if login == pull.repository.split("/")[0]:
        return "OWNER"
    seeded = view.hub.user(login)
    if seeded and seeded.permissions.get(pull.repository, "none") != "none":
        return "MEMBER"
    return "CONTRIBUTOR" if view.hub.app_of_bot(login) else "NONE"


def app(view: View, one: App) -> dict[str, Any]:
    """`integration`."""
    account = one.installations[0].account if one.installations else one.slug
    return {
        "id": one.id,
        "slug": one.slug,
        "node_id": node_id("A", one.id),
        "owner": user(view, account),
        "name": one.name or one.slug,
        "description": "",
        "external_url": view.base,
        "html_url": f"{view.base}/apps/{one.slug}",
        **DATES,
        "permissions": dict(one.permissions),
        "events": list(one.events),
    }


def installation(view: View, one: App, installed: Installation) -> dict[str, Any]:
    """`installation`."""
    account = user(view, installed.account)
    return {
        "id": installed.id,
        "account": account,
        "access_tokens_url": f"{view.base}/app/installations/{installed.id}/access_tokens",
        "repositories_url": f"{view.base}/installation/repositories",
        "html_url": f"{view.base}/settings/installations/{installed.id}",
        "app_id": one.id,
        "app_slug": one.slug,
        "target_id": account["id"],
        "target_type": account["type"],
        "repository_selection": "selected",
        "permissions": dict(installed.permissions),
        "events": list(one.events),
        **DATES,
        **dict.fromkeys(("single_file_name", "suspended_by", "suspended_at")),
    }
